--- Waits without a coroutine, for the built-in loop: of who rests, only an
--- entry by descriptor is kept, until owner:wake(...) is called in one of a
--- few coroutines that are used again and again.

local deadline = require "lunapost.deadline"

local M = {}

local yield <const>, owned_by <const> = coroutine.yield, deadline.owners

-- What a coroutine yields that is done with its work, and waits for more.
local DONE <const> = {}

M.DONE = DONE

-- How many coroutines are kept for what comes.
local KEPT <const> = 64

-- A coroutine that is closed at its work drops whom it works for.
local dropping = { __close = function(place)
  local owner = place.owner
  if owner and owner.drop then owner:drop() end
end }

local function work(owner, ready, why)
  local place <close> = setmetatable({ owner = owner }, dropping)
  while true do
    owner:wake(ready, why)
    place.owner = nil
    owner, ready, why = yield(DONE)
    place.owner = owner
  end
end

--- The fields of a loop's state that belong here.
---@param state lunapost.loop.state
function M.prepare(state)
  state.resting, state.hands, state.hand_count = {}, {}, 0
  state.working = setmetatable({}, { __mode = "k" })
end

--- A coroutine that takes owner, ready and why, and is a task from now on;
--- its deadline is the owner's.
---@param state lunapost.loop.state
---@param owner table
---@return thread
function M.hire(state, owner)
  local n = state.hand_count
  local co = state.hands[n]
  if co then
    state.hands[n], state.hand_count = nil, n - 1
  else
    co = coroutine.create(work)
  end
  state.tasks[co] = true
  state.working[co], owned_by[co] = owner, owner
  return co
end

--- A coroutine yielded DONE.
---@param state lunapost.loop.state
---@param co thread
function M.release(state, co)
  state.tasks[co], state.working[co], owned_by[co] = nil, nil, nil
  state.count = state.count - 1
  local n = state.hand_count + 1
  if n > KEPT then return end
  state.hands[n], state.hand_count = co, n
end

--- The task that works for an owner.
---@param state lunapost.loop.state
---@param owner table
---@return thread? co
function M.task_of(state, owner)
  for co, whose in pairs(state.working) do
    if whose == owner and state.tasks[co] then return co end
  end
end

--- Ends every rest, in a loop that takes no more waits.
---@param state lunapost.loop.state
---@param report fun(problem: any)
function M.close(state, report)
  for fd, owner in pairs(state.resting) do
    state.resting[fd] = nil
    state.count = state.count - 1
    state.poller:cancel(fd)
    local ok, problem = pcall(owner.wake, owner, nil, "closed")
    if not ok then report(problem) end
  end
end

return M
