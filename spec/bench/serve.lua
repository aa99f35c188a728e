--- The server under load: a handler for every command; takes each message
--- and forgets it.

local smtp = require "lunapost.smtp"

local tls <const> = arg[1] == "tls" and "test" or nil
local seen = 0

local function see() seen = seen + 1 end

local server = smtp.server {
  listen = "127.0.0.1:0", hostname = "mx.example.org",
  reverse_dns = false, tls = tls,
  limits = { sessions = 20000, source_sessions = 20000 },
  on = {
    connect = see, helo = see, ehlo = see, mail = see, rset = see, noop = see,
    quit = see, disconnect = see,
    rcpt = function(_, to)
      if to.domain ~= "example.org" then return 550, "5.7.1", "not here" end
    end,
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
