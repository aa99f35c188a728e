-- Several addresses of one host, RFC 8305.
local core = require "lunapost.core"
local net = require "lunapost.net"
local race = require "lunapost.net.race"
local smtp = require "lunapost.smtp"
local patience = require "spec.support.patience"
local wire = require "spec.support.wire"

-- Listens at an address whose queue is full: who connects hears nothing.
local function silent(address, port)
  local listener = wire.keep(assert(core.net.listen(address, port or 0, 1)))
  local _, there = listener:address()
  for _ = 1, 8 do
    local conn = core.net.connect(address, there)
    if conn then wire.keep(conn) end
  end
  core.loop.block(-1, "r", 0.02)
  return there
end

-- How many connections to a port are under way, by the kernel's table.
local function connecting(port)
  local n = 0
  for line in io.lines "/proc/net/tcp" do
    if line:find((":%04X 02 "):format(port), 1, true) then n = n + 1 end
  end
  return n
end

local function listen(address, port)
  return wire.keep(assert(core.net.listen(address, port)))
end

-- Dials within a loop of its own.
local function dial(addresses, port, timeout)
  local conn, problem
  local loop = wire.new_loop()
  local before
  wire.run(loop, function()
    loop.sleep(0) -- the poller
    before = wire.descriptors()
    conn, problem = net.dial { host = "mx.test", port = port, loop = loop,
      addresses = addresses, timeout = timeout or 5 }
    assert.is_true(wire.at_most(before + (conn and 1 or 0)))
    if conn then assert.equal("function", type(conn.peer)) end
  end)
  if conn then wire.keep(conn) end
  return conn, problem
end

describe("the addresses of a host", function()
  after_each(wire.close)

  it("take turns by family, the first one's first", function()
    local function order(text)
      local list, out = {}, {}
      for address in text:gmatch "%S+" do list[#list + 1] = { address =
        address } end
      for i, one in ipairs(race.interleave(list)) do out[i] = one.address end
      return table.concat(out, " ")
    end
    assert.equal("::1 1.1.1.1 ::2 2.2.2.2 ::3",
      order "::1 ::2 ::3 1.1.1.1 2.2.2.2")
    assert.equal("1.1.1.1 ::1 2.2.2.2 3.3.3.3",
      order "1.1.1.1 2.2.2.2 3.3.3.3 ::1")
    assert.equal("::1", order "::1")
  end)

  it("are tried one after the other, at once where one refuses", function()
    local listener = listen("127.0.0.3", 0)
    local _, port = listener:address()
    local list = {}
    for i = 1, 60 do list[i] = "127.0.1." .. i end
    list[#list + 1] = "127.0.0.3"
    -- a quarter of a second for each would be 15
    local conn = assert(dial(list, port, 10))
    assert.equal("127.0.0.3", (conn:peer()))
  end)

  it("that say nothing hold up the next for a quarter of a second",
    function()
    local port = silent "127.0.0.1"
    silent("127.0.0.2", port)
    listen("127.0.0.3", port)
    local start = core.loop.now()
    local conn = assert(dial({ "127.0.0.1", "127.0.0.2", "127.0.0.3" }, port))
    assert.equal("127.0.0.3", (conn:peer()))
    assert.is_true(core.loop.now() - start >= 0.5)
  end)

  it("may win late", function()
    local listener = wire.keep(assert(core.net.listen("127.0.0.1", 0, 1)))
    local _, port = listener:address()
    local fill = {}
    for i = 1, 8 do fill[i] = core.net.connect("127.0.0.1", port) end
    silent("127.0.0.2", port)
    local loop = wire.new_loop()
    local conn
    wire.run(loop, function()
      conn = assert(net.dial { host = "mx.test", port = port, loop = loop,
        addresses = { "127.0.0.1", "127.0.0.2" }, timeout = 20 })
    end, function()
      loop.sleep(0.4) -- both are under way
      for _, one in ipairs(fill) do one:close() end
      while not conn do
        local taken = listener:accept()
        if taken then taken:close() else loop.sleep(0.01) end
      end
    end)
    assert.equal("127.0.0.1", (conn:peer()))
    conn:close()
  end)

  it("are told with what became of each", function()
    local port = silent "127.0.0.1"
    patience.rising(0.4, function(seconds)
      local conn, problem = dial({ "127.0.0.1", "127.0.0.2" }, port, seconds)
      assert.is_nil(conn)
      if problem.kind == "timeout" then return false end -- before the second
      assert.equal("connect", problem.kind)
      assert.equal("mx.test", problem.host)
      assert.matches("refused %(127.0.0.2:", problem.text)
      assert.matches("no answer in time %(127.0.0.1:", problem.text)
      return true
    end)
    local conn, problem = dial({ "127.0.0.1" }, port, 0.1)
    assert.is_nil(conn)
    assert.equal("timeout", problem.kind)
  end)

  it("are raced outside any loop, too", function()
    local port = silent "127.0.0.1"
    listen("127.0.0.2", port)
    local before = wire.descriptors()
    local conn <close> = assert(net.dial { host = "mx.test", port = port,
      addresses = { "127.0.0.1", "127.0.0.2" }, timeout = 10 })
    assert.equal("127.0.0.2", (conn:peer()))
    assert.is_true(wire.at_most(before + 1))
  end)

  it("are closed when the task that dials is killed", function()
    local port = silent "127.0.0.1"
    silent("127.0.0.2", port)
    local loop = wire.new_loop()
    wire.run(loop, function()
      loop.sleep(0)
      local before, others = wire.descriptors(), connecting(port)
      local task = loop.spawn(function()
        net.dial { host = "mx.test", port = port, loop = loop,
          addresses = { "127.0.0.1", "127.0.0.2" }, timeout = 20 }
      end)
      patience.await(loop, function()
        return connecting(port) == others + 2
      end)
      loop.kill(task)
      assert.equal(others, connecting(port))
      assert.is_true(wire.at_most(before))
    end)
  end)

  it("are an option of a session", function()
    local listener = listen("127.0.0.2", 0)
    local _, port = listener:address()
    local client, problem = smtp.connect { host = "mx.invalid", port = port,
      addresses = { "127.0.0.2" }, timeout = 0.2, tls = "none" }
    assert.is_nil(client)
    assert.same({ "timeout", "mx.invalid:" .. port },
      { problem.kind, problem.host })
  end)

  it("must be addresses", function()
    for _, bad in ipairs { {}, { "mx.test" }, { 7 } } do
      assert.has_error(function()
        net.dial { host = "x", port = 25, addresses = bad }
      end)
    end
  end)
end)
