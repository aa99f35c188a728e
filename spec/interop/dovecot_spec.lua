-- Dovecot's submission service between our client and our server: SCRAM, and
-- chunks on both of its sides.
local net = require "lunapost.net"
local peers = require "spec.support.peers"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

local settings <const> = [[
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = submission
ssl = yes
ssl_cert = <DIR/cert.pem
ssl_key = <DIR/key.pem
auth_mechanisms = plain cram-md5 scram-sha-1 scram-sha-256
mail_location = maildir:DIR/home
first_valid_uid = 1
submission_relay_host = 127.0.0.1
submission_relay_port = RELAY
submission_max_mail_size = 10M
passdb {
  driver = passwd-file
  args = DIR/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=DIR/home
}
service submission-login {
  chroot =
  inet_listener submission {
    address = 127.0.0.1
    port = PORT
  }
}
service anvil {
  chroot =
}
]]

local function there()
  return peers.need("dovecot", peers.has "dovecot")
    and peers.need("root", tree.lines "id -u"[1] == "0")
end

describe("dovecot's submission service #interop", function()
  local folder, dovecot

  -- Starts it on a free port, its next hop on another.
  local function start(relay)
    folder = peers.folder()
    peers.certificate(folder)
    local port = peers.free_port()
    peers.write(folder .. "/users", "user:{PLAIN}secret\n")
    os.execute(("cd %s && mkdir home && chmod 755 . && chmod 777 home")
      :format(folder))
    peers.write(folder .. "/dovecot.conf", (settings:gsub("%u%u%u+",
      { DIR = folder, RELAY = relay, PORT = port })))
    dovecot = peers.server(("/usr/sbin/dovecot -F -c %s/dovecot.conf")
      :format(folder), port, folder .. "/output")
    return port
  end

  after_each(function()
    if dovecot then dovecot:stop() end
    peers.remove(folder)
    dovecot, folder = nil, nil
  end)

  local function opened(port, auth)
    auth.user, auth.password = "user", auth.password or "secret"
    local context = assert(net.context { insecure = true })
    local client = assert(smtp.connect { host = "127.0.0.1", port = port,
      tls = "none", timeout = 20 })
    client.context = function() return context end
    assert(client:ehlo())
    assert(client:starttls())
    local reply, problem = client:auth(auth)
    return reply and client, problem
  end

  it("knows us by SCRAM and by CRAM-MD5, and takes our chunks", function()
    if not there() then return end
    local message = peers.message { eight_bit = true, lines = 9000 }
    local bodies, verbs = {}, {}
    served.run({ limits = { size = 1 << 24 }, on = {
      data = function(session, reader)
        verbs[#verbs + 1] = session.verb
        bodies[#bodies + 1] = reader:read()
      end } }, function(server)
      local port = start(server.port)
      local none, problem = opened(port, { mechanism = "SCRAM-SHA-256",
        password = "wrong" })
      assert.is_nil(none)
      assert.equal("auth", problem.kind, tostring(problem))
      for _, name in ipairs { "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5",
        "PLAIN" } do
        local client
        client, problem = opened(port, { mechanism = name })
        assert(client, tostring(problem))
        assert.is_table(client.extensions.CHUNKING)
        assert(client:mail("ana@example.org", { BODY = "8BITMIME" }))
        assert(client:rcpt "bob@example.com")
        assert(client:bdat(message))
        client:quit()
      end
      peers.met "dovecot"
    end, 90)
    assert.equal(4, #bodies)
    for i, body in ipairs(bodies) do
      assert.equal("BDAT", verbs[i])
      assert.equal(message, body:sub(-#message))
    end
  end)

  it("hands on octets that are no lines", function()
    if not there() then return end
    -- all but a bare LF, which it makes a CRLF
    local octets = "Content-Transfer-Encoding: binary\r\n\r\n"
      .. string.char(0, 13, 255, 46, 13, 10, 46, 13, 10):rep(50000)
    local kept, kind
    served.run({ extensions = { BINARYMIME = true }, on = {
      data = function(session, reader)
        kind = session.envelope.parameters.BODY
        kept = reader:read()
      end } }, function(server)
      local port = start(server.port)
      local client = assert(opened(port, {}))
      assert.matches("AUTH SCRAM", tostring(client.transcript), 1, true)
      assert(client:ehlo()) -- it knows its next hop's extensions by now
      assert.is_table(client.extensions.BINARYMIME,
        tostring(client.transcript))
      assert(client:mail("ana@example.org", { BODY = "BINARYMIME" }))
      assert(client:rcpt "bob@example.com")
      assert(client:bdat(octets, { binary = true }))
      client:quit()
    end, 60)
    assert.equal("BINARYMIME", kind)
    assert.is_true(kept:sub(-#octets) == octets)
  end)
end)
