--- A transcript as a text that people read and that loses no octet.
--
--     0.000000 -- connected to mx.example.org:25
--     0.012004 S: 220 mx.example.org
--     0.012871 C: EHLO me.example.org
--     0.520112 C: NO\
--     # "\" at the end: no line end was written; \n\ : a bare LF
--
-- In the octets \r \n \t \0 \\ \xHH stand for one each; UTF-8 stands as it
-- is. Times are seconds since the first line, and may be left out.

local ascii = require "lunapost.ascii"

local M = {}

local HEAD <const> = "# lunapost transcript\n"

local names <const> = { ["\r"] = "\\r", ["\n"] = "\\n", ["\t"] = "\\t",
  ["\0"] = "\\0", ["\\"] = "\\\\" }

local octets_of <const> = { r = "\r", n = "\n", t = "\t", ["0"] = "\0",
  ["\\"] = "\\" }

local function hex(octet)
  return ("\\x%02X"):format(octet:byte())
end

local function name_of(octet)
  return names[octet] or hex(octet)
end

-- Controls and backslashes by name; what is not UTF-8 octet by octet.
local function escape(text)
  text = text:gsub("[\0-\31\127\\]", name_of)
  if not utf8.len(text) then text = text:gsub("[\x80-\xff]", hex) end
  return text
end

--- The octets of a text with escapes, or nil and the escape that is none.
---@param text string
---@return string? octets
---@return string? wrong
function M.unescape(text)
  local wrong
  local octets = text:gsub("\\(.?)(%x?%x?)", function(letter, digits)
    if octets_of[letter] then return octets_of[letter] .. digits end
    if letter == "x" and #digits == 2 then
      return string.char(tonumber(digits, 16))
    end
    wrong = wrong or "\\" .. letter .. digits
  end)
  if wrong then return nil, wrong end
  return octets
end

local endings <const> = { [""] = "\\", ["\n"] = "\\n\\" }

local marks <const> = { C = "C:", S = "S:", ["*"] = "--" }
local whose <const> = { ["C:"] = "C", ["S:"] = "S", ["--"] = "*" }

local function write_line(line, start)
  local text = escape(line.text) .. (endings[line.ending] or "")
  return ascii.format("%12.6f %s%s%s\n", line.time - start, marks[line.who],
    text == "" and "" or " ", text)
end

---@param transcript lunapost.transcript
---@return string
function M.write(transcript)
  local out = { HEAD }
  local start = transcript[1] and transcript[1].time or 0
  for _, line in ipairs(transcript) do
    out[#out + 1] = write_line(line, start)
  end
  return table.concat(out)
end

-- An odd number of backslashes at the end: the last one says "no CRLF".
local function open_ended(text)
  return #text:match("\\*$") % 2 == 1
end

-- "C", octets, time; or nil and what is wrong.
local function read_line(line)
  local time, rest = line:match("^%s*(%d+%.?%d*)%s+(.*)$")
  rest = rest or line:match("^%s*(.*)$")
  local mark, text = rest:match("^([CS%-][:%-]) ?(.*)$")
  local who = whose[mark]
  if not who then return nil, "C:, S:, -- or # is expected" end
  local open = open_ended(text)
  local octets, wrong = M.unescape(open and text:sub(1, -2) or text)
  if not octets then return nil, "no such escape: " .. wrong end
  if who ~= "*" and not open then octets = octets .. "\r\n" end
  return who, octets, tonumber(time)
end

--- Reads a text, line by line.
---@param text string
---@param take fun(who: string, octets: string, time: number)
---@return true? ok
---@return string? problem
function M.read(text, take)
  local number, last = 0, 0
  for line in (text:gsub("\n?$", "\n")):gmatch("(.-)\r?\n") do
    number = number + 1
    if line:find("%S") and not line:find("^%s*#") then
      local who, octets, time = read_line(line)
      if not who then
        return nil, ("line %d of the transcript: %s"):format(number, octets)
      end
      last = time or last
      take(who, octets, last)
    end
  end
  return true
end

return M
