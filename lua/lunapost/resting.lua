--- Waits without a coroutine, for the built-in loop: of who rests, only an
--- entry by descriptor is kept, until owner:wake(...) is called in one of a
--- few coroutines that are used again and again.

local M = {}

-- What a coroutine yields that is done with its work, and waits for more.
local DONE <const> = {}

M.DONE = DONE

-- How many coroutines are kept for what comes.
local KEPT <const> = 64

local function work(owner, ready, why)
  while true do
    owner:wake(ready, why)
    owner, ready, why = coroutine.yield(DONE)
  end
end

--- The fields of a loop's state that belong here.
---@param state lunapost.loop.state
function M.prepare(state)
  state.resting, state.hands, state.hand_count = {}, {}, 0
end

--- A coroutine that takes owner, ready and why, and is a task from now on.
---@param state lunapost.loop.state
---@return thread
function M.hire(state)
  local n = state.hand_count
  local co = state.hands[n] or coroutine.create(work)
  if n > 0 then state.hands[n], state.hand_count = nil, n - 1 end
  state.tasks[co] = true
  return co
end

--- A coroutine yielded DONE.
---@param state lunapost.loop.state
---@param co thread
function M.release(state, co)
  state.tasks[co] = nil
  state.count = state.count - 1
  local n = state.hand_count + 1
  if n > KEPT then return end
  state.hands[n], state.hand_count = co, n
end

--- Takes an owner out of its rest.
---@param state lunapost.loop.state
---@param fd integer
---@return table? owner
function M.take(state, fd)
  local owner = state.resting[fd]
  state.resting[fd] = nil
  return owner
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
