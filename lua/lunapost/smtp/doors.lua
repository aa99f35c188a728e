--- The doors of a server: the places where it listens, each maybe with a way
--- to TLS of its own (25 with STARTTLS beside 465 with TLS at once).

local net = require "lunapost.net"
local options_of = require "lunapost.options"
local service = require "lunapost.smtp.service"
local view = require "lunapost.smtp.view"

local M = {}

---@class lunapost.server.place
---@field at string  "HOST:PORT", "unix:PATH", "systemd[:NAME]"
---@field tls? "starttls"|"implicit"|"none"  default: as the option tls has it
---@field permissions? string  of a Unix socket, octal; default: as the umask
--- has it

local known <const> = { at = "string", tls = "string",
  permissions = "string" }

local ways <const> = { starttls = true, implicit = true, none = true }

local function check_permissions(place)
  local text = place.permissions
  if not text then return end
  if not place.at:find "^unix:" then
    error("permissions are for a Unix socket", 0)
  end
  if not text:find "^0?[0-7][0-7][0-7]$" then
    error(("permissions are octal, as \"660\", not %q"):format(text), 0)
  end
end

-- A place as a table, whatever it was written as.
local function place_of(given, has_tls)
  if type(given) == "string" then return { at = given } end
  options_of.check("key of 'listen'", given, known, 0)
  if not given.at then error("a place of 'listen' needs at =", 0) end
  if given.tls and not ways[given.tls] then
    options_of.unknown("tls of a place", given.tls, ways, 0)
  end
  if given.tls and given.tls ~= "none" and not has_tls then
    error(("listen at %s: tls = %q needs the option tls"):format(given.at,
      given.tls), 0)
  end
  check_permissions(given)
  return given
end

--- Where to listen: as the option says, else where a service manager does.
--- Misuse raises.
---@param options { listen: string|table|nil, tls: any }
---@return lunapost.server.place[]
function M.places(options)
  local listen, list = options.listen, {}
  if not listen then
    return { { at = service.sockets()[1] and "systemd" or "127.0.0.1:2525" } }
  end
  if type(listen) ~= "table" or listen.at then listen = { listen } end
  for i, given in ipairs(listen) do
    list[i] = place_of(given, options.tls ~= nil)
    if not list[i].at:find "^systemd" then net.place(list[i].at, 0) end
  end
  return list
end

--- The server as those see it who come by a place: itself, or a view of it
--- with another way to TLS, of which there is one a way.
---@param server lunapost.server
---@param place lunapost.server.place
---@return lunapost.server
function M.of(server, place)
  local way = place.tls
  if not way then return server end
  server.doors[way] = server.doors[way] or view.of(server, {
    implicit = way == "implicit", starttls = way == "starttls",
    config = false })
  return server.doors[way]
end

return M
