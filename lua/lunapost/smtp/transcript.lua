--- The dialogue of a session as a list of lines, secrets masked before they
--- are kept.

local M = {}

---@class lunapost.line
---@field who "C"|"S"|"*"  client, server, or what happened
---@field text string  without its line end
---@field time number  seconds, by the transcript's clock

---@class lunapost.transcript  also a list of its lines
---@field limit? integer  most lines kept, the oldest go first; nil: all
---@field on_line? fun(line: lunapost.line)  is told of each line
local Transcript = {}
local meta = { __name = "lunapost.transcript", __index = Transcript }

local KEPT <const> = 50

local MASK <const> = "********"

local colours <const> = { C = "\27[34m", ["*"] = "\27[35m",
  ["4"] = "\27[33m", ["5"] = "\27[31m", other = "\27[32m" }

--- Makes an empty one.
---@param options? { limit: integer|false, clock: fun(): number }  limit: 50
--- lines unless given, false for all
---@return lunapost.transcript
function M.new(options)
  options = options or {}
  local limit = options.limit
  if limit == nil then limit = KEPT end
  return setmetatable({ limit = limit or nil,
    clock = options.clock or os.time }, meta)
end

--- A line without the initial response of AUTH, RFC 4954 4.
---@param text string
---@return string
function M.masked(text)
  local head = text:match("^%s*[Aa][Uu][Tt][Hh]%s+%S+%s+()")
  if head and not text:match("^=?%s*$", head) then
    return text:sub(1, head - 1) .. MASK
  end
  return text
end

--- Adds lines. A secret (an answer to a 334) is kept as a mask alone.
---@param who "C"|"S"|"*"
---@param text string  one line or more, CRLF or LF between them
---@param secret? boolean
function Transcript:add(who, text, secret)
  text = text:gsub("\r?\n$", "")
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    if secret and line ~= "" and line ~= "*" then line = MASK end
    if who == "C" then line = M.masked(line) end
    line = { who = who, text = line, time = self.clock() }
    self[#self + 1] = line
    if self.on_line then self.on_line(line) end
  end
  while self.limit and #self > self.limit do table.remove(self, 1) end
end

-- What a terminal may be shown of it.
local function plain(line)
  local text = line.text:gsub("%c", "?")
  if line.who == "*" then return "-- " .. text end
  return line.who .. ": " .. text
end

function meta:__tostring()
  local out = {}
  for i, line in ipairs(self) do out[i] = plain(line) .. "\n" end
  return table.concat(out)
end

local function colour_of(line)
  return colours[line.who] or colours[line.text:sub(1, 1)] or colours.other
end

--- One line as text for people: client blue, server green, 4yz amber, 5yz
--- red, events magenta.
---@param line lunapost.line
---@param colour? boolean
---@return string
function M.format(line, colour)
  if not colour then return plain(line) end
  return colour_of(line) .. plain(line) .. "\27[0m"
end

--- Prints all lines.
---@param file? file*  default: standard output
---@param options? { color: boolean }
function Transcript:print(file, options)
  file = file or io.stdout
  for _, line in ipairs(self) do
    file:write(M.format(line, options and options.color), "\n")
  end
end

return M
