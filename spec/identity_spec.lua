-- Who a peer is: by the DNS in both directions, and as fields tell it later.
local mime = require "lunapost.mime"
local net = require "lunapost.net"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"
local smtp = require "lunapost.smtp"

-- A DNS of the spec's own, for as long as it runs.
local function with_dns(names, addresses)
  local reverse, resolve = net.reverse, net.resolve
  finally(function() net.reverse, net.resolve = reverse, resolve end)
  local asked = { reverse = 0, resolve = 0 }
  function net.reverse(address, options)
    assert(options.deadline)
    asked.reverse = asked.reverse + 1
    return names[address]
  end
  function net.resolve(name, options)
    assert(options.deadline)
    asked.resolve = asked.resolve + 1
    local list = addresses[name]
    if list == false then return nil, { transient = true } end
    if not list then return nil, { transient = false } end
    local out = {}
    for i, address in ipairs(list) do out[i] = { address = address } end
    return out
  end
  return asked
end

-- What a server knows of a peer that comes from an address.
local function known(address, options)
  local seen
  options = options or {}
  options.proxy = { "127.0.0.1" }
  options.on = { helo = function(session)
    local peer = session.peer
    seen = { name = peer.name, confirmed = peer.confirmed,
      received = session:received(),
      results = session:authentication_results {} }
  end }
  served.run(options, function(server)
    local peer <close> = peers.dial(server.port)
    peer:say(("PROXY TCP%d %s %s 99 25\r\n"):format(
      address:find ":" and 6 or 4, address, address))
    peer:reply()
    peer:ask("HELO me")
  end)
  return seen
end

describe("a peer", function()
  it("has a name, which is confirmed, or not", function()
    local asked = with_dns({ ["192.0.2.1"] = "one.example",
      ["192.0.2.2"] = "liar.example", ["192.0.2.3"] = "slow.example",
      ["2001:db8::1"] = "six.example", ["192.0.2.4"] = "gone.example" }, {
      ["one.example"] = { "198.51.100.1", "192.0.2.1" },
      ["liar.example"] = { "198.51.100.2" }, ["slow.example"] = false,
      ["six.example"] = { "2001:DB8:0::0:1" },
    })
    local peer = known "192.0.2.1"
    assert.equal("one.example", peer.name)
    assert.is_true(peer.confirmed)
    assert.matches("(one.example [192.0.2.1])", peer.received, 1, true)
    peer = known "2001:db8::1"
    assert.is_true(peer.confirmed)
    peer = known "192.0.2.2"
    assert.equal("liar.example", peer.name)
    assert.is_false(peer.confirmed)
    assert.matches("(unknown [192.0.2.2])", peer.received, 1, true)
    peer = known "192.0.2.3"
    assert.equal("slow.example", peer.name)
    assert.is_nil(peer.confirmed)
    assert.is_false(known("192.0.2.4").confirmed)
    peer = known "192.0.2.9"
    assert.is_nil(peer.name)
    assert.is_nil(peer.confirmed)
    assert.equal(5, asked.resolve)
    known "192.0.2.1"
    assert.equal(5, asked.resolve) -- its answer was kept
    known "192.0.2.3"
    assert.equal(6, asked.resolve) -- no answer is not
  end)

  it("is not asked for where it is private, or nobody wants to know",
    function()
    local asked = with_dns({}, {})
    known "10.0.0.1"
    known("192.0.2.50", { reverse_dns = false })
    assert.same({ reverse = 0, resolve = 0 }, asked)
  end)
end)

describe("Authentication-Results", function()
  it("tell what was found out, folded", function()
    assert.equal("Authentication-Results: mx.test;\r\n"
      .. "\tspf=fail reason=\"not \\\"allowed\\\"\" smtp.mailfrom=a@b.example;"
      .. "\r\n\tdkim=pass (2048 bits \\(good\\)) header.d=b.example "
      .. "header.i=@b.example\r\n\theader.s=\"odd value\"\r\n",
      smtp.authentication_results("mx.test", {
        { method = "spf", result = "fail", reason = 'not "allowed"',
          properties = { ["smtp.mailfrom"] = "a@b.example" } },
        { method = "dkim", result = "pass", comment = "2048 bits (good)",
          properties = { ["header.d"] = "b.example",
            ["header.i"] = "@b.example", ["header.s"] = "odd value" } },
      }))
    assert.equal("Authentication-Results: mx.test; none\r\n",
      smtp.authentication_results("mx.test", {}))
  end)

  it("let nothing be injected", function()
    local field = smtp.authentication_results("mx.test\r\nX: y", {
      { method = "auth", result = "pass", reason = "a\r\nBcc: x@y",
        comment = "\r\n\r\nbody", properties = {
          ["smtp.auth"] = "ana\r\nX-Evil: 1\0" } } })
    local message = mime.parse(field .. "\r\n")
    assert.equal(1, #message:headers())
    assert.same({}, message.defects)
    for _, bad in ipairs { { method = "spf pass", result = "x" },
      { method = "spf", result = "pass;x" }, { method = "spf" },
      { method = "spf", result = "pass", properties = { ["a b"] = "c" } },
      { method = "spf", result = "pass", properties = { header = "c" } } } do
      local ok, problem = pcall(function()
        local made = smtp.authentication_results("mx", { bad })
        return made
      end)
      assert.is_false(ok)
      assert.matches("identity_spec.lua:%d+: ", problem)
    end
    assert.error_matches(function()
      smtp.authentication_results("mx", { { metod = "spf" } })
    end, "did you mean 'method'")
  end)

  it("of a session begin with what it knows", function()
    local field
    local server = server_of.new { hostname = "mx.test",
      auth = { cleartext = true, check = function() return true end },
      on = { mail = function(session)
        field = session:authentication_results {
          { method = "spf", result = "none" } }
      end } }
    server:script { "EHLO me", "AUTH PLAIN AGFuYQBi", "MAIL FROM:<a@b>" }
    assert.equal("Authentication-Results: mx.test;\r\n\tauth=pass "
      .. "smtp.auth=ana;\r\n\tspf=none\r\n", field)
    local session = { user = nil, peer = { address = "192.0.2.1",
      named = true, name = "one.example", confirmed = true } }
    local results = require "lunapost.smtp.results"
    local function iprev() return results.of_session(session)[1] end
    assert.same({ method = "iprev", result = "pass", comment = "one.example",
      properties = { ["policy.iprev"] = "192.0.2.1" } }, iprev())
    session.peer.confirmed = false
    assert.equal("fail", iprev().result)
    session.peer.confirmed = nil
    assert.equal("temperror", iprev().result)
    session.peer.name = nil
    assert.equal("fail", iprev().result)
    session.peer.named = nil
    assert.is_nil(iprev())
  end)
end)
