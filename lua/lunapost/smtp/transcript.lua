--- The dialogue of a session as a list of lines, secrets masked before they
--- are kept.

local core = require "lunapost.core"
local err = require "lunapost.err"
local options_of = require "lunapost.options"
local later = require "lunapost.smtp.transcript.later"

local M = {}

---@class lunapost.line
---@field who "C"|"S"|"*"  client, server, or what happened
---@field text string  without its line end
---@field ending? ""|"\n"  what ends it instead of CRLF: nothing, as the
--- octets that follow were written by themselves, or a bare LF
---@field time number  seconds, by the transcript's clock

---@class lunapost.transcript  also a list of its lines
---@field limit integer|false  the last so many lines are kept, and up to as
--- many again before them; false: all
---@field on_line fun(line: lunapost.line)|false  is told of each line
---@field groups table|false  lines in the making, see transcript/later.lua
local Transcript = {}
local meta = { __name = "lunapost.transcript" }

function meta:__index(key)
  if rawget(self, "groups") then
    later.settle(self)
    local value = rawget(self, key)
    if value ~= nil then return value end
  end
  return Transcript[key]
end

function meta:__len()
  later.settle(self)
  return rawlen(self)
end

function meta:__pairs()
  later.settle(self)
  return next, self, nil
end

local KEPT <const> = 50

local MASK <const> = "********"

local colours <const> = { C = "\27[34m", ["*"] = "\27[35m",
  ["4"] = "\27[33m", ["5"] = "\27[31m", other = "\27[32m" }

local known <const> = { limit = "integer|boolean", clock = "function" }

--- Makes an empty one.
---@param options? { limit: integer|false, clock: fun(): number }  limit: 50
--- lines at least unless given, false for all; clock: default core.loop.now
---@return lunapost.transcript
function M.new(options)
  options = options_of.check("option of a transcript", options or {}, known,
    2)
  local limit = options.limit
  if limit == nil then limit = KEPT end
  -- all fields are there, so that asking for one settles nothing
  return setmetatable({ limit = limit, groups = false, on_line = false,
    clock = options.clock or core.loop.now }, meta)
end

--- What stands for a secret.
M.MASK = MASK

--- A line without the initial response of AUTH, RFC 4954 4.
---@param text string
---@return string
---@return integer? head  octets before what was masked; nil: nothing was
function M.masked(text)
  local head = text:match("^%s*[Aa][Uu][Tt][Hh]%s+%S+%s+()")
  if head and not text:match("^=?%s*$", head) then
    return text:sub(1, head - 1) .. MASK, head - 1
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
    literal = (secret:find "^[A-Za-z0-9]" and "%f[A-Za-z0-9]" or "")
      .. literal .. (secret:find "[A-Za-z0-9]$" and "%f[^A-Za-z0-9]" or "")
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

