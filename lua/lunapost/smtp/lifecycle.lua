--- A server from its first listener to its last session.

local acceptor = require "lunapost.smtp.acceptor"
local arrival = require "lunapost.smtp.arrival"
local core = require "lunapost.core"
local counters = require "lunapost.smtp.counters"
local deadline = require "lunapost.deadline"
local doors = require "lunapost.smtp.doors"
local err = require "lunapost.err"
local metrics = require "lunapost.smtp.metrics"
local net = require "lunapost.net"
local over = require "lunapost.smtp.over"
local places = require "lunapost.smtp.places"
local service = require "lunapost.smtp.service"
local share = require "lunapost.smtp.share"
local workers = require "lunapost.smtp.workers"

local M = {}

local now <const>, process <const> = core.loop.now, core.process

local function add(server, listener, place)
  table.insert(server.listeners, listener)
  server.behind[listener] = doors.of(server, place)
  local address, port = listener:address()
  server.port = server.port or port
  table.insert(server.addresses,
    port and net.join(address, port) or "unix:" .. address)
end

-- Listens at one place: an address, or what a service manager passed.
local function listen_at(server, place)
  local where = place.at
  local name = where:match "^systemd:(.+)$"
  if name or where == "systemd" then
    local list, problem = service.listeners(name)
    for _, one in ipairs(list or {}) do add(server, one, place) end
    return list, problem
  end
  local listener, problem = net.listen(where,
    { backlog = server.limits.backlog, permissions = place.permissions })
  if listener then add(server, listener, place) end
  return listener, problem
end

-- The door for what reads the metrics.
local function listen_for_metrics(server)
  local where = server.options.metrics
  if not where then return true end
  local listener, problem = net.listen(where)
  if not listener then return nil, problem end
  server.metrics_listener = listener
  local address, port = listener:address()
  server.metrics_address = port and net.join(address, port)
    or "unix:" .. address
  return true
end

-- What root was needed for is done: becomes the option's user, for good.
local function become(server)
  local user, group = server.options.user, server.options.group
  if not user then return true end
  local ok, text = core.system.become(tostring(user),
    group and tostring(group))
  if ok then return true end
  return nil, err.of("limit", text)
end

local function open(server)
  local list = doors.places(server.options) -- misuse is told before any
  if server.options.metrics then net.place(server.options.metrics, 0) end
  for _, place in ipairs(list) do
    local ok, problem = listen_at(server, place)
    if not ok then return nil, problem end
  end
  server:prepare() -- the doors, too
  local ok, problem = listen_for_metrics(server)
  if not ok then return nil, problem end
  return become(server)
end

--- See Server:listen.
---@param server lunapost.server
function M.listen(server)
  if not server.config then server:prepare() end
  server.descriptors = places.descriptors(core.system.raise_descriptors())
  local ok, problem = open(server)
  if ok then return server end
  M.stop(server, 0)
  return nil, problem
end

--- See Server:start.
---@param server lunapost.server
function M.start(server)
  server:prepare()
  if #server.listeners == 0 then
    local ok, problem = M.listen(server)
    if not ok then return nil, problem end
  end
  for _, listener in ipairs(server.listeners) do
    acceptor.start(server.behind[listener], listener, arrival.serve)
  end
  if server.metrics_listener then
    acceptor.start(server, server.metrics_listener, metrics.serve)
  end
  return server
end

-- It waits for a command.
local function is_idle(session)
  return (session.idle or session.rests) and not session.in_body
end

-- The task that runs now: within the function that serves a whole dialogue,
-- another than its coroutine.
local function task(loop)
  return loop.task and loop.task() or coroutine.running()
end

-- Says 421 and closes. An idle session wakes up and ends by itself; one that
-- is busy is dropped with all that it holds open.
local function hang_up(server, session, co)
  local idle, ended = is_idle(session), session.ended ~= nil
  if not ended then
    session.machine:close(421, "4.3.2", server.hostname .. " shuts down")
    session.machine:flush(session.conn)
    session.ended, session.gone = "stopped", over.of "stopped"
  end
  server:leave(session)
  local loop = server.loop
  if co == true then co = loop.task_of(session) end -- it has rested
  if co and not idle and co ~= task(loop) and loop.kill then
    session.killed = true
    loop.kill(co)
    if not ended then
      server.counts.ended_stopped = server.counts.ended_stopped + 1
      session.work_due = nil -- this handler runs here, in nobody's session
      deadline.run(loop, server.limits.handler, session.farewell,
        session, "stopped")
    end
  end
end

local function hang_up_all(server, idle_only)
  local list = {}
  for session, co in pairs(server.sessions) do
    if is_idle(session) or not idle_only then
      list[session] = co
    end
  end
  for session, co in pairs(list) do hang_up(server, session, co) end
