--- usage: implicit_serve.lua CERTIFICATE KEY   - a server of implicit TLS
--- with the handlers of keeper.lua, on a free port.

local smtp = require "lunapost.smtp"

local keeper = dofile "spec/interop/keeper.lua"
local server = smtp.server {
  listen = "127.0.0.1:0",
  tls = { certificate = arg[1], key = arg[2], mode = "implicit" },
  extensions = keeper.extensions,
  on = { rcpt = keeper.rcpt, data = keeper.data },
}
assert(server:run(function()
  print("listening on 127.0.0.1:" .. server.port)
  io.stdout:flush()
end))
