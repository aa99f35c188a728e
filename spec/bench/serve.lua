--- The server under load: takes every message and forgets it.

local smtp = require "lunapost.smtp"

local server = smtp.server {
  listen = "127.0.0.1:0",
  reverse_dns = false,
  on = {
    data = function(_, body)
      local n = 0
      for chunk in body:chunks() do n = n + #chunk end
      return 250, "2.0.0", "taken, " .. n .. " octets"
    end,
  },
}
assert(server:run(function()
  print("listening on 127.0.0.1:" .. server.port)
  io.stdout:flush()
end))
