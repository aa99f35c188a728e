--- Streams, TLS, both pollers, lookups and files, without a loop.

local core = require "lunapost.core"
local net = require "lunapost.net"

local bytes <const> = ("0123456789abcdef"):rep(3000)

local function pair(poller)
  local listener <close> = assert(core.net.listen("127.0.0.1", 0))
  local _, port = listener:address()
  local a = assert(core.net.connect("127.0.0.1", port))
  poller:wait(listener:fd(), "r", 5)
  poller:turn(5)
  if poller:next() ~= listener:fd() then error "wrong: event" end
  local b = assert(listener:accept())
  assert(a:connected())
  return a, b
end

-- One step of one end: what it gave when it is done.
local function step(conn, act)
  local done, kind, text = act(conn)
  if not done and kind ~= "read" and kind ~= "write" then
    error(text or kind)
  end
  return done
end

-- Steps both ends in turn: on loopback nothing has to be waited for.
local function both(a, b, one, other)
  local done_a, done_b
  for _ = 1, 1000 do
    done_a = done_a or step(a, one)
    done_b = done_b or step(b, other)
    if done_a and done_b then return done_a, done_b end
  end
  error "no progress"
end

local function handshake(conn) return conn:handshake() end

local function transfer(from, to)
  local sent, got = 0, {}
  local _, all = both(from, to, function(conn)
    local n, kind, text = conn:write(bytes, sent + 1)
    if not n then return nil, kind, text end
    sent = sent + n
    return sent == #bytes, "write"
  end, function(conn)
    local chunk, kind, text = conn:read(10000)
    if not chunk then return nil, kind, text end
    got[#got + 1] = chunk
    local whole = table.concat(got)
    return #whole == #bytes and whole, "read"
  end)
  if all ~= bytes then error "wrong: bytes" end
end

local function encrypted(a, b)
  local own = assert(net.context { server = true, test = true })
  local client = assert(core.net.tls_context { ca = assert(own:pem()) })
  assert(a:starttls(client, false, "localhost"))
  assert(b:starttls(own, true))
  both(a, b, handshake, handshake)
  local tls = a:tls()
  if not tls.certificate.verified then error "wrong: not verified" end
  if assert(a:binding "tls-exporter")
    ~= assert(b:binding "tls-exporter") then
    error "wrong: bindings differ"
  end
end

local function refused(poller)
  local a, b = pair(poller)
  local own = assert(net.context { server = true, test = true })
  local client = assert(core.net.tls_context { ca = assert(own:pem()) })
  assert(a:starttls(client, false, "other.example"))
  assert(b:starttls(own, true))
  local ok = pcall(both, a, b, handshake, handshake)
  if ok then error "wrong: another name was accepted" end
  a:close()
  b:close()
end

local function timers(poller)
  local ids = {}
  for i = 1, 40 do ids[i] = poller:timer(0) end
  poller:cancel(ids[7])
  poller:turn(0.1)
  local count = 0
  for _ in poller.next, poller do count = count + 1 end
  if count ~= 39 then error "wrong: timers" end
end

local mx <const> = "\0\1\x81\x80\0\1\0\2\0\0\0\0\7example\0\0\15\0\1"
  .. ("\192\12\0\15\0\1\0\0\1\44\0\7\0\10\2mx\192\12"):rep(2)

local function records()
  local list = assert(core.dns.read(mx))
  if list[2].host ~= "mx.example" then error "wrong: records" end
end

local function watched()
  local poller <close> = core.loop.new()
  local alarm <close> = assert(core.alarm.new())
  alarm:set(0)
  poller:wait(alarm:fd(), "r", 5)
  if poller:fd() then core.loop.block(poller:fd(), "r", 5) end
  poller:turn(0)
  if poller:next() ~= alarm:fd() then error "wrong: alarm" end
end

-- Files that are their owner's alone; the names of a server known by DANE.
local function files()
  local path = os.tmpname()
  local removed <close> = setmetatable({}, { __close = function()
    os.remove(path)
  end })
  local file <close> = assert(core.system.create(path))
  assert(file:write "octets")
  local other <close> = assert(core.system.temporary(path .. "-XXXXXX"))
  assert(other:write "octets")
  assert(other:seek "set")
  if other:read "a" ~= "octets" then error "wrong: octets" end
  return removed ~= nil
end

local function named()
  local record = { usage = 2, selector = 0, matching = 1,
    data = ("x"):rep(32) }
  return assert(net.context { tlsa = { record }, tlsa_domain = "example.org" })
end

return function()
  records()
  watched()
  files()
  named()
  for _, backend in ipairs { "epoll", "poll" } do
    local poller <close> = core.loop.new(backend)
    local a, b = pair(poller)
    transfer(a, b)
    encrypted(a, b)
    transfer(a, b)
    transfer(b, a)
    a:shutdown()
    a:close()
    b:close()
    refused(poller)
    timers(poller)
  end
  local list = assert(net.resolve "192.0.2.1")
  if list[1].address ~= "192.0.2.1" then error "wrong: address" end
  local signals <close> = assert(core.system.signals())
  return #assert(core.system.list "spec") > 0 and signals ~= nil
end
