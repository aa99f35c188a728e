--- What becomes of the errors of tasks: whoever runs the loop is told.

local raised = require "lunapost.raised"

local M = {}

-- What Lua raises where memory runs out.
local NO_MEMORY <const> = "not enough memory"

local function say_so(state, co, problem, text)
  local handler = state.public.on_error
  if handler then
    handler(problem, text, co)
  else
    io.stderr:write("lunapost.loop: a task failed: ", raised.text(text), "\n")
  end
end

--- A task failed: never silently, unless there is no memory to say so, which is
--- no reason to stop all others.
---@param state lunapost.loop.state
---@param co thread?
---@param problem any
---@param text any  with its traceback
function M.tell(state, co, problem, text)
  local ok, trouble = pcall(say_so, state, co, problem, text)
  if not ok and trouble ~= NO_MEMORY then error(trouble, 0) end
end

-- With the traceback, where there is memory for one.
local function traced(co, problem)
  if type(problem) ~= "string" then return problem end
  local ok, text = pcall(debug.traceback, co, problem)
  return ok and text or problem
end

--- A task died of an error.
---@param state lunapost.loop.state
---@param co thread?
---@param problem any
function M.report(state, co, problem)
  local text = problem
  if co then
    text = traced(co, problem)
    coroutine.close(co)
  end
  M.tell(state, co, problem, text)
end

return M
