local built = require "spec.support.built"
local corpus = require "spec.support.corpus"
local mime = require "lunapost.mime"
local output = require "lunapost.mime.build.output"
local post = require "lunapost"
local recode = require "lunapost.mime.build.recode"
local testing = require "lunapost.testing"

-- The message as it goes to such a peer, and what its octets then are.
local function fitted(octets, allowed)
  local canonical, segments, class = recode.fit(octets, allowed)
  if not segments then return canonical, class end
  local whole = assert(output.render(segments))
  assert.equal(#whole, output.size(segments))
  return whole, class
end

local function lf(octets)
  return (octets:gsub("\r\n", "\n"))
end

local function assert_same_bodies(one, two)
  local walk = two:walk()
  for part in one:walk() do
    local other = walk()
    assert.equal(part.type, other.type)
    assert.equal(part.filename, other.filename)
    if not part.parts then
      assert.is_true(lf(part:body()) == lf(other:body()), part.type)
    end
  end
  assert.is_nil(walk())
end

local letter <const> = table.concat({
  "From: a@x", "Content-Type: multipart/mixed; boundary=b",
  "Content-Transfer-Encoding: 8bit", "", "--b",
  "Content-Type: text/plain; charset=utf-8",
  "content-transfer-encoding:", " 8bit", "X-A: b", "",
  "some schöne Grüße", "--b", "", "schöne Grüße und mehr", "--b",
  "Content-Type: message/rfc822", "Content-Transfer-Encoding: 8bit", "",
  "Content-Type: application/x", "Content-Transfer-Encoding: 8bit", "",
  "\255\254", "--b", "Content-Transfer-Encoding: base64", "", "YWJj",
  "--b--", "" }, "\r\n")

describe("a message that was read, for a peer of seven bits", function()
  it("is encoded in its leaves, and nothing else changes", function()
    local whole, class = fitted(letter, "7bit")
    assert.equal("7bit", class)
    assert.is_nil(whole:find "[\128-\255]")
    assert.is_nil(whole:find "8bit")
    assert_same_bodies(mime.parse(letter), mime.parse(whole))
    assert.matches("charset=utf-8\r\nContent-Transfer-Encoding: quoted-"
      .. "printable\r\nX-A: b\r\n\r\nsome sch=C3=B6ne", whole, 1, true)
    assert.matches("--b\r\nContent-Transfer-Encoding: quoted-printable\r\n"
      .. "\r\nsch=C3=B6ne", whole, 1, true)
    assert.matches("message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n"
      .. "\r\nContent-Type: application/x\r\n"
      .. "Content-Transfer-Encoding: base64\r\n\r\n//4=\r\n--b", whole, 1,
      true)
    assert.matches("base64\r\n\r\nYWJj\r\n--b--", whole, 1, true)
  end)

  it("stays as it is for one of eight", function()
    local whole, class = fitted(letter, "8bit")
    assert.equal(letter, whole)
    assert.equal("8bit", class)
  end)

  it("says where a header is the cause", function()
    local _, class = fitted("Subject: Gr\u{FC}\u{DF}e\r\n\r\nx\r\n", "7bit")
    assert.equal("8bit", class)
  end)

  it("has lines that may be sent", function()
    local long = "Subject: x\r\n\r\n" .. ("x"):rep(2000) .. "\r\n"
    local whole = fitted(long, "8bit")
    assert.is_true(built.longest_line(whole) <= 76)
    assert_same_bodies(mime.parse(long), mime.parse(whole))
    whole = fitted("Content-Type: a/b\r\nContent-Transfer-Encoding: binary"
      .. "\r\n\r\na\0b\rc\nd", "8bit")
    assert.equal("a\0b\rc\nd", mime.parse(whole):body())
  end)

  corpus.it("has the same bodies, whatever it is", function(list)
    for _, path in ipairs(list) do
      local octets = corpus.read(path)
      local whole, class = fitted(octets, "7bit")
      if class == "7bit" then
        assert.is_nil(whole:find "[\128-\255\0]")
        assert_same_bodies(mime.parse(octets), mime.parse(whole))
      end
    end
  end)

  it("is sent so", function()
    testing.run({}, function(server)
      for _, ehlo in ipairs { true, false } do -- 8BITMIME, or nothing
        assert(post.send { server = server.url, ehlo = ehlo,
          from = "a@x.org", to = "b@x.org", message = mime.parse(letter) })
      end
      assert.equal(letter, server.messages[1]:render())
      assert.equal((fitted(letter, "7bit")), server.messages[2]:render())
    end)
  end)
end)

describe("a message that is carried", function()
  local function carrying(message, peer)
    return built.build { attach = { { message = message } } }
      :render { encoding = peer }
  end

  it("is never encoded as a whole (RFC 2046 5.2.1)", function()
    for _, inner in ipairs { letter, mime.parse(letter) } do
      local whole = carrying(inner, "7bit")
      assert.is_nil(whole:find "[\128-\255]")
      local outer = mime.parse(whole).parts[1]
      assert.equal("message/rfc822", outer.type)
      assert.equal("7bit", outer.encoding)
      assert_same_bodies(mime.parse(letter), outer.parts[1])
      outer = mime.parse(carrying(inner, "8bit")).parts[1]
      assert.equal("8bit", outer.encoding)
      assert.equal(letter, outer:body())
    end
  end)

  it("keeps its size known", function()
    local message = built.build { attach = { { message = letter } } }
    for _, peer in ipairs { "7bit", "8bit", "binary" } do
      assert.equal(#message:render { encoding = peer },
        message:size { encoding = peer })
      assert.equal(peer == "7bit" and "7bit" or "8bit",
        message:class { encoding = peer })
    end
  end)

  it("may be encoded where its header leaves no other way", function()
    local inner = "Subject: Gr\u{FC}\u{DF}e\r\n\r\nx\r\n"
    local outer = mime.parse(carrying(inner, "7bit")).parts[1]
    assert.equal("message/global", outer.type)
    assert.equal("base64", outer.encoding)
    assert.equal("Gr\u{FC}\u{DF}e", outer.parts[1].subject)
  end)

  it("is split in seven bits", function()
    local pieces = mime.split(letter, 450, { seed = 1 })
    local octets = {}
    for i, piece in ipairs(pieces) do
      octets[i] = piece:render()
      assert.is_nil(octets[i]:find "[\128-\255]")
      assert.equal("7bit", piece:class())
    end
    assert_same_bodies(mime.parse(letter), assert(mime.join(octets)))
    assert.has_error(function()
      mime.split("Subject: \u{FC}\r\n\r\nx\r\n", 450)
    end, "split: a header field is not ASCII, so a piece cannot be 7bit")
  end)
end)
