--- A program at the other end: started without a shell, its standard input
--- and output a connection; timed out, and reaped.

local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local err = require "lunapost.err"
local net = require "lunapost.net"

local M = {}

local now <const> = core.loop.now

---@class lunapost.process
---@field conn userdata  its standard input and output
---@field name string  the program, for errors
---@field carried boolean  it is a task's of a built-in loop, which starts
--- another whoever asks
local Process = {}
local meta <const> = { __name = "lunapost.process", __index = Process }

--- Seconds that one has to end once its connection is closed; then SIGTERM,
--- and as long again, SIGKILL.
M.GRACE = 5

-- Those that were left to end by themselves: a strong reference each, so
-- that the collector does not end them.
local leaving = {}

-- Reaps whoever has ended, and helps those who will not.
local function sweep()
  local left = {}
  for _, process in ipairs(leaving) do
    if not process.child:ended() then
      local seconds = now() - process.since
      if seconds > M.GRACE then
        process.child:terminate(seconds > 2 * M.GRACE)
      end
      left[#left + 1] = process
    end
  end
  leaving = left
end

local function word_list(command)
  for i, word in ipairs(command) do
    if type(word) ~= "string" then
      error(("option 'command' holds strings, not %s (word %d)"):format(
        type(word), i), 0)
    end
  end
  if #command == 0 then error("option 'command' is empty", 0) end
  return command
end

--- Starts a program; no shell reads its words.
---@param command string[]  the program, searched for in PATH, and its words
---@param options? { errors: boolean, loop: table }  errors: what it writes to
--- standard error comes by the connection, too
---@return lunapost.process? process
---@return lunapost.err? error  kind "connect"
function M.start(command, options)
  sweep()
  options = options or {}
  local conn, child, text = core.process.start(word_list(command),
    options.errors)
  if not conn then
    return nil, err.new { kind = child, text = "cannot start " .. text,
      host = "exec:" .. command[1], transient = false }
  end
  local loop = options.loop or default_loop
  return setmetatable({ conn = conn, child = child, name = command[1],
    loop = loop, carried = loop.blocks ~= nil and loop.inside() }, meta)
end

--- Waits until it has ended; nobody else is kept waiting.
---@param seconds number
---@return integer? code  its exit code, 128 + the signal's number; nil: it
--- still runs
function Process:wait(seconds)
  local sleep = self.loop.sleep or default_loop.sleep
  local till, step = now() + seconds, 0.0005
  while true do
    local code = self.child:ended()
    if code then return code end
    local left = till - now()
    if left <= 0 then return nil end
    sleep(math.min(step, left))
    step = math.min(2 * step, 0.02)
  end
end

-- Sees a program out, in a task of its own.
local function see_out(process)
  for _ = 1, 3 do
    if process:wait(M.GRACE + 0.01) then break end
    sweep()
  end
  sweep()
end

--- Leaves it to end by itself, now that its connection is closed. Where a
--- loop runs, it is seen out; else the next call that starts one looks.
function Process:release()
  if self.since then return end
  self.since = now()
  leaving[#leaving + 1] = self
  sweep()
  -- a killed task cannot yield any more: the built-in loop goes on without
  local runs = self.carried or coroutine.isyieldable()
  if runs and not self.child:ended() then self.loop.spawn(see_out, self) end
end

--- After a goodbye: gives it time to end.
---@param seconds? number
function Process:settle(seconds)
  self:wait(math.min(seconds or M.GRACE, M.GRACE))
  sweep()
end

--- Ends it, at once and without waiting: whoever unwinds a killed task must
--- not wait.
---@param force boolean  SIGKILL, so that it does nothing more; else SIGTERM,
--- and after GRACE seconds SIGKILL
function Process:abandon(force)
  self.child:terminate(force)
  net.close(self.conn, self.loop)
  self:release()
end

--- Ends it: SIGTERM, and soon SIGKILL.
function Process:stop()
  if self:wait(0) then return end
  self.child:terminate()
  if not self:wait(0.5) then
    self.child:terminate(true)
    self:wait(0.5)
  end
end

--- How many were released and still run.
---@return integer
function M.left()
  sweep()
  return #leaving
end

return M
