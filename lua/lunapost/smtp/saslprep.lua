--- Names and passwords made ready to be compared: SASLprep, RFC 4013, but
--- for the parts of it that need the tables of Unicode. Text has to be
--- normalised (NFKC) by whoever gives it; what it may hold beside letters from
--- right to left is not looked at.

local M = {}

-- First and last code points of ranges, RFC 3454.

-- C.1.2: blanks, which become the one of ASCII.
local blanks <const> = { 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200b, 0x202f,
  0x202f, 0x205f, 0x205f, 0x3000, 0x3000 }

-- B.1: what nobody sees, and so nobody types; C.1.2 goes first.
local unseen <const> = { 0xad, 0xad, 0x34f, 0x34f, 0x1806, 0x1806, 0x180b,
  0x180d, 0x200c, 0x200d, 0x2060, 0x2060, 0xfe00, 0xfe0f, 0xfeff, 0xfeff }

-- C.2.2 to C.9: what must not be there.
local forbidden <const> = {
  0x80, 0x9f, 0x340, 0x341, 0x6dd, 0x6dd, 0x70f, 0x70f, 0x180e, 0x180e,
  0x200e, 0x200f, 0x2028, 0x202e, 0x2061, 0x2063, 0x206a, 0x206f,
  0x2ff0, 0x2ffb, 0xd800, 0xf8ff, 0xfdd0, 0xfdef, 0xfff9, 0xffff,
  0x1d173, 0x1d17a, 0xe0001, 0xe0001, 0xe0020, 0xe007f, 0xf0000, 0x10ffff,
}
for plane = 1, 14 do -- C.4: the last two of each plane
  table.move({ plane << 16 | 0xfffe, plane << 16 | 0xffff }, 1, 2,
    #forbidden + 1, forbidden)
end

local function is_in(ranges, code)
  for i = 1, #ranges, 2 do
    if code >= ranges[i] and code <= ranges[i + 1] then return true end
  end
  return false
end

--- Makes a text ready, or says why it cannot be. What is no UTF-8 is octets
--- that mean nothing here: it stays as it is.
---@param text string
---@return string? prepared  not empty
---@return string? problem
function M.prepared(text)
  if text:find "[%z\1-\31\127]" then
    return nil, "is empty or has control characters"
  end
  if text:find "[\x80-\xff]" and utf8.len(text) then
    local bad = false
    text = text:gsub("[\xc2-\xf4][\x80-\xbf]+", function(character)
      local code = utf8.codepoint(character)
      if is_in(blanks, code) then return " " end
      if is_in(unseen, code) then return "" end
      bad = bad or is_in(forbidden, code)
    end)
    if bad then return nil, "has characters that RFC 4013 forbids" end
  end
  if text == "" then return nil, "is empty or has control characters" end
  return text
end

return M
