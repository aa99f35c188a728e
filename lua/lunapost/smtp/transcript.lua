--- The dialogue of a session as a list of lines, secrets masked before they
--- are kept.

local err = require "lunapost.err"

local M = {}

---@class lunapost.line
---@field who "C"|"S"|"*"  client, server, or what happened
---@field text string  without its line end
---@field time number  seconds, by the transcript's clock

---@class lunapost.transcript  also a list of its lines
---@field limit? integer  the last so many lines are kept, and up to as many
--- again before them; nil: all
---@field on_line? fun(line: lunapost.line)  is told of each line
local Transcript = {}
local meta = { __name = "lunapost.transcript", __index = Transcript }

local KEPT <const> = 50

local MASK <const> = "********"

local colours <const> = { C = "\27[34m", ["*"] = "\27[35m",
  ["4"] = "\27[33m", ["5"] = "\27[31m", other = "\27[32m" }

--- Makes an empty one.
---@param options? { limit: integer|false, clock: fun(): number }  limit: 50
--- lines at least unless given, false for all
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

-- A word as short as this is hidden only where it stands by itself: it may
-- be part of any other.
local SHORT <const> = 5

-- Replaces a secret in a text.
local function hider(secret)
  local literal = secret:gsub("%W", "%%%0")
  if #secret <= SHORT then
    literal = (secret:find("^%w") and "%f[%w]" or "") .. literal
      .. (secret:find("%w$") and "%f[%W]" or "")
  end
  return function(text) return (text:gsub(literal, MASK)) end
end

--- Makes a function that masks secrets in a text.
---@param secrets string[]
---@param before? fun(text: string): string  does its work as well
---@return fun(text: string): string
function M.veil(secrets, before)
  local list = table.move(secrets, 1, #secrets, 1, {})
  table.sort(list, function(a, b) return #a > #b end) -- some hold others
  local hiders = { before }
  for _, secret in ipairs(list) do
    if secret ~= "" then hiders[#hiders + 1] = hider(secret) end
  end
  return function(text)
    for _, hide in ipairs(hiders) do text = hide(text) end
    return text
  end
end

local function add_line(transcript, who, text, secret)
  if secret and text ~= "" and text ~= "*" then text = MASK end
  if who == "C" then text = M.masked(text) end
  local line = { who = who, text = text, time = transcript.clock() }
  transcript[#transcript + 1] = line
  if transcript.on_line then transcript.on_line(line) end
end

-- Half of the lines at a time, so that a line costs the same however many
-- there are.
local function trim(transcript)
  local limit, n = transcript.limit, #transcript
  if not limit or n <= 2 * limit then return end
  table.move(transcript, n - limit + 1, n, 1)
  for i = limit + 1, n do transcript[i] = nil end
end

--- Adds lines. A secret (an answer to a 334) is kept as a mask alone.
---@param who "C"|"S"|"*"
---@param text string  one line or more, CRLF or LF between them
---@param secret? boolean
function Transcript:add(who, text, secret)
  if not text:find("\n", 1, true) then
    add_line(self, who, text, secret)
  else
    text = text:gsub("\r?\n$", "")
    for line in (text .. "\n"):gmatch("(.-)\r?\n") do
      add_line(self, who, line, secret)
    end
  end
  trim(self)
end

-- What a terminal may be shown of it.
local function plain(line)
  local text = err.printable(line.text)
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
