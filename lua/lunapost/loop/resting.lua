--- Waits without a coroutine, for the built-in loop: of who rests, only an
--- entry by descriptor is kept, until owner:wake(...) is called at one of a
--- few places, whose coroutines are used again and again.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"

local M = {}

local yield <const>, wait_for <const> = coroutine.yield, core.loop.wait
local traceback <const> = debug.traceback

-- What the coroutine of a place yields that leads no more, and is free.
local DONE <const> = {}

M.DONE = DONE

-- How often in a row somebody may fail, or a place be missing, where memory is
-- short: behind that, nobody waits for more.
local TRIES <const> = 8

-- How many places are kept for what comes.
local KEPT <const> = 64

---@class lunapost.loop.place
---@field co thread
---@field at_work table|false  the owner that it works for
---@field trace? string  the traceback of what was raised last
---@field tries integer  how often in a row the owner has failed
---@field fd? integer  for which somebody was to rest again last

-- A coroutine that is closed at its work drops whom it works for.
local meta = { __name = "lunapost.loop.place", __close = function(place)
  local owner = place.at_work
  if owner and owner.drop then owner:drop() end
end }

-- The message handler of all that runs at a place: who is at work may want to
-- raise something else.
local function explainer(place)
  return function(problem)
    local owner = place.at_work
    if owner and owner.explain then return owner.explain(problem) end
    place.trace = type(problem) == "string" and traceback(problem, 2) or nil
    return problem
  end
end

-- One protected call carries all that is woken here, until somebody fails.
local function protect(state, place, explain, lead, fail)
  local ok, problem = xpcall(lead, explain, state, place)
  while not ok do
    place.tries = place.tries + 1
    if not place.at_work or place.tries > TRIES then error(problem, 0) end
    ok, problem = xpcall(fail, explain, state, place, problem)
  end
end

local function work(state, place, lead, fail)
  local explain <const> = explainer(place)
  return function()
    local here <close> = place
    while here do
      protect(state, here, explain, lead, fail)
      yield(DONE)
    end
  end
end

--- The fields of a loop's state that belong here.
---@param state lunapost.loop.state
function M.prepare(state)
  state.resting, state.hands, state.hand_count = {}, {}, 0
  state.places = setmetatable({}, { __mode = "k" })
end

local function new_place(state, lead, fail)
  local place = setmetatable({ at_work = false, tries = 0 }, meta)
  local co = coroutine.create(work(state, place, lead, fail))
  place.co, state.places[co] = co, place
  deadline.own_at(co, place)
  return place
end

local function take_place(state, lead, fail)
  local n = state.hand_count
  local place = state.hands[n]
  if place then
    state.hands[n], state.hand_count = nil, n - 1
  else
    place = new_place(state, lead, fail)
  end
  state.tasks[place.co] = true
  return place
end

--- A place whose coroutine runs lead(state, place) each time it is resumed, as
--- a task; fail(state, place, problem), where the owner at work there raised
--- something.
---@param state lunapost.loop.state
---@param lead fun(state: lunapost.loop.state, place: lunapost.loop.place)
---@param fail fun(state: lunapost.loop.state, place: lunapost.loop.place,
--- problem: any)
---@return lunapost.loop.place
function M.leader(state, lead, fail)
  local ok, place
  for _ = 1, TRIES do -- where memory is short, what was garbage makes room
    ok, place = pcall(take_place, state, lead, fail)
    if ok then return place end
  end
  error(place, 0)
end

--- The coroutine of a place leads no more, and has nothing to do.
---@param state lunapost.loop.state
---@param co thread
function M.release(state, co)
  state.tasks[co] = nil
  local n = state.hand_count + 1
  if n > KEPT then return end
  state.hands[n], state.hand_count = state.places[co], n
end

--- Rests where nobody else waits.
---@param state lunapost.loop.state
---@param fd integer
---@param mode "r"|"w"|"rw"
---@param seconds number?  nil: for ever
---@param owner table
---@param limit number?  on now's clock, beside the seconds
---@return number due  when that ends at the latest
function M.rest(state, fd, mode, seconds, owner, limit)
  local due = wait_for(state.poller, fd, mode, seconds, limit)
  state.resting[fd] = owner
  return due
end

--- Another place leads; who is to rest again waits.
---@param state lunapost.loop.state
---@param place lunapost.loop.place
---@param fd integer?
---@param seconds number?
---@param limit number?  nil: nobody is
function M.follow(state, place, fd, seconds, limit)
  if limit then wait_for(state.poller, fd, "r", seconds, limit) end
  place.at_work = false
  state.count = state.count - 1
end

--- Ends the rest of an owner that failed when it was to wait for that.
---@param state lunapost.loop.state
---@param owner table
---@param fd integer?
function M.rouse(state, owner, fd)
  if not fd or state.resting[fd] ~= owner then return end
  state.resting[fd] = nil
  state.poller:cancel(fd)
end

--- Whoever was woken is done, or rests again.
---@param state lunapost.loop.state
---@param place lunapost.loop.place
---@param owner table
---@param limit number?  nil: it is done
---@param seconds number?
---@param fd integer?
---@return boolean leads  false when the leader has another in its place: the
--- owner waited, and was one of the tasks until now
function M.asleep(state, place, owner, limit, seconds, fd)
  state.current = nil
  if limit then M.rest(state, fd, "r", seconds, owner, limit) end
  place.at_work = false
  if state.leader == place then return true end
  state.count = state.count - 1
  return false
end

--- Wakes who rested; the leader is its task.
---@param state lunapost.loop.state
---@param place lunapost.loop.place
---@param owner table
---@param ready true?
---@param why string?
---@return boolean leads  as asleep
function M.awake(state, place, owner, ready, why)
  place.at_work, state.current = owner, place.co
  return M.asleep(state, place, owner, owner:wake(ready, why))
end

--- The task that works for an owner.
---@param state lunapost.loop.state
---@param owner table
---@return thread? co
function M.task_of(state, owner)
  for co, place in pairs(state.places) do
    if place.at_work == owner and state.tasks[co] then return co end
  end
end

--- How many rest, or are about to be woken.
---@param state lunapost.loop.state
---@return integer
function M.count(state)
  local n, queue = 0, state.queue
  for _ in pairs(state.resting) do n = n + 1 end
  for i = queue.head + 1, queue.tail do
    local arguments = queue.arguments[i]
    if arguments and arguments.woken then n = n + 1 end
  end
  return n
end

--- Ends every rest, in a loop that takes no more waits.
---@param state lunapost.loop.state
---@param report fun(problem: any)
function M.close(state, report)
  for fd, owner in pairs(state.resting) do
    state.resting[fd] = nil
    state.poller:cancel(fd)
    local ok, problem = pcall(owner.wake, owner, nil, "closed")
    if not ok then report(problem) end
  end
end

return M
