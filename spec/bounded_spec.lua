local mime = require "lunapost.mime"
local tree = require "spec.support.tree"

-- Sizes in MiB: what CI has time for need not be what each run takes.
local SIZE <const> = tonumber(os.getenv "LUNAPOST_LARGE" or "") or 1024
local SECONDS <const> = 4 -- of the processor

-- Runs a script with lunapost.mime loaded, and gives the line it prints.
local function child(script, ...)
  local name = os.tmpname()
  do
    local file <close> = assert(io.open(name, "w"))
    file:write([[
local mime = require "lunapost.mime"
local function size(what)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. what .. ":%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end
]], script)
  end
  local lines = tree.lines(tree.lua(name) .. " "
    .. table.concat({ ... }, " "))
  os.remove(name)
  return lines[1] or ""
end

local linux <const> = io.open "/proc/self/status"
local sanitized <const> = tree.build:find "asan" -- keeps freed memory

-- One text, one attachment: base64 in lines, from a source of 64 KiB chunks.
local large <const> = [[
local size_mib = tonumber(arg[1])
local lines = (("QUJD"):rep(19) .. "\r\n"):rep(840)
local count = size_mib * (1 << 20) // #lines
local head = "From: a@x.org\r\nSubject: large\r\n"
  .. "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
  .. "--b\r\n\r\ntext\r\n--b\r\nContent-Type: image/png\r\n"
  .. "Content-Transfer-Encoding: base64\r\n\r\n"
local tail = "\r\n--b--\r\n"
local at = -1
local function source()
  at = at + 1
  if at == 0 then return head end
  if at <= count then return lines end
  if at == count + 1 then return tail end
end
-- It must not be parse underneath.
require("lunapost.mime").parse = nil
require("lunapost.mime.part").parse = nil
require("lunapost.mime.part").read = nil
collectgarbage()
collectgarbage()
local idle, lua_idle, lua_most = size "VmRSS", collectgarbage "count", 0
local parts, body, fields = 0, 0, {}
for event in mime.reader(source) do
  if event.kind == "part" then
    parts = parts + 1
  elseif event.kind == "field" then
    fields[#fields + 1] = event.name
  elseif event.kind == "body" and parts == 3 then
    body = body + #event.bytes
    lua_most = math.max(lua_most, collectgarbage "count")
  end
  assert(event.kind ~= "defect", event.defect)
end
assert(body == count * #lines, body)
assert(#fields == 5 and parts == 3)
print(count * #lines, size "VmHWM" - idle, lua_most - lua_idle, os.clock())]]

describe("A large message", function()
  it("is read in less than 2 MiB above the idle interpreter", function()
    if not linux then return pending "there is no /proc here" end
    local mib = sanitized and 64 or SIZE
    local line = child(large, mib)
    local bytes, process, lua, seconds =
      line:match "^(%d+)%s+(%d+)%s+([%d.]+)%s+([%d.]+)"
    assert.is_truthy(bytes, line)
    assert.is_true(tonumber(bytes) > (mib - 1) << 20)
    assert.is_true(tonumber(lua) < 2048, lua)
    if not sanitized then
      assert.is_true(tonumber(process) < 2048, process)
      assert.is_true(tonumber(seconds) < 10, seconds)
    end
  end)

  it("is read by open into memory, so that the file may change", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local function write(bytes)
      local file <close> = assert(io.open(path, "wb"))
      file:write(bytes)
    end
    write("Subject: first\n\n" .. ("x"):rep(1 << 20))
    local message = assert(mime.open(path))
    write ""
    assert.equal("first", message.subject)
    assert.equal(("x"):rep(1 << 20), message:body())
  end)

  it("is mapped on request, and not read into memory", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local line = ("QUJD"):rep(19) .. "\r\n"
    local file <close> = assert(io.open(path, "wb"))
    file:write("Subject: large\r\nContent-Type: image/png\r\n"
      .. "Content-Transfer-Encoding: base64\r\n\r\n")
    for _ = 1, 128 do file:write(line:rep(1 << 10)) end
    file:close()
    collectgarbage()
    local before = collectgarbage "count"
    local message = assert(mime.open(path, { map = true }))
    local size = 0
    assert(message:decode(function(chunk)
      size = size + #(chunk or "")
      return 1
    end))
    assert.equal("large", message.subject)
    assert.equal(57 * 128 << 10, size)
    assert.is_true(message:size() > 10000000)
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 2048)
  end)
end)

local function numbers(message)
  local set = {}
  for _, defect in ipairs(message.defects) do set[defect.number] = true end
  return set
end

-- The answer of a message that is made to cost time.
local function within_time(bytes)
  local start = os.clock()
  local message = mime.parse(bytes)
  local found = numbers(message)
  assert.is_true(os.clock() - start < SECONDS)
  assert.equal(#bytes, message:size())
  assert.is_true(message:render() == bytes)
  return message, found
end

local function deepest(message)
  local part, depth = message, 1
  while part.parts do part, depth = part.parts[#part.parts], depth + 1 end
  return part, depth
end

describe("A bomb", function()
  it("of parts nested 100,000 deep ends at the limit", function()
    local out = {}
    for i = 1, 100000 do
      out[i] = ("Content-Type: multipart/mixed; boundary=%x\n\n--%x\n"):format(
        i, i)
    end
    local message, found = within_time(table.concat(out) .. "\nend")
    local part, depth = deepest(message)
    assert.equal(100, depth)
    assert.is_true(found[401])
    assert.equal("1" .. (".1"):rep(99), part.path)
    assert.equal("end", part:body():sub(-3)) -- the rest, raw
  end)

  it("of messages nested 100,000 deep ends at the limit", function()
    local message, found = within_time(
      ("Content-Type: message/rfc822\n\n"):rep(100000) .. "\nend")
    local part, depth = deepest(message)
    assert.equal(100, depth)
    assert.is_true(found[401])
    assert.equal("end", part:body():sub(-3))
  end)

  it("of 1,000,000 boundaries has 10,000 parts", function()
    local message, found = within_time(
      "Content-Type: multipart/mixed; boundary=b\n\n"
      .. ("--b\n\nx\n"):rep(1000000) .. "--b--\n")
    assert.equal(9999, #message.parts)
    assert.is_true(found[402])
    local count = 0
    for _ in message:walk() do count = count + 1 end
    assert.equal(10000, count)
    assert.equal("1.9999", message.parts[9999].path)
    assert.equal("x", message.parts[9998]:body())
  end)

  it("of a 10 MiB header keeps its first fields and its body", function()
    local message, found = within_time("Subject: s\n"
      .. ("X-Filler: " .. ("x"):rep(60) .. "\n"):rep((10 << 20) // 71)
      .. "\nbody")
    assert.equal("s", message.subject)
    assert.is_true(found[403] or found[404])
    assert.equal("body", message:body())
  end)

  it("of one 50 MiB line is a body", function()
    local line = ("-x-"):rep((50 << 20) // 3)
    local message, found = within_time(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" .. line
      .. "\n--b--\n")
    assert.same({}, found)
    assert.is_true(message.parts[1]:body() == line)
  end)
end)
