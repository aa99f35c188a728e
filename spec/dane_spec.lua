-- TLS as a host's TLSA records have it, RFC 7672.
local codec = require "lunapost.codec"
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local mime = require "lunapost.mime"
local name_server = require "spec.support.name_server"
local net = require "lunapost.net"
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"
local wire = require "spec.support.wire"

local function hex(octets)
  return (octets:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function wire_name(name)
  return (name:gsub("([^.]+)%.?", function(label)
    return string.char(#label) .. label
  end)) .. "\0"
end

local function mx(host)
  return hex("\0\10" .. wire_name(host))
end

local LOCAL <const> = hex "\127\0\0\1"

-- A server with a certificate for localhost, in the built-in loop; steps get
-- its port and what a TLSA record says of its key and of its certificate.
local function with_server(tls, steps, extensions)
  local server = smtp.server { listen = "127.0.0.1:0", hostname = "localhost",
    extensions = extensions,
    tls = tls == true and "test" or tls or nil, log = function() end,
    on = { data = function(_, body) body:read() end } }
  local problem, over
  local task = loop.spawn(function()
    local ok, why = xpcall(function()
      assert(server:start())
      local der = tls == true and codec.base64.decode(server.context:pem()
        :match "%-%-\n(.-)\n%-%-")
      local key
      if tls == true then
        local client <close> = assert(smtp.open { host = "127.0.0.1",
          port = server.port, insecure = true, helo = "me.test" })
        key = codec.base64.decode((client.tls.certificate.pin:sub(8)))
      end
      steps(server.port, key, der)
    end, debug.traceback)
    over, problem = true, not ok and why
    server:stop(0)
    loop.stop()
  end)
  local watch = loop.spawn(function()
    loop.sleep(100)
    loop.stop()
  end)
  loop.run()
  loop.kill(watch)
  loop.kill(task)
  assert(over, "it takes too long")
  if problem then error(problem, 0) end
end

describe("TLSA records", function()
  local function open(port, list, more)
    local options = { host = "localhost", addresses = { "127.0.0.1" },
      port = port, tlsa = list, helo = "me.test", timeout = 5 }
    for name, value in pairs(more or {}) do options[name] = value end
    return smtp.open(options)
  end

  local function record(usage, selector, matching, data)
    return { usage = usage, selector = selector, matching = matching,
      data = data }
  end

  it("of a certificate or its key decide alone", function()
    with_server(true, function(port, key, der)
      for _, one in ipairs {
        record(3, 1, 1, key), record(3, 0, 0, der),
        record(3, 0, 1, core.crypto.digest("sha256", der)),
        record(3, 0, 2, core.crypto.digest("sha512", der)),
      } do
        local client <close> = assert(open(port, { one }))
        assert.is_true(client.tls.certificate.verified)
        -- whatever the host is called
        local other <close> = assert(open(port, { one },
          { host = "mx.example.org" }))
        assert.is_true(other.tls.certificate.verified)
      end
      local client <close> = assert(open(port, {
        record(3, 1, 1, ("x"):rep(32)), record(3, 1, 1, key) }))
      assert.is_true(client.tls.certificate.verified)
    end)
  end)

  it("of a trust anchor want the host's name as well", function()
    if not peers.need("openssl", peers.has "openssl") then return end
    local folder = peers.folder()
    local output, code = peers.run(([[cd %s &&
      openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Anchor \
        -keyout ca.key -out ca.pem &&
      openssl req -newkey rsa:2048 -nodes -subj /CN=x -keyout key.pem \
        -out leaf.csr &&
      echo subjectAltName=DNS:localhost >leaf.ext &&
      openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 30 \
        -CAcreateserial -extfile leaf.ext -out leaf.pem &&
      cat leaf.pem ca.pem >chain.pem &&
      openssl x509 -in ca.pem -outform DER -out ca.der]]):format(folder))
    assert(code == 0, output)
    local tls = { certificate = folder .. "/chain.pem",
      key = folder .. "/key.pem" }
    local list = { record(2, 0, 1, core.crypto.digest("sha256",
      tree.read(folder .. "/ca.der"))) }
    with_server(tls, function(port)
      local client <close> = assert(open(port, list))
      assert.is_true(client.tls.certificate.verified)
      local none, problem = open(port, list, { host = "mx.example.org" })
      assert.is_nil(none)
      assert.equal("tls", problem.kind)
      local of_domain <close> = assert(open(port, list, {
        host = "mx.example.org", tlsa_domain = "localhost" }))
      assert.is_true(of_domain.tls.certificate.verified)
      none, problem = open(port, list, { host = "mx.example.org",
        tlsa_domain = "example.org" })
      assert.is_nil(none)
      assert.equal("tls", problem.kind)
      local long
      long, problem = open(port, list, { tlsa_domain = ("x"):rep(256) })
      assert.is_nil(long)
      assert.matches("too long", problem.text)
    end)
    peers.remove(folder)
  end)

  it("that match nothing refuse the server", function()
    with_server(true, function(port, key)
      for _, one in ipairs { record(3, 1, 1, ("x"):rep(32)),
        record(3, 0, 1, key), record(2, 1, 1, ("y"):rep(32)) } do
        local client, problem = open(port, { one })
        assert.is_nil(client)
        assert.equal("tls", problem.kind)
      end
    end)
  end)

  it("that nobody can use prove nothing, and want TLS all the same",
    function()
    local useless = { record(0, 0, 1, ("x"):rep(32)),
      record(1, 1, 1, ("x"):rep(32)), record(3, 1, 1, "short"),
      record(3, 1, 99, ("x"):rep(32)), record(3, 9, 1, ("x"):rep(32)),
      record(3, 1, 1, ""), record(255, 255, 255, "?") }
    with_server(true, function(port)
      local client <close> = assert(open(port, useless))
      assert.is_false(client.tls.certificate.verified)
    end)
    with_server(false, function(port)
      local client, problem = open(port, useless)
      assert.is_nil(client)
      assert.matches("offers no STARTTLS", problem.text)
    end)
  end)

  it("must be records", function()
    for _, bad in ipairs { {}, { "x" }, { { usage = 256 } },
      { { usage = "x" } }, { { data = 7.5, usage = {} } } } do
      assert.has_error(function() net.context { tlsa = bad } end)
    end
  end)
end)

describe("direct delivery by DANE", function()
  -- What became of a delivery, where the zone says this.
  local function deliver(port, zone, more)
    local folder = peers.folder()
    local server = name_server.verifying(folder, zone)
    local options = { from = "ana@me.test", to = "bob@example",
      helo = "me.test", loopback = true, port = port, tls = "dane",
      nameserver = server.address, trust_ad = true, timeout = 5,
      dns_timeout = 5 }
    for name, value in pairs(more or {}) do options[name] = value end
    local message = options.message or "Subject: x\r\n\r\nx\r\n"
    options.message = nil
    local result, problem = smtp.deliver(message, options)
    server:stop()
    peers.remove(folder)
    return result, problem
  end

  local function zone_of(port, tlsa)
    return { ["example 15"] = mx "mx.example", ["mx.example 1"] = LOCAL,
      [("_%d._tcp.mx.example 52"):format(port)] = tlsa }
  end

  local function it_does(what, tls, steps)
    it(what, function()
      if not peers.need("python3", peers.has "python3") then return end
      with_server(tls, steps)
    end)
  end

  describe("of a message with requiretls", function()
    local folder, tls

    before_each(function()
      folder = peers.folder()
      local certificate, key = peers.certificate(folder, "mx.example")
      tls = { certificate = certificate, key = key }
    end)
    after_each(function() peers.remove(folder) end)

    local function sent(port, zone, more)
      more.envelope = { requiretls = true }
      local result, problem = deliver(port, zone, more)
      return result and "taken" or problem.kind
    end

    local offered <const> = { REQUIRETLS = true }

    -- What becomes of it, with the server's certificate for an authority
    -- unless it is a stranger's.
    local function kind(way, extensions, stranger)
      local seen
      with_server(tls, function(port)
        seen = sent(port, zone_of(port), { tls = way,
          ca = not stranger and tls.certificate or nil })
      end, extensions)
      return seen
    end

    it("goes to a server that proves who it is, and offers it", function()
      if not peers.need("openssl", peers.has "openssl") then return end
      for _, way in ipairs { "opportunistic", "dane", "verify" } do
        assert.equal("taken", kind(way, offered), way)
      end
      with_server(true, function(port, pin)
        assert.equal("taken", sent(port, zone_of(port, "030101" .. hex(pin)),
          { tls = "dane" }))
      end, offered)
    end)

    it("goes to nobody else", function()
      if not peers.need("openssl", peers.has "openssl") then return end
      assert.equal("syntax", kind("none", offered)) -- and so without TLS
      assert.equal("syntax", kind("opportunistic")) -- which is not offered
      for _, way in ipairs { "opportunistic", "dane", "verify" } do
        assert.equal("tls", kind(way, offered, true), way)
      end
      with_server(true, function(port) -- of no use
        assert.equal("tls", sent(port, zone_of(port, "010101"
          .. ("00"):rep(32)), { tls = "dane" }))
      end, offered)
    end)

    it("goes to no host that DNSSEC does not name", function()
      if not peers.need("openssl", peers.has "openssl") then return end
      with_server(tls, function(port)
        for _, way in ipairs { "opportunistic", "dane", "verify" } do
          local zone = zone_of(port)
          zone["!example 15"], zone["example 15"] = zone["example 15"], nil
          local more = { tls = way, ca = tls.certificate }
          assert.equal("tls", sent(port, zone, more), way)
          more.trust_ad = false
          assert.equal("tls", sent(port, zone_of(port), more), way)
          more.trust_ad, zone = nil, zone_of(port)
          zone["!mx.example 1"], zone["mx.example 1"] = LOCAL, nil
          assert.equal("taken", sent(port, zone, more), way)
        end
      end, offered)
    end)
  end)

  describe("of a message that says TLS-Required: No", function()
    local leave <const> = require "lunapost.smtp.deliver.leave"
    local lax <const> = "Subject: x\r\nTLS-Required: No\r\n\r\nx\r\n"
    local wrong <const> = "030101" .. ("00"):rep(32)

    it_does("goes where TLS is not as the records have it", true,
      function(port)
      for _, records in ipairs { wrong, "servfail" } do
        local result = assert(deliver(port, zone_of(port, records),
          { message = lax }))
        assert.is_false(result.deliveries[1].tls.certificate.verified)
      end
      local result = assert(deliver(port, zone_of(port, ""), { message = lax,
        tls = "verify" }))
      assert.is_false(result.deliveries[1].tls.certificate.verified)
    end)

    it_does("goes where there is no TLS", false, function(port)
      for _, way in ipairs { "dane", "verify" } do
        local result = assert(deliver(port, zone_of(port, wrong),
          { message = lax, tls = way }))
        assert.is_nil(result.deliveries[1].tls)
      end
    end)

    it_does("goes nowhere else with requiretls, which is asked for", true,
      function(port)
      for _, way in ipairs { "dane", "verify", "opportunistic" } do
        local _, problem = deliver(port, zone_of(port, wrong), { tls = way,
          message = lax, envelope = { requiretls = true } })
        assert.equal("tls", problem.kind)
      end
    end)

    it("is one whose header has the field, once or alike, with No", function()
      for header, given in pairs {
        ["tls-required: no"] = true, ["TLS-Required:\r\n NO \r\nA: b"] = true,
        ["TLS-Required: No (why not)"] = true,
        ["TLS-Required: No\r\nTLS-Required: No"] = true,
        ["TLS-Required: Yes"] = false, ["TLS-Required:"] = false,
        ["TLS-Required: No\r\nTLS-Required: Yes"] = false,
        ["TLS-Required: N o"] = false, ["TLS-Required: N(x)o"] = false,
        ["TLS-Required: =?us-ascii?q?No?="] = false,
        ["TLS-Required: No, really"] = false, ["X-TLS-Required: No"] = false,
        ["Subject: x\r\n\r\nTLS-Required: No"] = false,
        ["Subject: x\n\nTLS-Required: No"] = false,
        ["\r\nTLS-Required: No"] = false, [""] = false,
      } do
        local octets = header .. "\r\n\r\nTLS-Required: No\r\n"
        assert.equal(given, leave.given(octets), header)
        local at = 0
        assert.equal(given, leave.given(function() -- octet by octet
          at = at + 1
          return at <= #octets and octets:sub(at, at) or nil
        end), header)
      end
      local built = { from = "a@x", to = "b@y", text = "x",
        headers = { ["TLS-Required"] = "No" } }
      assert.is_true(leave.given(assert(mime.message(built))))
      assert.is_false(leave.given(("x"):rep(3 << 20) .. "\nTLS-Required: No\n"))
    end)

    it("is no riddle of open parentheses", function() -- hours of them
      assert.is_false(leave.given("TLS-Required: " .. ("("):rep(1 << 20)
        .. "\r\n\r\n"))
    end)

    it("is closed when its header is known", function()
      local path <const> = os.tmpname()
      local file <close> = assert(io.open(path, "wb"))
      assert(file:write(lax, ("x"):rep(3 << 20)))
      assert(file:flush())
      collectgarbage()
      collectgarbage "stop"
      local before = wire.descriptors()
      for _ = 1, 20 do assert.is_true(leave.given { path = path }) end
      local after = wire.descriptors()
      collectgarbage "restart"
      os.remove(path)
      assert.is_true(after < before + 20)
    end)
  end)

  it_does("takes the server that the records name", true, function(port, key)
    local result = assert(deliver(port, zone_of(port, "030101" .. hex(key))))
    assert.is_true(result.deliveries[1].tls.certificate.verified)
  end)

  it_does("takes no other, and nothing in plain", true, function(port)
    local _, problem = deliver(port, zone_of(port, "030101" .. ("00"):rep(32)))
    assert.same({ "tls", 454, "4.7.5", true }, { problem.kind, problem.code,
      problem.enhanced, problem.transient })
    assert.equal(1, #problem.deliveries)
  end)

  it_does("takes no server without TLS where there are records", false,
    function(port)
    local _, problem = deliver(port, zone_of(port, "030101" .. ("00"):rep(32)))
    assert.same({ "tls", 454 }, { problem.kind, problem.code })
    assert(deliver(port, zone_of(port, "")))
  end)

  it_does("waits where the records cannot be had", true, function(port)
    local _, problem = deliver(port, zone_of(port, "servfail"))
    assert.same({ "tls", 454, true }, { problem.kind, problem.code,
      problem.transient })
  end)

  it_does("is opportunistic where something is not verified", true,
    function(port)
    local wrong = "030101" .. ("00"):rep(32)
    for name in pairs(zone_of(port, wrong)) do
      local zone = zone_of(port, wrong)
      zone["!" .. name], zone[name] = zone[name], nil
      local result = assert(deliver(port, zone))
      assert.is_false(result.deliveries[1].tls.certificate.verified)
    end
    local result = assert(deliver(port, zone_of(port, wrong),
      { trust_ad = false }))
    assert.is_false(result.deliveries[1].tls.certificate.verified)
  end)

  it_does("finds the records where the aliases of a host lead", true,
    function(port, key)
    local name = ("_%d._tcp.%%s 52"):format(port)
    local right, wrong = "030101" .. hex(key), "030101" .. ("00"):rep(32)
    local function zone(more)
      local records = { ["example 15"] = mx "alias.example",
        ["alias.example 1"] = LOCAL,
        ["alias.example 5"] = hex(wire_name "mx.example"),
        ["mx.example 1"] = LOCAL }
      for key_of, value in pairs(more) do records[key_of] = value end
      return records
    end
    for _, records in ipairs {
      zone { [name:format "mx.example"] = right },
      zone { [name:format "mx.example"] = right,
        [name:format "alias.example"] = wrong },
      zone { [name:format "alias.example"] = right },
    } do
      local result = assert(deliver(port, records))
      assert.equal("alias.example", result.deliveries[1].host)
      assert.is_true(result.deliveries[1].tls.certificate.verified)
    end
    local _, problem = deliver(port, zone {
      [name:format "mx.example"] = wrong,
      [name:format "alias.example"] = right })
    assert.equal("tls", problem.kind)
  end)

  it_does("holds for a domain without MX", true, function(port, key)
    local name = ("_%d._tcp.example 52"):format(port)
    local result = assert(deliver(port, { ["example 1"] = LOCAL,
      [name] = "030101" .. hex(key) }))
    assert.is_true(result.deliveries[1].tls.certificate.verified)
    local _, problem = deliver(port, { ["example 1"] = LOCAL,
      [name] = "030101" .. ("00"):rep(32) })
    assert.equal("tls", problem.kind)
  end)
end)
