--- Patience for specs on a machine that is busy, or stands still for a while:
--- what is waited for is a fact, never a while.

local core = require "lunapost.core"

local M = {}

-- More than any machine needs; nobody waits so long unless all is lost.
local MOST <const> = 60

--- Waits within a loop until something holds; raises when that takes ages.
---@param loop table
---@param holds fun(): any
---@param most? number  seconds, where more than a minute may be needed
---@return any what it gave
function M.await(loop, holds, most)
  local limit <const> = core.loop.now() + (most or MOST)
  local fact = holds()
  while not fact do
    if core.loop.now() > limit then error("it waits in vain", 2) end
    loop.sleep(0.005)
    fact = holds()
  end
  return fact
end

--- For what ends by running out of time, which may come before that was
--- reached which is looked at: tried with more and more seconds until it was.
---@param seconds number  at first
---@param try fun(seconds: number): any  falsehood where it ended too soon
---@return any what it gave
function M.rising(seconds, try)
  while true do
    local fact = try(seconds)
    if fact then return fact end
    if seconds > MOST then error("always too soon", 2) end
    seconds = seconds * 4
  end
end

return M
