-- Other people's servers relay to ours: what our client hands them arrives
-- here as it was, with its parameters, by DATA, BDAT or LMTP.
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

describe("a relay of another project #interop", function()
  local folder, certificate, key, ours, lmtp
  local relays, servers = {}, {}

  -- Our server, which keeps what comes in a folder of its own.
  local function start(name, flags)
    local kept = ("%s/%s"):format(folder, name)
    os.execute("mkdir " .. kept)
    local server = peers.serve(flags .. " spec/interop/keeper.lua",
      kept .. ".log", "KEEP=" .. kept)
    servers[#servers + 1] = server
    return { port = server.port, folder = kept, count = 0 }
  end

  setup(function()
    folder = peers.folder()
    os.execute("chmod 755 " .. folder)
    certificate, key = peers.certificate(folder)
    ours = start("smtp", ("--tls %s:%s"):format(certificate, key))
    lmtp = start("lmtp", "--lmtp")
  end)

  teardown(function()
    if relays.Postfix then
      peers.run("spec/interop/postfix.sh stop " .. folder .. "/postfix")
    end
    for _, server in ipairs(servers) do
      assert(server:stop(), "SIGTERM is ignored\n" .. server:output())
    end
    peers.remove(folder)
  end)

  local starts = {}

  function starts.Postfix()
    if not peers.need("Postfix, run by root,", peers.has "postfix"
      and peers.is_root()) then return end
    local port = peers.free_port()
    local output, code = peers.run(("spec/interop/postfix.sh start %s/postfix "
      .. "%d %s %s 0 %d %d"):format(folder, port, certificate, key, ours.port,
      lmtp.port))
    assert(code == 0, output)
    assert(peers.wait(15, function() return peers.listens(port) end))
    return port
  end

  function starts.Exim()
    local root = peers.apart("Exim", "exim")
    if not root then return end
    local port = peers.free_port()
    os.execute("mkdir " .. folder .. "/exim")
    servers[#servers + 1] = peers.server(("spec/interop/exim.sh %s %s/exim %d "
      .. "%d %s %s %d"):format(root, folder, port, peers.free_port(),
      certificate, key, ours.port), port, folder .. "/exim.log")
    return port
  end

  -- The port of a relay, which is started when a spec first needs it.
  local function relay(name)
    relays[name] = relays[name] or starts[name]()
    return relays[name]
  end

  local function send(port, envelope, message)
    local client = assert(smtp.open { host = "127.0.0.1", port = port,
      tls = "none", timeout = 20 })
    local result = assert(client:send(envelope, message))
    assert.same({}, result.rejected)
    client:quit()
  end

  -- What arrived next: its parameters and session.
  local function arrived(keeper, message)
    keeper.count = keeper.count + 1
    local path = ("%s/%04d"):format(keeper.folder, keeper.count)
    local whole = peers.wait(20, function()
      return tree.read(path .. ".eml")
    end)
    local head = peers.ends_with(whole, message)
    assert.matches("^Received: from ", head)
    return tree.read(path .. ".parameters"), tree.read(path .. ".session")
  end

  for name, verb in pairs { Postfix = "DATA", Exim = "BDAT" } do
    it(name .. " hands on 8-bit lines as they are, by " .. verb, function()
      local port = relay(name)
      if not port then return end
      local message = peers.message { eight_bit = true }
      send(port, { from = "ana@example.org", to = { "bob@relay.test" } },
        message)
      peers.met(name .. " as a relay")
      local parameters, session = arrived(ours, message)
      assert.matches("^" .. verb .. " ", parameters)
      assert(name == "Exim" or parameters:find "BODY=8BITMIME", parameters)
      assert.matches("|TLSv1%.[23]|nobody|ana@example%.org|bob@relay%.test",
        session)
    end)

    it(name .. " hands on DSN and SMTPUTF8", function()
      local port = relay(name)
      if not port then return end
      local message = peers.message { lines = 20 }
      send(port, { from = "an\u{E4}@example.org", to = {
        { address = "b\u{F6}b@relay.test", parameters = {
          NOTIFY = "SUCCESS,DELAY", ORCPT = "rfc822;bob+40relay.test" } } },
        parameters = { RET = "HDRS", ENVID = "QQ314159" } }, message)
      local parameters = arrived(ours, message)
      for _, word in ipairs { "RET=HDRS", "ENVID=QQ314159", "SMTPUTF8",
        "\nb\u{F6}b@relay.test", "NOTIFY=[SUCEDLAY]+,[SUCEDLAY]+",
        "ORCPT=rfc822;bob[+40@]+relay%.test" } do
        assert.matches(word, parameters)
      end
    end)

    it(name .. " hands on fifty messages to three, none of them twice",
      function()
      local port = relay(name)
      if not port then return end
      local client = assert(smtp.open { host = "127.0.0.1", port = port,
        tls = "none", timeout = 20 })
      for i = 1, 50 do
        assert(client:send({ from = "ana@example.org", to = {
          "a@relay.test", "b@relay.test", "c@relay.test" } },
          ("Subject: %d\r\n\r\n.\r\n"):format(i)))
      end
      client:quit()
      local seen = {}
      for _ = 1, 50 do
        ours.count = ours.count + 1
        local path = ("%s/%04d.eml"):format(ours.folder, ours.count)
        local whole = assert(peers.wait(20, function()
          return tree.read(path)
        end), "fewer arrived")
        local n = tonumber(whole:match "\r\nSubject: (%d+)\r\n")
        assert.is_nil(seen[n])
        seen[n] = true
        assert.matches("\r\n\r\n%.\r\n$", whole)
      end
      assert.equal(50, #seen)
    end)
  end

  it("Postfix hands on by LMTP", function()
    local port = relay "Postfix"
    if not port then return end
    local message = peers.message { eight_bit = true }
    send(port, { from = "ana@example.org",
      to = { "bob@lmtp.test", "eve@lmtp.test" } }, message)
    local parameters, session = arrived(lmtp, message)
    assert.matches("^DATA ", parameters)
    assert.matches("|ana@example%.org|%a+@lmtp%.test %a+@lmtp%.test", session)
  end)
end)
