--- A server in memory: its machine, its handlers, its answers.

local smtp = require "lunapost.smtp"

local wanted <const> = "Subject: x\r\n\r\n.dot\r\n"

return function()
  local got
  local server = smtp.server {
    hostname = "mx.example.org",
    log = function() end,
    auth = { cleartext = true, check = function() return true end },
    on = {
      rcpt = function(_, path)
        if path.domain ~= "example.org" then return 550, "5.7.1", "no" end
      end,
      data = function(_, body)
        got = body:read()
        return 250, "2.0.0", "it is kept"
      end,
    },
  }
  local transcript = tostring(server:script {
    "EHLO client.example.org", "AUTH PLAIN AHVzZXIAc2VjcmV0",
    "MAIL FROM:<ana@example.net> SIZE=1000 BODY=8BITMIME",
    "RCPT TO:<bob@example.org>", "RCPT TO:<eve@example.com>", "DATA",
    "Subject: x", "", "..dot", ".", "VRFY bob", "NOPE", "QUIT",
  })
  local kept = transcript:find("it is kept", 1, true)
  if kept and got ~= wanted then error "wrong: accepted in part" end
  return kept and transcript:find("550 5.7.1 no", 1, true)
    and transcript:find("S: 221", 1, true)
end
