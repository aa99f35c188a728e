-- XCLIENT, XFORWARD and ETRN, as a real Postfix takes them.
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

local TEXT <const> = peers.message { lines = 5 }

describe("Postfix that trusts its client #interop", function()
  local folder, base, port, waiting, there

  setup(function()
    there = peers.has "postfix" and peers.is_root()
    if not there then return end
    folder = peers.folder()
    os.execute("chmod 755 " .. folder)
    base, port, waiting = folder .. "/postfix", peers.free_port(),
      peers.free_port()
    local certificate, key = peers.certificate(folder)
    local output, code = peers.run(("spec/interop/postfix.sh start %s %d %s %s "
      .. "0 %d"):format(base, port, certificate, key, waiting))
    assert(code == 0, output)
    assert(peers.wait(15, function() return peers.listens(port) end))
  end)

  teardown(function()
    if not there then return end
    peers.run("spec/interop/postfix.sh stop " .. base)
    peers.remove(folder)
  end)

  local function open()
    return assert(smtp.open { host = "127.0.0.1", port = port, tls = "none",
      timeout = 20, helo = "me.example.org" })
  end

  local function send(client, to)
    local result = assert(client:send({ from = "ana@example.org",
      to = { to } }, TEXT))
    assert.same({}, result.rejected)
  end

  -- Waits until the log tells it.
  local function logged(pattern)
    local log
    assert(peers.wait(20, function()
      log = tree.read(base .. "/mail.log") or ""
      return log:find(pattern)
    end), log)
  end

  -- What has been kept and says this.
  local function kept(pattern)
    return peers.wait(20, function()
      for _, path in ipairs(tree.lines("ls " .. base .. "/kept/*.eml "
        .. "2>/dev/null")) do
        local found = tree.read(path):match(pattern)
        if found then return found end
      end
    end)
  end

  it("takes by XCLIENT that another one talks to it", function()
    if not peers.need("Postfix, run by root,", there) then return end
    peers.met "Postfix that trusts its client"
    local shown_as = { ["192.0.2.7"] = "192%.0%.2%.7" }
    if tree.read "/proc/net/if_inet6" then
      shown_as["2001:db8::7"] = "IPv6:2001:db8::7"
    end
    for address, shown in pairs(shown_as) do
      local client <close> = open()
      local name = ("mx%d.example.org"):format(#address)
      assert.equal(220, assert(client:xclient { name = name, addr = address,
        port = 4711, helo = "they.example.org", proto = "ESMTP" }).code)
      assert.is_table(client.extensions.PIPELINING)
      send(client, "bob@example.com")
      assert(kept(("Received: from %%S+ %%(%s %%[%s%%]%%)"):format(
        name:gsub("%p", "%%%0"), shown)), address)
    end
  end)

  it("takes what it cannot know as unknown, and refuses what is none",
    function()
    if not peers.need("Postfix, run by root,", there) then return end
    local client <close> = open()
    local reply, problem = client:xclient { ADDR = "no address" }
    assert.is_nil(reply)
    assert.equal(501, problem.code)
    assert(client:xclient { NAME = "[TEMPUNAVAIL]", ADDR = "[UNAVAILABLE]" })
    assert(client:noop())
  end)

  it("logs by XFORWARD whose message it is", function()
    if not peers.need("Postfix, run by root,", there) then return end
    local client <close> = open()
    assert.equal(250, assert(client:xforward { NAME = "far.example.org",
      ADDR = "192.0.2.8", HELO = "far+away.example.org", PROTO = "ESMTP",
      IDENT = "ABC123", SOURCE = "REMOTE" }).code)
    send(client, "bob@example.com")
    logged "orig_queue_id=ABC123, orig_client=far%.example%.org%[192%.0%.2%.8%]"
  end)

  it("begins by ETRN to deliver what has been waiting", function()
    if not peers.need("Postfix, run by root,", there) then return end
    local client <close> = open()
    send(client, "bob@relay.test")
    logged "to=<bob@relay%.test>.-status=deferred"
    os.execute("mkdir " .. folder .. "/late")
    local ours = peers.listening(("env KEEP=%s/late %s serve --listen "
      .. "127.0.0.1:%d spec/interop/keeper.lua"):format(folder, tree.command,
      waiting), folder .. "/late.log")
    local reply = assert(client:etrn "relay.test")
    local arrived = peers.wait(20, function()
      return tree.read(folder .. "/late/0001.eml")
    end)
    assert(ours:stop())
    assert.equal(250, reply.code)
    peers.ends_with(arrived, TEXT)
    local none, problem = client:etrn "elsewhere.test"
    assert.is_nil(none)
    assert.equal(459, problem.code)
  end)
end)
