-- Our client delivers to OpenSMTPD, which keeps what it was given.
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"

describe("OpenSMTPD #interop", function()
  local folder, server, port
  local seen = {}

  local function started()
    local root = peers.apart("OpenSMTPD", "opensmtpd")
    if not root then return end
    if server then return true end
    folder, port = peers.folder(), peers.free_port()
    server = peers.server(("spec/interop/opensmtpd.sh %s %s %d")
      :format(root, folder, port), port, folder .. "/output")
    peers.met "OpenSMTPD"
    return true
  end

  teardown(function()
    if server then assert(server:stop(), "OpenSMTPD ignores SIGTERM") end
    peers.remove(folder)
  end)

  local function open()
    return assert(smtp.open { host = "127.0.0.1", port = port, tls = "none",
      timeout = 20 })
  end

  local function kept(message)
    return peers.ends_with(peers.arrived(folder .. "/kept", seen),
      peers.lf(message))
  end

  it("keeps the message", function()
    if not started() then return end
    local message = peers.message { eight_bit = true }
    local client = open()
    assert(client:send({ from = "ana@example.org",
      to = { "bob@example.com" } }, message))
    client:quit()
    assert.matches("^Return%-Path: <ana@example%.org>\n", kept(message))
  end)

  it("takes what DSN adds, and HELO", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    local client = open()
    assert(client:send({ from = "", to = { { address = "bob@example.com",
      parameters = { NOTIFY = "NEVER", ORCPT = "rfc822;bob@example.com" } } },
      parameters = { RET = "HDRS", ENVID = "QQ314159" } }, message))
    client:quit()
    assert.matches("^Delivered%-To: bob@example%.com\n", kept(message))
    client = assert(smtp.open { host = "127.0.0.1", port = port, ehlo = false,
      tls = "none", timeout = 20 })
    assert(client:send({ from = "ana@example.org",
      to = { "bob@example.com" } }, message))
    client:quit()
    assert.matches("with SMTP id", kept(message))
  end)

  it("refuses one recipient of two", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    local client = open()
    local result = assert(client:send({ from = "ana@example.org",
      to = { "eve@elsewhere.test", "bob@example.com" } }, message))
    client:quit()
    assert.same({ "bob@example.com" }, result.accepted)
    assert.equal("eve@elsewhere.test", result.rejected[1].address)
    assert.is_true(result.rejected[1].code >= 500)
    kept(message)
  end)
end)
