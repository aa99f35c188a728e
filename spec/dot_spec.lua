local codec = require "lunapost.codec"

-- RFC 5321 4.5.2 and 2.3.8, byte by byte.
local function slow(s)
  local out, fresh, at = {}, true, 1
  while at <= #s do
    local c = s:sub(at, at)
    if c == "\r" or c == "\n" then
      if s:sub(at, at + 1) == "\r\n" then at = at + 1 end
      out[#out + 1], fresh = "\r\n", true
    else
      out[#out + 1], fresh = fresh and c == "." and ".." or c, false
    end
    at = at + 1
  end
  return table.concat(out)
end

local function mixed(size, parts)
  local out = {}
  for i = 1, size do out[i] = parts[math.random(#parts)] end
  return table.concat(out)
end

describe("dot.stuff", function()
  local kinds <const> = {
    { "\n", ".", "a" },
    { "\n", "\r", ".", "\r\n", "a" },
    { "\n", ".\n", "12345678", "seven 7", "\x8a\x0b\x09", "\xff\0" },
    { ("x"):rep(77) .. "\n", ".\n", ".", "y" },
    { ("long"):rep(2500), "\n", ".\n", "\r" },
  }

  it("is the same as byte by byte", function()
    math.randomseed(3)
    for size = 0, 300 do
      for _, parts in ipairs(kinds) do
        local s = mixed(size % 97, parts)
        assert.is_true(slow(s) == codec.dot.stuff(s), ("%q"):format(s))
      end
    end
  end)

  it("is the same where lines meet the end of a block", function()
    for before = 8170, 8200 do
      for _, tail in ipairs { "\n.\n.", ".\n\n", "\r\n.\n", ".", "\n" } do
        local s = ("x"):rep(before) .. tail .. ("."):rep(9) .. "\n."
        local lines = ("\n"):rep(before) .. tail .. ".\n"
        assert.is_true(slow(s) == codec.dot.stuff(s), before)
        assert.is_true(slow(lines) == codec.dot.stuff(lines), before)
      end
    end
  end)
end)
