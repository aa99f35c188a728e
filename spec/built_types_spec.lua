-- Every type, subtype and encoding that MIME began with, as it is built: what
-- comes back is what went in, whatever the peer takes.
local built = require "spec.support.built"
local mime = require "lunapost.mime"

local octets <const> = ("\0\1\2\r\n\n\r\254\255."):rep(100)
local peers <const> = { "7bit", "8bit", "binary" }

-- The message that carries it, read again.
local function each(part, check)
  for _, peer in ipairs(peers) do
    local whole = built.build { body = part }:render { encoding = peer }
    if peer == "7bit" then assert.is_nil(whole:find "[\128-\255]") end
    local message = mime.parse(whole)
    assert.same({}, message.defects)
    check(message, peer)
  end
end

local function part_of(given)
  return assert(mime.part(given))
end

describe("a part that is built", function()
  for kind in ([[text/plain text/html text/richtext text/enriched
    application/octet-stream application/postscript image/jpeg image/gif
    audio/basic video/mpeg x-any/x-any]]):gmatch "%S+" do
    it("may be " .. kind, function()
      each(part_of { type = kind .. "; a=b", data = octets, name = "x" },
        function(message, peer)
          assert.equal(kind, message.type)
          assert.equal("b", message.parameters.a)
          assert.equal(octets, message:body())
          assert.equal(peer == "binary" and "binary" or "base64",
            message.encoding)
        end)
    end)
  end

  for encoding, data in pairs { ["7bit"] = "seven\r\n", ["8bit"] = "\u{FC}\r\n",
    binary = octets, base64 = octets, ["quoted-printable"] = octets } do
    it("may be " .. encoding, function()
      local part = part_of { type = "application/x", data = data, name = "x",
        encoding = encoding ~= "binary" and encoding or nil }
      local message = mime.parse(part:render { encoding = "binary" })
      assert.equal(encoding, message.encoding)
      assert.equal(data, message:body())
    end)
  end

  for subtype in ([[mixed parallel alternative related report signed
    encrypted x-any]]):gmatch "%S+" do
    it("may be multipart/" .. subtype, function()
      each(assert(mime.multipart(subtype, {
        part_of { type = "text/plain", data = "Gr\u{FC}\u{DF}e" },
        part_of { data = octets, name = "x" }, parameters = { a = "b" } })),
        function(message)
          assert.equal("multipart/" .. subtype, message.type)
          assert.equal("b", message.parameters.a)
          assert.equal("Gr\u{FC}\u{DF}e", message.parts[1]:body())
          assert.equal(octets, message.parts[2]:body())
        end)
    end)
  end

  it("may be multipart/digest of messages", function()
    each(assert(mime.multipart("digest", { built.build { subject = "1" },
      built.build { subject = "2", text = "\u{FC}" } })), function(message)
        for i = 1, 2 do
          assert.equal("message/rfc822", message.parts[i].type)
          assert.equal(tostring(i), message.parts[i].parts[1].subject)
        end
        assert.equal("\u{FC}", message.parts[2].parts[1].text)
      end)
  end)

  it("may be a message, built, read or as octets", function()
    local inner = built.build { subject = "s", text = "\u{FC}" }
    for _, one in ipairs { inner, mime.parse(inner:render()),
      inner:render { encoding = "8bit" } } do
      each(part_of { message = one }, function(message)
        assert.equal("message/rfc822", message.type)
        assert.equal("\u{FC}", message.parts[1].text)
        assert.is_truthy(({ ["7bit"] = 1, ["8bit"] = 1 })[message.encoding])
      end)
    end
  end)

  it("may be message/partial, external-body or delivery-status", function()
    local pieces = assert(mime.split(built.build { text = ("x\n"):rep(500) },
      900))
    assert.equal("message/partial", mime.parse(pieces[1]:render()).type)
    each(assert(mime.external { access = "url", url = "https://x.org/" }),
      function(message)
        assert.equal("message/external-body", message.type)
      end)
    each(assert(mime.report { kind = "delivery-status", text = "\u{FC}",
      fields = { ["Reporting-MTA"] = "x.org" }, recipients = { {
        ["Final-Recipient"] = "a@x", Action = "failed", Status = "5.0.0" } },
    }), function(message)
      assert.equal("message/delivery-status", message.parts[2].type)
      assert.equal("7bit", message.parts[2].encoding)
    end)
  end)
end)
