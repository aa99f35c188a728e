local core = require "lunapost.core"
local net = require "lunapost.net"
local wire = require "spec.support.wire"

local server_context = assert(net.context { server = true, test = true,
  hostname = "mx.example.org" })
local pem = assert(server_context:pem())

-- Shakes hands over a pair of streams; returns both outcomes.
local function shake(client_options, host, context, a, b)
  local loop, result = wire.new_loop(), {}
  if not a then a, b = wire.pair() end
  local options = client_options
  local client = type(options) == "table" and assert(net.context(options))
    or options
  wire.run(loop, function()
    result.client, result.why = net.handshake(a, client,
      { host = host, timeout = 5, loop = loop })
    if not result.client then a:close() end
  end, function()
    result.server, result.server_why = net.handshake(b,
      context or server_context, { server = true, timeout = 5, loop = loop })
    if not result.server then b:close() end
  end)
  result.a, result.b = a, b
  return result
end

describe("a TLS handshake", function()
  after_each(wire.close)

  it("succeeds for each name of the certificate", function()
    for _, host in ipairs { "localhost", "LocalHost", "localhost.",
      "mx.example.org", "127.0.0.1", "::1" } do
      local r = shake({ ca = pem }, host)
      assert.is_true(r.client, host)
      assert.is_true(r.server, host)
    end
  end)

  it("tells about version, cipher and certificate", function()
    local r = shake({ ca = pem }, "localhost")
    local tls = r.a:tls()
    assert.equal("TLSv1.3", tls.version)
    assert.equal(tls.cipher, r.b:tls().cipher)
    assert.equal("CN=lunapost test certificate", tls.certificate.subject)
    assert.equal(tls.certificate.subject, tls.certificate.issuer)
    assert.matches("^%x%x:%x%x:", tls.certificate.fingerprint)
    assert.equal(tls.fingerprint, tls.certificate.fingerprint)
    assert.matches("^sha256/[%w+/]+=$", tls.certificate.pin)
    assert.is_true(tls.certificate.verified)
    assert.is_nil(r.b:tls().certificate)
    assert.equal("connection (open, TLS)", tostring(r.a))
  end)

  it("refuses another name, and says which", function()
    local r = shake({ ca = pem }, "other.example.org")
    assert.is_nil(r.client)
    assert.equal("tls", r.why.kind)
    assert.equal("other.example.org", r.why.host)
    assert.is_false(r.why.transient)
    assert.matches("certificate of other.example.org refused: "
      .. "hostname mismatch", tostring(r.why))
    assert.equal("tls", r.server_why.kind)
  end)

  it("refuses another address", function()
    local r = shake({ ca = pem }, "127.0.0.2")
    assert.is_nil(r.client)
    assert.matches("IP address mismatch", tostring(r.why))
  end)

  it("refuses an unknown authority, and prints what to paste", function()
    local r = shake({}, "localhost")
    assert.is_nil(r.client)
    assert.matches("self%-signed certificate; to trust it: pin = \"",
      tostring(r.why))
    local seen = tostring(r.why):match 'pin = "([%x:]+)"'
    assert.equal(95, #seen)
    assert.is_true(shake({ pin = seen }, "any.example").client)
  end)

  it("takes a pin of the key or of the certificate instead", function()
    local known = shake({ insecure = true }, "any.example").a:tls()
    local hex = known.fingerprint:gsub(":", ""):lower()
    for _, pin in ipairs { known.fingerprint, hex, known.certificate.pin,
      { ("00"):rep(32), hex } } do
      local r = shake({ pin = pin }, "any.example")
      assert.is_true(r.client)
      assert.is_true(r.a:tls().certificate.verified)
    end
    for _, pin in ipairs { ("00"):rep(32),
      "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" } do
      local r = shake({ pin = pin, ca = pem }, "localhost")
      assert.is_nil(r.client)
      assert.matches("no pin matches", tostring(r.why))
    end
  end)

  it("verifies nothing when told to be insecure", function()
    local r = shake({ insecure = true }, "any.example")
    assert.is_true(r.client)
    assert.is_false(r.a:tls().certificate.verified)
  end)

  it("needs a name to verify by", function()
    local a = wire.pair()
    local ok, problem = net.handshake(a, assert(net.context { ca = pem }), {})
    assert.is_nil(ok)
    assert.equal("tls", problem.kind)
    assert.matches("no host name to verify", tostring(problem))
  end)

  it("ends at its deadline when the peer is silent", function()
    local a, b = wire.pair()
    assert.is_truthy(b)
    local start = core.loop.now()
    local ok, problem = net.handshake(a, assert(net.context { ca = pem }),
      { host = "localhost", timeout = 0.05 })
    assert.is_nil(ok)
    assert.equal("timeout", problem.kind)
    assert.is_true(core.loop.now() - start < 30)
  end)

  it("that the peer breaks off says so", function()
    local a, b = wire.pair()
    b:close()
    local ok, problem = net.handshake(a, assert(net.context { ca = pem }),
      { host = "localhost", timeout = 5 })
    assert.is_nil(ok)
    assert.equal("tls", problem.kind)
    assert.matches("closed the connection during the TLS handshake",
      tostring(problem))
  end)

  it("with a server that speaks plaintext names the remedy", function()
    local a, b = wire.pair()
    b:write("220 mx.example.org ESMTP\r\n")
    local ok, problem = net.handshake(a, assert(net.context { ca = pem }),
      { host = "localhost", timeout = 5 })
    assert.is_nil(ok)
    assert.equal("tls", problem.kind)
    assert.matches('at first: use tls = "starttls"',
      tostring(problem))
  end)

  it("with a client that speaks plaintext says so", function()
    local a, b = wire.pair()
    a:write("EHLO client.example.org\r\n")
    local ok, problem = net.handshake(b, server_context,
      { server = true, timeout = 5 })
    assert.is_nil(ok)
    assert.matches("the client speaks plaintext", tostring(problem))
  end)

  it("fails where no version is common", function()
    local old = assert(net.context { server = true, test = true,
      maximum_version = "1.2" })
    local r = shake({ ca = old:pem(), minimum_version = "1.3" }, "localhost",
      old)
    assert.is_nil(r.client)
    assert.equal("tls", r.why.kind)
    assert.has_error(function() net.context { minimum_version = "1.4" } end)
    assert.has_error(function() net.context { maximum_version = "1.1" } end)
  end)

  it("speaks the oldest version only when asked to", function()
    local old = assert(net.context { server = true, test = true,
      minimum_version = "1.0", maximum_version = "1.0" })
    assert.is_nil(shake({ ca = old:pem() }, "localhost", old).client)
    local r = shake({ ca = old:pem(), minimum_version = "1.0" }, "localhost",
      old)
    assert.is_true(r.client)
    assert.equal("TLSv1", r.a:tls().version)
  end)

  it("is not made twice", function()
    local r = shake({ ca = pem }, "localhost")
    assert.has_error(function()
      r.a:starttls(net.context { ca = pem }, false, "localhost")
    end)
    local a = wire.pair()
    assert.has_error(function() a:starttls(server_context, false, "x") end)
    assert.has_error(function() a:starttls(net.context {}, true) end)
    assert.equal("protocol", select(2, a:handshake()))
    a:starttls(assert(net.context { ca = pem }), false, "localhost")
    assert.equal("protocol", select(2, a:write "early"))
  end)

  it("gives both sides one channel binding", function()
    local r = shake({ ca = pem }, "localhost")
    local exporter = assert(r.a:binding "tls-exporter")
    assert.equal(32, #exporter)
    assert.equal(exporter, r.b:binding "tls-exporter")
    assert.equal("protocol", select(2, r.a:binding "tls-unique"))
    local old = shake({ ca = pem, maximum_version = "1.2" }, "localhost")
    assert.equal("TLSv1.2", old.b:tls().version)
    for _, name in ipairs { "tls-unique", "tls-exporter" } do
      assert.equal(assert(old.a:binding(name)), old.b:binding(name))
    end
    assert.has_error(function() r.a:binding "tls-other" end)
    local plain = wire.pair()
    assert.equal("protocol", select(2, plain:binding "tls-exporter"))
  end)

  it("chooses a certificate by the name that the client asks for", function()
    local first = assert(net.context { server = true, test = true,
      choose = true })
    local second = assert(net.context { server = true, test = true,
      hostname = "two.example.org" })
    local both = first:pem() .. second:pem()
    local function ask(host, minimum)
      local a, b = wire.pair()
      local loop, asked, ok, problem = wire.new_loop(), {}, nil, nil
      wire.run(loop, function()
        ok, problem = net.handshake(a, assert(net.context { ca = both,
          minimum_version = minimum }),
          { host = host, timeout = 5, loop = loop })
        if not ok then a:close() end
      end, function()
        assert(net.handshake(b, first, { server = true, timeout = 5,
          loop = loop, sni = function(name)
            loop.sleep(0.01) -- it may wait
            asked[#asked + 1] = name
            if name == "two.example.org" then return second end
          end }))
      end)
      assert(ok, problem)
      return asked, a:tls().fingerprint
    end
    local asked, one = ask "localhost"
    assert.same({ "localhost" }, asked)
    local two
    asked, two = ask "two.example.org"
    assert.same({ "two.example.org" }, asked)
    assert.not_equal(one, two)
    asked = ask "127.0.0.1"
    assert.same({ "" }, asked)
    local a = wire.pair()
    assert.equal("protocol", select(2, a:choose()))
    assert.has_error(function() a:choose(net.context { ca = both }) end)
    assert.equal("", a:asked())
  end)

  it("asks a client for its certificate where authorities are named",
    function()
    local client = assert(net.context { test = true, insecure = true })
    local context = assert(net.context { server = true, test = true,
      ca = assert(client:pem()) })
    local r = shake(client, "localhost", context)
    assert.is_true(r.server)
    assert.equal("CN=lunapost test certificate",
      r.b:tls().certificate.subject)
    assert.is_true(r.b:tls().certificate.verified)
    r = shake({ insecure = true }, "localhost", context) -- has none
    assert.is_true(r.server)
    assert.is_nil(r.b:tls().certificate)
    r = shake(assert(net.context { test = true, insecure = true }),
      "localhost", context)
    assert.is_nil(r.server)
    assert.matches("certificate of the peer refused", tostring(r.server_why))
  end)

  it("that stalls delays nobody else", function()
    local loop, order = wire.new_loop(), {}
    local stalled, silent = wire.pair()
    assert.is_truthy(stalled)
    local pairs_of = {}
    for i = 1, 5 do pairs_of[i] = { wire.pair() } end
    local tasks = { function()
      local ok, problem = net.handshake(silent, server_context,
        { server = true, timeout = 60, loop = loop })
      assert.is_nil(ok)
      order[#order + 1] = problem.kind
    end }
    local client = assert(net.context { ca = pem })
    for i, both in ipairs(pairs_of) do
      tasks[#tasks + 1] = function()
        assert(net.handshake(both[2], server_context,
          { server = true, timeout = 5, loop = loop }))
      end
      tasks[#tasks + 1] = function()
        assert(net.handshake(both[1], client,
          { host = "localhost", timeout = 5, loop = loop }))
        order[#order + 1] = i
        if #order == 5 then stalled:close() end
      end
    end
    wire.run(loop, table.unpack(tasks))
    assert.equal(6, #order)
    assert.equal("tls", order[6])
  end)
end)

describe("a TLS stream", function()
  after_each(wire.close)

  it("carries a megabyte both ways at once", function()
    local r = shake({ ca = pem }, "localhost")
    local loop = wire.new_loop()
    local bytes = core.crypto.random(65536):rep(16)
    local function receive(conn)
      local got, n = {}, 0
      while n < #bytes do
        local chunk = assert(wire.finish(loop, conn, "read", 100000))
        got[#got + 1] = chunk
        n = n + #chunk
      end
      assert.is_true(table.concat(got) == bytes)
    end
    wire.run(loop, function() assert(wire.send(loop, r.a, bytes)) end,
      function() receive(r.b) end)
    loop = wire.new_loop()
    wire.run(loop, function() assert(wire.send(loop, r.b, bytes)) end,
      function() receive(r.a) end)
  end)

  it("hands out what is decrypted without waiting for the socket", function()
    local r = shake({ ca = pem }, "localhost")
    assert.equal(16000, r.a:write(("x"):rep(16000)))
    assert.is_truthy(core.loop.block(r.b:fd(), "r", 1))
    local got, waits = 0, 0
    while got < 16000 do
      local bytes, why = r.b:read(100)
      if bytes then
        got = got + #bytes
        assert.equal(got < 16000, r.b:pending())
      else
        assert.equal("read", why)
        assert.is_false(r.b:pending())
        waits = waits + 1
        assert.is_truthy(core.loop.block(r.b:fd(), "r", 1))
      end
    end
    assert.is_true(waits <= 1) -- session tickets may come first
    assert.same({ nil, "read" }, { r.b:read(100) })
    assert.is_false(r.b:pending())
  end)

  it("sees bytes that came along with the handshake's last", function()
    local a, b = wire.pair()
    local client = assert(net.context { ca = pem })
    a:starttls(client, false, "localhost")
    b:starttls(server_context, true)
    a:handshake()
    core.loop.block(b:fd(), "r", 1)
    b:handshake()
    core.loop.block(a:fd(), "r", 1)
    assert.is_true(a:handshake())
    a:write("at once") -- in one segment with Finished, as like as not
    core.loop.block(b:fd(), "r", 1)
    assert.is_true(b:handshake())
    if not b:pending() then core.loop.block(b:fd(), "r", 1) end
    assert.equal("at once", b:read(100))
  end)

  it("ends in order after close-notify, and without one", function()
    local r = shake({ ca = pem }, "localhost")
    r.a:write("last")
    assert.is_true(r.a:shutdown())
    core.loop.block(r.b:fd(), "r", 1)
    assert.equal("last", (wire.finish(wire.new_loop(), r.b, "read", 10)))
    assert.same({ nil, "eof" },
      { wire.finish(wire.new_loop(), r.b, "read", 10) })
    r = shake({ ca = pem }, "localhost")
    r.b:close()
    core.loop.block(r.a:fd(), "r", 1)
    local _, why = wire.finish(wire.new_loop(), r.a, "read", 10)
    assert.is_true(why == "eof" or why == "closed")
  end)

  it("to a peer that is gone fails, and no SIGPIPE comes", function()
    local r = shake({ ca = pem }, "localhost")
    r.b:close()
    local ok, kind, text
    for _ = 1, 10 do
      core.loop.block(r.a:fd(), "w", 1)
      ok, kind, text = r.a:write(("x"):rep(16000))
      if not ok then break end
    end
    assert.equal("closed", kind)
    assert.matches("cannot write: ", text)
    assert.equal("closed", select(2, r.a:read(1)))
    assert.equal("closed", select(2, r.a:write "x"))
    r.a:shutdown()
  end)

  it("that is tampered with fails for good", function()
    local a, b = wire.pair()
    local evil, c = wire.pair()
    local loop = wire.new_loop()
    -- b and evil: one in the middle, who flips a bit after the handshake
    local client = assert(net.context { ca = pem })
    local flip = false
    local function relay(from, to)
      while true do
        local bytes = wire.finish(loop, from, "read", 65536)
        if not bytes then return end
        if flip then
          bytes = bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 1)
        end
        if not wire.send(loop, to, bytes) then return end
      end
    end
    local kind, text, again
    wire.run(loop, function()
      assert(net.handshake(a, client, { host = "localhost", timeout = 5,
        loop = loop }))
      loop.sleep(0.01)
      flip = true
      a:write("hello")
    end, function()
      assert(net.handshake(c, server_context, { server = true, timeout = 5,
        loop = loop }))
      local _
      _, kind, text = wire.finish(loop, c, "read", 100)
      _, again = c:read(100)
      loop.stop()
    end, function() relay(b, evil) end, function() relay(evil, b) end)
    assert.equal("tls", kind)
    assert.matches("^TLS failed: ", text)
    assert.equal("tls", again)
  end)

  it("outlives the handle of its context", function()
    local own = assert(core.net.tls_context { server = true, test = true })
    local client = assert(core.net.tls_context { ca = own:pem() })
    local a, b = wire.pair()
    local loop = wire.new_loop()
    a:starttls(client, false, "localhost")
    b:starttls(own, true)
    client:close()
    own:close()
    own:close()
    assert.has_error(function() own:pem() end)
    wire.run(loop,
      function() assert(wire.finish(loop, a, "handshake")) end,
      function() assert(wire.finish(loop, b, "handshake")) end)
    a:write("hello")
    core.loop.block(b:fd(), "r", 1)
    assert.equal("hello", wire.finish(wire.new_loop(), b, "read", 10))
  end)

  it("leaves no descriptor behind", function()
    shake({ ca = pem }, "localhost")
    wire.close()
    local before = wire.descriptors()
    for _ = 1, 5 do
      shake({ ca = pem }, "localhost")
      shake({ ca = pem }, "wrong.example")
      wire.close()
    end
    assert.is_true(wire.at_most(before))
  end)
end)

describe("a TLS context", function()
  local function file(text)
    local path = os.tmpname()
    local f <close> = assert(io.open(path, "w"))
    f:write(text)
    return path
  end

  local function openssl(arguments)
    local ok = os.execute("openssl " .. arguments .. " 2>/dev/null")
    return ok
  end

  it("takes certificate and key from files and from text", function()
    local key, cert = os.tmpname(), os.tmpname()
    if not openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x "
      .. "-addext subjectAltName=DNS:localhost -keyout " .. key .. " -out "
      .. cert) then
      return pending "openssl is not installed"
    end
    local function text(path)
      local f <close> = io.open(path)
      return f:read "a"
    end
    local both = file(text(cert) .. text(key))
    for _, options in ipairs {
      { certificate = cert, key = key }, { certificate = both },
      { certificate = text(cert), key = text(key) },
    } do
      options.server = true
      local context = assert(net.context(options))
      assert.is_true(shake({ ca = cert }, "localhost", context).client)
      wire.close()
    end
    local _, problem = net.context { server = true, certificate = cert }
    assert.equal("tls", problem.kind)
    assert.matches("cannot use the private key", tostring(problem))
    local torn = file "-----BEGIN PRIVATE KEY-----\nAAAA\n"
    _, problem = net.context { server = true, certificate = both, key = torn }
    assert.matches("cannot use the private key", tostring(problem))
    for _, path in ipairs { key, cert, both, torn } do os.remove(path) end
  end)

  it("names the file that cannot be used", function()
    local _, problem = net.context { server = true, certificate = "/none" }
    assert.equal("cannot use the certificate /none: "
      .. "No such file or directory", tostring(problem))
    _, problem = net.context { ca = "/none" }
    assert.equal("no such file of authorities: /none", tostring(problem))
    local junk = file "no PEM at all"
    _, problem = net.context { ca = junk }
    assert.matches("cannot use the authorities", tostring(problem))
    os.remove(junk)
  end)

  it("raises for what can never work", function()
    assert.has_error(function() net.context { server = true } end,
      "a TLS server needs: a certificate")
    assert.has_error(function() net.context { pin = "abc" } end)
    assert.has_error(function() net.context { pin = {} } end)
    assert.has_error(function() net.context { verify = false } end)
    assert.has_error(function()
      net.context { server = true, test = true, hostname = "a,DNS:b" }
    end)
  end)

  it("of a client is kept for the next one", function()
    assert.equal(net.context { ca = pem }, net.context { ca = pem })
    assert.not_equal(net.context { ca = pem }, net.context { insecure = true })
  end)

  it("works without and with each other in any order of collection",
    function()
    for _ = 1, 3 do
      local own = core.net.tls_context { server = true, test = true }
      local a, b = wire.pair()
      b:starttls(own, true)
      own:close()
      a:close()
      collectgarbage()
      assert.equal("tls", select(2, b:handshake()))
      wire.close()
      assert.equal("tls", select(2, b:handshake()))
    end
  end)
end)
