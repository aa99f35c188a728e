-- Other people's clients deliver to `lunapost serve`: what the handler reads
-- is, octet for octet, what they were given to send.
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local quote = peers.quote
local python <const> = "/usr/bin/python3"

describe("a client of another project #interop", function()
  local folder, certificate, key, servers
  local sent = 0

  local open, private, implicit

  setup(function()
    servers, folder = {}, peers.folder()
    certificate, key = peers.certificate(folder)
  end)

  -- Starts a server when a spec first needs it: it keeps what arrives in a
  -- folder of its own.
  local function start(listen)
    local kept = ("%s/kept%d"):format(folder, #servers)
    os.execute("mkdir " .. kept)
    local server = listen(kept .. ".log", "KEEP=" .. kept)
    servers[#servers + 1] = server
    return { server = server, folder = kept, count = 0, port = server.port }
  end

  local function plain()
    open = open or start(function(log, environment)
      return peers.serve("spec/interop/keeper.lua", log, environment)
    end)
    return open
  end

  local function with_tls()
    private = private or start(function(log, environment)
      return peers.serve(("--tls %s:%s --auth user:secret --require-auth "
        .. "spec/interop/keeper.lua"):format(certificate, key), log,
        environment)
    end)
    return private
  end

  -- A script of its own: the command's flags speak of STARTTLS.
  local function with_implicit_tls()
    implicit = implicit or start(function(log, environment)
      return peers.listening("env " .. environment .. " " .. tree.lua(
        ("spec/interop/implicit_serve.lua %s %s"):format(certificate, key)),
        log)
    end)
    return implicit
  end

  teardown(function()
    for _, server in ipairs(servers) do
      assert(server:stop(), "lunapost serve ignores SIGTERM\n"
        .. server:output())
    end
    peers.remove(folder)
  end)

  -- Writes the message for a client to a file; returns its path. swaks and
  -- smtp-source put one more line end behind what they read, and swaks takes
  -- a dot at its end for the end.
  local function outgoing(message)
    sent = sent + 1
    local path = ("%s/out%d.eml"):format(folder, sent)
    peers.write(path, message)
    return path
  end

  -- Checks what arrived last at a server.
  local function arrived(keeper, message, session)
    keeper.count = keeper.count + 1
    local path = ("%s/%04d"):format(keeper.folder, keeper.count)
    assert(peers.wait(5, function() return tree.read(path .. ".eml") end),
      "nothing arrived\n" .. keeper.server:output())
    assert(message == tree.read(path .. ".eml"), "the octets differ")
    assert.matches(session, tree.read(path .. ".session"))
  end

  local function run(command)
    local output, code = peers.run(command, 60)
    assert(code == 0, command .. "\nexit code " .. code .. "\n" .. output)
    return output
  end

  describe("swaks", function()
    local function swaks(keeper, arguments, session)
      if not peers.need("swaks", peers.has "swaks") then return end
      local message = peers.message { lines = 50, ending = "\r\n" }
      run(("swaks --server 127.0.0.1 --port %d --from ana@example.org --to "
        .. "bob@example.com --helo client.example.org --data @%s %s")
        :format(keeper().port, outgoing(message:sub(1, -3)), arguments))
      peers.met "swaks"
      arrived(keeper(), message, session)
    end

    it("delivers", function()
      swaks(plain, "", "client%.example%.org|plain|nobody|ana@example%.org|"
        .. "bob@example%.com")
    end)

    it("delivers after STARTTLS and AUTH LOGIN", function()
      swaks(with_tls, "--tls --auth LOGIN --auth-user user "
        .. "--auth-password secret", "|TLSv1%.[23]|user|")
    end)

    it("delivers after STARTTLS and AUTH PLAIN", function()
      swaks(with_tls, "--tls --auth PLAIN --auth-user user "
        .. "--auth-password secret", "|TLSv1%.[23]|user|")
    end)

    it("is refused without AUTH where that is required", function()
      if not peers.need("swaks", peers.has "swaks") then return end
      local output, code = peers.run(("swaks --server 127.0.0.1 --port %d "
        .. "--from a@example.org --to b@example.com --tls")
        :format(with_tls().port))
      assert.not_equal(0, code)
      assert.matches("530", output)
    end)

    it("is refused with a wrong password", function()
      if not peers.need("swaks", peers.has "swaks") then return end
      local output, code = peers.run(("swaks --server 127.0.0.1 --port %d "
        .. "--from a@example.org --to b@example.com --tls --auth PLAIN "
        .. "--auth-user user --auth-password wrong")
        :format(with_tls().port))
      assert.not_equal(0, code)
      assert.matches("535", output)
    end)

    it("is told of a refused recipient", function()
      if not peers.need("swaks", peers.has "swaks") then return end
      local output, code = peers.run(("swaks --server 127.0.0.1 --port %d "
        .. "--from a@example.org --to b@other.test"):format(plain().port))
      assert.not_equal(0, code)
      assert.matches("550 5%.7%.1 no relaying here", output)
    end)
  end)

  describe("curl", function()
    local function curl(keeper, scheme, arguments, session)
      if not peers.need("curl", peers.has "curl") then return end
      local message = peers.message { eight_bit = true }
      run(("curl -sS %s://127.0.0.1:%d/client.example.org --mail-from "
        .. "ana@example.org --mail-rcpt bob@example.com -T %s %s")
        :format(scheme, keeper().port, outgoing(message), arguments))
      peers.met "curl"
      arrived(keeper(), message, session)
    end

    it("delivers by smtp://", function()
      curl(plain, "smtp", "", "client%.example%.org|plain|nobody|"
        .. "ana@example%.org|bob@example%.com")
    end)

    it("delivers by smtp:// with STARTTLS and AUTH", function()
      curl(with_tls, "smtp", "--ssl-reqd --cacert " .. certificate
        .. " --user user:secret", "|TLSv1%.[23]|user|")
    end)

    it("delivers by smtps://", function()
      curl(with_implicit_tls, "smtps", "--cacert " .. certificate,
        "|TLSv1%.[23]|nobody|")
    end)
  end)

  describe("smtplib", function()
    local function smtplib(keeper, arguments, session)
      if not peers.need("python3", peers.has(python)) then return end
      local message = peers.message { eight_bit = true }
      run(("%s spec/interop/smtplib_send.py %d %s ana@example.org "
        .. "bob@example.com %s"):format(python, keeper().port,
        outgoing(message), arguments))
      peers.met "smtplib"
      arrived(keeper(), message, session)
    end

    it("delivers", function()
      smtplib(plain, "", "|plain|nobody|ana@example%.org|bob@example%.com")
    end)

    it("delivers after STARTTLS and AUTH", function()
      smtplib(with_tls, "starttls user secret", "|TLSv1%.[23]|user|")
    end)
  end)

  describe("nodemailer", function()
    local function nodemailer(keeper, arguments, session)
      if not peers.need("nodemailer", peers.npm()) then return end
      local message = peers.message { eight_bit = true }
      run(("NODE_PATH=build/npm/node_modules node "
        .. "spec/interop/nodemailer_send.js %d %s ana@example.org "
        .. "bob@example.com %s"):format(keeper().port, outgoing(message),
        arguments))
      peers.met "nodemailer"
      arrived(keeper(), message, session)
    end

    it("delivers", function()
      nodemailer(plain, "", "|plain|nobody|ana@example%.org|"
        .. "bob@example%.com")
    end)

    it("delivers after STARTTLS and AUTH", function()
      nodemailer(with_tls, "user secret", "|TLSv1%.[23]|user|")
    end)
  end)

  describe("smtp-source", function()
    it("delivers 200 messages over 4 sessions", function()
      if not peers.need("smtp-source", peers.has "smtp-source") then return end
      local message = peers.message { lines = 50 }
      -- It takes lines that end with LF.
      local path = outgoing((message:sub(1, -3):gsub("\r\n", "\n")))
      run(("PATH=$PATH:/usr/sbin smtp-source -s 4 -m 200 -F %s "
        .. "-f ana@example.org -t bob@example.com inet:127.0.0.1:%d")
        :format(quote(path), plain().port))
      peers.met "smtp-source"
      for _ = 1, 200 do
        arrived(plain(), message, "|ana@example%.org|bob@example%.com")
      end
    end)
  end)

  describe("a Maildir", function()
    it("holds the message of a client", function()
      if not peers.need("swaks", peers.has "swaks") then return end
      local server = peers.serve("--maildir " .. folder .. "/Maildir",
        folder .. "/maildir.log")
      servers[#servers + 1] = server
      local message = peers.message { lines = 50, ending = "\r\n" }
      run(("swaks --server 127.0.0.1 --port %d --from ana@example.org --to "
        .. "bob@example.com --helo client.example.org --data @%s")
        :format(server.port, outgoing(message:sub(1, -3))))
      local files = tree.lines("find " .. folder .. "/Maildir/new -type f")
      assert.equal(1, #files)
      local kept = tree.read(files[1]):gsub("\r\n", "\n")
      local lines = message:gsub("\r\n", "\n")
      assert.equal(lines, kept:sub(-#lines))
      local head = kept:sub(1, -#lines - 1)
      assert.matches("^Return%-Path: <ana@example%.org>\n", head)
      assert.matches("\nReceived: from client%.example%.org ", head)
      assert.matches("with ESMTP", head)
    end)
  end)
end)
