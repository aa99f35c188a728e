--- A server from its first listener to its last session.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local net = require "lunapost.net"
local workers = require "lunapost.smtp.workers"

local M = {}

local now <const> = core.loop.now

-- Seconds that a stop leaves to bodies and handlers unless it says more.
local GRACE <const> = 10

local function accept_loop(server, listener)
  while true do
    local conn, problem = net.accept(listener, { loop = server.loop })
    if conn then
      server.loop.spawn(server.serve, server, conn)
    elseif server.stopping then
      return
    else
      server.log("accept: " .. tostring(problem))
      server.pause(0.1)
    end
  end
end

local function listen_at(server, where)
  local listener, err = net.listen(where, { backlog = server.limits.backlog })
  if not listener then return nil, err end
  table.insert(server.listeners, listener)
  local address, port = listener:address()
  server.port = server.port or port
  table.insert(server.addresses,
    port and net.join(address, port) or "unix:" .. address)
  return listener
end

--- See Server:listen.
---@param server lunapost.server
function M.listen(server)
  if not server.config then server:prepare() end
  local where = server.options.listen or "127.0.0.1:2525"
  core.system.raise_descriptors()
  for _, one in ipairs(type(where) == "table" and where or { where }) do
    local listener, err = listen_at(server, one)
    if not listener then
      M.stop(server, 0)
      return nil, err
    end
  end
  return server
end

--- See Server:start.
---@param server lunapost.server
function M.start(server)
  server:prepare()
  if #server.listeners == 0 then
    local ok, err = M.listen(server)
    if not ok then return nil, err end
  end
  for _, listener in ipairs(server.listeners) do
    server.loop.spawn(accept_loop, server, listener)
  end
  return server
end

-- Says 421 and closes. An idle session wakes up and ends by itself; one that
-- is busy is dropped with all that it holds open.
local function hang_up(server, session, co)
  local idle, over = session.idle and not session.in_body,
    session.ended ~= nil
  if not over then
    session.machine:close(421, "4.3.2", server.hostname .. " shuts down")
    session.machine:flush(session.conn)
    session.ended = "stopped"
  end
  server:leave(session)
  if not idle and co ~= coroutine.running() and server.loop.kill then
    session.killed = true
    server.loop.kill(co)
    if not over then
      session.work_due = nil -- this handler runs here, in nobody's session
      deadline.run(server.loop, server.limits.handler, session.call, session,
        "disconnect", "stopped")
    end
  end
end

local function hang_up_all(server, idle_only)
  local list = {}
  for session, co in pairs(server.sessions) do
    if session.idle and not session.in_body or not idle_only then
      list[session] = co
    end
  end
  for session, co in pairs(list) do hang_up(server, session, co) end
end

--- See Server:stop.
---@param server lunapost.server
---@param grace? number  seconds
function M.stop(server, grace)
  server.stopping = true
  for _, listener in ipairs(server.listeners) do
    server.loop.forget(listener:fd())
    listener:close()
  end
  server.listeners = {}
  local limit = now() + (grace or GRACE)
  hang_up_all(server, true)
  while next(server.sessions) and now() < limit do
    server.pause(0.02)
    hang_up_all(server, true)
  end
  hang_up_all(server, false)
end

-- Serves in this process until SIGTERM or SIGINT.
local function run_alone(server)
  assert(M.start(server))
  local signals = assert(core.system.signals())
  server.loop.spawn(function()
    local guard <close> = signals
    server.loop.wait(signals:fd(), "r")
    server.loop.forget(signals:fd())
    M.stop(server)
    server.pause(0) -- who was woken up ends in order
    server.loop.stop()
    return guard
  end)
  server.loop.run()
end

--- See Server:run.
---@param server lunapost.server
---@param started? fun(server: lunapost.server)
function M.run(server, started)
  if not server.loop.run then
    error("server:run is for the built-in loop: in another one, which "
      .. "somebody runs, use server:start", 3)
  end
  local ok, err = M.listen(server)
  if not ok then return nil, err end
  if started then started(server) end
  local count = server.options.workers or 1
  if count == 1 then
    run_alone(server)
  else
    workers.run(count, server.log, function() run_alone(server) end)
  end
  return true
end

return M
