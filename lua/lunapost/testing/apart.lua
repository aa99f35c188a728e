--- A server for a spec in a process of its own, so that any client may block
--- as it likes: other libraries, other programs. Handlers run there, and what
--- they set is not seen here.

local core = require "lunapost.core"
local inbox = require "lunapost.testing.inbox"
local loops = require "lunapost.loop"

local process, system = core.process, core.system

local M = {}

local PATIENCE <const>, LOOK <const> = 5, 0.2

---@class lunapost.testing.apart
---@field url string
---@field port integer
---@field addresses string[]
---@field pid integer
---@field messages lunapost.mime.part[]
---@field envelopes lunapost.testing.envelope[]
local Apart = {}

local meta = { __name = "lunapost.testing.apart", __index = Apart }

-- Ends when the spec's process is gone.
local function watch(parent)
  while process.parent() == parent do loops.sleep(LOOK) end
  process.tell(system.pid(), "end")
end

local function serve(server, parent)
  loops.reopen()
  loops.spawn(watch, parent)
  return server:run()
end

-- Waits for the child's end; true when it came by itself.
local function gone(pid, seconds)
  local limit = core.loop.now() + seconds
  repeat
    if process.reap(pid) then return true end
    core.loop.block(-1, "r", 0.01)
  until core.loop.now() > limit
  return false
end

--- Ends the process, and forgets what it kept.
function Apart:stop()
  if not self.pid then return end
  process.tell(self.pid, "end")
  if not gone(self.pid, PATIENCE) then
    process.tell(self.pid, "kill")
    gone(self.pid, PATIENCE)
  end
  self.pid = nil
  for _, path in ipairs(self.paths or {}) do system.remove(path) end
  self.count = #self.messages + #self.envelopes -- reads what is there
  inbox.remove(self.folder)
end

meta.__close, meta.__gc = Apart.stop, Apart.stop

local function fork(server)
  io.stdout:flush()
  io.stderr:flush()
  local parent = system.pid()
  local pid = assert(process.fork())
  if pid > 0 then return pid end
  local ok, problem = xpcall(serve, debug.traceback, server, parent)
  if not ok then io.stderr:write(tostring(problem), "\n") end
  os.exit(ok, false) -- the spec's own state is not ours to close
end

-- Lets go of the listeners, which the child has: nobody else answers for it,
-- should it die. The paths of Unix sockets are left to be removed at the end.
local function hand_over(server)
  local paths, listeners = {}, { table.unpack(server.listeners) }
  table.insert(listeners, server.metrics_listener)
  for _, listener in ipairs(listeners) do
    paths[#paths + 1] = listener:disown()
  end
  server:stop(0)
  return paths
end

--- Starts a server that listens already in a process of its own.
---@param server lunapost.server
---@param folder string  where it keeps what comes
---@return lunapost.testing.apart
function M.start(server, folder)
  local pid = fork(server)
  local messages, envelopes = inbox.open(folder)
  local apart = setmetatable({ pid = pid, folder = folder, port = server.port,
    addresses = server.addresses, messages = messages,
    envelopes = envelopes }, meta)
  apart.paths = hand_over(server)
  return apart
end

return M
