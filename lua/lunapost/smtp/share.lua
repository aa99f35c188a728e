--- What workers know of each other while they serve: how many sessions each
--- has, of all and of a source, and how often something happened.

local tally = require "lunapost.smtp.tally"

local M = {}

---@class lunapost.share
---@field sessions lunapost.tally
---@field events lunapost.tally
local Share = {}
local meta <const> = { __name = "lunapost.share", __index = Share }

--- Made before the workers are forked.
---@param workers integer
---@return lunapost.share
function M.new(workers)
  return setmetatable({ sessions = tally.new(workers),
    events = tally.new(workers) }, meta)
end

--- This process is a worker now.
---@param slot integer
function Share:join(slot)
  self.sessions.slot, self.events.slot = slot, slot
end

--- A worker is dead: its sessions are none.
---@param slot integer
function Share:bury(slot)
  self.sessions:clear(slot)
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

return M
