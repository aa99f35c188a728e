--- usage: implicit_serve.lua CERTIFICATE KEY   - a server of implicit TLS
--- with the handlers of keeper.lua, on a free port.

local smtp = require "lunapost.smtp"

local server = smtp.server {
  listen = "127.0.0.1:0",
  tls = { certificate = arg[1], key = arg[2], mode = "implicit" },
  on = dofile "spec/interop/keeper.lua",
}
assert(server:run(function()
  print("listening on 127.0.0.1:" .. server.port)
  io.stdout:flush()
end))
