--- What workers know of each other while they serve: how many sessions each
--- has, of all and of a source, how often something happened, and how much
--- each has in files.

local core = require "lunapost.core"
local tally = require "lunapost.smtp.tally"

local M = {}

-- Milliseconds that a worker waits for others to have counted. Who counts is
-- quick; only one that was stopped in the middle of it makes others wait, and
-- each of them once.
local PATIENCE <const> = 1000

-- In the number that holds the lock, bits for the worker; in those above, how
-- often it had it, so that one time is not taken for another.
local SLOT_BITS <const> = 16
local SLOTS <const> = (1 << SLOT_BITS) - 1

---@class lunapost.share
---@field sessions lunapost.tally
---@field events lunapost.tally
---@field slot? integer  of the worker that this is
---@field patience integer  milliseconds that a worker waits for the lock
---@field ticket integer  what this worker holds the lock with
---@field stuck? integer  with what another has held it for too long
---@field shared userdata  octets in files of each worker; then the lock under
--- which they count; then how often one of them found no room for a file
local Share = {}
local meta <const> = { __name = "lunapost.share", __index = Share }

--- Made before the workers are forked.
---@param workers integer
---@return lunapost.share
function M.new(workers)
  return setmetatable({ sessions = tally.new(workers),
    events = tally.new(workers), workers = workers, patience = PATIENCE,
    shared = assert(core.process.shared(workers + 2)) }, meta)
end

local holding <const> = { __close = function(hold)
  local share = hold.share
  share.shared:unlock(share.workers + 1, share.ticket)
end }

--- This process is a worker now.
---@param slot integer
function Share:join(slot)
  self.slot, self.sessions.slot, self.events.slot = slot, slot, slot
  self.ticket = slot
  self.hold = setmetatable({ share = self }, holding)
  self.wanted = self.shared:get(self.workers + 2)
end

--- A worker is dead: its sessions are none, its files are gone, and what it
--- was counting is counted.
---@param slot integer
function Share:bury(slot)
  self.sessions:clear(slot)
  self.shared:set(slot, 0)
  local ticket <const> = self.shared:get(self.workers + 1)
  if ticket & SLOTS == slot then
    self.shared:unlock(self.workers + 1, ticket)
  end
end

--- While the value that is returned is not closed, no other worker counts.
---@return table?  nil where another was stopped while it did: whoever counts
--- first and looks then lets no one too many pass even so
function Share:alone()
  local shared <const>, lock <const> = self.shared, self.workers + 1
  local other <const> = shared:get(lock)
  if other ~= 0 and other == self.stuck then return nil end
  self.ticket = self.ticket + SLOTS + 1
  if shared:lock(lock, self.ticket, self.patience) then return self.hold end
  self.stuck = shared:get(lock)
  return nil
end

--- How many sessions the other workers have.
---@param source string  "": all sources
---@return integer
function Share:others(source)
  local sum = 0
  for _, count in ipairs(self.sessions:others(source)) do sum = sum + count end
  return sum
end

--- Tells the others how many sessions this worker has.
---@param server lunapost.server
---@param source string
function Share:tell(server, source)
  self.sessions:put(source, server.sources[source] or 0, 1)
  self.sessions:put("", server.counts.sessions, 1)
end

--- Tells the others how many octets this worker has in files.
---@param octets integer
function Share:tell_spooled(octets)
  self.shared:set(self.slot, octets)
end

--- How many octets the other workers have in files.
---@return integer
function Share:spooled_elsewhere()
  local sum = 0
  for slot = 1, self.workers do
    if slot ~= self.slot then sum = sum + self.shared:get(slot) end
  end
  return sum
end

--- Asks the others to give up the files that nobody needs any more.
function Share:want_room()
  self.shared:set(self.workers + 2, self.shared:get(self.workers + 2) + 1)
end

--- Whether another worker has asked so, since this was asked last.
---@return boolean
function Share:is_room_wanted()
  local wanted <const> = self.shared:get(self.workers + 2)
  local anew = wanted ~= self.wanted
  self.wanted = wanted
  return anew
end

return M
