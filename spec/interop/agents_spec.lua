-- Mail user agents deliver to `lunapost serve`. Those that send a message as
-- it is: it arrives octet for octet. Those that write one: its text does.
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

-- A text that is hard to carry: dots, blanks, long and 8-bit lines.
local text <const> = "Gr\u{FC}\u{DF}e,\n\n.\n..\n.a\nFrom here\n"
  .. ("x"):rep(900) .. "\n trailing\n\nend\n"

describe("a user agent #interop", function()
  local folder, certificate, plain, private

  local function start(name, flags)
    local kept = ("%s/%s"):format(folder, name)
    os.execute("mkdir " .. kept)
    local server = peers.serve(flags .. " spec/interop/keeper.lua",
      kept .. ".log", "KEEP=" .. kept)
    server.folder, server.count = kept, 0
    return server
  end

  setup(function()
    local key
    folder = peers.folder()
    certificate, key = peers.certificate(folder)
    plain = start("plain", "")
    private = start("private", ("--tls %s:%s --auth user:secret "
      .. "--require-auth"):format(certificate, key))
  end)

  teardown(function()
    for _, server in ipairs { plain, private } do
      assert(server:stop(), "SIGTERM is ignored\n" .. server:output())
    end
    peers.remove(folder)
  end)

  local function run(command)
    local output, code = peers.run(("cd %s && HOME=%s LC_ALL=C.UTF-8 %s")
      :format(folder, folder, command), 60)
    assert(code == 0, command .. "\nexit code " .. code .. "\n" .. output)
  end

  local function write(name, octets)
    local path = folder .. "/" .. name
    peers.write(path, octets)
    return path
  end

  -- What arrived next at a server, and its session.
  local function arrived(server)
    server.count = server.count + 1
    local path = ("%s/%04d"):format(server.folder, server.count)
    local whole = peers.wait(5, function() return tree.read(path .. ".eml") end)
    assert(whole, "nothing arrived\n" .. server:output())
    return whole, tree.read(path .. ".session")
  end

  local function keeps(server, message, session)
    local whole, envelope = arrived(server)
    assert(message == whole, "the octets differ")
    assert.matches(session, envelope)
  end

  local function keeps_text(server, session)
    local whole, envelope = arrived(server)
    assert.matches(session, envelope)
    assert.equal(text, peers.lf(mime.parse(whole):body("utf-8")))
  end

  describe("msmtp", function()
    -- It takes lines that end with LF, and keeps them.
    local function msmtp(server, arguments, session)
      if not peers.need("msmtp", peers.has "msmtp") then return end
      local message = peers.message { eight_bit = true }
      run(("msmtp --host=localhost --port=%d --from=ana@example.org "
        .. "--file=/dev/null %s -- bob@example.com <%s"):format(server().port,
        arguments, write("msmtp.eml", peers.lf(message))))
      peers.met "msmtp"
      keeps(server(), message, session)
    end

    it("delivers", function()
      msmtp(function() return plain end, "--auth=off --tls=off",
        "|plain|nobody|ana@example%.org|bob@example%.com")
    end)

    for _, mechanism in ipairs { "plain", "login", "cram-md5", "scram-sha-1",
      "scram-sha-256" } do
      it("delivers after STARTTLS and AUTH " .. mechanism, function()
        msmtp(function() return private end, ("--tls=on --tls-starttls=on "
          .. "--tls-trust-file=%s --auth=%s --user=user "
          .. "--passwordeval='echo secret'"):format(certificate, mechanism),
          "|TLSv1%.[23]|user|")
      end)
    end
  end)

  describe("LuaSocket", function()
    it("delivers", function()
      local there = os.execute(tree.lua "-e 'require \"socket.smtp\"'"
        .. " 2>/dev/null")
      if not peers.need("LuaSocket", there) then return end
      -- it puts one more line end behind what it reads
      local message = peers.message { eight_bit = true }
      local output, code = peers.run(tree.lua(("spec/interop/"
        .. "luasocket_send.lua %d %s ana@example.org bob@example.com"):format(
        plain.port, write("luasocket.eml", message:sub(1, -3)))))
      assert(code == 0, output)
      peers.met "LuaSocket"
      keeps(plain, message, "|ana@example%.org|bob@example%.com")
    end)
  end)

  describe("s-nail", function()
    local function s_nail(server, url, arguments, session)
      if not peers.need("s-nail", peers.has "s-nail") then return end
      run(("s-nail -n -Sv15-compat -Smta=%s:%d %s -Sttycharset=UTF-8 "
        .. "-Shostname=client.example.org -r ana@example.org -s Greetings "
        .. "bob@example.com <%s"):format(url, server.port, arguments,
        write("s-nail.txt", text)))
      peers.met "s-nail"
      keeps_text(server, session)
    end

    it("delivers", function()
      s_nail(plain, "smtp://127.0.0.1", "-Ssmtp-auth=none",
        "|plain|nobody|ana@example%.org|bob@example%.com")
    end)

    it("delivers after STARTTLS and AUTH", function()
      s_nail(private, "smtp://user:secret@localhost", "-Ssmtp-use-starttls "
        .. "-Stls-ca-file=" .. certificate, "|TLSv1%.[23]|user|")
    end)
  end)

  describe("mutt", function()
    it("delivers", function()
      if not peers.need("mutt", peers.has "mutt") then return end
      run(("mutt -n -F /dev/null -e 'set ssl_force_tls=no ssl_starttls=no "
        .. "smtp_url=smtp://127.0.0.1:%d from=ana@example.org copy=no' "
        .. "-e 'set charset=utf-8 send_charset=utf-8 hostname=example.org' "
        .. "-s Greetings bob@example.com <%s"):format(plain.port,
        write("mutt.txt", text)))
      peers.met "mutt"
      keeps_text(plain, "|plain|nobody|ana@example%.org|bob@example%.com")
    end)
  end)

  describe("git send-email", function()
    local patch <const> = "From: Ana <ana@example.org>\n"
      .. "Subject: [PATCH] dots\n\n---\n a | 2 ++\n\n+.\n+..\n.\n..\n"
      .. "-- \n2.39\n"

    local function git(server, arguments, session)
      local there = peers.has "git"
        and os.execute "test -x $(git --exec-path)/git-send-email"
      if not peers.need("git send-email", there) then return end
      run(("git -c user.name=Ana -c user.email=ana@example.org send-email "
        .. "--from=ana@example.org --to=bob@example.com "
        .. "--confirm=never --suppress-cc=all --quiet --no-validate "
        .. "--smtp-server-port=%d %s %s"):format(server.port, arguments,
        write("0001.patch", patch)))
      peers.met "git send-email"
      local whole, envelope = arrived(server)
      assert.matches(session, envelope)
      local body = patch:match "\n\n(.*)$"
      assert.equal(body, peers.lf(whole):sub(-#body))
    end

    it("delivers", function()
      git(plain, "--smtp-server=127.0.0.1",
        "|plain|nobody|ana@example%.org|bob@example%.com")
    end)

    it("delivers after STARTTLS and AUTH", function()
      git(private, "--smtp-server=localhost --smtp-encryption=tls "
        .. "--smtp-user=user --smtp-pass=secret --smtp-ssl-cert-path="
        .. certificate, "|TLSv1%.[23]|user|")
    end)
  end)
end)
