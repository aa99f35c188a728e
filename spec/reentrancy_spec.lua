-- Reading a message may run functions in Lua: what notes a defect, and
-- finalizers, which may read another. Neither gets what is the other's.
local codec = require "lunapost.codec"
local mime = require "lunapost.mime"

local function crlf(text) return (text:gsub("\n", "\r\n")) end

-- A part, then a message in an encoded part, whose parameters are not well.
local function nested()
  local inner = crlf [[
Content-Type: text/plain; charset=iso-8859-1; =x
Content-Disposition: attachment; filename=right.txt; =x

]] .. "caf\xe9\r\n"
  return mime.parse(crlf [[
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8; filename=wrong.exe

]] .. "plain \xff\r\n" .. crlf [[
--x
Content-Type: message/rfc822
Content-Transfer-Encoding: base64

]] .. codec.base64.encode(inner, { columns = 76 }) .. "\r\n--x--\r\n")
end

describe("a defect of a message in an encoded part is noted, and", function()
  local function asked(ask)
    local message = nested()
    message.parts[1]:body "utf-8" -- its defects are found when one is noted
    local part = message.parts[2].parts[1]
    local value = ask(part)
    assert.is_true(#message.defects > 0)
    return value
  end

  it("its file name is its own", function()
    assert.equal("right.txt",
      asked(function(part) return part.filename end))
  end)

  it("its charset is its own", function()
    assert.equal("caf\u{e9}\r\n",
      asked(function(part) return part:body "utf-8" end))
  end)

  it("its parameters are its own", function()
    assert.same({ charset = "iso-8859-1" },
      asked(function(part) return part.parameters end))
  end)

  it("is told with all that one value has", function()
    local message = nested()
    local part = message.parts[2].parts[1]
    local before = #message.defects
    assert.equal("right.txt", part.filename)
    assert.equal(before + 1, #message.defects)
    local _ = part.parameters
    assert.equal(before + 2, #message.defects)
  end)
end)

-- While fn runs, read is called in finalizers, again and again. Returns in
-- how many.
local function amid(read, fn)
  local count, going = 0, true
  local function arm()
    setmetatable({}, { __gc = function()
      if not going then return end
      count = count + 1
      read()
      arm()
    end })
  end
  arm()
  local ok, problem = pcall(fn)
  going = false
  if not ok then error(problem, 0) end
  return count
end

-- Calls fn until finalizers ran often enough, and in any case some times. A
-- cycle of the collector runs one: they follow each other without a pause,
-- and where other specs have filled the memory, few of them have to do.
local function often(read, fn)
  local much <const> = collectgarbage "count" > 1 << 16
  local done <const>, least <const> = much and 2 or 20, 200
  local count, rounds = 0, 0
  local pause <const> = collectgarbage("setpause", 100)
  local speed <const> = collectgarbage("setstepmul", 1000)
  local _ <close> = setmetatable({}, { __close = function()
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", speed)
  end })
  while count < done do
    assert.is_true(rounds < 1000, "no finalizer runs")
    count, rounds = count + amid(read, function()
      for i = 1, least do fn(i) end
    end), rounds + 1
  end
end

describe("a finalizer that reads a message leaves alone", function()
  local large = crlf "Content-Type: multipart/mixed; boundary=x\n\n"
    .. crlf("--x\nA: b\n\nhello\n"):rep(1000) .. "--x--\r\n"

  local function read_large()
    assert.equal(1000, #mime.parse(large).parts)
  end

  it("the header of the one that is read", function()
    local small = crlf "Subject: small\nX: y\n\nbody\n"
    often(read_large, function(i)
      local message = mime.parse(small .. ("z"):rep(i % 50))
      assert.equal("small", message.subject)
    end)
  end)

  it("its parts", function()
    local two = crlf "Content-Type: multipart/mixed; boundary=y\n\n"
      .. crlf("--y\nSubject: of a part\n\n\n"):rep(2) .. "--y--\r\n"
    often(read_large, function()
      local message = mime.parse(two)
      assert.equal("multipart/mixed", message.type)
      assert.equal(2, #message.parts)
      assert.equal("of a part", message.parts[2].subject)
    end)
  end)
end)

describe("a finalizer that reads values leaves alone", function()
  local other = crlf "To: q@q.q\nSubject: =?utf-8?q?other?=\n"
    .. crlf "Content-Type: text/plain; charset=x; b=c\n\nx\n"

  local function read_other()
    local message = mime.parse(other)
    assert.equal("q@q.q", message.to[1].address)
    assert.equal("c", message.parameters.b)
    assert.equal("other", message.subject)
  end

  local function list(count, one, between)
    local items = {}
    for i = 1, count do items[i] = one:gsub("#", i) end
    return table.concat(items, between)
  end

  it("a list of addresses", function()
    local value = list(50, "=?utf-8?q?=C3=A9?= <u#@example.org>", ",\r\n ")
    local message = "To: " .. value .. "\r\n\r\n"
    local function check(to)
      assert.equal(50, #to)
      assert.equal("u50@example.org", to[50].address)
      assert.equal("\u{e9}", to[50].name)
    end
    often(read_other, function()
      check(mime.parse(message).to)
      check(mime.addresses(value))
    end)
  end)

  it("parameters", function()
    local value = "text/plain; " .. list(50, "name#=value#", ";\r\n ")
    local message = "Content-Type: " .. value .. "\r\n\r\n"
    often(read_other, function()
      assert.equal("value50", mime.parse(message).parameters.name50)
    end)
  end)

  it("parameters that a codec decodes", function()
    local value = "text/plain; " .. list(50, "name#=value#", ";\r\n ")
    often(function()
      local values = codec.parameter.decode "text/plain; b=c"
      assert.same({ b = "c" }, values)
    end, function()
      local values = codec.parameter.decode(value)
      for i = 1, 50 do assert.equal("value" .. i, values["name" .. i]) end
    end)
  end)
end)

describe("a message in a file that is no longer mapped", function()
  local path
  before_each(function()
    path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    file:write(crlf "Subject: mapped\nTo: a@example.org\n\nbody\n")
  end)
  after_each(function() os.remove(path) end)

  -- What asks the message, by name.
  local asks <const> = {
    subject = function(message) return message.subject end,
    to = function(message) return message.to end,
    parts = function(message) return message.parts end,
    body = function(message) return message:body "utf-8" end,
    raw = function(message) return message.raw end,
    render = function(message) return message:render() end,
    header = function(message) return message:header "to" end,
    headers = function(message) return message:headers() end,
    walk = function(message) return message:walk() end,
    text = function(message) return message.text end,
    size = function(message) return message:size() end,
  }

  it("says so", function()
    local core = require "lunapost.core"
    local mapping = assert(core.mapping.open(path))
    local message = require "lunapost.mime.part".read(mapping)
    assert.equal("mapped", message.subject)
    do local _ <close> = mapping end
    for name, ask in pairs(asks) do
      local ok, problem = pcall(ask, message)
      assert.is_false(ok, name)
      assert.truthy(tostring(problem):find("the mapping is closed", 1, true),
        name)
    end
  end)

  it("says so to finalizers that come late", function()
    local program = [[
      local mime = require "lunapost.mime"
      local holder = setmetatable({}, { __gc = function(holder)
        print(pcall(function() return holder.message.subject end))
      end })
      holder.message = assert(mime.open(arg[1], { map = true }))
    ]]
    local script = os.tmpname()
    finally(function() os.remove(script) end)
    do
      local file <close> = assert(io.open(script, "wb"))
      file:write(program)
    end
    local pipe <close> = assert(io.popen((
      "LUA_PATH='%s' LUA_CPATH='%s' %s %s %s"):format(package.path,
      package.cpath, arg[-1] or "lua5.4", script, path)))
    local said = pipe:read "a"
    assert.truthy(said:find "^false.*the mapping is closed", said)
  end)
end)

describe("options that are made when they are asked for", function()
  it("live as long as they are needed", function()
    local kept = {}
    local options = setmetatable({}, { __index = function(_, key)
      if key == "name" then return ("n"):rep(200) .. #kept end
      collectgarbage() -- what was asked for before, and nobody holds
      for i = 1, 50 do kept[#kept + 1] = ("y"):rep(190 + i % 20) end
      return tonumber("640", 8)
    end })
    for _ = 1, 20 do
      local encoder = codec.uu.encoder(options)
      assert.matches("^begin 640 " .. ("n"):rep(200) .. "%d+\n",
        assert(encoder:update("")) .. assert(encoder:finish()))
    end
  end)
end)
