-- A session that no mail program would hold, command by command, to see
-- what a server makes of it; then its transcript.
--
--   lua examples/session.lua smtp://localhost:2525
local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local client <close> = assert(smtp.connect {
  server = arg[1] or "smtp://localhost:2525", timeout = 10,
})

local function show(reply, err)
  print(reply or "refused: " .. tostring(err))
  return reply
end

show(client:command("XADR", "ana"))             -- nobody knows this verb
show(client:rcpt("bob@example.net"))            -- before MAIL
show(client:ehlo("client.example.org"))
for name, words in pairs(client.extensions) do
  print("  offers", name, table.concat(words, " "))
end

client:write("NO")                              -- a command in two pieces,
loop.sleep(0.1)
client:write("OP\r\nRSET\r\n")                  -- and the next one with it
show(client:expect(250))
show(client:expect(250))

show(client:mail("", { "SIZE=0" }))             -- the null sender
show(client:rcpt("postmaster"))
if show(client:command("DATA")).code == 354 then
  client:write("Subject: by hand\r\n\r\n..a dot, doubled by hand\r\n.\r\n")
  show(client:expect(250))
end
show(client:quit())

print()
client.transcript:print(io.stdout)
