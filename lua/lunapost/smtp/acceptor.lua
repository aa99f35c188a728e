--- Accepts what comes to a listener: without a task of its own where the loop
--- can rest, one connection in each round.

local net = require "lunapost.net"

local M = {}

---@class lunapost.acceptor
---@field server lunapost.server
---@field listener userdata
---@field fd integer
---@field serve fun(server: lunapost.server, conn: userdata)
local Acceptor = {}
local meta <const> = { __name = "lunapost.acceptor", __index = Acceptor }

-- It cannot be accepted, for now; false where the server stops.
local function hold(server, problem)
  if server.stopping then return false end
  server.log("accept: " .. tostring(problem))
  server.pause(0.1)
  return true
end

-- As a task; each connection is served in another.
local function accept_all(server, listener, serve)
  local options <const> = { loop = server.loop }
  local going = true
  while going do
    local conn, problem = net.accept(listener, options)
    if conn then
      server.loop.spawn(serve, server, conn)
    else
      going = hold(server, problem)
    end
  end
end

local function rest(acceptor)
  acceptor.server.loop.rest(acceptor.fd, "r", nil, acceptor)
end

--- Serves the next connection, while it rests for the one behind that.
function Acceptor:wake()
  local server, listener = self.server, self.listener
  local conn, kind, text = listener:accept()
  if conn then
    rest(self)
    self.serve(server, conn)
    return
  end
  if kind == "limit" then -- clients stay in the kernel's queue meanwhile
    server.pause(0.1)
  elseif kind ~= "read" and not hold(server, text) then
    return
  end
  if listener:fd() == self.fd then rest(self) end
end

--- It rests again whatever fails, for want of memory, say: else nobody would
--- hear who comes.
---@return number? limit, number? seconds, integer? fd  nil: it was closed
function Acceptor:persist()
  if self.listener:fd() == self.fd then return math.huge, nil, self.fd end
end

--- Begins to accept.
---@param server lunapost.server
---@param listener userdata
---@param serve fun(server: lunapost.server, conn: userdata)  may wait
function M.start(server, listener, serve)
  if not server.loop.rest then
    return server.loop.spawn(accept_all, server, listener, serve)
  end
  rest(setmetatable({ server = server, listener = listener, serve = serve,
    fd = listener:fd() }, meta))
end

return M
