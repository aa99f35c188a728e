--- A deadline over a whole piece of work, however often it waits.
---
--- Within deadline.run every wait of the coroutine ends at the deadline at
--- the latest, and then raises an error that unwinds the work. The waits of
--- the built-in loop know of it by themselves; an adapter of another loop
--- asks M.limit before it waits and calls M.check after.

local core = require "lunapost.core"

local now <const>, running <const> = core.loop.now, coroutine.running

local M = {}

-- Whose deadline a coroutine keeps: the owner's field work_due is a time on the
-- monotonic clock, or nil. An owner may be a place at which others work, one at
-- a time: at_work.
local owners = setmetatable({}, { __mode = "k" })

local function owner_of(co)
  local owner = owners[co]
  if not owner or owner.at_work == nil then return owner end
  return owner.at_work or nil
end

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

-- The owner's deadline, once its clock runs.
local function begun(owner)
  local limit = owner.work_due
  if limit and limit < 0 then
    limit = now() - limit
    owner.work_due = limit
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
  local owner = owner_of(co or running())
  if not owner or not owner.work_due then return seconds, false end
  local left = begun(owner) - now()
  if left <= 0 then raise() end
  if seconds and seconds < left then return seconds, false end
  return left, true
end

--- Whether no coroutine has a deadline: soon told, and most often so.
---@return boolean
function M.none()
  return next(owners) == nil
end

--- Raises when a wait that was cut has timed out.
---@param cut boolean
---@param why string?  "timeout"
function M.check(cut, why)
  if cut and why == "timeout" then raise() end
end

--- Sets the running coroutine's deadline, unless an earlier one is set.
---@param seconds number
---@return table? before  for M.leave
function M.enter(seconds)
  local co = running()
  local before, owner = owners[co], owner_of(co)
  local limit, outer = now() + seconds, owner and begun(owner)
  if not outer or limit < outer then owners[co] = { work_due = limit } end
  return before
end

--- Puts back what was there before M.enter or M.own.
---@param before table?
function M.leave(before)
  owners[running()] = before
end

--- Makes owner.work_due the running coroutine's deadline: nil while there is
--- none, a time on the monotonic clock, or less than 0: so many seconds from
--- the first wait on, so that work without a wait costs no look at the clock.
---@param owner table
---@return table? before  for M.leave
function M.own(owner)
  local co = running()
  local before = owners[co]
  owners[co] = owner
  return before
end

--- Makes a coroutine keep the deadline of whoever works at a place.
---@param co thread
---@param place { at_work: table|false }
function M.own_at(co, place)
  owners[co] = place
end

--- Stops an owner's clock: waiting for a peer is not its work.
---@param owner table
---@return number? left  for owner.work_due, to let the clock run on
function M.pause(owner)
  local limit = owner.work_due
  owner.work_due = nil
  if not limit or limit < 0 then return limit end
  return math.min(now() - limit, -1e-9)
end

--- Gives one coroutine the deadline of another that waits for it.
---@param from thread
---@param to thread
function M.inherit(from, to)
  owners[to] = owner_of(from)
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