local function keep(transcript, who, text, time, ending)
  local line = { who = who, text = text, time = time, ending = ending }
  transcript[#transcript + 1] = line
  if transcript.on_line then transcript.on_line(line) end
end

-- A mask for octets; a CR at the end may belong to the line's end.
local function hidden(text)
  local cr = text:match("\r?$")
  return text == cr and cr or MASK .. cr
end

-- What may be kept of a piece of a line: that depends on what was said of
-- the line before. A line that was hidden stays so up to its end.
local function veiled_piece(open, text)
  if open.hidden then return hidden(text) end
  local before = #open.said
  open.said = open.said .. text
  local _, head = M.masked(open.said)
  if not head then return text end
  open.hidden, open.said = true, ""
  local kept = math.max(head - before, 0)
  return text:sub(1, kept) .. hidden(text:sub(kept + 1))
end

local function add_line(transcript, who, text, time, secret, ending)
  local open = transcript.open
  if secret then
    if text ~= "" and text ~= "*" then text = MASK end
  elseif who == "C" then
    open = open or { said = "" }
    text = veiled_piece(open, text)
  end
  if who == "C" then transcript.open = ending == "" and open or nil end
  keep(transcript, who, text, time, ending)
end

-- Half of the lines at a time, so that a line costs the same however many
-- there are.
local function trim(transcript)
  local limit, n = transcript.limit, #transcript
  if not limit or n <= 2 * limit then return end
  table.move(transcript, n - limit + 1, n, 1)
  for i = limit + 1, n do transcript[i] = nil end
end

--- Adds lines, said at one time. A secret (an answer to a 334) is kept as a
--- mask alone.
---@param who "C"|"S"|"*"
---@param text string  one line or more, CRLF or LF between them
---@param secret? boolean
function Transcript:add(who, text, secret)
  local time = self.clock()
  if not text:find("\n", 1, true) then
    add_line(self, who, text, time, secret)
  else
    text = text:gsub("\r?\n$", "")
    for line in (text .. "\n"):gmatch("(.-)\r?\n") do
      add_line(self, who, line, time, secret)
    end
  end
  trim(self)
end

--- Adds octets as they were written, whatever ends them: each line, and
--- what is none yet.
---@param who "C"|"S"
---@param octets string
---@param secret? boolean
function Transcript:octets(who, octets, secret)
  local time = self.clock()
  for text, feed in octets:gmatch("([^\n]*)(\n?)") do
    local ending
    if feed == "" then
      ending = ""
    elseif text:sub(-1) == "\r" then
      text = text:sub(1, -2)
    else
      ending = "\n"
    end
    if ending ~= "" or text ~= "" then
      add_line(self, who, text, time, secret, ending)
    end
  end
  trim(self)
end

local endings <const> = { [""] = "\\", ["\n"] = "\\n" }

-- What a terminal may be shown of it.
local function plain(line)
  local text = err.printable(line.text) .. (endings[line.ending] or "")
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

--- The text form: exact octets, times from the first line on, for people and
--- for `parse`.
---@return string
function Transcript:text()
  return require("lunapost.smtp.transcript.text").write(self)
end

--- Writes the text form to a file.
---@param path string
---@return true? ok
---@return lunapost.err? error  kind "file"
function Transcript:save(path)
  local file <close>, problem = core.system.create(path)
  local ok = file
  if file then ok, problem = file:write(self:text()) end
  if ok then ok, problem = file:close() end
  if ok then return true end
  return nil, err.of("file", "the transcript cannot be saved: " .. problem)
end

--- A Mermaid sequence diagram.
---@return string
function Transcript:mermaid()
  return require("lunapost.smtp.transcript.mermaid").draw(self)
end

--- A picture: who said what, when, and how long each answer took.
---@param options? { title: string }
---@return string svg
function Transcript:svg(options)
  return require("lunapost.smtp.transcript.svg").draw(self, options)
end

--- Reads the text form. Times may be left out, so a dialogue may be written
--- by hand: lines of "C: ...", "S: ...", "-- what happened", "# a remark".
---@param text string
---@return lunapost.transcript? transcript
---@return lunapost.err? error  kind "syntax": which line, and why
function M.parse(text)
  local self = M.new { limit = false }
  local ok, problem = require("lunapost.smtp.transcript.text").read(text,
    function(who, octets, time)
      self.clock = function() return time end
      if who == "*" then
        self:add("*", octets)
      else
        self:octets(who, octets)
      end
    end)
  self.clock, self.open = core.loop.now, nil
  if not ok then return nil, err.of("syntax", problem) end
  return self
end

--- Reads what `save` wrote.
---@param path string
---@return lunapost.transcript? transcript
---@return lunapost.err? error  kind "file" or "syntax"
function M.load(path)
  local file <close>, problem = io.open(path, "rb")
  local text = file
  if file then text, problem = file:read("a") end
  if not text then return nil, err.of("file", problem) end
  local self
  self, problem = M.parse(text)
  if problem then problem.text = path .. ": " .. problem.text end
  return self, problem
end

return M
