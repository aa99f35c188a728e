local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local err = require "lunapost.err"
local net = require "lunapost.net"
local wire = require "spec.support.wire"

describe("a connection", function()
  after_each(wire.close)

  for _, address in ipairs { "127.0.0.1", "::1" } do
    it("carries bytes both ways over " .. address, function()
      local a, b = wire.pair(address)
      assert.equal(5, a:write("hello"))
      assert.is_truthy(core.loop.block(b:fd(), "r", 1))
      assert.equal("hello", b:read(100))
      assert.same({ nil, "read" }, { b:read(100) })
      b:write("well", 3)
      assert.is_truthy(core.loop.block(a:fd(), "r", 1))
      assert.equal("ll", a:read(100))
      assert.same({ a:local_address() }, { b:peer() })
      assert.equal(address, (a:peer()))
    end)
  end

  it("tells that more may be there when its room was filled", function()
    local a, b = wire.pair()
    a:write("abcdef")
    core.loop.block(b:fd(), "r", 1)
    assert.equal("abc", b:read(3))
    assert.is_true(b:pending())
    assert.equal("def", b:read(10))
    assert.is_false(b:pending())
  end)

  it("writes what the peer takes, and then says so", function()
    local a, b = wire.pair()
    local bytes, sent = ("x"):rep(1 << 20), 0
    local n, want
    repeat
      n, want = a:write(bytes)
      sent = sent + (n or 0)
    until not n
    assert.equal("write", want)
    local got = 0
    while got < sent do
      core.loop.block(b:fd(), "r", 1)
      got = got + #assert(b:read(1 << 20))
    end
    assert.equal(sent, got)
    assert.is_truthy(core.loop.block(a:fd(), "w", 1))
    assert.is_truthy(a:write(bytes))
  end)

  it("ends in order after a shutdown", function()
    local a, b = wire.pair()
    a:write("bye")
    assert.is_true(a:shutdown())
    core.loop.block(b:fd(), "r", 1)
    assert.equal("bye", b:read(10))
    core.loop.block(b:fd(), "r", 1)
    assert.same({ nil, "eof" }, { b:read(10) })
    b:write("still here")
    core.loop.block(a:fd(), "r", 1)
    assert.equal("still here", a:read(20))
  end)

  it("keeps its first failure, and no SIGPIPE comes", function()
    local a, b = wire.pair()
    b:close()
    local ok, kind, text
    for _ = 1, 10 do
      core.loop.block(a:fd(), "w", 1)
      ok, kind, text = a:write(("x"):rep(100000))
      if not ok then break end
    end
    assert.equal("closed", kind)
    assert.matches("cannot write: ", text)
    assert.same({ nil, kind, text }, { a:read(10) })
    assert.same({ nil, kind, text }, { a:write("x") })
  end)

  it("that is closed says so, and may be closed again", function()
    local a = wire.pair()
    a:close()
    a:close()
    assert.equal(-1, a:fd())
    assert.same({ nil, "closed", "the connection was closed here" },
      { a:read(10) })
    assert.equal("closed", select(2, a:write("x")))
    assert.equal("closed", select(2, a:handshake()))
    assert.equal("connection (closed)", tostring(a))
    assert.is_nil(a:tls())
  end)

  it("takes only sizes and offsets that make sense", function()
    local a = wire.pair()
    for _, n in ipairs { 0, -1, 1 << 40 } do
      assert.has_error(function() a:read(n) end)
    end
    assert.has_error(function() a:write("abc", 0) end)
    assert.has_error(function() a:write("abc", 5) end)
    assert.has_error(function() core.net.connect("127.0.0.1", 65536) end)
    assert.has_error(function() core.net.connect("127.0.0.1", 4294967321) end)
    assert.has_error(function() core.net.connect("127.0.0.1\0", 25) end)
    assert.has_error(function() a.read(io.stdout, 1) end)
  end)

  it("is refused where nobody listens", function()
    local listener, port = wire.listener()
    listener:close()
    local conn = core.net.connect("127.0.0.1", port)
    local ok, kind, text
    repeat
      core.loop.block(conn:fd(), "w", 1)
      ok, kind, text = conn:connected()
    until kind ~= "write"
    assert.same({ nil, "connect", "cannot connect: Connection refused" },
      { ok, kind, text })
    conn:close()
  end)
end)

