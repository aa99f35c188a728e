--- Several processes for one server: the parent opens the listeners, forks,
--- starts the dead anew, and passes SIGTERM on.

local core = require "lunapost.core"

local process, now = core.process, core.loop.now

local M = {}

-- Seconds: between looks for the dead, for the last ones to go, and that a
-- worker must have lived to be started anew at once.
local LOOK <const>, GRACE <const>, SOON <const> = 0.1, 15, 1

local function launch(children, signals, work)
  local pid, text = process.fork()
  if not pid then return nil, text end
  if pid == 0 then
    signals:close()
    local ok, problem = xpcall(work, debug.traceback)
    if not ok then io.stderr:write("lunapost: ", problem, "\n") end
    os.exit(ok, true)
  end
  children[pid] = now()
  return true
end

-- Forgets the children that ended; how many must be started anew.
local function bury(children, log, stopping)
  local dead = 0
  for pid, code in process.reap do
    local born = children[pid]
    children[pid] = nil
    if born and not stopping then
      log(("worker %d ended with %d"):format(pid, code))
      dead = dead + 1
      if now() - born < SOON then core.loop.block(-1, "r", SOON) end
    end
  end
  return dead
end

local function stop(children, log)
  for pid in pairs(children) do process.terminate(pid) end
  local limit = now() + GRACE
  while next(children) and now() < limit do
    core.loop.block(-1, "r", LOOK)
    bury(children, log, true)
  end
  for pid in pairs(children) do process.terminate(pid, true) end
end

local function ended(signals)
  core.loop.block(signals:fd(), "r", LOOK)
  local name = signals:next()
  while name and name ~= "term" and name ~= "int" do name = signals:next() end
  return name ~= nil
end

--- Runs work() in count processes until SIGTERM or SIGINT.
---@param count integer
---@param log fun(line: string)
---@param work fun()  serves until SIGTERM, in a child
function M.run(count, log, work)
  local signals <close> = assert(core.system.signals())
  local children = {}
  local missing = count
  repeat
    while missing > 0 do
      local ok, text = launch(children, signals, work)
      if not ok then
        log(text)
        break
      end
      missing = missing - 1
    end
    missing = missing + bury(children, log)
  until ended(signals)
  stop(children, log)
end

return M
