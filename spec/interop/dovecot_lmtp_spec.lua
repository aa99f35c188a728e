-- Our client delivers by LMTP to Dovecot: one reply for each recipient.
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"

local settings <const> = [[
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = lmtp
ssl = no
mail_location = maildir:DIR/mail/%n
first_valid_uid = 1
passdb {
  driver = static
  args = nopassword
}
userdb {
  driver = passwd-file
  args = username_format=%n DIR/users
}
service lmtp {
  unix_listener DIR/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = PORT
  }
}
service anvil {
  chroot =
}
]]

describe("Dovecot's LMTP #interop", function()
  local folder, server, port
  local seen = {}

  local function started()
    local there = peers.has "dovecot" and peers.is_root()
      and peers.has "/usr/lib/dovecot/lmtp"
    if not peers.need("Dovecot's LMTP", there) then return end
    if server then return true end
    folder, port = peers.folder(), peers.free_port()
    os.execute(("cd %s && mkdir mail && chmod 755 . && chmod 777 mail")
      :format(folder))
    -- nobody's mail finds no room where "full" would have it
    peers.write(folder .. "/users", (
      [[ana::65534:65534::DIR/mail/ana::
bob::65534:65534::DIR/mail/bob::
full::65534:65534::/proc/none::userdb_mail=maildir:/proc/none
]]):gsub("DIR", folder))
    peers.write(folder .. "/dovecot.conf", (settings:gsub("%u%u%u+",
      { DIR = folder, PORT = port })))
    server = peers.server("/usr/sbin/dovecot -F -c " .. folder
      .. "/dovecot.conf", port, folder .. "/output")
    peers.met "Dovecot LMTP"
    return true
  end

  teardown(function()
    if server then assert(server:stop(), "Dovecot ignores SIGTERM") end
    peers.remove(folder)
  end)

  local function kept(user, message)
    seen[user] = seen[user] or {}
    return peers.ends_with(peers.arrived(("%s/mail/%s"):format(folder, user),
      seen[user]), peers.lf(message))
  end

  for _, way in ipairs { "tcp", "unix" } do
    it("keeps the message for two, by " .. way, function()
      if not started() then return end
      local message = peers.message { eight_bit = true }
      local client = assert(smtp.open { timeout = 20,
        server = way == "tcp" and "lmtp://127.0.0.1:" .. port
          or "lmtp://" .. folder .. "/lmtp" })
      local result = assert(client:send({ from = "eve@example.org",
        to = { "ana@example.com", "bob@example.com" } }, message))
      assert.same({ "ana@example.com", "bob@example.com" }, result.accepted)
      client:quit()
      for _, user in ipairs { "ana", "bob" } do
        assert.matches("Return%-Path: <eve@example%.org>", kept(user, message))
      end
    end)
  end

  it("takes it for some of four recipients", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    local client = assert(smtp.open { timeout = 20,
      server = "lmtp://127.0.0.1:" .. port })
    local result = assert(client:send({ from = "eve@example.org", to = {
      "ana@example.com", "unknown@example.com", "full@example.com",
      "bob@example.com" } }, message))
    client:quit()
    assert.same({ "ana@example.com", "bob@example.com" }, result.accepted)
    assert.equal("unknown@example.com", result.rejected[1].address)
    assert.equal(550, result.rejected[1].code)
    assert.equal("full@example.com", result.rejected[2].address)
    assert.equal(451, result.rejected[2].code)
    kept("ana", message)
    kept("bob", message)
  end)

  it("takes chunks by LMTP", function()
    if not started() then return end
    local message = peers.message { lines = 9000 }
    local client = assert(smtp.open { timeout = 20,
      server = "lmtp://127.0.0.1:" .. port })
    assert.is_table(client.extensions.CHUNKING)
    assert(client:mail "eve@example.org")
    assert(client:rcpt "ana@example.com")
    assert(client:rcpt "bob@example.com")
    local reply, all = assert(client:bdat(message))
    assert.equal(250, reply.code)
    assert.equal(2, #all)
    client:quit()
    kept("ana", message)
    kept("bob", message)
  end)
end)
