-- What does a server make of odd clients? Each probe holds a session that no
-- mail program holds, and says what it expects.
--
--   lua examples/odd.lua smtp://localhost:2525
local smtp = require "lunapost.smtp"

local probes <const> = {}

function probes.command_octet_by_octet(client)
  assert(client:write("NOOP\r\n", { size = 1, pause = 0.01 }))
  return client:expect(250)
end

function probes.two_commands_in_one_write(client)
  assert(client:write "NOOP\r\nRSET\r\n")
  return client:expect(250) and client:expect(250)
end

function probes.half_a_command(client)
  assert(client:write "NO")
  assert(client:expect("silence", 0.2))
  assert(client:write "OP\r\n")
  return client:expect(250)
end

function probes.wrong_order(client)
  assert(client:write "DATA\r\n")
  return client:expect(503)
end

function probes.line_feed_alone(client)
  assert(client:write "NOOP\nRSET\r\n")
  assert(client:expect(5))
  return client:expect("silence", 0.2) -- one line, one reply
end

-- A second message within the first, where a server takes LF for CRLF.
function probes.smuggling(client)
  assert(client:mail "ana@example.org")
  assert(client:rcpt "bob@example.org")
  assert(client:command("DATA").code == 354)
  assert(client:write("Subject: one\r\n\r\nbody\n.\r\nMAIL FROM:<x@y>\r\n"
    .. "\r\n.\r\n"))
  assert(client:expect { 2, 5 })
  return client:expect("silence", 0.2)
end

function probes.goodbye_by_halves(client)
  assert(client:write "NOOP\r\n")
  assert(client:shutdown())
  assert(client:expect(250))
  return client:expect("closed", 2)
end

local names = {}
for name in pairs(probes) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  local client <close> = assert(smtp.connect {
    server = arg[1] or "smtp://localhost:2525", timeout = 10,
  })
  assert(client:ehlo())
  local ok, err = probes[name](client)
  print(name, ok and "as expected" or err)
  if not ok then client.transcript:print(io.stdout) end
end
