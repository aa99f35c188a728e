--- Several processes for one server: the parent opened the listeners; it
--- forks, starts the dead anew (later and later, where they die young), and
--- passes signals on. A worker whose parent is gone ends, too.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"

local trace = require "lunapost.smtp.trace"

local process, now = core.process, core.loop.now

local M = {}

-- Seconds: that a worker must live to be started anew at once; the first and
-- the longest delay otherwise; between a worker's reports; what the last
-- ones get beyond their own grace.
local YOUNG <const>, FIRST <const>, LONGEST <const> = 5, 0.1, 30
local REPORT <const>, EXTRA <const> = 1, 5

---@class lunapost.workers.slot  the place of a worker
---@field pid? integer  while it lives
---@field born number
---@field due number  when it may be started
---@field delay number  that the next early death costs

-- Another worker has no room for a message: garbage here may have it.
local function make_room(server)
  if server.share:is_room_wanted() and server.spooled > 0 then
    collectgarbage()
  end
end

-- A worker's own time: publishes what it counts, and looks for its parent.
local function report(server, slot, parent)
  while true do
    server.pause(REPORT)
    server.answered:take(server.counts)
    server.board:publish(slot, server.counts)
    make_room(server)
    if process.parent() ~= parent then
      process.tell(core.system.pid(), "end")
    end
  end
end

-- What a child does, from the fork to its end.
local function work(pool, slot, parent)
  local server = pool.server
  assert(pool.signals:reopen())
  math.randomseed(string.unpack("jj", core.crypto.random(16)))
  if server.loop.reopen then server.loop.reopen() end
  trace.reopen()
  server.counts = server.board:inherit(slot)
  server.answered:take {} -- what the parent answered is no worker's
  server.slot = slot
  server.share:join(slot)
  server.loop.spawn(report, server, slot, parent)
  pool.serve(pool.signals)
  server.counts.sessions = 0
  server.answered:take(server.counts)
  server.board:publish(slot, server.counts)
end

local function start(pool, slot)
  local parent = core.system.pid()
  local pid, text = process.fork()
  if not pid then
    pool.server.log { event = "worker", text = text }
    pool.slots[slot].due = now() + 1
    return
  end
  if pid == 0 then
    local ok, problem = xpcall(work, debug.traceback, pool, slot, parent)
    if not ok then pool.server.log(tostring(problem)) end
    os.exit(ok, true)
  end
  local one = pool.slots[slot]
  one.pid, one.born = pid, now()
  pool.server.log { event = "worker", level = "info", worker = pid,
    text = "worker starts" }
end

-- Starts whoever is missing and due; seconds until the next one is.
local function start_due(pool)
  local wait = 3600
  for i, slot in ipairs(pool.slots) do
    if not slot.pid and slot.due <= now() then start(pool, i) end
    if not slot.pid then wait = math.min(wait, slot.due - now()) end
  end
  return math.max(wait, 0)
end

local function fell(pool, slot, code)
  local lived = now() - slot.born
  slot.delay = lived >= YOUNG and 0 or math.min(slot.delay * 2, LONGEST)
  slot.due = now() + slot.delay
  pool.server.log { event = "worker", worker = slot.pid, code = code,
    text = ("worker %d ended with %d; the next one starts %s"):format(
      slot.pid, code, slot.delay == 0 and "now"
      or ascii.format("in %.1f s", slot.delay)) }
  if slot.delay == 0 then slot.delay = FIRST / 2 end
end

-- Takes note of the children that ended.
local function bury(pool)
  for pid, code in process.reap do
    for i, slot in ipairs(pool.slots) do
      if slot.pid == pid then
        if not pool.stopping then fell(pool, slot, code) end
        slot.pid = nil
        pool.server.board:inherit(i)
        pool.server.share:bury(i)
      end
    end
  end
end

local function tell_all(pool, word)
  local living = 0
  for _, slot in ipairs(pool.slots) do
    if slot.pid then
      process.tell(slot.pid, word)
      living = living + 1
    end
  end
  return living
end

-- What the signals ask for; true when it is the end. Only what this process
-- could reload is passed on.
local function obey(pool)
  for name in pool.signals.next, pool.signals do
    if name == "hup" and not pool.stopping then
      if pool.server:reload() then tell_all(pool, "reload") end
    elseif name == "term" or name == "int" or name == "quit" then
      return true
    end
  end
end

local function alive(pool)
  for _, slot in ipairs(pool.slots) do
    if slot.pid then return true end
  end
end

-- Ends the workers in order: each has the server's grace; a second signal
-- takes it from them.
local function stop(pool, grace)
  pool.stopping = true
  tell_all(pool, "end")
  local limit = now() + grace + EXTRA
  while alive(pool) and now() < limit do
    core.loop.block(pool.signals:fd(), "r", 0.5)
    if obey(pool) then tell_all(pool, "hurry") end
    bury(pool)
  end
  tell_all(pool, "kill")
end

--- Runs serve(signals) in count processes until SIGTERM or SIGINT.
---@param server lunapost.server  listening
---@param count integer
---@param signals userdata
---@param serve fun(signals: userdata)  serves until SIGTERM, in a child
---@param ended fun()  called when the end begins
function M.run(server, count, signals, serve, ended)
  local pool = { server = server, signals = signals, serve = serve,
    slots = {} }
  for i = 1, count do
    pool.slots[i] = { born = 0, due = 0, delay = FIRST / 2 }
  end
  repeat
    core.loop.block(signals:fd(), "r", start_due(pool))
    bury(pool)
  until obey(pool)
  ended()
  stop(pool, server.grace)
end

return M
