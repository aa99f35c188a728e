--- Reads a message in bounded memory: events, one by one, from the same
--- machine that mime.parse uses.

local parts <const> = require("lunapost.core").parts

---@class lunapost.mime.event
---@field kind "part"|"field"|"head"|"body"|"end"|"defect"
---@field offset integer  in the message, of what the event tells of
---@field depth integer  of the part, 0 for the message itself
---@field name? string  of a field
---@field value? string  of a field, raw, with its folds
---@field holds? "leaf"|"multipart"|"message"  at "head", when the header is
---  over: what the body is
---@field bytes? string  a piece of a leaf's body, not decoded
---@field defect? lunapost.mime.defect

---@class lunapost.mime.reader
local methods = {}

local meta = { __name = "lunapost.mime.reader", __index = methods }

local M = {}

local PIECE <const> = 65536

local function source_of(bytes)
  local at = 1
  return function()
    if at > #bytes then return nil end
    local piece = bytes:sub(at, at + PIECE - 1)
    at = at + PIECE
    return piece
  end
end

---@param source string|function
---@param limits table
---@return lunapost.mime.reader
function M.new(source, limits)
  if type(source) == "string" then source = source_of(source) end
  return setmetatable({
    _source = source, _machine = parts.machine(limits),
  }, meta)
end

local takers = {}

function takers.field(event, name, value)
  event.name, event.value = name, value
end

function takers.head(event, holds)
  event.holds = holds
end

function takers.body(event, bytes)
  event.bytes = bytes
end

function takers.defect(event, defect)
  event.defect = defect
end

local function event_of(kind, offset, depth, ...)
  local event = { kind = kind, offset = offset, depth = depth }
  if takers[kind] then takers[kind](event, ...) end
  return event
end

-- Gives the machine the next chunk, or tells it that there is none.
local function feed(self)
  local chunk, problem
  repeat chunk, problem = self._source() until chunk ~= ""
  if chunk == nil and problem ~= nil then return nil, problem end
  self._machine:push(chunk)
  return true
end

-- One event, or nothing when the chunk is used up or all is over.
local function pull(self, kind, ...)
  if kind == nil then
    self._done = true
  elseif kind ~= "more" then
    return event_of(kind, ...)
  end
end

--- The next event.
---@return lunapost.mime.event? event  nil at the end
---@return any err  what the source said, where it failed
function methods:next()
  while not self._done do
    local event = pull(self, self._machine:pull())
    if event then return event end
    if not self._done then
      local ok, problem = feed(self)
      if not ok then return nil, problem end
    end
  end
end

--- for event in mime.reader(source) do: raises where the source fails.
function meta.__call(self)
  local event, problem = self:next()
  if problem ~= nil then error(problem, 2) end
  return event
end

return M
