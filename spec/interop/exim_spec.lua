-- Our client and Exim: each way in, BDAT, DSN, SMTPUTF8; what Exim keeps is,
-- line for line, what it was given.
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

describe("Exim #interop", function()
  local folder, certificate, key, exim, port, tls_port
  local seen = {}

  local function started()
    local root = peers.apart("Exim", "exim")
    if not root then return end
    if exim then return true end
    folder = peers.folder()
    certificate, key = peers.certificate(folder)
    port, tls_port = peers.free_port(), peers.free_port()
    exim = peers.server(("spec/interop/exim.sh %s %s %d %d %s %s %d")
      :format(root, folder, port, tls_port, certificate, key, 1), port,
      folder .. "/exim.log")
    peers.met "Exim"
    return true
  end

  teardown(function()
    if exim then assert(exim:stop(), "Exim ignores SIGTERM") end
    peers.remove(folder)
  end)

  local function open(options)
    options.host, options.port = "localhost", options.port or port
    options.ca, options.timeout = certificate, 20
    return assert(smtp.open(options))
  end

  -- Waits for the message; what Exim put before it.
  local function kept(message)
    local head = peers.ends_with(peers.arrived(folder .. "/kept", seen),
      peers.lf(message))
    assert.matches("^Received: from ", head)
    return head
  end

  local function send(client, message, parameters, to)
    local result = assert(client:send({ from = "ana@example.org",
      to = { to or "bob@example.com" }, parameters = parameters }, message))
    client:quit()
    return result
  end

  it("keeps the message", function()
    if not started() then return end
    local message = peers.message { eight_bit = true }
    send(open { tls = "none" }, message)
    assert.matches("with esmtp %(Exim", kept(message))
  end)

  it("keeps it after STARTTLS", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    send(open { tls = "starttls" }, message)
    assert.matches("with esmtps ", kept(message))
  end)

  it("keeps it by TLS from the start", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    send(open { tls = "implicit", port = tls_port }, message)
    assert.matches("with esmtps ", kept(message))
  end)

  for _, mechanism in ipairs { "PLAIN", "LOGIN", "CRAM-MD5" } do
    it("knows us by " .. mechanism, function()
      if not started() then return end
      local message = peers.message { lines = 20 }
      local auth = { mechanism = mechanism }
      send(open { tls = "starttls", user = "user", password = "secret",
        auth = auth }, message)
      assert.matches("with esmtpsa ", kept(message))
      local client, problem = smtp.open { host = "localhost", port = port,
        ca = certificate, timeout = 20, user = "user", password = "wrong",
        tls = "starttls", auth = auth }
      assert.is_nil(client)
      assert.equal("auth", problem.kind)
    end)
  end

  it("takes our chunks", function()
    if not started() then return end
    local message = peers.message { eight_bit = true, lines = 9000 }
    local client = open { tls = "starttls" }
    assert.is_table(client.extensions.CHUNKING)
    assert(client:mail("ana@example.org", { BODY = "8BITMIME" }))
    assert(client:rcpt "bob@example.com")
    assert(client:bdat(message))
    kept(message)
    local short = message:sub(1, 700) .. "\r\n"
    assert(client:mail("ana@example.org"))
    assert(client:rcpt "bob@example.com")
    assert(client:bdat(short))
    client:quit()
    kept(short)
  end)

  it("takes what DSN and SMTPUTF8 add", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    local client = open { tls = "none" }
    assert(client:send({ from = "an\u{E4}@example.org", to = {
      { address = "b\u{F6}b@example.com", parameters = {
        NOTIFY = "SUCCESS,DELAY", ORCPT = "rfc822;bob+40example.com" } } },
      parameters = { RET = "HDRS", ENVID = "QQ314159" } }, message))
    client:quit()
    assert.matches("with utf8esmtp", kept(message))
    local report = mime.parse((peers.arrived(folder .. "/kept", seen)))
    assert.equal("multipart/report", report.type)
    assert.matches("\nOriginal%-Envelope%-ID: QQ314159\n",
      "\n" .. report.parts[2]:body())
    assert.matches("\nOriginal%-Recipient: rfc822;bob%+40example.com\n"
      .. "Action: delivered\n", report.parts[2]:body())
  end)

  it("refuses one recipient of three", function()
    if not started() then return end
    local message = peers.message { lines = 20 }
    local client = open { tls = "none" }
    local result = assert(client:send({ from = "ana@example.org", to = {
      "bob@example.com", "nobody@example.com", "eve@elsewhere.test" } },
      message))
    assert.same({ "bob@example.com" }, result.accepted)
    assert.equal(550, result.rejected[1].code)
    assert.equal("eve@elsewhere.test", result.rejected[2].address)
    client:quit()
    kept(message)
  end)

  it("keeps each of a hundred messages once", function()
    if not started() then return end
    local client = open { tls = "starttls" }
    for i = 1, 100 do
      assert(client:send({ from = "ana@example.org",
        to = { "bob@example.com" } }, ("Subject: %d\r\n\r\nx\r\n"):format(i)))
    end
    client:quit()
    local got = {}
    for _ = 1, 100 do
      local whole = assert(peers.arrived(folder .. "/kept", seen))
      local n = tonumber(whole:match "\nSubject: (%d+)\n")
      assert.is_nil(got[n])
      got[n] = true
    end
    assert.equal(100, #got)
  end)

  it("says what it dislikes in its log", function()
    if not started() then return end
    local log = tree.read(folder .. "/log/mainlog")
    assert.is_nil(log:find("protocol", 1, true), log)
    assert.is_nil(log:find("synchronization", 1, true), log)
  end)
end)
