-- Many messages over few connections. usage:
--   lua5.4 examples/pool.lua smtp://HOST:PORT
-- Sends ten messages at a time.

local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local pool <close> = smtp.pool {
  server = arg[1] or "smtp://127.0.0.1:2525",
  max_connections = 3, -- at a time
  max_messages = 100,  -- over one connection
  rate = 50,           -- messages a second
}

for i = 1, 10 do
  loop.spawn(function()
    local result, problem = pool:send({
      from = "ana@example.org", to = { ("user%d@example.net"):format(i) },
    }, ("Subject: number %d\r\n\r\nOne of ten.\r\n"):format(i))
    print(i, result and "sent" or problem)
  end)
end
loop.run()

local stats = pool:stats()
print(("%d messages over %d connections"):format(stats.messages,
  stats.connections))