describe("a listener", function()
  after_each(wire.close)

  it("has nothing to accept at first", function()
    local listener = wire.listener()
    assert.same({ nil, "read" }, { listener:accept() })
    listener:close()
    listener:close()
    assert.equal("closed", select(2, listener:accept()))
  end)

  it("of every address shows an IPv4 peer as IPv4", function()
    local listener = wire.keep(assert(net.listen "*:0"))
    local _, port = listener:address()
    local conn = wire.keep(assert(net.dial { host = "127.0.0.1",
      port = port }))
    assert.is_truthy(conn)
    local peer = wire.keep(assert(net.accept(listener, { timeout = 1 })))
    assert.equal("127.0.0.1", (peer:peer()))
  end)

  it("at a Unix path takes over a dead one, and no other", function()
    local path = os.tmpname()
    assert.is_nil((net.listen("unix:" .. path))) -- a plain file stays
    os.remove(path)
    local first = assert(net.listen("unix:" .. path))
    local second, problem = net.listen("unix:" .. path)
    assert.is_nil(second)
    assert.matches("Address already in use", tostring(problem))
    local conn = assert(net.dial { unix = path })
    assert.same({ path, nil }, { conn:peer() })
    conn:close()
    first:close()
    assert.is_nil(core.system.stat(path))
    -- a process that died leaves its path behind
    wire.script(([[require "lunapost.core".net.listen_unix(%q)
      os.exit(0, false)]]):format(path))
    assert.equal("socket", core.system.stat(path).type)
    local third = assert(net.listen("unix:" .. path))
    third:close()
  end)

  it("leaves clients in the queue while descriptors are out", function()
    local out = wire.script([[
      local core = require "lunapost.core"
      local loop = require "lunapost.loop"
      local net = require "lunapost.net"
      local listener = assert(net.listen "127.0.0.1:0")
      local _, port = listener:address()
      local clients, hoard = { loop.backend() }, {}
      for i = 1, 3 do clients[i] = assert(core.net.connect("127.0.0.1", port))
      end
      while true do
        local file = io.open "/dev/null"
        if not file then break end
        hoard[#hoard + 1] = file
      end
      local _, kind, text = listener:accept()
      print(kind, text)
      local turns = 0
      loop.spawn(function()
        for i = 1, 3 do
          clients[i + 3] = assert(net.accept(listener))
        end
        print "accepted"
      end)
      loop.spawn(function()
        loop.sleep(0.25)
        for _, file in ipairs(hoard) do file:close() end
      end)
      loop.run(function() turns = turns + 1 end)
      print(turns < 20)
    ]], "ulimit -n 40; ")
    assert.equal("limit\tcannot accept: Too many open files\naccepted\ntrue\n",
      out)
  end)
end)

describe("dialling", function()
  after_each(wire.close)

  it("connects by name, by address and by path", function()
    local listener, port = wire.listener()
    assert.is_truthy(listener)
    for _, host in ipairs { "127.0.0.1", "localhost" } do
      assert(net.dial { host = host, port = port, timeout = 5 }):close()
    end
  end)

  it("tries every address of a name", function()
    -- only ::1 or 127.0.0.1 listens; localhost may name both
    local _, port = wire.listener "127.0.0.1"
    assert(net.dial { host = "localhost", port = port, timeout = 5 }):close()
  end)

  it("names the host, the address and the reason when refused", function()
    local listener, port = wire.listener()
    listener:close()
    local conn, problem = net.dial { host = "127.0.0.1", port = port }
    assert.is_nil(conn)
    assert.equal("connect", problem.kind)
    assert.equal("127.0.0.1", problem.host)
    assert.is_true(problem.transient)
    assert.equal(("127.0.0.1: cannot connect: Connection refused "
      .. "(127.0.0.1:%d)"):format(port), tostring(problem))
  end)

  it("gives up at its deadline", function()
    local path = os.tmpname()
    os.remove(path)
    local listener = wire.keep(assert(net.listen("unix:" .. path,
      { backlog = 0 })))
    local first = assert(net.dial { unix = path, timeout = 1 })
    local start = core.loop.now()
    local conn, problem = net.dial { unix = path, timeout = 0.05 }
    assert.is_nil(conn)
    assert.equal("connect", problem.kind)
    assert.is_true(core.loop.now() - start < 30)
    local loop = wire.new_loop()
    wire.run(loop, function()
      local late = assert(net.dial { unix = path, timeout = 5, loop = loop })
      late:close()
    end, function()
      loop.sleep(0.02)
      assert(listener:accept()):close()
    end)
    first:close()
  end)

  it("raises for options that it does not know", function()
    assert.has_error(function() net.dial { hots = "x", port = 1 } end,
      "unknown option of dial 'hots' (did you mean 'host'?)")
    assert.has_error(function() net.dial { host = "x", port = "25" } end,
      "option of dial 'port' must be integer, not string")
  end)

  it("leaves no descriptor behind", function()
    local listener, port = wire.listener()
    assert(net.dial { host = "127.0.0.1", port = port }):close()
    local before = wire.descriptors()
    for _ = 1, 20 do
      assert(net.dial { host = "127.0.0.1", port = port }):close()
      assert(net.accept(listener)):close()
      net.dial { host = "127.0.0.1", port = 1, timeout = 1 }
      net.dial { unix = "/nowhere", timeout = 1 }
      net.dial { host = "nowhere.invalid", port = 1, timeout = 5 }
      core.net.connect("127.0.0.1", port)
    end
    assert.is_true(wire.at_most(before))
  end)
end)

describe("parting", function()
  after_each(wire.close)

  it("lets the peer read the last words, though it still speaks", function()
    local loop = wire.new_loop()
    local a, b = wire.pair()
    a:write(("x"):rep(100000))
    b:write "221 bye"
    local got, why
    wire.run(loop, function()
      net.part(b, { loop = loop, timeout = 5 })
      assert.equal(-1, b:fd())
    end, function()
      a:write(("y"):rep(10000))
      got = wire.finish(loop, a, "read", 100)
      why = select(2, wire.finish(loop, a, "read", 100))
      a:close()
    end)
    assert.equal("221 bye", got)
    assert.equal("eof", why)
  end)

  it("ends when the peer does not", function()
    local _, b = wire.pair()
    local granted
    net.part(b, { timeout = 0.02, loop = setmetatable({
      wait = function(_, _, seconds)
        granted = seconds
        return nil, "timeout"
      end }, { __index = default_loop }) })
    assert.equal(-1, b:fd())
    assert.is_true(granted <= 0.02)
    net.part(b, {})
  end)
end)

describe("a literal address", function()
  it("is told from a name", function()
    for _, literal in ipairs { "127.0.0.1", "::1", "fe80::1%lo", "fe80::1%1",
      "::ffff:192.0.2.1" } do
      assert.is_true(core.net.numeric(literal), literal)
    end
    for _, name in ipairs { "", "localhost", "127.1", "1.2.3.4%lo", "fe80::1%",
      "fe80::1%no-such", "fe80::1%99999999999", "[::1]", ":", "1.2.3.256",
      ("1"):rep(5000) } do
      assert.is_false(core.net.numeric(name), name)
    end
  end)
end)

describe("an address to listen at", function()
  it("is taken apart and put together", function()
    for where, parts in pairs {
      ["127.0.0.1:25"] = { "127.0.0.1", 25 },
      ["[::1]:2525"] = { "::1", 2525 },
      ["[fe80::1%eth0]:25"] = { "fe80::1%eth0", 25 },
      ["*:0"] = { "*", 0 },
      [":25"] = { "*", 25 },
      ["mx.example.org:25"] = { "mx.example.org", 25 },
      ["unix:/run/x"] = { "", nil, "/run/x" },
    } do
      assert.same({ n = 3, parts[1], parts[2], parts[3] },
        table.pack(net.split(where), select(2, net.split(where)),
          select(3, net.split(where)) or nil))
    end
    for _, bad in ipairs { "", "25", "::1:25", "x:65536", "x:-1", "x:1.5",
      "[::1]", "unix:" } do
      assert.is_nil((net.split(bad)), bad)
      assert.has_error(function() net.listen(bad) end)
    end
    assert.equal("127.0.0.1:25", net.join("127.0.0.1", 25))
    assert.equal("[::1]:25", net.join("::1", 25))
  end)

  it("that is not this host's is the world's failure", function()
    local listener, problem = net.listen "192.0.2.1:0"
    assert.is_nil(listener)
    assert.is_true(err.is(problem))
    assert.matches("192.0.2.1:0: cannot listen: ", tostring(problem))
  end)
end)

describe("private addresses", function()
  it("are told from public ones", function()
    for _, address in ipairs { "127.0.0.1", "10.1.2.3", "192.168.0.1",
      "172.16.0.1", "172.31.255.255", "169.254.1.1", "100.64.0.1", "::1",
      "fe80::1", "fd00::1", "/run/socket", "" } do
      assert.is_true(net.is_private(address), address)
    end
    for _, address in ipairs { "8.8.8.8", "172.15.0.1", "172.32.0.1",
      "100.128.0.1", "2001:db8::1", "11.0.0.1" } do
      assert.is_false(net.is_private(address), address)
    end
  end)
end)

describe("a default wait", function()
  it("is that of the module's loop", function()
    assert.is_function(default_loop.wait)
    assert.is_true(default_loop.now() > 0)
  end)
end)
