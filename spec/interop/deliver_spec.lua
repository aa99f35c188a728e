-- Direct delivery by other people's servers: unbound says where, Postfix
-- takes the mail, by TLS, and hands it on to our server.
local name_server = require "spec.support.name_server"
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

local ZONE <const> = [[
relay MX 10 dead
relay MX 20 mx
other MX 10 mx
mx A 127.0.0.1
dead A 127.0.0.99
]]

describe("direct delivery #interop", function()
  local folder, names, last, port

  setup(function()
    local root = os.execute "test $(id -u) = 0"
    if not (root and name_server.there() and peers.has "postfix") then
      return
    end
    folder = peers.folder()
    os.execute("chmod 755 " .. folder)
    local certificate, key = peers.certificate(folder)
    names = name_server.start(folder, ZONE)
    last = peers.serve("--maildir " .. folder .. "/mail", folder .. "/last.log")
    port = peers.free_port()
    local output, code = peers.run(("spec/interop/postfix.sh start "
      .. "%s/postfix %d %s %s %d %d"):format(folder, port, certificate, key,
      peers.free_port(), last.port), 60)
    assert(code == 0, output)
    assert(peers.wait(15, function() return peers.listens(port) end))
  end)

  teardown(function()
    if port then
      peers.run("spec/interop/postfix.sh stop " .. folder .. "/postfix")
    end
    if names then names:stop() end
    if last then last:stop() end
    peers.remove(folder)
  end)

  it("reaches the second host of a domain, and goes on from there", function()
    if not peers.need("unbound, or Postfix run by root,", port) then return end
    local result = assert(smtp.deliver(peers.message { lines = 100 }, {
      from = "ana@me.test", to = { "bob@relay.test", "eve@other.test" },
      helo = "me.test", nameserver = names.address, port = port,
      loopback = true, timeout = 20 }))
    peers.met "Postfix"
    peers.met "unbound"
    assert.same({ "bob@relay.test" }, result.accepted)
    local one = result.rejected[1]
    assert.same({ "eve@other.test", 554, "5.7.1", false },
      { one.address, one.code, one.enhanced, one.transient })
    assert.same({ "dead.test", "mx.test", "mx.test" }, {
      result.deliveries[1].host, result.deliveries[2].host,
      result.deliveries[3].host })
    assert.matches("^TLS", result.deliveries[2].tls.version)
    local kept
    assert(peers.wait(20, function()
      kept = tree.lines("ls " .. folder .. "/mail/new/* 2>/dev/null")[1]
      return kept
    end), "nothing arrived\n" .. (tree.read(folder .. "/postfix/mail.log")
      or ""))
    assert.matches("by postfix.example.net", tree.read(kept), 1, true)
    assert.matches("hard-to-carry@example.org", tree.read(kept), 1, true)
  end)
end)
