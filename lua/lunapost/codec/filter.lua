--- A codec in steps: an object with update and finish that is also an LTN12
--- filter, since calling it with a chunk, and at the end with nil, gives
--- what an LTN12 chain expects.

local err = require "lunapost.err"
local stream = require "lunapost.core".stream

---@class lunapost.codec.filter
---@field private stream any  the state, in C
---@field private what string  for messages: "base64 encoder"
---@field private done boolean
---@field private describe fun(notes: table): lunapost.codec.defect[]
local Filter = {}

local meta = { __name = "lunapost.codec.filter", __index = Filter }

local function fail(self, kind, text)
  local notes = self.stream:notes()
  local position = notes.offset and notes.offset + 1 or nil
  if position then text = text .. " at octet " .. position end
  return nil, err.of(kind, self.what .. ": " .. text), position
end

--- Takes a piece; gives what came out of it, perhaps "" (nothing yet).
---@param piece string
---@return string? out, lunapost.err? err, integer? position
function Filter:update(piece)
  if self.done then
    error(("the %s has finished: make a new one"):format(self.what), 2)
  end
  local out, kind, text = self.stream:update(piece)
  if out then return out end
  self.done = true
  return fail(self, kind, text)
end

--- Ends the input; gives the rest of the output.
---@return string? out, lunapost.err? err, integer? position
function Filter:finish()
  if self.done then
    error(("the %s has finished: make a new one"):format(self.what), 2)
  end
  self.done = true
  local out, kind, text = self.stream:finish()
  if out then return out end
  return fail(self, kind, text)
end

--- What was seen so far: counts and flags by name.
---@return table<string, any>
function Filter:notes()
  return self.stream:notes()
end

--- What was repaired so far, as decode would list it.
---@return lunapost.codec.defect[]
function Filter:defects()
  return self.describe and self.describe(self.stream:notes()) or {}
end

--- LTN12: a chunk gives a chunk, nil gives the rest and then nil.
---@param chunk string?
---@return string? chunk, lunapost.err? err
function meta:__call(chunk)
  if chunk then return self:update(chunk) end
  if self.done then return nil end
  local out, problem, position = self:finish()
  if out == "" then return nil end
  return out, problem, position
end

function meta:__tostring()
  return self.what .. (self.done and " (finished)" or "")
end

-- Gathers all, up to a ceiling, for what makes sense only as a whole.
local gather = {}
gather.__index = gather

local gather_most <const> = 1 << 20

function gather:update(piece)
  self.size = self.size + #piece
  if self.size > gather_most then
    return nil, "limit", "more than " .. gather_most .. " octets"
  end
  self[#self + 1] = piece
  return ""
end

function gather:finish()
  local out, problem = self.convert(table.concat(self))
  if out then return out end
  return nil, problem.kind, problem.text
end

function gather:notes()
  return {}
end

local M = {}

--- A filter over a stream of core.
---@param what string
---@param kind string  the stream's name in core
---@param options? table
---@param describe? fun(notes: table): lunapost.codec.defect[]
---@return lunapost.codec.filter?, lunapost.err?
function M.new(what, kind, options, describe)
  local state, problem, text = stream.open(kind, options or {})
  if not state then return nil, err.of(problem, what .. ": " .. text) end
  return setmetatable({ stream = state, what = what, done = false,
    describe = describe }, meta)
end

--- A filter over a state in Lua, with update, finish and notes.
---@param what string
---@param state table
---@return lunapost.codec.filter
function M.wrap(what, state)
  return setmetatable({ stream = state, what = what, done = false }, meta)
end

--- A filter that converts everything at once when it ends.
---@param what string
---@param convert fun(all: string): string?, lunapost.err?
---@return lunapost.codec.filter
function M.gather(what, convert)
  return M.wrap(what, setmetatable({ size = 0, convert = convert }, gather))
end

--- All that comes out of a filter for a whole string.
---@param f lunapost.codec.filter
---@param s string
---@return string?, lunapost.err?, integer?
function M.all(f, s)
  local out, problem, position = f:update(s)
  if not out then return nil, problem, position end
  local rest
  rest, problem, position = f:finish()
  if not rest then return nil, problem, position end
  return out .. rest
end

return M
