-- Direct delivery, by a name server and mail hosts on loopback.
local loop = require "lunapost.loop"
local mime = require "lunapost.mime"
local name_server = require "spec.support.name_server"
local patience = require "spec.support.patience"
local peers = require "spec.support.peers"
local proxies = require "spec.support.proxies"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"
local wire = require "spec.support.wire"

local ZONE <const> = [[
one MX 10 mx.one
mx.one A 127.0.0.2
mx.one AAAA ::1
two MX 20 backup.two
two MX 10 mx.two
mx.two A 127.0.0.9
backup.two A 127.0.0.3
three MX 10 mx.three
three MX 20 backup.two
mx.three A 127.0.0.2
plain A 127.0.0.2
null MX 0 .
nothing TXT "neither MX nor address"
lost MX 10 no.such.host
lost MX 20 mx.two
self MX 10 me
self MX 20 mx.one
selfish MX 5 mx.one
selfish MX 10 me
equal MX 10 mx.one
equal MX 10 backup.two
home A 127.0.0.1
again MX 10 home
again MX 20 home
xn--grn-hoa MX 10 mx.one
]]

local MESSAGE <const> = "Subject: hello\r\n\r\nHi.\r\n"

local folder, server

setup(function()
  if not name_server.there() then return end
  folder = peers.folder()
  server = name_server.start(folder, ZONE)
end)

teardown(function()
  if server then server:stop() end
  peers.remove(folder)
end)

local function deliver(to, more, message)
  local options = { from = "ana@me.test", to = to, helo = "me.test",
    loopback = true, nameserver = server.address, timeout = 5, tls = "none",
    dns_timeout = 5 }
  for name, value in pairs(more or {}) do options[name] = value end
  return smtp.deliver(message or MESSAGE, options)
end

-- Hosts at 127.0.0.2 ... with one port, each with handlers of its own; what
-- came to each is in host.got, { to = addresses, body = octets } each.
local function start_hosts(hosts)
  local port = 0
  for i, host in ipairs(hosts) do
    host.got, host.options = {}, host.options or {}
    local options = { listen = ("127.0.0.%d:%d"):format(i + 1, port),
      hostname = "mx.test", on = host.on or {}, log = function() end }
    for name, value in pairs(host.options) do options[name] = value end
    function options.on.data(session, body)
      local to = {}
      for n, path in ipairs(session.envelope.to) do to[n] = path.address end
      table.insert(host.got, { to = to, body = body:read(),
        tls = session.tls ~= nil })
    end
    host.server = smtp.server(options)
    assert(host.server:start())
    port = host.server.port
  end
  return port
end

-- Runs steps beside hosts, in the built-in loop.
local function beside(hosts, steps)
  local problem, over
  local task = loop.spawn(function()
    local ok, why = xpcall(function()
      steps(start_hosts(hosts), hosts)
    end, debug.traceback)
    for _, host in ipairs(hosts) do
      if host.server then host.server:stop(0) end
    end
    over, problem = true, not ok and why or nil
    loop.stop()
  end)
  local watch = loop.spawn(function()
    loop.sleep(100)
    loop.stop()
  end)
  loop.run()
  loop.kill(watch)
  loop.kill(task)
  if not over then error("it takes too long", 0) end
  if problem then error(problem, 0) end
end

local function refuse(code, enhanced, only)
  return { rcpt = function(_, path)
    if not only or path.localpart == only then
      return code, enhanced, "no"
    end
  end }
end

local function it_does(what, hosts, steps)
  it(what, function()
    if not peers.need("unbound", server) then return end
    beside(hosts(), steps)
  end)
end

local function two() return { {}, {} } end

