-- Reading a message may run functions in Lua: what notes a defect, and
-- finalizers, which may read another. Neither gets what is the other's.
local codec = require "lunapost.codec"
local mime = require "lunapost.mime"

local function crlf(text) return (text:gsub("\n", "\r\n")) end

-- A part, then a message in an encoded part, whose parameters are not well.
local function nested()
  local inner = crlf [[
Content-Type: text/plain; charset=iso-8859-1; =x
Content-Disposition: attachment; filename=right.txt; =x

]] .. "caf\xe9\r\n"
  return mime.parse(crlf [[
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8; filename=wrong.exe

]] .. "plain \xff\r\n" .. crlf [[
--x
Content-Type: message/rfc822
Content-Transfer-Encoding: base64

]] .. codec.base64.encode(inner, { columns = 76 }) .. "\r\n--x--\r\n")
end

describe("a defect of a message in an encoded part is noted, and", function()
  local function asked(ask)
    local message = nested()
    message.parts[1]:body "utf-8" -- its defects are found when one is noted
    local part = message.parts[2].parts[1]
    local value = ask(part)
    assert.is_true(#message.defects > 0)
    return value
  end

  it("its file name is its own", function()
    assert.equal("right.txt",
      asked(function(part) return part.filename end))
  end)

  it("its charset is its own", function()
    assert.equal("caf\u{e9}\r\n",
      asked(function(part) return part:body "utf-8" end))
  end)

  it("its parameters are its own", function()
    assert.same({ charset = "iso-8859-1" },
      asked(function(part) return part.parameters end))
  end)

  it("is told with all that one value has", function()
    local message = nested()
    local part = message.parts[2].parts[1]
    local before = #message.defects
    assert.equal("right.txt", part.filename)
    assert.equal(before + 1, #message.defects)
    local _ = part.parameters
    assert.equal(before + 2, #message.defects)
  end)
end)
