local codec = require "lunapost.codec"
local growth = require "spec.support.growth"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local function file(name, bytes)
  return codec.uu.encode(bytes, { name = name })
end

local function names(message)
  local list = {}
  for _, part in ipairs(message:attachments()) do
    list[#list + 1] = tostring(part.filename)
  end
  return list
end

describe("a text with uuencoded files", function()
  local bytes = ("\0\1\2\255"):rep(100)
  local text = "Subject: x\n\nhello\n" .. file("a b.gif", bytes)
    .. "between\n" .. file("two.txt", "Cat\n") .. "bye\n"

  it("has them as attachments, and its text without them", function()
    local message = mime.parse(text)
    local list = message:attachments()
    assert.equal(2, #list)
    assert.equal("a b.gif", list[1].filename)
    assert.equal("image/gif", list[1].type)
    assert.equal("attachment", list[1].disposition)
    assert.equal(bytes, list[1]:body())
    assert.equal("1.u1", list[1].path)
    assert.equal("Cat\n", list[2]:body("utf-8"))
    assert.equal("hello\nbetween\nbye\n", message.text)
    assert.is_nil(message.parts)
    assert.equal(text, message:render())
    assert.same({}, message.defects)
    local streamed = {}
    assert(list[1]:decode(function(chunk)
      streamed[#streamed + 1] = chunk
      return 1
    end))
    assert.equal(bytes, table.concat(streamed))
  end)

  it("has them behind CRLF and under quoted-printable, too", function()
    local message = mime.parse((text:gsub("\n", "\r\n")))
    assert.equal(bytes, message:attachments()[1]:body())
    message = mime.parse("Content-Transfer-Encoding: quoted-printable\n\n"
      .. codec.quoted_printable.encode(file("x", "Cat")))
    assert.equal("Cat", message:attachments()[1]:body())
    assert.equal("", message.text)
  end)

  it("shows them in its tree; cat writes them", function()
    assert.matches('image/gif "a b.gif" +x%-uuencode +400 B',
      mime.parse(text):tree())
    local path = os.tmpname()
    peers.write(path, text)
    local output, code = peers.run(tree.command .. " cat --part 1.u2 "
      .. path, 10)
    os.remove(path)
    assert.equal("Cat", output)
    assert.equal(0, code)
  end)

  it("keeps what only looks like one", function()
    for _, body in ipairs { "begin 644 x\nno data, to be sure\nend\n",
      "begin 644 x\n#0V%T\n", "x begin 644 y\n#0V%T\nend\n",
      "begin at 644 x\n", "begin 999 x\n#0V%T\nend\n",
      "begin 644 x\n#0V%T\nendless\n" } do
      local message = mime.parse("\n" .. body)
      assert.equal(body, message.text)
      assert.same({}, names(message), body)
    end
  end)

  it("takes an empty file, and an end without a line end", function()
    assert.same({ "x", "y" }, names(mime.parse(
      "\nbegin 644 x\n`\nend\nbegin 0600 y\nend")))
  end)

  it("takes no header field from a name", function()
    local list = mime.parse("\n" .. "begin 644 a\" ;b\tc\xff\n#0V%T\nend\n")
      :attachments()
    assert.equal("a\" ;b\tc\u{fffd}", list[1].filename)
    assert.equal("attachment", list[1].disposition)
  end)

  it("is read in linear time", function()
    for _, row in ipairs { { "", "begin 644 x\n#0V%T\n" },
      { "", "begin 644 x\nend\n" }, { "", "\nend x" },
      { "begin 644 x\n#0V%T", "\nend " }, { " ", "begin 644 " },
      { " ", "begin 644 ", "\n" } } do
      growth.linear(50000, function(n)
        local message = mime.parse("\n" .. row[1] .. row[2]:rep(n)
          .. (row[3] or ""))
        assert.is_string(message.text)
        assert.is_table(message:attachments())
      end, row[2])
    end
  end)
end)
