--- Waits without a coroutine, for the built-in loop: of who rests, only an
--- entry by descriptor is kept, until owner:wake(...) is called at one of a
--- few places, whose coroutines are used again and again.

local deadline = require "lunapost.deadline"

local M = {}

local yield <const> = coroutine.yield

-- What the coroutine of a place yields that leads no more, and is free.
local DONE <const> = {}

M.DONE = DONE

-- How many places are kept for what comes.
local KEPT <const> = 64

---@class lunapost.loop.place
---@field co thread
---@field at_work table|false  the owner that it works for

-- A coroutine that is closed at its work drops whom it works for.
local meta = { __name = "lunapost.loop.place", __close = function(place)
  local owner = place.at_work
  if owner and owner.drop then owner:drop() end
end }

local function work(state, place, lead)
  return function()
    local here <close> = place
    while here do
      lead(state, here)
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

local function new_place(state, lead)
  local place = setmetatable({ at_work = false }, meta)
  local co = coroutine.create(work(state, place, lead))
  place.co, state.places[co] = co, place
  deadline.own_at(co, place)
  return place
end

--- A place whose coroutine runs lead(state, place) each time it is resumed, as
--- a task.
---@param state lunapost.loop.state
---@param lead fun(state: lunapost.loop.state, place: lunapost.loop.place)
---@return lunapost.loop.place
function M.leader(state, lead)
  local n = state.hand_count
  local place = state.hands[n]
  if place then
    state.hands[n], state.hand_count = nil, n - 1
  else
    place = new_place(state, lead)
  end
  state.tasks[place.co] = true
  return place
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
