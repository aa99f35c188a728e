--- Waits without a coroutine, for the built-in loop: of who rests, only an
--- entry by descriptor is kept, until owner:wake(...) is called in one of a
--- few coroutines that are used again and again.

local M = {}

local yield <const> = coroutine.yield

-- What a coroutine yields that leads no more, and is free.
local DONE <const> = {}

M.DONE = DONE

-- How many coroutines are kept for what comes.
local KEPT <const> = 64

-- A coroutine that is closed at its work drops whom it works for.
local dropping = { __close = function(place)
  local owner = place.state.working[place.co]
  if owner and owner.drop then owner:drop() end
end }

local function work(lead)
  return function(state, me)
    local place <close> = setmetatable({ state = state, co = me }, dropping)
    while place do
      lead(state, me)
      yield(DONE)
    end
  end
end

--- The fields of a loop's state that belong here.
---@param state lunapost.loop.state
function M.prepare(state)
  state.resting, state.hands, state.hand_count = {}, {}, 0
  state.working = setmetatable({}, { __mode = "k" })
end

--- A coroutine that runs lead(state, itself) each time it is resumed with
--- them, a task.
---@param state lunapost.loop.state
---@param lead fun(state: lunapost.loop.state, me: thread)
---@return thread
function M.leader(state, lead)
  local n = state.hand_count
  local co = state.hands[n]
  if co then
    state.hands[n], state.hand_count = nil, n - 1
  else
    co = coroutine.create(work(lead))
  end
  state.tasks[co] = true
  return co
end

--- A coroutine leads no more, and has nothing to do.
---@param state lunapost.loop.state
---@param co thread
function M.release(state, co)
  state.tasks[co] = nil
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
