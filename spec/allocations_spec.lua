-- How often a one-shot call asks the C library for memory: once, for its
-- result, and never for scratch, which is kept from call to call.
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local library <const> = tree.build .. "/allocations.so"
local built <const> = "cc -shared -fPIC -O2 $(pkg-config --cflags lua5.4) "
  .. "-o " .. library .. " spec/support/allocations.c"

local script <const> = [[
local codec = require "lunapost.codec"
local count = package.loadlib(os.getenv "LIBRARY", "allocations")
local calls <const> = 100

local function one(name, f, ...)
  for _ = 1, 20 do f(...) end
  collectgarbage()
  collectgarbage "stop"
  local times, octets = count()
  local result
  for _ = 1, calls do result = f(...) end
  local times_after, octets_after = count()
  collectgarbage "restart"
  print(name, (times_after - times) / calls,
    (octets_after - octets) / calls - #result)
end

local function both(name, c, s, ...)
  one(name .. " encode", c.encode, s, ...)
  one(name .. " decode", c.decode, c.encode(s, ...), ...)
end

local text <const> = ("Gr\u{fc}\u{df}e aus K\u{f6}ln. "):rep(200)
both("base64", codec.base64, text)
both("qp", codec.quoted_printable, text)
both("dot", codec.dot, text)
both("crlf", codec.crlf, text)
both("words", codec.encoded_word, text)
both("charset", codec.charset, ("\u{44f}\u{431}"):rep(2000), "koi8-r")
one("uu encode", codec.uu.encode, text)
one("parameter encode", codec.parameter.encode, "filename", text)
]]

-- Sessions of 50 messages each, whose record wants memory and does not get it.
local posts <const> = [[
local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"
local fail = package.loadlib(os.getenv "LIBRARY", "fail")
local server = smtp.server { listen = "127.0.0.1:0", log = function() end,
  hostname = "mx.example.org", on = { message = function() end } }
assert(server:start())
loop.spawn(function()
  local whole = 0
  for nth = 0, 150 do
    local client = smtp.open { host = "127.0.0.1", port = server.port,
      tls = "none", helo = "me.example.org", timeout = 5 }
    fail(nth)
    local sent = 0
    for _ = 1, 50 do
      local ok, result = pcall(client.send, client, { from = "a@x",
        to = "b@y" }, "A: b\r\n\r\ntext\r\n")
      if ok and result then sent = sent + 1 else break end
    end
    fail(-1)
    if sent == 50 then
      whole = whole + 1
      assert(tostring(client.transcript):find "octets of message")
    end
    client:close()
  end
  print("whole", whole)
  server:stop(0)
  loop.stop()
end)
loop.run()
]]

-- What a script prints with the library; nil: that cannot be had here.
local function counted(text)
  local _, code = peers.run(built, 60)
  if not peers.need("a compiler and Lua's headers", code == 0) then
    return nil
  end
  local name <const> = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(text)
  file:flush()
  local output
  output, code = peers.run(("LIBRARY=%s LD_PRELOAD=%s LUA_PATH='%s' "
    .. "LUA_CPATH='%s' %s %s"):format(library, library, package.path,
    package.cpath, arg[-1] or "lua5.4", name), 60)
  os.remove(name)
  assert.equal(0, code, output)
  return output
end

-- Whether allocations can be counted, which a sanitizer does by itself.
local function can_count()
  local found <close> = io.open "/proc/self/status"
  return found and not (os.getenv "LUNAPOST_BUILD" or ""):find "asan"
end

describe("a one-shot call asks for memory", function()
  it("once, for its result, whatever its size", function()
    if not can_count() then return pending "not counted here" end
    local output <const> = counted(script)
    if not output then return end
    local seen = 0
    for what, times, beside
      in output:gmatch "([^\t\n]+)\t([%d.]+)\t([%d.]+)" do
      seen = seen + 1
      assert.is_true(tonumber(times) <= 2, what .. times) -- a list of defects
      assert.is_true(tonumber(beside) <= 256, what .. beside)
    end
    assert.equal(14, seen, output)
  end)
end)

describe("a session that posts", function()
  it("goes on where its record gets no memory", function()
    if not can_count() then return pending "not counted here" end
    local output <const> = counted(posts)
    if not output then return end
    assert.truthy(tonumber(output:match "whole%s+(%d+)") > 75, output)
  end)
end)
