--- The event loops that carry sessions in specs, each in the same few words:
--- name, loop (what the option takes; nil: none at all), missing (why it
--- cannot be had) and run(fn), which calls fn in the loop until it is over.

local core = require "lunapost.core"

local M = {}

local SECONDS <const> = 30

-- Calls a function and keeps what came of it.
local function attempt(fn)
  local outcome = {}
  return outcome, function()
    local ok, problem = xpcall(fn, function(problem)
      return type(problem) == "string" and debug.traceback(problem, 2)
        or problem
    end)
    outcome.over, outcome.ok, outcome.problem = true, ok, problem
  end
end

-- Steps a loop until the function in it is over, and a little longer, for
-- what it left behind.
local function drive(outcome, step)
  local limit = core.loop.now() + SECONDS
  while not outcome.over and core.loop.now() < limit do step() end
  for _ = 1, 5 do step() end
  if not outcome.over then error("the loop did not come to an end", 0) end
  if not outcome.ok then error(outcome.problem, 0) end
end

local builders <const> = {}

function builders.builtin()
  local loop = require("lunapost.loop").new()
  return { loop = loop, run = function(fn)
    local outcome, task = attempt(fn)
    loop.spawn(task)
    local watch = loop.spawn(loop.sleep, SECONDS)
    loop.run(function() return outcome.over end)
    loop.kill(watch)
    drive(outcome, function() end)
  end }
end

function builders.none()
  return { run = function(fn) fn() end }
end

function builders.cqueues()
  local cqueues = require "cqueues"
  return { loop = require "lunapost.loops.cqueues", run = function(fn)
    local queue = cqueues.new()
    local outcome, task = attempt(fn)
    queue:wrap(task)
    drive(outcome, function() assert(queue:step(0.02)) end)
    queue:close()
  end }
end

function builders.luv()
  local uv = require "luv"
  return { loop = require "lunapost.loops.luv", run = function(fn)
    local outcome, task = attempt(fn)
    local tick = uv.new_timer()
    tick:start(20, 20, function() end)
    coroutine.wrap(task)()
    drive(outcome, function() uv.run "once" end)
    tick:close()
    uv.run "nowait"
  end }
end

function builders.copas()
  package.path = package.path .. ";/usr/share/lua/5.2/?.lua"
  local copas = require "copas"
  return { loop = require "lunapost.loops.copas", run = function(fn)
    local outcome, task = attempt(fn)
    copas.addthread(task)
    drive(outcome, function() copas.step(0.02) end)
  end }
end

--- The carrier of a name.
---@param name "builtin"|"none"|"cqueues"|"luv"|"copas"
---@return table carrier
function M.new(name)
  local ok, carrier = pcall(builders[name])
  if not ok then
    if not tostring(carrier):find("module '" .. name .. "' not found", 1, true)
    then
      error(carrier, 0)
    end
    carrier = { missing = carrier }
  end
  carrier.name = name
  return carrier
end

return M
