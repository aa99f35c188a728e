--- How a session's connection comes about: by dialing, through a proxy, by a
--- function of the script's own, or by a program.

local core = require "lunapost.core"
local err = require "lunapost.err"
local net = require "lunapost.net"
local process = require "lunapost.smtp.process"
local tunnel = require "lunapost.smtp.tunnel"

local M = {}

-- What a script's function gave: a connection, or the number of a socket
-- that belongs to it.
local function adopted(value)
  if math.type(value) ~= "integer" then return value end
  local conn, kind, text = core.net.adopt(value)
  if conn then return conn end
  return nil, err.of(kind, text)
end

local function own(s, seconds)
  local value, problem = s.connect(s.host, s.port, seconds)
  if not value then
    if err.is(problem) then return nil, problem end
    return nil, err.of("connect", tostring(problem or "option 'connect' gave "
      .. "no connection"))
  end
  if math.type(value) == "integer" or type(value) == "userdata" then
    return adopted(value)
  end
  error("option 'connect' returns a connection, a descriptor or nil, not "
    .. type(value), 0)
end

local function program(s)
  local started, problem = process.start(s.command, { loop = s.loop })
  if not started then return nil, problem end
  return started.conn, nil, started
end

local function through_proxy(s, seconds)
  return tunnel.dial(s.through, s.host, s.port, { loop = s.loop,
    timeout = seconds })
end

local function dial(s, seconds)
  return net.dial { host = s.host, port = not s.path and s.port or nil,
    unix = s.path, addresses = not s.path and s.addresses or nil,
    loop = s.loop, timeout = seconds }
end

local function way(s)
  return s.command and program or s.connect and own
    or s.through and through_proxy or dial
end

--- Opens a connection.
---@param s table  settings
---@param seconds number
---@return userdata? conn
---@return lunapost.err? error
---@return lunapost.process? process  at the other end
function M.open(s, seconds)
  local conn, problem, started = way(s)(s, seconds)
  if problem then problem.host = s.label end
  return conn, problem, started
end

--- Whether a second connection to the same server may be opened to look at.
---@param s table  settings
---@return boolean
function M.repeatable(s)
  return not (s.command or s.connect or s.path)
end

return M
