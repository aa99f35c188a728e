--- A deadline over a whole piece of work, however often it waits.
---
--- Within deadline.run every wait of the coroutine ends at the deadline at
--- the latest, and then raises an error that unwinds the work. The waits of
--- the built-in loop know of it by themselves; an adapter of another loop
--- asks M.limit before it waits and calls M.check after.

local core = require "lunapost.core"

local now <const>, running <const> = core.loop.now, coroutine.running

local M = {}

-- When the work of a coroutine must be over, on the monotonic clock; below
-- 0: so many seconds, not yet begun. A clock that nobody waits by is not read.
local due = setmetatable({}, { __mode = "k" })

local meta = { __name = "lunapost.deadline" }

function meta.__tostring(e)
  return e.text
end

--- True for the error that a passed deadline raises.
---@param problem any
---@return boolean
function M.is(problem)
  return getmetatable(problem) == meta
end

local function raise()
  error(setmetatable({ kind = "timeout", text = "the deadline passed" },
    meta), 0)
end

-- The deadline of a coroutine, whose clock runs from now on.
local function begun(co)
  local limit = due[co]
  if limit and limit < 0 then
    limit = now() - limit
    due[co] = limit
  end
  return limit
end

--- The seconds to wait, cut at the coroutine's deadline. Raises when it has
--- passed.
---@param seconds number?  nil: for ever
---@param co thread?  the one that waits; default: the running one
---@return number? seconds
---@return boolean cut  the deadline comes first
function M.limit(seconds, co)
  co = co or running()
  if not due[co] then return seconds, false end
  local left = begun(co) - now()
  if left <= 0 then raise() end
  if seconds and seconds < left then return seconds, false end
  return left, true
end

--- Raises when a wait that was cut has timed out.
---@param cut boolean
---@param why string?  "timeout"
function M.check(cut, why)
  if cut and why == "timeout" then raise() end
end

--- Sets the running coroutine's deadline, unless an earlier one is set.
---@param seconds number
---@return number? before  for M.leave
function M.enter(seconds)
  local co = running()
  local before = begun(co)
  local limit = now() + seconds
  if not before or limit < before then due[co] = limit end
  return before
end

--- Puts the deadline back that was there before M.enter or M.allow.
---@param before number?
---@param co thread?  default: the running one
function M.leave(before, co)
  due[co or running()] = before
end

--- Like M.enter, for work that seldom waits: its clock begins with its first
--- wait.
---@param seconds number
---@param co thread  the running one
---@return number? before  for M.leave
function M.allow(seconds, co)
  if due[co] then return M.enter(seconds) end
  due[co] = -seconds
end

--- Stops a coroutine's clock: waiting for a peer is not its work.
---@param co thread  the running one
---@return number? left  seconds, for M.resume
function M.pause(co)
  local limit = due[co]
  if not limit then return nil end
  due[co] = nil
  return limit < 0 and -limit or limit - now()
end

--- Lets the clock run on after M.pause.
---@param left number?
---@param co thread  the running one
function M.resume(left, co)
  if not left then return end
  due[co] = left > 0 and -left or 0 -- 0: has passed
end

--- Gives one coroutine the deadline of another that waits for it.
---@param from thread
---@param to thread
function M.inherit(from, to)
  due[to] = begun(from)
end

local leaver = { __close = function(guard) M.leave(guard.before) end }

--- Calls fn(...) and returns its results. Any wait in it that passes the
--- deadline raises an error for which M.is is true; a deadline within a
--- deadline only shortens it.
---@param loop table?  kept for adapters; the built-in loop needs none
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function M.run(loop, seconds, fn, ...) -- luacheck: ignore loop
  local _ <close> = setmetatable({ before = M.enter(seconds) }, leaver)
  return fn(...)
end

return M
