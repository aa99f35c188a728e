-- A server whose whole dialogue is one function, read from top to bottom: it
-- greets, takes one message and says goodbye. A client beside it sends one.
--
--   lua5.4 examples/dialogue.lua

local post = require "lunapost"
local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local server = smtp.server {
  listen = "127.0.0.1:0", hostname = "mx.example.org",
  session = function(s)
    s:answer(220, "at your service")
    assert(s:expect("EHLO", "HELO"))
    local mail = assert(s:expect "MAIL")
    print("from", mail.path)
    repeat
      local command = assert(s:expect("RCPT", "DATA"))
      if command.verb == "RCPT" then print("to", command.path) end
    until command.verb == "DATA"
    local octets, why = s:receive()
    if not octets then return print("no message:", why) end
    s:answer(250, "2.0.0", #octets .. " octets, thank you")
    s:expect "MAIL" -- QUIT ends the dialogue instead
  end,
}

assert(server:start())
loop.spawn(function()
  local result = assert(post.send {
    server = "smtp://" .. server.addresses[1],
    from = "ana@example.org", to = { "bob@example.net" },
    subject = "A dialogue", text = "From top to bottom.\n",
  })
  print(result.reply)
  server:stop()
  loop.stop()
end)
loop.run()
