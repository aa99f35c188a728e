--- Gives back the memory of a crowd of sessions that has left, or of a flood:
--- the collector would not come by before as much is asked for again, which
--- may be never.

local core = require "lunapost.core"

local M = {}

-- Sessions that are a crowd, and seconds in which nobody leaves any more.
local CROWD <const>, PATIENCE <const> = 500, 0.5

-- KiB over twice of what was left the last time: a flood.
local FLOOD <const> = 8192

-- A stack that was deep is given back by halves, one a collection.
local function collect_all()
  repeat
    local before <const> = collectgarbage "count"
    collectgarbage()
  until collectgarbage "count" > 0.9 * before
end

-- Few are left that a collection, which is not done in steps where the
-- collector is generational, could make wait.
local function collect(server)
  local tide = server.tide
  repeat
    local count = server.counts.sessions
    server.pause(PATIENCE)
  until server.counts.sessions >= count
  collectgarbage() -- finalises what the second one frees
  collect_all()
  core.system.trim()
  tide.out, tide.kib = false, collectgarbage "count"
end

--- Gives back what is free, once nobody leaves any more.
---@param server lunapost.server
function M.tidy(server)
  if server.tide.out then return end
  server.tide.out = true
  server.loop.spawn(collect, server)
end

local function is_flood(tide)
  return collectgarbage "count" > 2 * tide.kib + FLOOD
end

--- Notes what a handler raised: where its stack overflowed, that was large.
---@param server lunapost.server
---@param text string
function M.fault(server, text)
  if text:find("stack overflow", 1, true) then M.tidy(server) end
end

--- Notes how many sessions there are.
---@param server lunapost.server
---@param count integer
function M.note(server, count)
  local tide = server.tide
  if count > tide.most then
    tide.most = count
  elseif tide.most >= CROWD and count <= tide.most // 8 then
    tide.most = count
    M.tidy(server)
  elseif is_flood(tide) then
    M.tidy(server)
  end
end

return M
