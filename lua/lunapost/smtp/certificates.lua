--- The certificates of a server: its own, and those that a script chooses by
--- the name that a client asks for (RFC 6066 3).

local net = require "lunapost.net"

local M = {}

local function context_of(tls, hostname)
  return assert(net.context { server = true, test = tls.test,
    choose = tls.sni ~= nil, certificate = tls.certificate, key = tls.key,
    ca = tls.ca, minimum_version = tls.minimum_version,
    hostname = hostname })
end

-- The context for the name that a client asks for: the script's choice of
-- { certificate =, key = }, each made once; nil keeps the server's own.
local function chooser(tls)
  if not tls.sni then return nil end
  local made = {}
  return function(name)
    local choice = tls.sni(name)
    if not choice then return nil end
    local id = choice.certificate .. "\0" .. (choice.key or "")
    made[id] = made[id] or assert(net.context { server = true,
      certificate = choice.certificate, key = choice.key, ca = tls.ca })
    return made[id]
  end
end

--- Reads the certificates that the server's options name. Raises where a
--- file cannot be used. A throw-away certificate stays what it was.
---@param server lunapost.server
---@return table? read  for M.put; nil without TLS
function M.read(server)
  local tls = server.options.tls
  if not tls then return nil end
  if tls == "test" then tls = { test = true } end
  local kept = tls.test and server.context
  return { context = kept or context_of(tls, server.hostname),
    sni = chooser(tls), implicit = tls.mode == "implicit" }
end

--- Puts them before those who come from now on: server.context, .sni,
--- .implicit and .starttls.
---@param server lunapost.server
---@param read table?
function M.put(server, read)
  if not read then return end
  server.context, server.sni = read.context, read.sni
  server.implicit, server.starttls = read.implicit, not read.implicit
end

return M
