-- Ways to send that are no plain dial: a proxy, a connection of one's own, a
-- local program, a dry run. Run as
--
--   lua5.4 examples/through.lua
local post = require "lunapost"
local smtp = require "lunapost.smtp"

local message <const> = {
  from = "Ana <ana@example.org>", to = { "bob@example.net" },
  subject = "By another way", text = "Hello\n", seed = 1,
}

local function send(how)
  local options = {}
  for name, value in pairs(message) do options[name] = value end
  for name, value in pairs(how) do options[name] = value end
  local result, err = post.send(options)
  print(result and "accepted: " .. table.concat(result.accepted, ", ") or err)
  return result
end

-- Nobody is asked: the octets, and who would get them.
local result = send { transport = smtp.dry() }
io.write(result.message)

-- A program that takes the message on its standard input, as sendmail -i
-- does; no shell reads its words.
send { transport = smtp.sendmail { command = { "cat" }, arguments = false } }

-- A program that speaks SMTP on its standard input and output; the same as
-- server = "exec:sendmail -bs".
send { command = { "/usr/sbin/no-such-sendmail", "-bs" } }

-- A proxy looks the name up. Nobody listens at this one.
send { server = "smtp://mx.example.net", proxy = "socks5://ana:pw@127.0.0.1:1",
  timeout = 5 }
send { server = "smtp://mx.example.net", proxy = "http://127.0.0.1:1",
  timeout = 5 }

-- A connection of one's own: what lunapost.net dials, or the number of a
-- socket that any other library made.
send { server = "smtp://mx.example.net", connect = function(host, port)
  return nil, ("no way to %s:%d today"):format(host, port)
end }
