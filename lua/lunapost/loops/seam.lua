--- What the adapters of other loops share: waits with their deadlines, tasks
--- whose errors are told, and how either ends early.
---
--- An adapter gives four functions of its loop to M.adapt:
---   inside() -> whether the running coroutine can be parked
---   park(w)    -- parks it until w.done is set, by an event or before wake
---   wake(w)    -- w.done was set: the parked coroutine goes on soon
---   release(w) -- the wait is over, or its coroutine was closed
---   start(co)  -- runs a coroutine in the loop
--- where w is { fd = integer (-1: none), mode =, seconds = number? }, and
--- w.done one of "ready", "timeout", "closed", "killed".

local blocking = require "lunapost.loop"
local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local raised = require "lunapost.raised"

local M = {}

-- What a killed task raises at each wait, until it is unwound.
local KILLED <const> = setmetatable({}, {
  __name = "lunapost.killed",
  __tostring = function() return "the task was killed" end,
})

-- Which tasks are killed, in whichever loop.
local killed = setmetatable({}, { __mode = "k" })

--- Loads another loop's library, or says how to get it.
---@param name string  of the module
---@param advice string
---@return table
function M.library(name, advice)
  local ok, library = pcall(require, name)
  if ok then return library end
  if type(library) == "string" and library:find(
    "module '" .. name .. "' not found", 1, true) then
    library = ("module '%s' not found, which lunapost.loops.%s needs: %s")
      :format(name, name, advice)
  end
  error(library, 0)
end

local over = {}

-- Marks a coroutine, and those that it runs within, as in a wait or not; the
-- outermost is the task that the loop knows.
local function mark(state, co, w)
  while state.nested[co] do
    state.passing[co] = w
    co = state.nested[co]
  end
  return co
end

-- The end of a wait, however it comes; a closed coroutine's, too.
function over.__close(w)
  local state = w.state
  mark(state, w.co, nil)
  if state.waits[w.fd] == w then state.waits[w.fd] = nil end
  state.parked[w.task] = nil
  state.release(w)
end

local function finish(state, w, why)
  if w.done then return end
  w.done = why
  if state.waits[w.fd] == w then state.waits[w.fd] = nil end
  state.wake(w)
end

local function claim(state, fd)
  if not state.waits[fd] then return end
  error(("two tasks wait for descriptor %d"):format(fd), 4)
end

local function park(state, fd, mode, seconds)
  local co = coroutine.running()
  local w <close> = setmetatable({ fd = fd, mode = mode, seconds = seconds,
    state = state, co = co }, over)
  local task = mark(state, co, w)
  w.task = task
  if killed[task] then error(KILLED, 0) end
  if fd >= 0 then state.waits[fd] = w end
  state.parked[task] = w
  repeat state.park(w) until w.done
  if w.done == "killed" then error(KILLED, 0) end
  return w.done
end

local function wait(state, fd, mode, seconds)
  if not state.inside() then return blocking.wait(fd, mode, seconds) end
  if fd < 0 then return nil, "closed" end
  claim(state, fd)
  local limit, cut = deadline.limit(seconds)
  local done = park(state, fd, mode, limit)
  if done == "ready" then return true end
  deadline.check(cut, done)
  return nil, done
end

local function sleep(state, seconds)
  if not state.inside() then return blocking.sleep(seconds) end
  local limit, cut = deadline.limit(seconds)
  park(state, -1, "r", limit)
  deadline.check(cut, "timeout")
end

-- A task died of an error: never silently.
local function report(public, problem, text)
  if public.on_error then return public.on_error(problem, text) end
  io.stderr:write("lunapost.loops: a task failed: ", raised.text(text), "\n")
end

local function traceback(problem)
  if type(problem) ~= "string" then return { problem, raised.text(problem) } end
  return { problem, debug.traceback(problem, 2) }
end

-- The running coroutine, or the outermost that it runs within.
local function outermost(state)
  local co = coroutine.running()
  while state.nested[co] do co = state.nested[co] end
  return co
end

local function spawn(state, fn, ...)
  local arguments = table.pack(...)
  local co = coroutine.create(function()
    if killed[coroutine.running()] then return end
    local ok, problem = xpcall(fn, traceback,
      table.unpack(arguments, 1, arguments.n))
    if not ok and problem[1] ~= KILLED then
      report(state.public, problem[1], problem[2])
    end
  end)
  state.start(co)
  return co
end

local function kill(state, task)
  if task == coroutine.running() then error("a task cannot kill itself", 3) end
  killed[task] = true
  local w = state.parked[task]
  if w then finish(state, w, "killed") end
end

-- A coroutine within a task: while it waits, what it yields is the loop's.
local function wrap(state, fn)
  local co = coroutine.create(fn)
  local function pass(ok, ...)
    if ok and state.passing[co] then
      return pass(coroutine.resume(co, coroutine.yield(...)))
    end
    if ok then return ... end
    coroutine.close(co)
    error((...), 0)
  end
  local function step(...)
    state.nested[co] = coroutine.running()
    deadline.inherit(coroutine.running(), co)
    return pass(coroutine.resume(co, ...))
  end
  return step, nil, nil, setmetatable({}, { __close = function()
    coroutine.close(co)
  end })
end

local weak <const> = { __mode = "k" }

--- Makes an adapter of what it can do with its loop.
---@param can { inside: fun(): boolean, park: function, wake: function,
--- release: function, start: fun(co: thread), forget: fun(fd: integer)? }
---@return table loop  what the option `loop` takes
function M.adapt(can)
  local public = {}
  local state = { public = public, waits = {}, parked = {},
    nested = setmetatable({}, weak), passing = setmetatable({}, weak),
    inside = can.inside, park = can.park, wake = can.wake,
    release = can.release, start = can.start }

  --- Waits until a descriptor is ready. Outside the loop it blocks.
  ---@param fd integer
  ---@param mode "r"|"w"|"rw"
  ---@param seconds number?  nil: for ever
  ---@return true? ready
  ---@return "timeout"|"closed"|nil why
  function public.wait(fd, mode, seconds)
    return wait(state, fd, mode, seconds)
  end

  --- Before a descriptor is closed; who waits for it learns it.
  ---@param fd integer
  function public.forget(fd)
    local w = state.waits[fd]
    if w then finish(state, w, "closed") end
    if can.forget and fd >= 0 then can.forget(fd) end
  end

  --- Starts a task. Its errors go to on_error(problem, traceback), or else
  --- to stderr.
  ---@param fn function  called with the arguments that follow
  ---@return thread task
  function public.spawn(fn, ...) return spawn(state, fn, ...) end

  ---@param seconds number
  function public.sleep(seconds) return sleep(state, seconds) end

  --- Ends a task of this loop: its present wait, and each later one, raises
  --- an error that unwinds it.
  ---@param task thread
  function public.kill(task) return kill(state, task) end

  --- As coroutine.wrap, for use within a task: waits pass through. A for
  --- loop over it closes the coroutine at its end.
  ---@param fn function
  ---@return function
  function public.wrap(fn) return wrap(state, fn) end

  --- Whether a coroutine of the loop runs: its waits do not block.
  ---@return boolean
  function public.inside() return can.inside() end

  --- The task that runs now, whatever coroutine it runs at the moment.
  ---@return thread? task
  function public.task() return can.inside() and outermost(state) or nil end

  public.now = core.loop.now
  return public
end

--- True for what a killed task raises.
---@param problem any
---@return boolean
function M.is_killed(problem)
  return problem == KILLED
end

return M
