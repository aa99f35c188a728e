--- The places that a server has for sessions: so many in all, and so many of
--- each source, over all workers, and as the descriptors of this one allow.

local ebb = require "lunapost.smtp.ebb"

local M = {}

local UNLIMITED <const> = math.maxinteger

local function change(server, source, by)
  local counts, sources = server.counts, server.sources
  counts.sessions = counts.sessions + by
  local left = (sources[source] or 0) + by
  sources[source] = left > 0 and left or nil
  if server.share then server.share:tell(server, source) end
  ebb.note(server, counts.sessions)
end

local function is_over(server, count, most, source)
  if most == UNLIMITED then return false end
  local share = server.share
  return count + (share and share:others(source) or 0) > most
end

local function are_over(server, source)
  local limits = server.limits
  return is_over(server, server.counts.sessions, limits.sessions, "")
    or is_over(server, server.sources[source], limits.source_sessions, source)
end

local function are_limited(limits)
  return limits.sessions < UNLIMITED or limits.source_sessions < UNLIMITED
end

-- Descriptors that sessions leave to what they need besides: files, lookups.
local KEPT <const> = 128

--- The number from which on a descriptor is of no session, so that those that
--- are here can go on when there are too many.
---@param limit integer  of descriptors
---@return integer
function M.descriptors(limit)
  return limit - math.min(KEPT, limit // 4)
end

--- Takes a place, where one is left.
---@param server lunapost.server
---@param source string
---@param fd integer  the descriptor of the connection
---@return boolean taken
function M.take(server, source, fd)
  if fd >= (server.descriptors or UNLIMITED) then return false end
  local share = are_limited(server.limits) and server.share
  local _ <close> = share and share:alone()
  change(server, source, 1)
  if not are_over(server, source) then return true end
  change(server, source, -1)
  return false
end

--- Gives one back.
---@param server lunapost.server
---@param source string
function M.give(server, source)
  change(server, source, -1)
end

return M
