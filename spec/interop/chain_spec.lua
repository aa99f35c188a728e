-- The whole way of a message, each step a process of its own: user agent,
-- the sender's MTA, a relay (Postfix), the recipient's relay, the recipient's
-- MTA, a Maildir.
local core = require "lunapost.core"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

describe("the chain #interop", function()
  local folder, postfix, agents = nil, false, {}

  setup(function()
    folder = peers.folder()
    os.execute("chmod 755 " .. folder)
  end)

  teardown(function()
    if postfix then
      peers.run("spec/interop/postfix.sh stop " .. folder .. "/postfix")
    end
    for _, agent in ipairs(agents) do
      assert(agent:stop(), agent:output())
    end
    peers.remove(folder)
  end)

  local function mta(name, words)
    local agent = peers.listening(tree.lua(("examples/mta.lua name=%s "
      .. "mail=%s/%s %s"):format(name, folder, name, words)),
      folder .. "/" .. name .. ".log")
    agents[#agents + 1] = agent
    return "127.0.0.1:" .. agent.port, agent.port
  end

  -- A Postfix that passes mail for relay.test on to a port.
  local function relay(next_port, certificate, key)
    local port = peers.free_port()
    local output, code = peers.run(("spec/interop/postfix.sh start %s/postfix "
      .. "%d %s %s 0 %d 1"):format(folder, port, certificate, key, next_port))
    assert(code == 0, output)
    postfix = true
    assert(peers.wait(15, function() return peers.listens(port) end))
    return "127.0.0.1:" .. port
  end

  local function arrived()
    local new = folder .. "/last.relay.test/bob/new"
    local names = core.system.list(new) or {}
    return names[1] and tree.read(new .. "/" .. names[1])
  end

  it("carries a message through five programs, and each leaves its mark",
    function()
      if not peers.need("Postfix, run by root,", peers.has "postfix"
        and peers.is_root()) then return end
      local certificate, key = peers.certificate(folder)
      local last = mta("last.relay.test", "domain=relay.test user=bob")
      local _, second = mta("mx.relay.test", "for=relay.test relay=smtp://"
        .. last)
      local first = mta("mta.ana.test", ("domain=ana.test trust=127.0.0.1 "
        .. "ca=%s relay=smtp://%s"):format(certificate,
        relay(second, certificate, key)))
      peers.write(folder .. "/note.bin", ("\0\255.\r\n"):rep(1000))
      local output, code = peers.run(("%s send --server smtp://%s --from "
        .. "'Ana Müller <ana@ana.test>' --to bob@relay.test --subject "
        .. "'Grüße' --text 'Hallo.' --attach %s/note.bin"):format(tree.command,
        first, folder))
      assert(code == 0, output)
      local bytes = peers.wait(30, arrived)
      assert(bytes, tree.read(folder .. "/postfix/mail.log"))

      local message = mime.parse(bytes)
      assert.equal("Grüße", message.subject)
      assert.equal("Hallo.", (message.text:gsub("%s+$", "")))
      assert.equal(("\0\255.\r\n"):rep(1000),
        message:attachments()[1]:body())
      assert.equal("ana@ana.test", message.return_path.address
        or message.return_path)
      local by, with = {}, {}
      for i, field in ipairs(message.received) do
        by[i], with[i] = field.by, field.with
      end
      assert.same({ "last.relay.test", "mx.relay.test", "postfix.example.net",
        "mta.ana.test" }, by)
      assert.same({ "ESMTP", "ESMTP", "ESMTPS", "ESMTP" }, with)
      local _, above = bytes:find("\r\nFrom: ", 1, true)
      local _, traces = bytes:sub(1, above):gsub("Received: from ", "")
      assert.equal(4, traces) -- all of them before the message's own fields
      peers.met "Postfix in the chain"
    end)
end)
