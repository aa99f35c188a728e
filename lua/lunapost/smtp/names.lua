--- Names on both sides of a connection: the peer's addresses, and what to
--- call oneself in EHLO.

local core = require "lunapost.core"

local M = {}

-- RFC 5321 4.1.3
local function literal(address)
  if not address or not core.net.numeric(address) then return "[127.0.0.1]" end
  if address:find(":", 1, true) then
    return "[IPv6:" .. address:gsub("%%.*", "") .. "]"
  end
  return "[" .. address .. "]"
end

--- The host's name when it is a full one, else the address literal of this
--- end of the connection.
---@param conn userdata
---@return string
function M.helo(conn)
  return literal((conn:local_address()))
end

--- The addresses of the settings' host.
---@param s table  settings
---@return string[]? addresses
---@return lunapost.err? error  kind "dns"
function M.addresses(s)
  if s.path then return { s.path } end
  return { s.host }
end

return M
