--- Numbers by key that the workers of a server see alike, in memory of a fixed
--- size: each worker writes a table of its own, and reads those of the others.
---
--- A table has sets of a few places, found by a keyed hash, so that no peer can
--- choose its neighbours. A number that finds no place is not seen by others.

local core = require "lunapost.core"

local M = {}

---@class lunapost.tally
---@field slot? integer  of the worker that this is
local Tally = {}
local meta <const> = { __name = "lunapost.tally", __index = Tally }

-- Places of a set, sets of a worker, numbers of all workers.
local WAYS <const>, SETS <const>, MOST <const> = 4, 4096, 1 << 22

--- Makes one, before the workers are forked.
---@param workers integer
---@param sets? integer  a power of two; default: 4096, fewer for many workers
---@return lunapost.tally
function M.new(workers, sets)
  sets = sets or SETS
  while workers * sets * WAYS * 2 > MOST do sets = sets // 2 end
  return setmetatable({ workers = workers, sets = sets,
    secret = core.crypto.random(16),
    shared = assert(core.process.shared(workers * sets * WAYS * 2)) }, meta)
end

-- A key's mark, never 0, which marks a place that nobody has. One event asks
-- for the same key several times in a row.
local function mark_of(self, key)
  if key ~= self.key then
    local digest = assert(core.crypto.hmac("sha256", self.secret, key))
    local mark = string.unpack("<i8", digest)
    self.key, self.mark = key, mark ~= 0 and mark or 1
  end
  return self.mark
end

-- Where a worker's set for a mark begins.
local function set_of(self, slot, mark)
  return ((slot - 1) * self.sets + (mark & self.sets - 1)) * WAYS * 2 + 1
end

-- A worker's number for a mark, and its place; what changes hands meanwhile
-- counts as nothing.
local function find(self, slot, mark)
  local shared, first = self.shared, set_of(self, slot, mark)
  for at = first, first + WAYS * 2 - 2, 2 do
    if shared:get(at) == mark then
      local value = shared:get(at + 1)
      return shared:get(at) == mark and value or 0, at
    end
  end
  return 0
end

--- The numbers of the other workers for a key.
---@param key string
---@return integer[]
function Tally:others(key)
  local mark, values = mark_of(self, key), {}
  for slot = 1, self.workers do
    if slot ~= self.slot then
      values[#values + 1] = find(self, slot, mark)
    end
  end
  return values
end

--- This worker's own number for a key.
---@param key string
---@return integer
function Tally:own(key)
  return (find(self, self.slot, mark_of(self, key)))
end

-- A place in this worker's table: free, or with a number below another.
local function vacant(self, mark, below)
  local shared, first = self.shared, set_of(self, self.slot, mark)
  for at = first, first + WAYS * 2 - 2, 2 do
    if shared:get(at) == 0 or shared:get(at + 1) < below then return at end
  end
end

--- Writes this worker's number for a key.
---@param key string
---@param value integer
---@param below integer  numbers below this one are not needed any more
---@return boolean written  false: there was no place
function Tally:put(key, value, below)
  local shared, mark = self.shared, mark_of(self, key)
  local _, at = find(self, self.slot, mark)
  if not at then
    at = vacant(self, mark, below)
    if not at then return false end
    shared:set(at + 1, 0)
    shared:set(at, mark)
  end
  shared:set(at + 1, value)
  return true
end

--- Forgets what a worker wrote, which is dead.
---@param slot integer
function Tally:clear(slot)
  local first = (slot - 1) * self.sets * WAYS * 2 + 1
  for at = first, first + self.sets * WAYS * 2 - 1 do
    if self.shared:get(at) ~= 0 then self.shared:set(at, 0) end
  end
end

return M
