-- A server for specs of clients, in a process of its own. Its recipients:
-- nobody@ is refused, slow@ is answered after 0.2 s, never@ after an hour.
--
--   slow_server.lua starttls|implicit CA-FILE

local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local server = smtp.server {
  listen = "127.0.0.1:0", hostname = "localhost", protocol = "smtp",
  tls = { test = true, mode = arg[1] },
}

local pauses <const> = { slow = 0.2, never = 3600 }

function server.on.rcpt(_, path)
  if path.localpart == "nobody" then return 550, "5.1.1", "who?" end
  loop.sleep(pauses[path.localpart] or 0)
end

function server.on.data(_, body)
  local size = 0
  for chunk in body:chunks() do size = size + #chunk end
  return 250, "2.0.0", size .. " octets"
end

local file <close> = assert(io.open(arg[2], "w"))
file:write((server.context:pem()))
file:close()
server:run(function()
  print("listening on " .. server.addresses[1])
  io.stdout:flush()
end)
