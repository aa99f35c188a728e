--- A message of 100 MiB from a client to a server in this process: prints how
--- far memory rose above what it was before, in KiB, and what the handler saw.

local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local handler = arg[1] or "message"
local HEAD <const> = "Subject: large\r\nContent-Type: multipart/mixed; "
  .. "boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: a/b\r\n"
  .. "Content-Transfer-Encoding: base64\r\n\r\n"
local TAIL <const> = "\r\n--b--\r\n"
local LINES <const> = (("QUJD"):rep(19) .. "\r\n"):rep(840)
local COUNT <const> = (100 << 20) // #LINES

local function size(what)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. what .. ":%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end

local seen

local function count(source)
  local octets = 0
  for chunk in source do octets = octets + #chunk end
  return octets
end

local on = {}

function on.message(_, message)
  local decoded = 0
  assert(message:attachments()[1]:decode(function(octets)
    decoded = decoded + #(octets or "")
    return true
  end))
  assert(message:size() == count(message:source()))
  seen = ("message %d %s %s %d"):format(message:size(), message.subject,
    message.text, decoded)
end

function on.data(_, body)
  seen = "data " .. count(body:chunks())
end

local server = smtp.server { listen = "127.0.0.1:0", hostname = "mx.test",
  on = { [handler] = on[handler] }, limits = { size = 1 << 30 } }
assert(server:start())

-- A failure ends it at once, with its words.
function loop.on_error(_, text)
  print(text)
  os.exit(1)
end

loop.spawn(function()
  local client = assert(smtp.open { host = "127.0.0.1", port = server.port })
  local at = -1
  local before
  assert(client:mail "a@example.org")
  assert(client:rcpt "b@example.org")
  collectgarbage()
  collectgarbage()
  before = size "VmRSS"
  local reply, problem = client:data(function()
    at = at + 1
    if at == 0 then return HEAD end
    if at <= COUNT then return LINES end
    if at == COUNT + 1 then return TAIL end
  end)
  assert(reply, problem)
  client:quit()
  print(size "VmHWM" - before, seen, COUNT * #LINES + #HEAD + #TAIL)
  server:stop(0)
  loop.stop()
end)
loop.run()
