-- Streams on loopback for specs: pairs of connections, tasks that must
-- succeed, descriptors counted.
local core = require "lunapost.core"
local loops = require "lunapost.loop"

local M = {}

local opened = {}

--- The interpreter that runs the specs.
M.lua = arg[-1] or "lua5.4"

--- Runs a script in another process; its output. prefix: shell words before.
function M.script(text, prefix)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(("package.path, package.cpath = %q, %q\n"):format(package.path,
    package.cpath), text)
  file:close()
  local p = io.popen((prefix or "") .. M.lua .. " " .. path .. " 2>&1")
  local out = p:read "a"
  p:close()
  os.remove(path)
  return out
end

--- Closes what the spec opened.
function M.close()
  for _, handle in ipairs(opened) do handle:close() end
  opened = {}
end

--- Closes a handle with the others.
function M.keep(handle)
  opened[#opened + 1] = handle
  return handle
end

--- A listener on a free port of loopback, and the port.
function M.listener(address)
  local listener = M.keep(assert(core.net.listen(address or "127.0.0.1", 0)))
  return listener, select(2, listener:address())
end

--- Two connected streams.
function M.pair(address)
  local listener, port = M.listener(address)
  local a = M.keep(assert(core.net.connect(address or "127.0.0.1", port)))
  local b
  repeat
    core.loop.block(listener:fd(), "r", 1)
    b = listener:accept()
  until b
  repeat until a:connected()
  listener:close()
  return a, M.keep(b)
end

--- Whether a process runs: one that is dead may still wait to be reaped.
---@param pid integer|string
---@return boolean
function M.alive(pid)
  local file <close> = io.open("/proc/" .. pid .. "/stat")
  local state = file and file:read "a":match "%) (%a)"
  return state ~= nil and state ~= "Z"
end

--- How many descriptors this process has open.
function M.descriptors()
  collectgarbage()
  collectgarbage()
  return #core.system.list "/proc/self/fd"
end

--- Whether no more than n descriptors are open, or come to be within a minute:
--- the threads of lookups that were given up have sockets until they end.
function M.at_most(n)
  local limit = core.loop.now() + 60
  while M.descriptors() > n do
    if core.loop.now() > limit then return false end
    core.loop.block(-1, "r", 0.02)
  end
  return true
end

--- Runs functions as tasks of a loop of their own; the first error of one
--- is raised. Ends when all are done.
function M.run(loop, ...)
  local problem
  function loop.on_error(e, trace)
    problem = problem or (type(e) == "string" and trace or e)
    loop.stop()
  end
  for _, fn in ipairs { ... } do loop.spawn(fn) end
  loop.run()
  loop.close()
  if problem then error(problem, 0) end
end

--- Repeats a method of a connection until it is done, or fails.
function M.finish(loop, conn, method, ...)
  while true do
    local a, b, c = conn[method](conn, ...)
    if a or b ~= "read" and b ~= "write" then return a, b, c end
    local ready, why = loop.wait(conn:fd(), b == "read" and "r" or "w", 60)
    if not ready then return nil, why end
  end
end

--- Writes it all.
function M.send(loop, conn, bytes)
  local from = 1
  while from <= #bytes do
    local n, kind, text = M.finish(loop, conn, "write", bytes, from)
    if not n then return nil, kind, text end
    from = from + n
  end
  return true
end

M.new_loop = loops.new

return M
