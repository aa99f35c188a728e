-- Our client delivers to other people's servers, and what they keep is,
-- octet for octet, what it was given to send.
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

describe("a server of another project #interop", function()
  local folder, certificate, key
  local sent = 0

  setup(function()
    folder = peers.folder()
    os.execute("chmod 755 " .. folder)
    certificate, key = peers.certificate(folder)
  end)

  teardown(function()
    peers.remove(folder)
  end)

  -- Sends a message by the command; returns its report and exit code.
  local function send(port, message, arguments)
    sent = sent + 1
    local path = ("%s/out%d.eml"):format(folder, sent)
    peers.write(path, message)
    local output, code = peers.run(("env LUNAPOST_PASSWORD=secret %s send "
      .. "--server smtp://localhost:%d --from ana@example.org --raw %s "
      .. "--json --timeout 20 %s")
      :format(tree.command, port, path, arguments), 60)
    return output, code
  end

  local function delivers(port, message, arguments)
    local output, code = send(port, message, arguments)
    assert(code == 0, "exit code " .. code .. "\n" .. output)
    assert.matches('"ok":%s*true', output)
  end

  -- Waits for the nth kept message of a folder.
  local function kept(where, n)
    local files
    assert(peers.wait(20, function()
      files = tree.lines("ls -tr " .. where .. "/*.eml 2>/dev/null")
      return #files >= n
    end), "nothing arrived")
    return tree.read(files[n]), tree.read((files[n]:gsub("eml$", "session")))
  end

  local lf, ends_with = peers.lf, peers.ends_with

  describe("smtp-sink", function()
    local server, dump

    local function started()
      if not peers.need("smtp-sink", peers.has "smtp-sink") then return end
      if server then return true end
      dump = folder .. "/sink"
      os.execute("mkdir " .. dump .. " && chmod 777 " .. dump)
      local port = peers.free_port()
      server = peers.server(("/usr/sbin/smtp-sink -u nobody -d %s/%%H. "
        .. "127.0.0.1:%d 10"):format(dump, port), port, folder .. "/sink.log")
      server.port = port
      return true
    end

    teardown(function()
      if server then server:stop() end
    end)

    it("keeps the message", function()
      if not started() then return end
      local message = peers.message { eight_bit = true }
      delivers(server.port, message, "--to bob@example.com --tls none")
      peers.met "smtp-sink"
      local files = tree.lines("find " .. dump .. " -type f")
      assert.equal(1, #files)
      local whole = lf(tree.read(files[1])):gsub("\n+$", "")
      local head = ends_with(whole, (lf(message):gsub("\n+$", "")))
      assert.matches("X%-Mail%-Args: <ana@example%.org>", head)
      assert.matches("X%-Rcpt%-Args: <bob@example%.com>", head)
    end)

    it("is spoken to with HELO", function()
      if not started() then return end
      delivers(server.port, peers.message { lines = 10 },
        "--to bob@example.com --tls none --no-ehlo")
    end)
  end)

  describe("smtp-sink that refuses", function()
    -- The exit code follows from the reply: 4yz is for later, 5yz for good.
    for flag, expected in pairs { r = 75, f = 1 } do
      for _, verb in ipairs { "MAIL", "RCPT", "DATA", "." } do
        it(("%s by -%s leads to exit code %d"):format(verb, flag, expected),
          function()
          if not peers.need("smtp-sink", peers.has "smtp-sink") then return end
          local port = peers.free_port()
          local server = peers.server(("/usr/sbin/smtp-sink -u nobody -%s %s "
            .. "127.0.0.1:%d 10"):format(flag, verb, port), port,
            folder .. "/refuse.log")
          local output, code = send(port, peers.message { lines = 10 },
            "--to bob@example.com --tls none")
          server:stop()
          assert.equal(expected, code, output)
          assert.matches('"ok":%s*false', output)
        end)
      end
    end
  end)

  describe("aiosmtpd", function()
    local server, count = nil, 0
    local python <const> = "/usr/bin/python3"

    local function started()
      local there = peers.has(python)
        and os.execute(python .. " -c 'import aiosmtpd' 2>/dev/null")
      if not peers.need("aiosmtpd", there) then return end
      if server then return true end
      os.execute("mkdir " .. folder .. "/aiosmtpd")
      local port, tls_port = peers.free_port(), peers.free_port()
      server = peers.server(("%s spec/interop/aiosmtpd_serve.py %d "
        .. "%s/aiosmtpd %s %s %d"):format(python, port, folder, certificate,
        key, tls_port), port, folder .. "/aiosmtpd.log")
      server.port, server.tls_port = port, tls_port
      return true
    end

    local function keeps(message, session)
      count = count + 1
      local whole, envelope = kept(folder .. "/aiosmtpd", count)
      assert(whole == message, "the octets differ")
      assert.matches(session, envelope)
    end

    teardown(function()
      if server then server:stop() end
    end)

    it("keeps the message", function()
      if not started() then return end
      local message = peers.message { eight_bit = true }
      delivers(server.port, message, "--to bob@example.com --tls none")
      peers.met "aiosmtpd"
      keeps(message, "|plain|nobody|ana@example%.org|bob@example%.com$")
    end)

    it("keeps it by TLS from the start", function()
      if not started() then return end
      local message = peers.message { lines = 20 }
      delivers(server.tls_port, message, "--to bob@example.com "
        .. "--tls implicit --ca " .. certificate)
      keeps(message, "|TLS|nobody|")
    end)

    it("keeps it for an address that is UTF-8", function()
      if not started() then return end
      local message = peers.message { lines = 20 }
      delivers(server.port, message, "--to b\u{F6}b@example.com --tls none")
      keeps(message, "|ana@example%.org|b\u{F6}b@example%.com$")
    end)

    it("keeps it after STARTTLS, with its certificate verified", function()
      if not started() then return end
      local message = peers.message()
      delivers(server.port, message, "--to bob@example.com --tls starttls "
        .. "--ca " .. certificate)
      keeps(message, "|TLS|nobody|")
    end)

    for _, mechanism in ipairs { "LOGIN", "PLAIN" } do
      it("keeps it after AUTH " .. mechanism, function()
        if not started() then return end
        local message = peers.message { lines = 5 }
        delivers(server.port, message, "--to bob@example.com --tls starttls "
          .. "--ca " .. certificate .. " --auth " .. mechanism
          .. " --user user --password-env LUNAPOST_PASSWORD")
        keeps(message, "|TLS|user|")
      end)
    end

    it("is not trusted without its certificate", function()
      if not started() then return end
      local output, code = send(server.port, peers.message { lines = 5 },
        "--to bob@example.com --tls starttls")
      assert.equal(76, code, output)
      assert.matches('"kind":%s*"tls"', output)
    end)

    it("may refuse one recipient of two", function()
      if not started() then return end
      local message = peers.message { lines = 5 }
      local output, code = send(server.port, message,
        "--to bob@example.com --to eve@other.test --tls none")
      assert.equal(1, code, output)
      assert.matches('"accepted":%s*%[%s*"bob@example%.com"%s*%]', output)
      assert.matches("eve@other%.test", output)
      assert.matches("550", output)
      keeps(message, "|bob@example%.com$")
    end)
  end)

  describe("Postfix", function()
    local server, count = nil, 0

    local function root()
      return tree.lines "id -u"[1] == "0"
    end

    local function started()
      local there = peers.has "postfix" and root()
      if not peers.need("Postfix, run by root,", there) then return end
      if server then return true end
      local port, tls_port = peers.free_port(), peers.free_port()
      local output, code = peers.run(("spec/interop/postfix.sh start "
        .. "%s/postfix %d %s %s %d"):format(folder, port, certificate, key,
        tls_port))
      assert(code == 0, output)
      assert(peers.wait(15, function() return peers.listens(port) end),
        "Postfix does not listen\n" .. output)
      server = { port = port, tls_port = tls_port }
      return true
    end

    local function keeps(message, people)
      count = count + 1
      local whole, envelope = kept(folder .. "/postfix/kept", count)
      assert.equal((people or "ana@example.org bob@example.com") .. "\n",
        envelope)
      local head = ends_with(whole, lf(message))
      assert.matches("^Received: from ", head)
      return head
    end

    teardown(function()
      if server then
        peers.run("spec/interop/postfix.sh stop " .. folder .. "/postfix")
      end
    end)

    it("delivers the message intact", function()
      if not started() then return end
      local message = peers.message { eight_bit = true }
      delivers(server.port, message, "--to bob@example.com --tls none")
      peers.met "Postfix"
      assert.matches("with ESMTP id", keeps(message))
    end)

    it("delivers it after STARTTLS", function()
      if not started() then return end
      local message = peers.message()
      delivers(server.port, message, "--to bob@example.com --tls starttls "
        .. "--ca " .. certificate)
      assert.matches("with ESMTPS id", keeps(message))
    end)

    local function opened(options)
      options.host, options.ca = "localhost", certificate
      options.port, options.timeout = options.port or server.port, 20
      return assert(smtp.open(options))
    end

    it("delivers it by TLS from the start", function()
      if not started() then return end
      local message = peers.message { lines = 20 }
      local client = opened { tls = "implicit", port = server.tls_port }
      assert(client:send({ from = "ana@example.org",
        to = { "bob@example.com" } }, message))
      client:quit()
      assert.matches("with ESMTPS id", keeps(message))
    end)

    it("takes our chunks", function()
      if not started() then return end
      local message = peers.message { eight_bit = true, lines = 9000 }
      local client = opened { tls = "starttls" }
      assert.is_table(client.extensions.CHUNKING)
      for _, one in ipairs { message, message:sub(1, 700) .. "\r\n" } do
        assert(client:mail("ana@example.org", { BODY = "8BITMIME" }))
        assert(client:rcpt "bob@example.com")
        assert(client:bdat(one))
        keeps(one)
      end
      client:quit()
    end)

    it("takes what DSN and SMTPUTF8 add", function()
      if not started() then return end
      local message = peers.message { lines = 20 }
      local client = opened { tls = "none" }
      assert(client:send({ from = "an\u{E4}@example.org", to = {
        { address = "b\u{F6}b@example.com", parameters = { NOTIFY = "NEVER",
          ORCPT = "rfc822;bob+40example.com" } } },
        parameters = { RET = "HDRS", ENVID = "QQ314159" } }, message))
      client:quit()
      assert.matches("with UTF8SMTP id",
        keeps(message, "an\u{E4}@example.org b\u{F6}b@example.com"))
    end)

    it("refuses a recipient elsewhere", function()
      if not started() then return end
      local output, code = send(server.port, peers.message { lines = 5 },
        "--to eve@other.test --tls none")
      assert.equal(1, code, output)
      assert.matches("554", output)
    end)
  end)

  describe("smtp-server", function()
    local server, count = nil, 0

    local function started()
      if not peers.need("smtp-server", peers.npm()) then return end
      if server then return true end
      local port, tls_port = peers.free_port(), peers.free_port()
      os.execute("mkdir " .. folder .. "/node")
      server = peers.server(("env NODE_PATH=build/npm/node_modules node "
        .. "spec/interop/smtp_server.js %d %s/node %s %s %d")
        :format(port, folder, certificate, key, tls_port), port,
        folder .. "/node.log")
      server.port, server.tls_port = port, tls_port
      return true
    end

    local function keeps(message, session)
      count = count + 1
      local whole, envelope = kept(folder .. "/node", count)
      assert(whole == message, "the octets differ")
      assert.matches(session, envelope)
    end

    it("keeps the message", function()
      if not started() then return end
      local message = peers.message { eight_bit = true }
      delivers(server.port, message, "--to bob@example.com --tls none")
      peers.met "smtp-server"
      keeps(message, "|plain|nobody|ana@example%.org|bob@example%.com")
    end)

    it("keeps it by TLS from the start", function()
      if not started() then return end
      local message = peers.message { lines = 20 }
      delivers(server.tls_port, message, "--to bob@example.com "
        .. "--tls implicit --ca " .. certificate)
      keeps(message, "|TLS|nobody|")
    end)

    for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5" } do
      it("keeps it after STARTTLS and AUTH " .. mechanism, function()
        if not started() then return end
        local message = peers.message { lines = 20 }
        delivers(server.port, message, "--to bob@example.com --tls starttls "
          .. "--ca " .. certificate .. " --auth " .. mechanism
          .. " --user user --password-env LUNAPOST_PASSWORD")
        keeps(message, "|TLS|user|")
      end)
    end

    it("knows us by XOAUTH2, and not by a wrong token", function()
      if not started() then return end
      local options = { host = "localhost", port = server.port,
        ca = certificate, tls = "starttls", timeout = 20, user = "user",
        auth = { mechanism = "XOAUTH2", token = "token" } }
      local client = assert(smtp.open(options))
      assert.equal("user", client.user)
      client:quit()
      options.auth.token = "wrong"
      local none, problem = smtp.open(options)
      assert.is_nil(none)
      assert.equal("auth", problem.kind)
    end)

    teardown(function()
      if server then server:stop() end
    end)
  end)
end)
