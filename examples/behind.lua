-- A server behind another one, which tells it whose mail it passes on: it
-- trusts that by XCLIENT, and notes what it found out in a field of its own.
--
--   lua5.4 examples/behind.lua

local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local server = smtp.server {
  listen = "127.0.0.1:0", hostname = "mx.example.org",
  xclient = { "127.0.0.1" }, -- also networks, "10.0.0.0/8", and "unix"
  reverse_dns = false,
  limits = { source_message_rate = 60, tarpit = 0.1 },
}

function server.on.connect(session)
  if session.peer.address == "192.0.2.66" then
    return 554, "5.7.1", "not from there"
  end
end

function server.on.message(session, message)
  print(("for %s [%s], by %s:"):format(session.peer.name, session.peer.address,
    session.peer.via.address))
  io.write(session:received(), session:authentication_results {
    { method = "spf", result = "pass",
      properties = { ["smtp.mailfrom"] = session.envelope.from.address } },
  }, "Subject: ", message.subject, "\n")
end

assert(server:start())
loop.spawn(function()
  local client <close> = assert(smtp.open {
    host = "127.0.0.1", port = server.port })
  print((client:command("XCLIENT", "ADDR=192.0.2.7", "NAME=far.example")))
  assert(client:ehlo())
  assert(client:send({ from = "ana@far.example", to = "bob@example.org" },
    "Subject: passed on\r\n\r\nHello.\r\n"))
  client:quit()
  server:stop()
  loop.stop()
end)
loop.run()
