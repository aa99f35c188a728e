local core = require "lunapost.core"
local dns = require "lunapost.dns"
local loops = require "lunapost.loop"
local name_server = require "spec.support.name_server"
local patience = require "spec.support.patience"
local peers = require "spec.support.peers"
local random = require "spec.support.random"
local wire = require "spec.support.wire"

local ZONE <const> = [[
example MX 20 second.example
example MX 10 first.example
example MX 10 twin.example
first.example A 127.0.0.1
first.example AAAA ::1
second.example A 127.0.0.2
alias CNAME first.example
endless CNAME endless
null MX 0 .
example TXT "v=spf1 -all" " more"
_25._tcp.first.example TLSA 3 1 1 ( 00112233445566778899aabbccddeeff
  00112233445566778899aabbccddeeff )
]]

-- A question for example. MX and its answers, by hand.
local function u16(n) return string.pack(">I2", n) end

local QUESTION <const> = "\7example\0" .. u16(15) .. u16(1)

local function answer(records, flags, count)
  return "\0\1" .. u16(flags or 0x8180) .. u16(1)
    .. u16(count or #records) .. u16(0) .. u16(0) .. QUESTION
    .. table.concat(records)
end

local function record(owner, type, data)
  return owner .. u16(type) .. u16(1) .. "\0\0\1\44" .. u16(#data) .. data
end

local OWNER <const> = "\192\12" -- the question's name

local function hex(octets)
  return (octets:sub(3):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

describe("a DNS answer", function()
  it("is read record by record", function()
    local list = assert(core.dns.read(answer {
      record(OWNER, 15, u16(10) .. "\2mx\192\12"),
      record(OWNER, 15, u16(20) .. "\0"),
      record("\5other\0", 15, u16(1) .. "\0"), -- nobody asked
      record(OWNER, 1, "\127\0\0\1"),
    }))
    assert.same({ code = 0, secure = false, name = "example",
      { ttl = 300, preference = 10, host = "mx.example" },
      { ttl = 300, preference = 20, host = "" } }, list)
  end)

  it("is followed through aliases, in any order", function()
    local list = assert(core.dns.read(answer {
      record("\1b\0", 15, u16(1) .. "\1x\0"),
      record("\1a\0", 5, "\1B\0"),
      record(OWNER, 5, "\1a\0"),
    }))
    assert.same({ "B", "x" }, { list.name, list[1].host })
    assert.is_nil(list[2])
  end)

  it("may be an endless alias", function()
    assert.is_nil((core.dns.read(answer {
      record(OWNER, 5, OWNER) })))
    assert.is_nil((core.dns.read(answer {
      record(OWNER, 5, "\1a\0"), record("\1a\0", 5, OWNER) })))
  end)

  it("tells why there is none, and whether it was verified", function()
    assert.equal(3, core.dns.read(answer({}, 0x8183)).code)
    assert.is_true(core.dns.read(answer({}, 0x81a0)).secure)
    assert.is_nil((core.dns.read(answer({}, 0x0100)))) -- a question
  end)

  it("shows odd octets of a name as numbers", function()
    local list = core.dns.read(answer {
      record(OWNER, 15, u16(1) .. "\5a.b\r\255\3\97\0z\0") })
    assert.equal("a\\046b\\013\\255.a\\000z", list[1].host)
    local long = ("\63" .. ("\1"):rep(63)):rep(3) .. "\60" .. ("\1"):rep(60)
    list = core.dns.read(answer {
      record(OWNER, 15, u16(1) .. long .. "\1x\0") })
    assert.is_nil(list) -- 256 octets
    list = core.dns.read(answer { record(OWNER, 15, u16(1) .. long .. "\0") })
    assert.equal(4 * 249 + 3, #list[1].host)
  end)

  it("that is malformed is refused", function()
    local whole = answer { record(OWNER, 15, u16(10) .. "\2mx\192\12") }
    for cut = 0, #whole - 1 do
      assert.is_nil((core.dns.read(whole:sub(1, cut))))
    end
    for _, bad in ipairs {
      answer { record(OWNER, 15, u16(1) .. "\192\200") }, -- past the end
      answer { record("\192\29", 15, u16(1) .. "\0") },   -- forward
      answer { record(OWNER, 15, "\0") },
      answer { record(OWNER, 15, u16(1) .. "\0\0") },     -- too much
      answer { record(OWNER, 15, u16(1) .. "\128\0") },   -- odd label
      answer({}, 0x8180, 1025), answer({}, 0x8180, 65535),
    } do
      local list, kind, text = core.dns.read(bad)
      assert.is_nil(list)
      assert.same({ "dns", "the answer is malformed" }, { kind, text })
    end
  end)

  it("with a chain of pointers costs little", function()
    local chain = ("\192\12"):rep(16000)
    local octets = answer { record(OWNER, 15, u16(1) .. "\0"),
      record(OWNER, 16, chain:sub(1, 32000)) }
    assert.equal(1, #core.dns.read(octets))
    -- a pointer to a pointer to a pointer
    local deep, at = {}, 12 + #QUESTION
    for i = 1, 100 do
      deep[i] = u16(0xc000 | (i == 1 and 12 or at + 2 * i - 4))
    end
    local text = "\0\1\x81\x80" .. u16(1) .. u16(1) .. u16(0) .. u16(0)
      .. QUESTION .. table.concat(deep)
    assert.is_nil((core.dns.read(text)))
  end)

  it("of any octets breaks nothing", function()
    math.randomseed(random.seed)
    local whole = answer {
      record(OWNER, 5, "\1a\0"),
      record("\1a\0", 15, u16(10) .. "\2mx\192\12"),
      record("\1a\0", 15, u16(20) .. "\2my\192\12") }
    for _ = 1, 20000 do
      local octets = { whole:byte(1, -1) }
      for _ = 1, math.random(1, 6) do
        octets[math.random(3, #octets)] = math.random(0, 255)
      end
      local list, kind = core.dns.read(string.char(table.unpack(octets)))
      assert(list or kind == "dns")
    end
  end)
end)

describe("asking the DNS", function()
  local folder, server, options

  setup(function()
    if not name_server.there() then return end
    folder = peers.folder()
    server = name_server.start(folder, ZONE)
    options = { nameserver = server.address, timeout = 10 }
  end)

  teardown(function()
    if server then server:stop() end
    peers.remove(folder)
  end)

  local function it_does(what, steps)
    it(what, function()
      if peers.need("unbound", server) then steps() end
    end)
  end

  it_does("tells where mail goes, the most wanted first", function()
    local list = assert(dns.mx("example.test", options))
    assert.same({ 10, 10, 20 }, { list[1].preference, list[2].preference,
      list[3].preference })
    assert.equal("second.example.test", list[3].host)
    assert.is_false(list.secure)
    assert.equal("", assert(dns.mx("null.test", options))[1].host)
  end)

  it_does("reads texts, certificates and names of addresses", function()
    assert.equal("v=spf1 -all more",
      assert(dns.txt("example.test.", options))[1].text)
    local tlsa = assert(dns.tlsa("_25._tcp.first.example.test", options))[1]
    assert.same({ 3, 1, 1 }, { tlsa.usage, tlsa.selector, tlsa.matching })
    assert.equal("\0\x11\x22\x33", tlsa.data:sub(1, 4))
    assert.equal(32, #tlsa.data)
    -- the server knows these by itself, RFC 6303
    for _, address in ipairs { "127.0.0.1", "::1" } do
      assert.equal("localhost", assert(dns.ptr(address, options))[1].host)
    end
  end)

  it_does("finds addresses of both families, through aliases", function()
    for _, name in ipairs { "first.example.test", "alias.test" } do
      local list = assert(dns.addresses(name, options))
      assert.same({ "::1", "127.0.0.1" },
        { list[1].address, list[2].address })
    end
    assert.equal("127.0.0.2",
      assert(dns.query("second.example.test", "A", options))[1].address)
    assert.equal("192.0.2.1",
      assert(dns.addresses("192.0.2.1", options))[1].address)
  end)

  it_does("tells failures apart", function()
    local function fails(kind, reason, passing, name, more)
      local own = { nameserver = server.address, timeout = 10 }
      for k, v in pairs(more or {}) do own[k] = v end
      local list, problem = dns.mx(name, own)
      assert.is_nil(list)
      assert.same({ kind, reason, passing, name }, { problem.kind,
        problem.reason or "none", problem.transient, problem.host })
    end
    fails("dns", "nxdomain", false, "no-such.test")
    fails("dns", "nodata", false, "first.example.test")
    fails("dns", "servfail", true, "x.broken")
    fails("dns", "refused", true, "refused")
    fails("timeout", "none", true, "silent", { timeout = 0.3 })
    local _, problem = dns.addresses("no-such.test", options)
    assert.equal("nxdomain", problem.reason)
    _, problem = dns.addresses("x.broken", options)
    assert.equal("servfail", problem.reason)
  end)

  it_does("asks whom the environment names", function()
    local out = wire.script([[
      local dns = require "lunapost.dns"
      print(dns.mx("null.test")[1].host == "")
    ]], "env LUNAPOST_NAMESERVER=" .. server.address .. " ")
    assert.equal("true\n", out)
  end)

  it_does("asks the next server where the first is not there", function()
    local list = assert(dns.mx("null.test", { timeout = 10,
      nameserver = { "127.0.0.1:1", server.address } }))
    assert.equal(1, #list)
  end)

  it("asks name servers by IPv6, where there is glibc and IPv6", function()
    local six = core.net.listen("::1", 0)
    if not peers.need("python3", peers.has "python3") or not six then
      return
    end
    six:close()
    local own = peers.folder()
    local there = name_server.verifying(own, { ["x.example 16"] = "0178" },
      "::1")
    local list, problem
    for _, servers in ipairs { { there.address },
      { "127.0.0.1:1", there.address }, { there.address, "127.0.0.1:1" } } do
      list, problem = dns.txt("x.example", { nameserver = servers,
        timeout = 10 })
      if problem and problem.text:find("IPv4 address here", 1, true) then
        break -- as the platform has it
      end
      assert.equal("x", assert(list, problem)[1].text)
    end
    local _, why = dns.mx("x.example", { nameserver = "fe80::1%lo",
      timeout = 60 })
    assert.matches("a name server is an", why.text)
    there:stop()
    peers.remove(own)
  end)

  it_does("stops no loop, and may be given up", function()
    local before = wire.descriptors()
    patience.rising(0.1, function(seconds)
      local loop, ticks, reason = loops.new(), 0, nil
      wire.run(loop, function()
        local _, problem = dns.mx("silent", { loop = loop, timeout = seconds,
          nameserver = server.address })
        reason = problem.kind
      end, function()
        while not reason do
          loop.sleep(0.01)
          ticks = ticks + 1
        end
      end)
      assert.equal("timeout", reason)
      return ticks > 3
    end)
    assert.is_true(wire.at_most(before))
  end)

  it("believes what it is told of DNSSEC only when asked to", function()
    if not peers.need("python3", peers.has "python3") then return end
    local own = peers.folder()
    local one = hex(answer({ record(OWNER, 15, u16(1) .. "\1x\0") }, 0x81a0))
    local liar = name_server.hostile(own, { one, one })
    for _, trust in ipairs { true, false } do
      local list = assert(dns.mx("example", { nameserver = liar.address,
        timeout = 5, trust_ad = trust }))
      assert.equal(trust, list.secure)
    end
    liar:stop()
    peers.remove(own)
  end)

  it("survives a server that says anything", function()
    if not peers.need("python3", peers.has "python3") then return end
    local own = peers.folder()
    local cyclic = answer { record(OWNER, 5, OWNER) }
    local short = answer({ record(OWNER, 15, u16(1) .. "\1x\0") }, 0x8180, 9)
    local liar = name_server.hostile(own, { hex(cyclic), hex(short) })
    for _ = 1, 2 do
      local list, problem = dns.mx("example", { nameserver = liar.address,
        timeout = 5 })
      assert.is_nil(list)
      assert.same({ "dns", "malformed" }, { problem.kind, problem.reason })
    end
    liar:stop()
    peers.remove(own)
  end)

  it("refuses what can be no name", function()
    for _, bad in ipairs { "", "a b", "a\0b", "a\\b", ("x"):rep(300),
      "gr\u{FC}n.test", 7, ("x"):rep(64) .. ".test", "a..test", ".test",
      ("x."):rep(128) } do
      local list, problem = dns.mx(bad, { timeout = 60 })
      assert.is_nil(list)
      assert.equal("dns", problem.kind)
      assert.is_false(problem.transient)
    end
    local _, problem = dns.addresses(("x"):rep(300))
    assert.same({ "dns", false }, { problem.kind, problem.transient })
  end)

  it("knows the bad option and the nearest good one", function()
    assert.error_matches(function() dns.mx("x", { nameservers = "y" }) end,
      "did you mean 'nameserver'")
    assert.error_matches(function() dns.query("x", "MXX") end,
      "did you mean 'MX'")
    for _, bad in ipairs { "ns.example.org", "127.0.0.1:99999", "[::1", "[]:1",
      "[::1]:x", "[::1]:99999", "[ns]:53", "::1:x",
      "127.0.0.1:99999999999999999999" } do
      assert.error_matches(function() dns.mx("x", { nameserver = bad }) end,
        "an address, ADDRESS:PORT or %[ADDRESS%]:PORT")
    end
    assert.error_matches(function()
      dns.mx("x", { nameserver = ("127.0.0.1 "):rep(4) })
    end, "at most 3")
    assert.error_matches(function() dns.ptr "mx.example.org" end,
      "an address is expected")
  end)
end)
