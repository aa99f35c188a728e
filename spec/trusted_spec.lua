-- Peers that speak for others: XCLIENT, XFORWARD, the header of a proxy.
local core = require "lunapost.core"
local dialogue = require "spec.support.dialogue"
local peers = require "spec.support.peer"
local proxy = require "lunapost.smtp.proxy"
local ranges = require "lunapost.net.ranges"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"
local transcript = require "spec.support.transcript"

local cases = {}

local function told(session)
  local peer = session.peer
  return ("%s %s %s"):format(peer.address, peer.port, peer.name)
end

function cases.xclient(note)
  return { xclient = { "127.0.0.0/8" }, auth = { cleartext = true,
    required = true, check = print }, on = {
      connect = function(session)
        note("connect " .. told(session))
        if session.peer.address == "192.0.2.66" then
          return 554, "5.7.1", "not you"
        end
      end,
      helo = function(session) note("helo " .. session.helo) end,
      mail = function(session)
        note(("mail of %s by %s via %s"):format(told(session), session.user,
          session.peer.via.address))
      end,
    } }
end

function cases.xforward(note)
  return { xforward = { "127.0.0.1" }, on = { data = function(session)
    local f = session.forwarded or {}
    note(("for %s %s %s %s %s %s %s"):format(f.name, f.address, f.port,
      f.proto, f.helo, f.ident, f.source))
  end } }
end

-- The peer's address is none of the listed ones.
function cases.elsewhere()
  return { xclient = { "192.0.2.0/24" }, xforward = { "::1", "unix" },
    on = { unknown = function() return 500, "what?" end } }
end


describe("a peer that speaks for others", function()
  local drivers = dialogue.drivers(cases)

  for _, path in ipairs(transcript.files("trusted")) do
    it("is answered " .. path .. " in every chunk size", function()
      transcript.run_split(transcript.load(path), drivers)
    end)
  end

  it("is named in Received: as whom it speaks for", function()
    local received
    local server = server_of.new { hostname = "mx.test",
      xclient = { "127.0.0.1" }, on = { data = function(session)
        received = session:received()
      end } }
    server:script { "XCLIENT ADDR=IPV6:2001:db8::7 NAME=far.example", "EHLO me",
      "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", ".", "QUIT" }
    assert.matches("^Received: from me %(far.example "
      .. "%[IPv6:2001:db8::7%]%)", received)
  end)

  it("is listed as address, network, or unix", function()
    for _, name in ipairs { "xclient", "xforward", "proxy" } do
      for _, bad in ipairs { "10.0.0.0/33", "fe80::/129", "mx.test", "1.2.3",
        "256.1.1.1", "1:2:3", "::1::", "/8", "" } do
        local ok, problem = pcall(server_of.new, { [name] = { bad } })
        assert.is_false(ok, bad)
        assert.matches("option '" .. name .. "': '" .. bad .. "' is no",
          problem, 1, true)
      end
    end
    assert.error_matches(function() server_of.new { proxy = { 7 } } end,
      "must be a string, not number")
  end)
end)

describe("ranges", function()
  it("have the addresses that lie in them", function()
    local some = ranges.new { "192.0.2.7", "10.0.0.0/8", "172.16.0.0/12",
      "2001:db8::/33", "::1" }
    for address, has in pairs { ["192.0.2.7"] = true, ["192.0.2.8"] = false,
      ["10.255.0.1"] = true, ["11.0.0.1"] = false, ["172.31.255.255"] = true,
      ["172.32.0.0"] = false, ["2001:db8:7fff::1"] = true,
      ["2001:db8:8000::1"] = false, ["::1"] = true, ["::2"] = false,
      ["::ffff:10.1.2.3"] = true, ["fe80::1%eth0"] = false, [""] = false,
      ["mx.test"] = false } do
      assert.equal(has, some:has(address), address)
    end
    assert.is_false(some:has(nil))
    assert.is_true(ranges.new { "unix" }:has(nil))
    assert.is_true(ranges.new { "unix" }:has "")
    assert.is_true(ranges.new { "0.0.0.0/0" }:has "8.8.8.8")
    assert.is_false(ranges.new { "0.0.0.0/0" }:has "::1")
  end)

  it("know an address in any of its forms", function()
    for text, canonical in pairs { ["1.2.3.4"] = "1.2.3.4",
      ["::"] = "::", ["1::"] = "1::", ["::1"] = "::1",
      ["2001:DB8:0:0:1:0:0:1"] = "2001:db8::1:0:0:1",
      ["2001:db8:0:1:1:1:1:1"] = "2001:db8:0:1:1:1:1:1",
      ["64:ff9b::192.0.2.33"] = "64:ff9b::c000:221",
      ["::ffff:1.2.3.4"] = "1.2.3.4",
      ["1:2:3:4:5:6:7::"] = "1:2:3:4:5:6:7:0" } do
      local octets = ranges.octets(text)
      if text ~= "1:2:3:4:5:6:7::" then
        assert.equal(canonical, ranges.text(octets))
        assert.is_truthy(core.net.numeric(canonical))
      end
    end
  end)

  it("take an IPv6 network of 64 bits for one source", function()
    assert.equal(ranges.source "2001:db8::1",
      ranges.source "2001:db8:0:0:ffff::2")
    assert.are_not.equal(ranges.source "2001:db8::1",
      ranges.source "2001:db8:0:1::1")
    assert.equal("192.0.2.1", ranges.source "192.0.2.1")
    assert.equal("unix", ranges.source(nil))
    assert.equal("unix", ranges.source "")
  end)
end)

