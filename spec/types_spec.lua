-- Every type, subtype and encoding of RFC 2046 and its kin, as it is read.
local codec = require "lunapost.codec"
local mime = require "lunapost.mime"

local function parsed(kind, encoding, body)
  local bytes = "Content-Type: " .. kind .. "\r\n"
    .. (encoding and "Content-Transfer-Encoding: " .. encoding .. "\r\n" or "")
    .. "\r\n" .. body
  local message = mime.parse(bytes)
  assert.equal(bytes, message:render())
  assert.same({}, message.defects)
  return message
end

local octets <const> = ("\0\1\2\r\n\n\r\254\255."):rep(100)

describe("the content type", function()
  for kind in ([[text/plain text/html text/x-any application/octet-stream
    application/postscript application/x-any image/jpeg image/gif audio/basic
    video/mpeg model/x-any font/woff x-any/x-any]]):gmatch "%S+" do
    it(kind .. " is a leaf, whatever encodes it", function()
      for _, encoding in ipairs { "binary", "8bit" } do
        local part = parsed(kind .. "; a=b", encoding, octets)
        assert.equal(kind, part.type)
        assert.same({ a = "b" }, part.parameters)
        assert.is_nil(part.parts)
        assert.equal(octets, part:body())
      end
      assert.equal("seven", parsed(kind, "7bit", "seven"):body())
      assert.equal("seven", parsed(kind, nil, "seven"):body())
      assert.equal(octets, parsed(kind, "base64",
        codec.base64.encode(octets, { columns = 76 })):body())
      assert.equal(octets, parsed(kind, "quoted-printable",
        codec.quoted_printable.encode(octets, { binary = true })):body())
      assert.equal(octets, parsed(kind, "x-uuencode",
        codec.uu.encode(octets, { name = "x" })):body())
    end)
  end

  it("text/* has a charset", function()
    for _, kind in ipairs { "text/plain", "text/html", "text/any" } do
      assert.equal("\u{fc}\u{20ac}", parsed(kind .. "; charset=windows-1252",
        "quoted-printable", "=FC=80"):body "utf-8")
    end
  end)

  it("text/richtext and text/enriched have a plain rendering", function()
    assert.equal("a b", parsed("text/enriched", nil, "<bold>a</bold> b").text)
    assert.equal("a\nb", parsed("text/richtext", nil, "<b>a</b><nl>b").text)
  end)

  for subtype in ([[mixed parallel alternative related report signed
    encrypted form-data x-any]]):gmatch "%S+" do
    it("multipart/" .. subtype .. " has parts", function()
      local part = parsed("multipart/" .. subtype .. "; boundary=b", "7bit",
        "--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--")
      assert.equal("multipart/" .. subtype, part.type)
      assert.equal(2, #part.parts)
      assert.equal("text/plain", part.parts[1].type)
      assert.equal("two", part.parts[2]:body())
    end)
  end

  it("multipart/digest has messages", function()
    local part = parsed("multipart/digest; boundary=b", nil,
      "--b\r\n\r\nSubject: one\r\n\r\nx\r\n--b\r\nContent-Type: text/plain"
      .. "\r\n\r\ntwo\r\n--b--")
    assert.equal("message/rfc822", part.parts[1].type)
    assert.equal("one", part.parts[1].parts[1].subject)
    assert.equal("text/plain", part.parts[2].type)
    assert.is_nil(part.parts[2].parts)
  end)

  it("message/rfc822 holds a message, encoded or not", function()
    local inner = "Subject: within\r\nContent-Type: multipart/mixed; "
      .. "boundary=c\r\n\r\n--c\r\n\r\ndeep\r\n--c--\r\n"
    for encoding, body in pairs { ["8bit"] = inner, base64 =
      codec.base64.encode(inner), ["quoted-printable"] =
      codec.quoted_printable.encode(inner), ["x-uuencode"] =
      codec.uu.encode(inner, { name = "x" }) } do
      local part = parsed("message/rfc822", encoding, body)
      assert.equal("within", part.parts[1].subject, encoding)
      assert.equal("deep", part.parts[1].parts[1]:body(), encoding)
      assert.equal("1.1.1", part.parts[1].parts[1].path)
    end
  end)

  it("message/partial, external-body, delivery-status are leaves", function()
    for kind in ([[message/partial message/external-body
      message/delivery-status message/disposition-notification
      message/feedback-report message/x-any]]):gmatch "%S+" do
      local part = parsed(kind, nil, "Subject: x\r\n\r\ny")
      assert.is_nil(part.parts)
      assert.equal("Subject: x\r\n\r\ny", part:body())
    end
  end)

  it("is text/plain where none is, or none that can be read", function()
    for _, header in ipairs { "", "Content-Type:\n", "Content-Type: text\n",
      "Content-Type: /\n", "Content-Type: ;charset=utf-8\n" } do
      assert.equal("text/plain", mime.parse(header .. "\nx").type, header)
    end
  end)
end)
