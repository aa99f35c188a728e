-- A program's way with mail, tested: against a server that takes everything,
-- and against one that fails at each point of the dialogue in turn. In a
-- busted spec, each of these would be a test. Run as
--
--   lua5.4 examples/testing.lua

local loop = require "lunapost.loop"
local post = require "lunapost"
local smtp = require "lunapost.smtp"
local testing = require "lunapost.testing"

-- What is tested: a message is handed over, again if that may help.
local function remind(url)
  local result, err
  for _ = 1, 3 do
    result, err = post.send { server = url, from = "bot@example.org",
      to = { "ana@example.org" }, subject = "Tea at five", text = "!",
      timeout = 0.3 }
    if result or not err.transient then break end
    loop.sleep(0.01)
  end
  return result, err
end

do -- what came, and for whom
  local server <close> = testing.server()
  assert(remind(server.url))
  assert(server.messages[1].subject == "Tea at five")
  assert(server.envelopes[1].to[1] == "ana@example.org")
end

-- Wherever a server breaks, once: the message arrives, or the error says that
-- it may have.
for _, point in ipairs { "greeting", "EHLO", "MAIL", "RCPT", "DATA", "body",
  "message" } do
  for name, fault in pairs { close = { close = true },
    reset = { reset = true }, silence = { stall = true },
    drip = { delay = 0.05, split = 1 },
    refusal = { reply = { 451, "4.3.0", "not now" } } } do
    fault.at, fault.nth = point, 1
    local server <close> = testing.server { faults = { fault } }
    local result, err = remind(server.url)
    assert(result and #server.messages >= 1 or err.kind == "unconfirmed")
    print(("%-8s  %-7s  %s"):format(point, name, result and "arrived"
      or err.kind))
  end
end

do -- another program as the client: the server has a process of its own
  local server <close> = testing.server { process = true }
  local client = assert(smtp.open { server = server.url })
  assert(client:send({ from = "a@example.org", to = { "b@example.org" } },
    "Subject: by hand\r\n\r\nHello.\r\n"))
  client:quit()
  print(#server.messages, server.messages[1].subject)
end