end

local function close_listeners(server)
  table.insert(server.listeners, server.metrics_listener)
  for _, listener in ipairs(server.listeners) do
    server.loop.forget(listener:fd())
    listener:close()
  end
  server.listeners, server.metrics_listener = {}, nil
end

-- The session whose handler runs now.
local function own_session(server)
  local mine = task(server.loop)
  for session, co in pairs(server.sessions) do
    if co == true then co = server.loop.task_of(session) end
    if co == mine then return session end
  end
end

-- Whether somebody is left, but for those whose handlers wait for just that.
local function are_left(server, all)
  for session in pairs(server.sessions) do
    if all or not session.stops then return true end
  end
end

-- Until nobody is left, or the time is over: whether it is not.
local function see_out(server, limit, all)
  hang_up_all(server, true)
  while are_left(server, all) and now() < limit and not server.hurried do
    server.pause(0.02)
    hang_up_all(server, true)
  end
  return now() < limit and not server.hurried
end

local function end_all(server, limit)
  see_out(server, limit, true)
  hang_up_all(server, false)
end

-- A handler that stops its server sees the others out; its own session ends
-- when it has answered.
local function drain(server, grace)
  server.stopping = true
  close_listeners(server)
  local limit = now() + grace
  local own = own_session(server)
  if own then own.stops = true end
  if see_out(server, limit, not own) and own then
    server.loop.spawn(end_all, server, limit)
  else
    hang_up_all(server, false)
  end
end

--- See Server:stop.
---@param server lunapost.server
---@param grace? number  seconds
function M.stop(server, grace)
  server.grace = grace or server.grace
  if server.runs and not server.stopping then -- the end of run, and of workers
    process.tell(server.slot and process.parent() or core.system.pid(), "end")
  end
  drain(server, server.grace)
end

-- What ends a server, and then its grace. A worker leaves its haste to its
-- parent: a terminal sends the same signal to both.
local ends <const> = { term = true, int = true, quit = true }

local function is_end(server, name)
  return ends[name] and (name == "quit" or not server.slot
    or not server.told)
end

-- What signals ask for; true when it is the end.
local function obey(server, signals)
  for name in signals.next, signals do
    if name == "hup" and not server.stopping then
      server:reload()
    elseif is_end(server, name) then
      return true
    end
  end
end

local function until_the_end(server, signals)
  repeat
    local ready = server.loop.wait(signals:fd(), "r")
  until obey(server, signals) or not ready
end

local function tell(server, ...)
  local ok, problem = service.tell(...)
  if not ok then
    server.log { level = "warning", event = "error", text = problem }
  end
end

local function ending(server)
  tell(server, "STOPPING=1")
  server.log { level = "info", event = "stop", text = "stops" }
end

-- Serves in this process until SIGTERM or SIGINT; a second one ends the
-- grace of the first.
local function serve(server, signals)
  assert(M.start(server))
  server.loop.spawn(function()
    local _ <close> = setmetatable({}, { __close = server.loop.stop })
    until_the_end(server, signals)
    server.told = true
    if not server.slot then ending(server) end
    server.loop.spawn(function()
      until_the_end(server, signals)
      server.hurried = true
    end)
    drain(server, server.grace)
    server.loop.forget(signals:fd())
    server.pause(0) -- who was woken up ends in order
  end)
  server.runs = true
  server.loop.run()
  server.runs = false
end

-- Workers cannot tell each other what they count but on a board.
local function serve_by_workers(server, count, signals)
  server.board, server.share = counters.board(count), share.new(count)
  workers.run(server, count, signals, function(own)
    serve(server, own)
  end, function()
    close_listeners(server) -- lest clients queue where nobody accepts
    ending(server)
  end)
end

--- See Server:run.
---@param server lunapost.server
---@param started? fun(server: lunapost.server)
function M.run(server, started)
  if not server.loop.run then
    error("server:run is for the built-in loop: in another one, which "
      .. "somebody runs, use server:start", 3)
  end
  if #server.listeners == 0 then
    local ok, problem = M.listen(server)
    if not ok then return nil, problem end
  end
  local signals <close> = assert(core.system.signals())
  if started then started(server) end
  server.log { level = "info", event = "listening",
    text = "listening on " .. table.concat(server.addresses, ", ") }
  tell(server, "READY=1")
  local count = server.options.workers or 1
  if count == 1 then
    serve(server, signals)
  else
    serve_by_workers(server, count, signals)
  end
  return true
end

--- See Server:reload.
---@param server lunapost.server
---@param renew fun(server): true?, lunapost.err?
function M.reload(server, renew)
  if not server.slot then tell(server, service.reloading()) end
  local ok, problem = renew(server)
  if not server.slot then tell(server, "READY=1") end
  return ok, problem
end

return M