local SIGNATURE <const> = "\r\n\r\n\0\r\nQUIT\n"

local function version2(command, family, rest)
  return SIGNATURE .. string.char(0x20 | command, family)
    .. string.pack(">s2", rest)
end

local V4 <const> = "\192\0\2\1\127\0\0\1" .. string.pack(">I2I2", 4321, 25)
local V6 <const> = "\32\1\13\184" .. ("\0"):rep(11) .. "\7" .. ("\0"):rep(16)
  .. string.pack(">I2I2", 4321, 25)

describe("the header of a proxy", function()
  -- Reads as a server does: no octet more than is needed.
  local function read(octets)
    local at = 0
    local more, problem = proxy.needs ""
    while more and more > 0 do
      if at + more > #octets then return nil, "cut" end
      at = at + more
      more, problem = proxy.needs(octets:sub(1, at))
    end
    if not more then return nil, problem end
    assert.equal(#octets, at)
    return proxy.read(octets)
  end

  it("tells whose a connection is", function()
    for octets, want in pairs {
      ["PROXY TCP4 192.0.2.1 127.0.0.1 4321 25\r\n"] =
        { address = "192.0.2.1", port = 4321 },
      ["PROXY TCP6 2001:db8::7 ::1 4321 25\r\n"] =
        { address = "2001:db8::7", port = 4321 },
      ["PROXY UNKNOWN\r\n"] = {},
      ["PROXY UNKNOWN ffff::1 ::1 1 2\r\n"] = {},
      [version2(1, 0x11, V4)] =
        { address = "192.0.2.1", port = 4321, values = {} },
      [version2(1, 0x21, V6)] =
        { address = "2001:db8::7", port = 4321, values = {} },
      [version2(1, 0x11, V4 .. "\2\0\7mx.test\4\0\0")] =
        { address = "192.0.2.1", port = 4321,
          values = { [2] = "mx.test", [4] = "" } },
      [version2(0, 0x11, V4)] = {}, -- LOCAL: a health check
      [version2(0, 0x00, "")] = {},
      [version2(1, 0x00, "whatever")] = {},
      [version2(1, 0x31, ("\0"):rep(216))] = {}, -- a Unix socket
    } do
      assert.same(want, (read(octets)), octets)
    end
  end)

  it("is refused where it is malformed", function()
    for octets, problem in pairs {
      ["EHLO mx.example.org\r\n"] = "no header of PROXY",
      ["PROXY\tTCP4 1.2.3.4\r\n"] = "no header of PROXY",
      ["PROXY TCP4 192.0.2.1 127.0.0.1 4321 25\n"] = "ends with CRLF",
      ["PROXY TCP4 192.0.2.1\n127.0.0.1 4321 25\r\n"] = "ends with CRLF",
      ["PROXY TCP4 192.0.2.1 127.0.0.1 4321 70000\r\n"] = "malformed line",
      ["PROXY TCP4 192.0.2.1 127.0.0.1 04321 25\r\n"] = "malformed line",
      ["PROXY TCP4 ::1 ::1 4321 25\r\n"] = "malformed line",
      ["PROXY TCP6 192.0.2.1 127.0.0.1 4321 25\r\n"] = "malformed line",
      ["PROXY TCP4 192.0.2.256 127.0.0.1 4321 25\r\n"] = "malformed line",
      ["PROXY TCP4 192.0.2.1 127.0.0.1 4321\r\n"] = "malformed line",
      ["PROXY TCP4 192.000.2.1 127.0.0.1 4321 25\r\n"] = "malformed line",
      ["PROXY TCP6 fe80::1%eth0 ::1 4321 25\r\n"] = "malformed line",
      ["PROXY UNKNOWNS\r\n"] = "malformed line",
      ["PROXY TCP4 " .. ("1"):rep(100) .. "\r\n"] = "too long",
      [version2(2, 0x11, V4)] = "unknown version or command",
      [SIGNATURE .. "\17\17\0\0"] = "unknown version or command",
      [version2(1, 0x11, "short")] = "too short",
      [version2(1, 0x11, V4 .. "\1\0\9x")] = "malformed values",
      [version2(1, 0x11, V4 .. "\1")] = "malformed values",
      [version2(1, 0x11, V4 .. "\4\0\0\1\0")] = "malformed values",
      [version2(1, 0x31, ("x"):rep(215))] = "too short", -- a Unix socket
      [version2(1, 0x12, "short")] = "too short", -- UDP
      [version2(1, 0x11, ("x"):rep(5000))] = "too long",
    } do
      local facts, why = read(octets)
      assert.is_nil(facts, octets)
      assert.matches(problem, why, 1, true)
    end
  end)

  it("is refused where its checksum is wrong", function()
    local function summed(sum)
      return version2(1, 0x11, V4 .. "\4\0\2ab\3\0\4" .. sum .. "\4\0\0")
    end
    -- by another implementation of CRC32c (RFC 3720 B.4)
    local facts = assert(read(summed "\x41\xe6\xa6\xe6"))
    assert.equal("192.0.2.1", facts.address)
    for _, sum in ipairs { "\0\0\0\0", "\xe6\xa6\xe6\x41" } do
      local none, why = read(summed(sum))
      assert.is_nil(none)
      assert.matches("checksum", why)
    end
    local none, why = read(version2(1, 0x11, V4 .. "\3\0\3abc"))
    assert.is_nil(none)
    assert.matches("checksum", why)
  end)

  it("is cut anywhere without harm", function()
    for _, octets in ipairs { version2(1, 0x21, V6),
      "PROXY TCP6 2001:db8::7 ::1 4321 25\r\n" } do
      for n = 0, #octets - 1 do
        assert.same({ nil, "cut" }, { read(octets:sub(1, n)) })
      end
    end
  end)

  local function with(options, steps)
    local logged = {}
    options.log = function(record) logged[#logged + 1] = record.text end
    options.limits = options.limits or { handshake = 0.3 }
    options.reverse_dns = false
    served.run(options, steps)
    return logged
  end

  it("comes before the greeting, in any pieces", function()
    local seen = {}
    local options = { proxy = { "127.0.0.1" }, on = {
      connect = function(session)
        seen[#seen + 1] = ("%s:%d via %s"):format(session.peer.address,
          session.peer.port, session.peer.via.address)
      end } }
    with(options, function(server)
      for _, header in ipairs { version2(1, 0x11, V4),
        "PROXY TCP4 192.0.2.1 127.0.0.1 4321 25\r\n" } do
        for _, size in ipairs { 1, 7, #header } do
          local peer <close> = peers.dial(server.port)
          for at = 1, #header, size do
            peer:say(header:sub(at, at + size - 1))
          end
          peer:say("EHLO x\r\n")
          assert.equal("220 mx.test ESMTP", peer:reply())
          assert.matches("^250", peer:reply())
        end
      end
    end)
    assert.equal(6, #seen)
    for _, line in ipairs(seen) do
      assert.equal("192.0.2.1:4321 via 127.0.0.1", line)
    end
  end)

  it("comes before implicit TLS, and takes nothing of it", function()
    local version
    with({ proxy = { "127.0.0.1" }, tls = { test = true, mode = "implicit" },
      on = { ehlo = function(session)
        version = session.tls.version .. " " .. session.peer.address
      end } }, function(server)
      local peer <close> = peers.dial(server.port)
      peer:say(version2(1, 0x11, V4))
      peer:starttls()
      assert.equal("220 mx.test ESMTP", peer:reply())
      assert.matches("^250", peer:ask("EHLO x"))
    end)
    assert.matches("^TLSv1.%d 192.0.2.1$", version)
  end)

  it("is waited for in vain but for a while", function()
    local logged = with({ proxy = { "127.0.0.1" } }, function(server)
      local peer <close> = peers.dial(server.port)
      peer:say("PROXY TCP4 192")
      assert.same({ nil, "eof" }, { peer:line() })
      local cut <close> = peers.dial(server.port)
      cut:say("PROXY")
      cut:close()
    end)
    assert.equal("the header of PROXY is incomplete", logged[1])
  end)

  it("counts whose a connection is, not the proxy", function()
    with({ proxy = { "127.0.0.1" }, limits = { source_sessions = 1,
      handshake = 1 } }, function(server)
      local function dial(last)
        local peer = peers.dial(server.port)
        peer:say(("PROXY TCP4 192.0.2.%d 127.0.0.1 4321 25\r\n"):format(last))
        return peer, peer:reply()
      end
      local one <close>, first = dial(1)
      local two <close>, second = dial(2)
      local three <close>, third = dial(1)
      assert.matches("^220", first)
      assert.matches("^220", second)
      assert.matches("^421", third)
      assert.is_truthy(one and two and three)
    end)
  end)

  it("is no more than an odd command from who is not listed", function()
    with({ proxy = { "192.0.2.0/24" } }, function(server)
      local peer <close> = peers.dial(server.port)
      assert.equal("220 mx.test ESMTP", peer:reply())
      assert.matches("^502", peer:ask("PROXY TCP4 192.0.2.1 ::1 1 2"))
    end)
  end)
end)
