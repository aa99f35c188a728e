--- What sending takes of memory: a big attachment goes through in steps.

local peers = require "spec.support.peers"
local tree = require "spec.support.tree"
local wire = require "spec.support.wire"

local SIZE <const> = 100 * 1024 * 1024
local MOST <const> = 4 * 1024 -- KiB above an idle interpreter

-- A program that has lunapost loaded, and its peak of memory in KiB.
local PROGRAM <const> = [[
local post = require "lunapost"
local mime, smtp = require "lunapost.mime", require "lunapost.smtp"
local path, port = %q, %d
%s
for line in io.lines "/proc/self/status" do
  local peak = line:match "VmHWM:%%s*(%%d+)"
  if peak then print("peak", peak) end
end
]]

-- The whole way of a small message, so that all modules are loaded.
local IDLE <const> = [[
local function send(attach)
  return assert(post.send { host = "127.0.0.1", port = port, tls = "none",
    from = "a@example.org", to = "b@example.net", text = "t",
    attach = attach })
end
send()
]]

-- A server that keeps nothing.
local FORGET <const> = [[
return { data = function(_, body)
  for _ in body:chunks() do end
end }
]]

local function peak(path, port, steps)
  local out = wire.script(PROGRAM:format(path, port, steps))
  local kib = out:match "peak%s+(%d+)"
  return assert(math.tointeger(kib), out)
end

local sanitized <const> = (os.getenv "LUNAPOST_BUILD" or ""):find "asan"

describe("an attachment of 100 MiB from a file", function()
  it("takes less than 4 MiB to send", function()
    if sanitized or not tree.read "/proc/self/status" then
      return pending "memory is not measured here"
    end
    local folder <const> = peers.folder()
    local path <const> = folder .. "/big.bin"
    peers.run(("head -c %d /dev/urandom >%s"):format(SIZE, path))
    peers.write(folder .. "/forget.lua", FORGET)
    local server = peers.serve(folder .. "/forget.lua --max-size 300000000",
      folder .. "/log")
    local idle = peak(path, server.port, IDLE)
    local sent = peak(path, server.port, IDLE .. "send { path }")
    local raw = peak(path, server.port, IDLE .. [[
      local client = assert(smtp.open { host = "127.0.0.1", port = port,
        tls = "none", timeout = 60 })
      assert(client:send({ from = "a@b.c", to = { "d@e.f" } },
        { path = path }))]])
    server:stop()
    peers.remove(folder)
    assert.is_true(sent - idle < MOST, ("%d KiB"):format(sent - idle))
    assert.is_true(raw - idle < MOST, ("%d KiB"):format(raw - idle))
  end)
end)
