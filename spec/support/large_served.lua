--- A message of 100 MiB from a client to a server in this process: prints how
--- far memory rose above what it was before, in KiB, and what the handler saw.

local core = require "lunapost.core"
local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local handler = arg[1] or "message"
local LINES <const> = (("x"):rep(76) .. "\r\n"):rep(840)
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
  seen = ("%s %s %d %d"):format(message.subject, message.type,
    message:size(), count(message:source()))
end

function on.data(_, body)
  seen = "data " .. count(body:chunks())
end

local server = smtp.server { listen = "127.0.0.1:0", hostname = "mx.test",
  on = { [handler] = on[handler] }, limits = { size = 1 << 30 } }
assert(server:start())

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
    if at == 0 then return "Subject: large\r\n\r\n" end
    if at <= COUNT then return LINES end
  end)
  assert(reply, problem)
  client:quit()
  print(size "VmHWM" - before, seen, COUNT * #LINES + 18,
    core.system and #core.system.list "/proc/self/fd")
  server:stop(0)
  loop.stop()
end)
loop.run()
