--- A client and a server over loopback, with TLS and AUTH, in one loop.

local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local body <const> = "Subject: x\r\n\r\n" .. ("line\r\n"):rep(5000)
local envelope <const> = { from = "ana@example.org",
  to = { "bob@example.org" } }
local seconds <const> = 1

local function converse(server)
  local client <close> = assert(smtp.open {
    host = "127.0.0.1", port = server.port, tls = "starttls",
    insecure = true, user = "ana", password = "secret", timeout = seconds,
    helo = "client.example.org",
  })
  local result = assert(client:send(envelope, body))
  for _, sent, problem in client:send_all({ { envelope, "a\r\n" },
    { envelope, "b\r\n" }, { envelope, body } }, { overlap = true }) do
    assert(sent, problem)
  end
  client:quit()
  return result
end

return function()
  local kept, done, problem
  local server = smtp.server {
    listen = "127.0.0.1:0", hostname = "mx.example.org", tls = "test",
    log = function() end,
    auth = { check = function(_, given)
      return given.user == "ana" and given.password == "secret"
    end },
    on = { data = function(_, incoming)
      kept = incoming:read()
      return 250, "2.0.0", "ok"
    end },
  }
  loop.spawn(function()
    local ok, result = pcall(converse, server)
    if ok then done = result else problem = result end
    server:stop(0)
  end)
  assert(server:start())
  loop.run()
  if done and kept ~= body then error "wrong: accepted, but not kept" end
  return done and true, problem
end
