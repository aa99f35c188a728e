--- Bytes made visible: the line around an offset, with a mark below it.

local M = {}

local BEFORE <const> = 40 -- bytes shown before the offset, at most
local MOST <const> = 72 -- bytes shown in all

-- Controls have pictures in Unicode; C1 and what is no UTF-8 is hexadecimal.
local function picture(code)
  if code < 32 then return utf8.char(0x2400 + code) end
  if code == 127 then return "\u{2421}" end
end

local function byte_at(bytes, i)
  return ("\\x%02X"):format(bytes:byte(i)), i + 1
end

-- What is invisible, or turns the line around: shown as its number.
local function is_hidden(code)
  return code >= 0x80 and code < 0xa0 or code >= 0x200b and code <= 0x200f
    or code >= 0x2028 and code <= 0x202e or code >= 0x2066 and code <= 0x2069
    or code == 0xfeff
end

-- The character at i as it is shown, and where the next one begins.
local function shown(bytes, i)
  local first = bytes:byte(i)
  if first < 0x80 then return picture(first) or string.char(first), i + 1 end
  local n = first >= 0xf0 and 4 or first >= 0xe0 and 3 or 2
  local char = bytes:sub(i, i + n - 1)
  if not utf8.len(char) or utf8.len(char) ~= 1 then return byte_at(bytes, i) end
  local code = utf8.codepoint(char)
  if is_hidden(code) then return ("\\u{%X}"):format(code), i + n end
  return char, i + n
end

-- From where to where is shown: the line, or what of it is near.
local function range(bytes, offset)
  local from = offset + 1
  if from > #bytes and bytes:byte(-1) == 10 then from = #bytes end
  while from > 1 and offset + 1 - from < BEFORE
    and bytes:byte(from - 1) ~= 10 do
    from = from - 1
  end
  -- not from within a character
  while from <= offset and (bytes:byte(from) or 0) & 0xc0 == 0x80 do
    from = from + 1
  end
  local to = bytes:find("\n", offset + 1, true) or #bytes
  return from, math.min(to, from + MOST)
end

--- The line of bytes around an offset, and a line that marks it.
---@param bytes string
---@param offset integer  from 0
---@return string line  UTF-8 without controls
---@return string mark  blanks and "^"
function M.lines(bytes, offset)
  offset = math.max(0, math.min(offset, #bytes))
  local from, to = range(bytes, offset)
  local out, width = {}, nil
  local i, columns = from, 0
  while i <= to do
    if i > offset then width = width or columns end
    out[#out + 1], i = shown(bytes, i)
    columns = columns + utf8.len(out[#out])
  end
  return table.concat(out), (" "):rep(width or columns) .. "^"
end

-- The bytes that a defect's offset counts in.
local function bytes_of(message, defect)
  if not defect.part then return message:_slice() end
  for part in message:walk() do
    if part.path == defect.part then return part:_slice() end
    for _, file in ipairs(part:uuencoded()) do
      if file.path == defect.part then return file:_slice() end
    end
  end
end

--- The lines for a defect of a message.
---@param message lunapost.mime.part
---@param defect lunapost.mime.defect
---@return string? line
---@return string? mark
function M.of(message, defect)
  local bytes = bytes_of(message, defect)
  if bytes and bytes ~= "" then return M.lines(bytes, defect.offset) end
end

return M
