--- Some pieces of work beside each other, so many at a time, in whichever
--- loop; the caller waits for all of them.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local default_loop = require "lunapost.loop"

local M = {}

-- Whether coroutines that are spawned here will run while the caller waits.
local function inside(loop)
  if loop.inside then return loop.inside() end
  return coroutine.isyieldable()
end

-- Does what nobody does yet until nothing is left. What one piece raises is
-- kept, and no more is begun.
local function labour(crew)
  while crew.next <= #crew.pieces and not crew.failed do
    local i = crew.next
    crew.next = i + 1
    local ok, problem = xpcall(crew.work, function(problem)
      return type(problem) == "string" and debug.traceback(problem, 2)
        or problem
    end, crew.pieces[i], crew.loop)
    if not ok then crew.failed = { problem } end
  end
end

-- One who helps; the last one rings, however it ends.
local function helper(crew)
  local _ <close> = setmetatable({}, { __close = function()
    crew.helping = crew.helping - 1
    if crew.helping == 0 and crew.bell:fd() >= 0 then crew.bell:set(0) end
  end })
  labour(crew)
end

-- A caller that is cut off takes its helpers with it.
local over = { __close = function(crew)
  crew.failed = crew.failed or { "given up" }
  for _, task in ipairs(crew.tasks) do
    if crew.helping > 0 and crew.loop.kill
      and coroutine.status(task) == "suspended" then
      crew.loop.kill(task)
    end
  end
  crew.loop.forget(crew.bell:fd())
  crew.bell:close()
end }

local function share(crew, helpers)
  local guard <close> = setmetatable(crew, over)
  for i = 1, helpers do
    crew.helping = crew.helping + 1
    crew.tasks[i] = crew.loop.spawn(helper, crew)
    deadline.inherit(coroutine.running(), crew.tasks[i])
  end
  while guard.helping > 0 do
    crew.loop.wait(crew.bell:fd(), "r")
    crew.bell:set(nil)
  end
  if crew.failed then error(crew.failed[1], 0) end
end

-- Outside any loop there is one for the time being.
local function in_own_loop(pieces, most, work)
  local loop <close> = default_loop.new()
  local problem
  function loop.on_error(e) problem = e end
  local task = loop.spawn(M.run, loop, pieces, most, work)
  deadline.inherit(coroutine.running(), task)
  loop.run()
  if problem then error(problem, 0) end
end

--- Calls work(piece, loop) for each piece, at most so many at a time. What
--- one of them raises is raised here once those that run have ended.
---@param loop table
---@param pieces any[]
---@param most integer
---@param work fun(piece: any, loop: table)
function M.run(loop, pieces, most, work)
  local helpers = math.min(most, #pieces)
  if helpers == 1 then
    for _, piece in ipairs(pieces) do work(piece, loop) end
    return
  end
  if not inside(loop) then return in_own_loop(pieces, most, work) end
  share({ loop = loop, pieces = pieces, work = work, next = 1, helping = 0,
    tasks = {}, bell = assert(core.alarm.new()) }, helpers)
end

return M