describe("direct delivery", function()
  it_does("goes to each domain once, and merges", two, function(port, hosts)
    local result = assert(deliver({ "a@one.test", "b@two.test", "c@ONE.test",
      "d@null.test" }, { port = port }))
    assert.same({ "a@one.test", "c@ONE.test", "b@two.test" }, result.accepted)
    assert.equal(1, #result.rejected)
    assert.same({ "d@null.test", 556, "5.1.10", false }, {
      result.rejected[1].address, result.rejected[1].code,
      result.rejected[1].enhanced, result.rejected[1].transient })
    assert.equal(1, #hosts[1].got)
    assert.same({ "a@one.test", "c@ONE.test" }, hosts[1].got[1].to)
    assert.equal(MESSAGE, hosts[1].got[1].body)
    assert.same({ "b@two.test" }, hosts[2].got[1].to)
    local seen = {}
    for i, one in ipairs(result.deliveries) do seen[i] = one.host end
    assert.same({ "mx.one.test", "mx.two.test", "backup.two.test" }, seen)
    assert.matches("RCPT TO:<b@two.test>",
      tostring(result.deliveries[3].transcript))
  end)

  it_does("goes through a proxy, and into the script's transcript", two,
    function(port, hosts)
    local where, seen = proxies.start("socks5", { to = port,
      address = "127.0.0.2" })
    local transcript = smtp.transcript.new()
    local result = assert(deliver("a@one.test", { port = port,
      proxy = "socks5://" .. where, transcript = transcript }))
    loop.kill(seen.task)
    assert.equal(transcript, result.deliveries[1].transcript)
    assert.matches("C: MAIL FROM:<ana@me.test>", tostring(transcript))
    assert.equal("mx.one.test", seen.host)
    assert.equal(1, #hosts[1].got)
  end)

  it_does("counts who is there twice as reached when one of the two was",
    function()
    local asked = 0
    return { { options = { extensions = { DSN = true } },
      on = { rcpt = function()
        asked = asked + 1
        if asked == 2 then return 451, "4.2.1", "busy" end
      end } }, { options = { extensions = { DSN = true } } } }
  end, function(port, hosts)
    local result = assert(deliver({ { address = "a@three.test" },
      { address = "a@three.test", notify = "NEVER" } }, { port = port }))
    assert.equal(451, result.deliveries[1].rejected[1].code)
    assert.same({ "a@three.test", "a@three.test" }, result.accepted)
    local count = 0
    for _, host in ipairs(hosts) do count = count + #host.got end
    assert.equal(1, count)
  end)

  it_does("asks for the domain's own address where it has no MX", two,
    function(port, hosts)
    assert(deliver("a@plain.test", { port = port }))
    assert.equal(1, #hosts[1].got)
  end)

  it_does("tells domains that cannot be reached", two, function(port)
    local expected <const> = {
      ["a@null.test"] = { 556, "5.1.10", false },
      ["a@no-such.test"] = { 550, "5.1.2", false },
      ["a@nothing.test"] = { 550, "5.4.4", false },
      ["a@x.broken"] = { 451, "4.4.3", true },
      ["a@silent"] = { 451, "4.4.3", true },
      ["a@lost.test"] = { 451, "4.4.1", true },
      ["a@self.test"] = { 554, "5.4.6", false },
      ["a@[not-an-address]"] = { 550, "5.1.2", false },
      ["postmaster"] = { 550, "5.1.3", false },
    }
    local list = {}
    for address in pairs(expected) do list[#list + 1] = address end
    local result, problem = deliver(list, { port = port, dns_timeout = 2 })
    assert.is_nil(result)
    assert.same({}, problem.accepted)
    assert.equal(#list, #problem.rejected)
    for _, one in ipairs(problem.rejected) do
      assert.same({ one.address, expected[one.address] },
        { one.address, { one.code, one.enhanced, one.transient } })
    end
    assert.equal(problem.rejected[1].code, problem.code)
  end)

  it_does("takes only hosts that are wanted more than itself", two,
    function(port, hosts)
    assert(deliver("a@selfish.test", { port = port }))
    assert.equal(1, #hosts[1].got)
  end)

  it_does("chooses among equal hosts by chance", two, function(port, hosts)
    for _ = 1, 30 do assert(deliver("a@equal.test", { port = port })) end
    assert.equal(30, #hosts[1].got + #hosts[2].got)
    assert.is_true(#hosts[1].got > 0 and #hosts[2].got > 0)
  end)

  it_does("goes to an address literal", two, function(port, hosts)
    assert(deliver({ "a@[127.0.0.2]" }, { port = port }))
    assert.equal(1, #hosts[1].got)
  end)

  it_does("does not come back to this host", two, function(port, hosts)
    for _, to in ipairs { "a@home.test", "a@one.test", "a@[127.0.0.2]",
      "a@[IPv6:::1]", "a@[0.0.0.0]", "a@[IPv6:::ffff:127.0.0.2]" } do
      local result, problem = deliver(to, { port = port, loopback = false })
      assert.is_nil(result)
      assert.same({ 554, "5.4.6" }, { problem.code, problem.enhanced })
    end
    assert.same({}, hosts[1].got)
  end)

  it_does("knows domains in any script", two, function(port, hosts)
    local idn = require "lunapost.mime.idn"
    if not idn.load() then return pending "no libidn2" end
    assert(deliver({ "a@gr\u{FC}n.test", "b@xn--grn-hoa.test" },
      { port = port }))
    assert.equal(1, #hosts[1].got)
  end)
end)

describe("the next host", function()
  it_does("gets those who were refused for a while", function()
    return { { on = refuse(450, "4.2.1", "busy") }, {} }
  end, function(port, hosts)
    local result = assert(deliver({ "busy@three.test", "idle@three.test" },
      { port = port }))
    assert.same({ "busy@three.test", "idle@three.test" }, result.accepted)
    assert.same({ "idle@three.test" }, hosts[1].got[1].to)
    assert.same({ "busy@three.test" }, hosts[2].got[1].to)
  end)

  it_does("gets none who was refused for good", function()
    return { { on = refuse(550, "5.1.1", "nobody") }, {} }
  end, function(port, hosts)
    local result = assert(deliver({ "nobody@three.test", "b@three.test" },
      { port = port }))
    assert.same({ "b@three.test" }, result.accepted)
    local one = result.rejected[1]
    assert.same({ "nobody@three.test", 550, "5.1.1", "no", "mx.three.test",
      "three.test", "reply" }, { one.address, one.code, one.enhanced,
      one.text, one.host, one.domain, one.kind })
    assert.same({}, hosts[2].got)
  end)

  for code in ("421 554"):gmatch "%d+" do
    it_does("is asked where the first greets with " .. code, function()
      return { { on = { connect = function()
        return math.tointeger(tonumber(code)), "x"
      end } }, {} }
    end, function(port, hosts)
      assert(deliver("a@three.test", { port = port }))
      assert.equal(1, #hosts[2].got)
    end)
  end

  it_does("is asked until none is left", function()
    return { { on = refuse(450, "4.2.1") }, { on = refuse(451, "4.7.1") } }
  end, function(port)
    local result, problem = deliver("a@three.test", { port = port })
    assert.is_nil(result)
    assert.same({ 451, "4.7.1", true, "backup.two.test" }, { problem.code,
      problem.enhanced, problem.transient, problem.host })
    assert.equal(2, #problem.deliveries)
  end)

  it("is not asked where the outcome is unknown", function()
    if not peers.need("unbound", server) then return end
    local heard = scripted.run({ function(peer)
      peer:say "220 x"
      peer:answer("250 x", "250 ok", "250 ok", "354 go")
      peer:body()
    end, function(peer) peer:say "220 x" end }, function(options, own)
      local result, problem = deliver("a@again.test", { port = options.port,
        loop = own })
      assert.is_nil(result)
      assert.equal("unconfirmed", problem.kind)
      assert.is_true(problem.rejected[1].transient)
    end)
    assert.same({}, heard[2])
  end)
end)

describe("a host that takes few recipients at a time", function()
  local function taking(peer, words)
    peer:say "220 x"
    peer:answer("250-x\r\n250 " .. words, "250 ok", "250 ok", "354 go")
    peer:body()
    peer:say "250 taken"
  end

  local cases <const> = {
    { "closes", "LIMITS RCPTMAX=1", "4.4.2", "closed" },
    { "has had enough", "LIMITS RCPTMAX=1 MAILMAX=1", "4.5.0", "limit" },
  }

  for _, case in ipairs(cases) do
    local what <const>, words <const>, enhanced <const>, kind <const> =
      table.unpack(case)
    it("and then " .. what .. " leaves the others for later", function()
      if not peers.need("unbound", server) then return end
      scripted.run(function(peer)
        taking(peer, words)
        peer:hear()
      end, function(options, own)
        local result = assert(deliver({ "a@home.test", "b@home.test" },
          { port = options.port, loop = own }))
        assert.same({ "a@home.test" }, result.accepted)
        local one = result.rejected[1]
        assert.same({ "b@home.test", 451, enhanced, true, kind },
          { one.address, one.code, one.enhanced, one.transient, one.kind })
      end)
    end)
  end
end)

describe("the hosts of a domain", function()
  local function hosts_of(zone, steps)
    if not peers.need("unbound", server) then return end
    local own = peers.folder()
    local other = name_server.start(own, zone)
    local ok, problem = pcall(steps, { nameserver = other.address })
    other:stop()
    peers.remove(own)
    if not ok then error(problem, 0) end
  end

  it("are asked up to the tenth, each at eight addresses", function()
    local zone = {}
    for i = 1, 15 do
      zone[#zone + 1] = ("many MX %d h%d"):format(i, i)
      zone[#zone + 1] = ("h1 A 192.0.2.%d"):format(i)
    end
    hosts_of(table.concat(zone, "\n") .. "\n", function(query)
      local hosts = require "lunapost.smtp.deliver.hosts"
      local list = assert(hosts.of("many.test", { query = query }))
      assert.equal(10, #list)
      assert.equal("h10.test", list[10].name)
      assert.equal(8, #assert(hosts.addresses(list[1], { query = query })))
    end)
  end)
end)

describe("direct delivery by TLS", function()
  local function secured()
    return { { options = { tls = "test" } }, {} }
  end

  it_does("takes what is offered, whoever it is", secured,
    function(port, hosts)
    local result = assert(deliver("a@one.test", { port = port,
      tls = "opportunistic" }))
    assert.is_true(hosts[1].got[1].tls)
    assert.matches("^TLS", result.deliveries[1].tls.version)
    result = assert(deliver("a@two.test", { port = port, tls =
      "opportunistic" }))
    assert.is_false(hosts[2].got[1].tls)
    assert.is_nil(result.deliveries[2].tls)
  end)

  it_does("verifies where that is asked for", secured, function(port, hosts)
    local result, problem = deliver("a@one.test", { port = port,
      tls = "verify" })
    assert.is_nil(result)
    assert.same({ "tls", 454, "4.7.5", true }, { problem.kind, problem.code,
      problem.enhanced, problem.transient })
    result, problem = deliver("a@two.test", { port = port, tls = "verify" })
    assert.is_nil(result)
    assert.matches("STARTTLS", problem.text)
    assert.same({}, hosts[2].got)
  end)

  local function whole(peer)
    peer:say "220 x"
    peer:answer("250 x", "250 ok", "250 ok", "354 go")
    peer:body()
    peer:say "250 taken"
  end

  local function fails(by)
    return { function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 STARTTLS", by)
      peer:hear()
    end, whole }
  end

  for by in ("454 4.7.0 not now|220 go\r\nbut this is no TLS at all")
    :gmatch "[^|]+" do
    it("goes on without it after " .. by:sub(1, 3), function()
      if not peers.need("unbound", server) then return end
      local heard = scripted.run(fails(by), function(options, own)
        local result = assert(deliver("a@home.test", { port = options.port,
          loop = own, tls = "opportunistic" }))
        assert.same({ "a@home.test" }, result.accepted)
      end)
      assert.equal("RCPT TO:<a@home.test>", heard[2][3])
    end)
  end
end)

describe("direct delivery of many", function()
  local function counting()
    local most, now = 0, 0
    local on = {
      rcpt = function()
        now = now + 1
        most = math.max(most, now)
        loop.sleep(0.03)
        now = now - 1
      end,
    }
    return { { on = on, most = function() return most end } }
  end

  it_does("is bounded", counting, function(port, hosts)
    local list = {}
    for i = 1, 12 do list[i] = ("a@[127.0.0.2]"):gsub("^a", "a" .. i) end
    list[#list + 1] = "a@one.test"
    list[#list + 1] = "a@plain.test"
    list[#list + 1] = "a@selfish.test"
    list[#list + 1] = "a@three.test"
    assert(deliver(list, { port = port, concurrency = 2 }))
    assert.equal(2, hosts[1].most())
  end)

  it_does("may be one after the other", counting, function(port, hosts)
    assert(deliver({ "a@one.test", "a@plain.test" }, { port = port,
      concurrency = 1 }))
    assert.equal(1, hosts[1].most())
  end)

  it_does("reads what can be read but once", two, function(port, hosts)
    local left = { "Subject: x\r\n", "\r\nbody\r\n" }
    local file = assert(io.tmpfile())
    file:write(MESSAGE)
    file:seek "set"
    local own = os.tmpname()
    peers.write(own, MESSAGE)
    for _, message in ipairs { function() return table.remove(left, 1) end,
      file, { path = own }, assert(mime.message { from = "a@me.test",
        to = "b@one.test", text = "Hi" }) } do
      local result = assert(deliver({ "a@one.test", "b@two.test" },
        { port = port }, message))
      assert.equal(2, #result.accepted)
      local n = #hosts[1].got
      assert.equal(hosts[1].got[n].body, hosts[2].got[n].body)
    end
    assert.equal("Subject: x\r\n\r\nbody\r\n", hosts[1].got[1].body)
    assert.equal(MESSAGE, hosts[1].got[2].body)
    os.remove(own)
  end)

  it("keeps what can be read but once in a file, and no longer", function()
    local whole = require "lunapost.smtp.deliver.whole"
    local left = { "a", "b" }
    local path
    do
      local kept <close> = assert(whole.of(function()
        return table.remove(left, 1)
      end))
      path = kept.message.path
      assert.equal("ab", tree.read(path))
    end
    assert.is_nil(tree.read(path))
  end)

  it_does("tells of a message that cannot be read", two, function(port)
    for _, message in ipairs { { path = "/no/such/file" },
      function() return nil, "torn" end } do
      local result, problem = deliver("a@one.test", { port = port }, message)
      assert.is_nil(result)
      assert.equal("file", problem.kind)
    end
  end)

  it_does("has the envelope of the message", two, function(port, hosts)
    local message = assert(mime.message { from = "ana@me.test",
      to = "bob@one.test", bcc = "eve@two.test", text = "Hi" })
    assert(smtp.deliver(message, { port = port, loopback = true,
      helo = "me.test", nameserver = server.address }))
    assert.same({ "bob@one.test" }, hosts[1].got[1].to)
    assert.same({ "eve@two.test" }, hosts[2].got[1].to)
  end)

  it_does("is given up whole", function()
    return { { on = { rcpt = function() loop.sleep(60) end } }, {} }
  end, function(port, hosts)
    local before = wire.descriptors()
    local unwound
    local task = loop.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        unwound = true
      end })
      deliver({ "a@one.test", "a@plain.test", "a@[127.0.0.2]" },
        { port = port })
    end)
    patience.await(loop, function()
      return hosts[1].server:stats().sessions == 3
    end)
    loop.kill(task)
    assert.is_true(unwound)
    hosts[1].server:stop(0)
    loop.sleep(0.05)
    assert.is_true(wire.at_most(before))
  end)

  it("works outside any loop", function()
    if not peers.need("unbound", server) then return end
    local other = peers.serve("", folder .. "/serve.log")
    local before = wire.descriptors()
    local result = assert(deliver({ "a@home.test", "b@again.test",
      "c@[127.0.0.1]" }, { port = other.port, tls = "opportunistic" }))
    assert.equal(3, #result.accepted)
    assert.is_true(wire.at_most(before))
    other:stop()
  end)

  -- Runs steps while no visit to mx.two.test comes to an end.
  local function breaking(steps)
    local visit = require "lunapost.smtp.deliver.visit"
    local host = visit.host
    local _ <close> = setmetatable({}, { __close = function()
      visit.host = host
    end })
    function visit.host(o, one, pending)
      if one.name == "mx.two.test" then error("out of order", 0) end
      return host(o, one, pending)
    end
    steps()
  end

  for concurrency = 1, 2 do
    it_does("keeps what became of others where one breaks off, "
      .. concurrency .. " at a time", two, function(port, hosts)
      breaking(function()
        local result = assert(deliver({ "b@two.test", "a@one.test",
          "d@null.test" }, { port = port, concurrency = concurrency }))
        assert.same({ "a@one.test" }, result.accepted)
        local one = result.rejected[1]
        assert.same({ "b@two.test", "two.test", 451, "4.4.2", true,
          "unconfirmed" }, { one.address, one.domain, one.code, one.enhanced,
          one.transient, one.kind })
        assert.matches("out of order", one.text)
        assert.equal("d@null.test", result.rejected[2].address)
      end)
      assert.same({}, hosts[2].got)
    end)
  end

  it_does("raises what is raised at every domain", two, function(port)
    breaking(function()
      assert.error_matches(function()
        deliver({ "b@two.test" }, { port = port })
      end, "out of order")
    end)
  end)

  it("knows the bad option and the nearest good one", function()
    assert.error_matches(function() smtp.deliver("x", { form = "y" }) end,
      "unknown option of smtp.deliver 'form' %(did you mean 'from'")
    assert.error_matches(function()
      smtp.deliver("x", { from = "", to = "a@b", tls = "veryfy" })
    end, "did you mean 'verify'")
    assert.error_matches(function() smtp.deliver("x", { to = "a@b" }) end,
      "a sender is missing")
    assert.error_matches(function()
      smtp.deliver("x", { from = "", to = "a@b", concurrency = 0 })
    end, "1 or more")
    assert.error_matches(function()
      smtp.deliver(7, { from = "", to = "a@b", helo = "me.test" })
    end, "a message is a string")
  end)
end)
