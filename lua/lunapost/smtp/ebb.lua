--- Gives back the memory of a crowd of sessions that has left: the collector
--- would not come by before as much is asked for again, which may be never.

local core = require "lunapost.core"

local M = {}

-- Sessions that are a crowd, and seconds in which nobody leaves any more.
local CROWD <const>, PATIENCE <const> = 500, 0.5

-- Few are left that a collection, which is not done in steps where the
-- collector is generational, could make wait.
local function collect(server)
  repeat
    local count = server.counts.sessions
    server.pause(PATIENCE)
  until server.counts.sessions >= count
  collectgarbage() -- finalises what the second one frees
  collectgarbage()
  core.system.trim()
  server.tide.out = false
end

--- Notes how many sessions there are.
---@param server lunapost.server
---@param count integer
function M.note(server, count)
  local tide = server.tide
  if count > tide.most then
    tide.most = count
  elseif tide.most >= CROWD and count <= tide.most // 8 and not tide.out then
    tide.most, tide.out = count, true
    server.loop.spawn(collect, server)
  end
end

return M
