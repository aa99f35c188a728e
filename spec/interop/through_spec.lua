-- Other people's proxies and sendmail programs between us and a server.
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

describe("other people's ways to a server #interop", function()
  local folder, certificate, key, server

  setup(function()
    folder = peers.folder()
    os.execute("chmod 755 " .. folder)
    certificate, key = peers.certificate(folder)
    server = peers.serve(("--tls %s:%s --maildir %s/mail"):format(certificate,
      key, folder), folder .. "/serve.log")
  end)

  teardown(function()
    server:stop()
    peers.remove(folder)
  end)

  local message <const> = peers.message()

  local function send(arguments)
    peers.write(folder .. "/out.eml", message)
    return peers.run(("%s send --from ana@example.org --to bob@example.com "
      .. "--raw %s/out.eml --json --timeout 20 %s"):format(tree.command,
      folder, arguments), 60)
  end

  -- Sends by the server of ours with TLS; what it keeps is what was sent.
  local function arrives(proxy)
    os.execute("rm -f " .. folder .. "/mail/new/*")
    local output, code = send(("--server smtp://localhost:%d --tls starttls "
      .. "--ca %s --proxy %s"):format(server.port, certificate, proxy))
    assert(code == 0, output)
    local list = tree.lines("ls " .. folder .. "/mail/new/*")
    assert.equal(1, #list)
    peers.ends_with(peers.lf(tree.read(list[1])), peers.lf(message))
  end

  it("tinyproxy: HTTP CONNECT with a user and a password", function()
    if not peers.need("tinyproxy", peers.has "tinyproxy") then return end
    local port = peers.free_port()
    local config = folder .. "/tinyproxy.conf"
    peers.write(config, ("Port %d\nListen 127.0.0.1\nAllow 127.0.0.1\n"
      .. "MaxClients 10\nTimeout 30\nBasicAuth ana secret\nConnectPort %d\n")
      :format(port, server.port))
    local proxy = peers.server("tinyproxy -d -c " .. config, port,
      folder .. "/tinyproxy.log")
    local ok, problem = pcall(function()
      arrives(("http://ana:secret@127.0.0.1:%d"):format(port))
      peers.met "tinyproxy"
      local output, code = send(("--server smtp://localhost:%d "
        .. "--proxy http://127.0.0.1:%d"):format(server.port, port))
      assert.equal(75, code)
      assert.matches("40[17] ", output)
      output, code = send(("--server smtp://localhost:1 "
        .. "--proxy http://ana:secret@127.0.0.1:%d"):format(port))
      assert.equal(75, code)
      assert.matches("403 ", output)
    end)
    proxy:stop()
    if not ok then error(problem, 0) end
  end)

  it("dante: SOCKS5", function()
    local there = tree.read "/usr/sbin/danted" ~= nil
    if not peers.need("danted", there) then return end
    local port = peers.free_port()
    local config = folder .. "/danted.conf"
    peers.write(config, ("logoutput: stderr\n"
      .. "internal: 127.0.0.1 port = %d\nexternal: 127.0.0.1\n"
      .. "socksmethod: none\nclientmethod: none\nuser.unprivileged: nobody\n"
      .. "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }\n"
      .. "socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 }\n"):format(port))
    local proxy = peers.server("/usr/sbin/danted -f " .. config, port,
      folder .. "/danted.log")
    local ok, problem = pcall(function()
      arrives("socks5://127.0.0.1:" .. port)
      peers.met "dante"
      local output, code = send(("--server smtp://127.0.0.1:1 "
        .. "--proxy socks5://127.0.0.1:%d"):format(port))
      assert.equal(75, code)
      assert.matches("proxy 127.0.0.1:%d+: connection refused", output)
    end)
    proxy:stop()
    if not ok then error(problem, 0) end
  end)

  it("microsocks: SOCKS5 with a user and a password", function()
    if not peers.need("microsocks", peers.has "microsocks") then return end
    local port = peers.free_port()
    local proxy = peers.server(("microsocks -i 127.0.0.1 -p %d -u ana "
      .. "-P secret"):format(port), port, folder .. "/microsocks.log")
    local ok, problem = pcall(function()
      arrives("socks5://ana:secret@127.0.0.1:" .. port)
      peers.met "microsocks"
      local output, code = send(("--server smtp://localhost:%d "
        .. "--proxy socks5://ana:wrong@127.0.0.1:%d"):format(server.port,
        port))
      assert.equal(75, code)
      assert.matches("refuses this user and password", output)
    end)
    proxy:stop()
    if not ok then error(problem, 0) end
  end)

  describe("Postfix", function()
    local started

    setup(function()
      if not tree.read "/usr/sbin/postfix" then return end
      local output, code = peers.run(("spec/interop/postfix.sh start "
        .. "%s/postfix %d %s %s"):format(folder, peers.free_port(),
        certificate, key), 60)
      assert(code == 0, output)
      started = true
    end)

    teardown(function()
      if started then
        peers.run("spec/interop/postfix.sh stop " .. folder .. "/postfix", 30)
      end
    end)

    local function kept(n)
      local files
      assert(peers.wait(30, function()
        files = tree.lines("ls -tr " .. folder
          .. "/postfix/kept/*.eml 2>/dev/null")
        return #files >= n
      end), tree.read(folder .. "/postfix/mail.log"))
      return tree.read(files[n]), tree.read((files[n]:gsub("eml$",
        "session")))
    end

    it("sendmail -bs holds a session on its standard input", function()
      if not peers.need("postfix", started) then return end
      local output, code = send(("--pipe 'sendmail -C %s/postfix/etc -bs'")
        :format(folder))
      assert(code == 0, output)
      local octets, session = kept(1)
      peers.ends_with(peers.lf(octets), peers.lf(message))
      assert.equal("ana@example.org bob@example.com\n", session)
      output, code = send(("--pipe 'sendmail -C %s/postfix/etc -bs' "
        .. "--rcpt-param NOTIFY=NEVER,FAILURE"):format(folder))
      assert.equal(1, code)
      assert.matches("NOTIFY parameter", output)
      peers.met "sendmail -bs"
    end)

    it("sendmail -i takes a message on its standard input", function()
      if not peers.need("postfix", started) then return end
      local output, code = send(("--sendmail 'sendmail -C %s/postfix/etc -i'")
        :format(folder))
      assert(code == 0, output)
      local octets, session = kept(2)
      peers.ends_with(peers.lf(octets), peers.lf(message))
      assert.equal("ana@example.org bob@example.com\n", session)
      peers.met "sendmail -i"
      output, code = send(("--sendmail 'sendmail -C %s/no/such -i'")
        :format(folder))
      assert(code ~= 0)
      assert.matches('"kind":%s*"process"', output)
    end)
  end)

  describe("Exim", function()
    -- The command that runs Exim with some arguments.
    local function exim(arguments)
      return ("spec/interop/exim.sh %s %s/exim 0 0 %s %s 1 %s"):format(
        peers.apart("Exim", "exim"), folder, certificate, key, arguments)
    end

    local function there()
      return peers.apart("Exim", "exim") ~= nil
    end

    local seen = {}

    local function kept()
      local output, code = peers.run(exim "-q", 60)
      assert(code == 0, output)
      return peers.arrived(folder .. "/exim/kept", seen)
    end

    it("exim -bs holds a session on its standard input", function()
      if not there() then return end
      local output, code = send(("--pipe '%s'"):format(exim "-bs"))
      assert(code == 0, output)
      peers.ends_with(kept(), peers.lf(message))
      output, code = send(("--pipe '%s' --to nobody@example.com"):format(
        exim "-bs"))
      assert.equal(1, code, output)
      assert.matches('"accepted":%["bob@example.com"%]', output)
      assert.matches("no such user", output)
      peers.ends_with(kept(), peers.lf(message))
      peers.met "exim -bs"
    end)

    it("exim -i takes a message on its standard input", function()
      if not there() then return end
      local output, code = send(("--sendmail '%s'"):format(exim "-i"))
      assert(code == 0, output)
      peers.ends_with(kept(), peers.lf(message))
      peers.met "exim -i"
    end)
  end)
end)
