local core = require "lunapost.core"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

local EHLO <const> = "250-mx.example.org\r\n250-SIZE 1000\r\n250 8BITMIME"

-- Greeting and EHLO, then the answers that follow.
local function session(...)
  local answers = { ... }
  return function(peer)
    peer:say("220 mx.example.org ESMTP")
    peer:answer(EHLO, table.unpack(answers))
  end
end

local function open(options, more)
  for name, value in pairs(more or {}) do options[name] = value end
  return smtp.open(options)
end

describe("a session", function()
  it("dials, hears the greeting and says EHLO", function()
    local heard = scripted.run(session("221 2.0.0 bye"), function(options)
      local client = assert(open(options))
      assert.equal("mx.example.org ESMTP", client.greeting.text)
      assert.is_true(client.esmtp)
      assert.same({ SIZE = { "1000" }, ["8BITMIME"] = {} }, client.extensions)
      local reply = client:quit()
      assert.equal(221, reply.code)
      assert.equal("2.0.0", reply.enhanced)
      assert.equal("bye", reply.text)
    end)
    assert.same({ "EHLO me.example.org", "QUIT" }, heard[1])
  end)

  it("falls back to HELO for any 5yz", function()
    for _, code in ipairs { 500, 502, 554 } do
      local heard = scripted.run(function(peer)
        peer:say("220 old")
        peer:answer(code .. " what?", "250 hello")
      end, function(options)
        local client = assert(open(options))
        assert.is_false(client.esmtp)
        assert.same({}, client.extensions)
      end)
      assert.same({ "EHLO me.example.org", "HELO me.example.org" }, heard[1])
    end
  end)

  it("tells of the end where HELO got no answer, unless EHLO was refused",
    function()
    for code, kind in pairs { [500] = "closed", [502] = "closed",
      [554] = "reply" } do
      scripted.run(function(peer)
        peer:say("220 old")
        peer:answer(code .. " what?")
      end, function(options)
        local client, problem = open(options)
        assert.is_nil(client)
        assert.equal(kind, problem.kind)
      end)
    end
  end)

  it("knows a reply that cannot be that to EHLO", function()
    for _, code in ipairs { 220, 221 } do
      scripted.run(function(peer)
        peer:say("220 x")
        peer:answer(code .. " again", "250 late")
      end, function(options)
        local client, problem = open(options)
        assert.is_nil(client)
        assert.equal("protocol", problem.kind)
        assert.matches(code .. " answers EHLO", problem.text)
      end)
    end
  end)

  it("shows what came in place of a reply", function()
    for said, shown in pairs { ["SSH-2.0-x\27[1m\r\n"] = "SSH-2.0-x?[1m",
      ["220-a\r\n550 b\r\n"] = "550 b" } do
      scripted.run(function(peer)
        peer:write(said)
        peer:hear()
      end, function(options)
        options.transcript = smtp.transcript.new()
        local client, problem = open(options)
        assert.is_nil(client)
        assert.equal("protocol", problem.kind)
        assert.is_truthy(problem.text:find(': "' .. shown .. '"', 1, true),
          problem.text)
        local heard = {}
        for _, line in ipairs(options.transcript) do
          if line.who == "S" then
            heard[#heard + 1] = line.text .. (line.ending or "\r\n")
          end
        end
        assert.equal(said, table.concat(heard))
      end)
    end
  end)

  it("shows little of what does not end", function()
    scripted.run(function(peer)
      peer:write(("220-x\r\n"):rep(20000))
      peer:hear()
    end, function(options)
      options.transcript = smtp.transcript.new { limit = false }
      local client, problem = open(options)
      assert.is_nil(client)
      assert.equal("protocol", problem.kind)
      assert.equal(22, #options.transcript)
    end)
  end)

  it("calls itself by an address literal when it has no full name",
    function()
    local heard = scripted.run(session(), function(options)
      options.helo = nil
      assert(open(options))
    end)
    assert.matches("^EHLO %[?[%w.:-]+%.[%w.:-]+%]?$", heard[1][1])
  end)

  it("offers a method for each command", function()
    local heard = scripted.run(session("250 ok", "251 ok", "250 ok",
      "252 perhaps", "250-one\r\n250 two", "214 read RFC 5321", "250 ok",
      "299 odd", "500 5.5.1 no", "250 ok"), function(options)
      local c = assert(open(options))
      assert(c:mail("ana@example.org", { SIZE = 12, BODY = "8BITMIME" }))
      assert.equal(251, c:rcpt("<bob@example.net>", { "NOTIFY=NEVER" }).code)
      assert(c:rset())
      assert.equal(252, c:vrfy("ana").code)
      assert.same({ "one", "two" }, c:expn("list").lines)
      assert.equal("read RFC 5321", c:help().text)
      assert(c:noop("x"))
      assert.equal(299, c:command("XADR", "ana", 7).code)
      assert.equal(500, c:command("XFOO").code)
      assert.equal(250, c:expect({ 250, 5 }).code + -250)
      assert(c:mail("", { true and "X" }))
    end)
    assert.same({ "EHLO me.example.org",
      "MAIL FROM:<ana@example.org> BODY=8BITMIME SIZE=12",
      "RCPT TO:<bob@example.net> NOTIFY=NEVER", "RSET", "VRFY ana",
      "EXPN list", "HELP", "NOOP x", "XADR ana 7", "XFOO",
      "MAIL FROM:<> X" }, heard[1])
  end)

  it("returns nil and the reply as an error for 4yz and 5yz", function()
    scripted.run(session("550 5.7.1 not\r\n"), function(options)
      local client = assert(open(options))
      local reply, problem = client:mail("ana@example.org")
      assert.is_nil(reply)
      assert.equal("reply", problem.kind)
      assert.equal(550, problem.code)
      assert.equal("5.7.1", problem.enhanced)
      assert.equal("not", problem.text)
      assert.equal(550, problem.reply.code)
      assert.equal("MAIL FROM:<ana@example.org>", problem.command)
      assert.is_false(problem.transient)
      assert.matches("^127%.0%.0%.1:%d+: 550 5%.7%.1 not %(MAIL FROM:",
        tostring(problem))
      assert.matches("C: MAIL FROM:", tostring(problem.transcript))
    end)
  end)

  it("lets nothing be injected", function()
    local heard = scripted.run(session("250 ok"), function(options)
      local c = assert(open(options))
      for _, evil in ipairs { "a@x>\r\nRSET", "a@x> SIZE=1", "a\0@x",
        "a@x>", "<a", '"a\r\nb"@x', "a b@x" } do
        local reply, problem = c:mail(evil)
        assert.is_nil(reply)
        assert.equal("syntax", problem.kind)
      end
      for _, evil in ipairs { "x\r\nRSET", "x\nRSET", "x\0y" } do
        local reply, problem = c:vrfy(evil)
        assert.is_nil(reply)
        assert.equal("syntax", problem.kind)
        reply, problem = c:mail("a@x", { BODY = evil })
        assert.is_nil(reply)
        assert.equal("syntax", problem.kind)
      end
      assert(c:mail('"a > b"@example.org'))
    end)
    assert.same({ "EHLO me.example.org", 'MAIL FROM:<"a > b"@example.org>' },
      heard[1])
  end)

  it("takes raw octets and tells what was expected", function()
    local heard = scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250 one", "250 two", "354 go", "550 no")
    end, function(options)
      local c = assert(smtp.connect(options))
      assert(c:write("NO"))
      assert(c:write("OP\r\nEHLO x\r\n"))
      assert.equal("one", c:expect(250).text)
      assert.equal("two", c:expect(2).text)
      assert.equal(354, c:command("DATA").code)
      assert(c:write(".\r\n"))
      local reply, problem = c:expect { 250, 251 }
      assert.is_nil(reply)
      assert.equal(550, problem.code)
      assert.equal("no, where 250 or 251 was expected", problem.text)
    end)
    assert.same({ "NOOP", "EHLO x", "DATA", "." }, heard[1])
  end)

  it("keeps replies that came before more was written", function()
    scripted.run(function(peer)
      peer:say("220 x")
      peer:hear()
      peer:hear()
      peer:say("250 one", "250 two", "250 three")
      peer:hear()
      peer:say("250 four")
    end, function(options, loop)
      local c = assert(smtp.connect(options))
      assert.equal("x", c:expect(220).text)
      assert(c:write("NOOP\r\nNOOP\r\n"))
      assert.equal("one", c:expect(250).text)
      loop.sleep(0.01)
      assert(c:write("NOOP\r\n"))
      for _, word in ipairs { "two", "three", "four" } do
        assert.equal(word, c:expect(250).text)
      end
      assert.equal("four", c.last.text)
    end)
  end)

  it("says QUIT when it goes out of scope", function()
    local heard = scripted.run(function(peer)
      session()(peer)
      peer:hear()
    end, function(options, loop)
      options.transcript = smtp.transcript.new()
      do
        local client <close> = assert(open(options))
        assert.matches("^client %(127", tostring(client))
      end
      assert.matches("C: QUIT\n$", tostring(options.transcript))
      loop.sleep(0.05)
    end)
    assert.same({ "EHLO me.example.org", "QUIT" }, heard[1])
  end)

  it("knows the bad option and the nearest good one", function()
    assert.has_error(function() smtp.open { hots = "x" } end,
      "unknown option of smtp.open 'hots' (did you mean 'host'?)")
    assert.has_error(function() smtp.open { host = "x", tls = "imlicit" } end,
      "unknown value of 'tls' 'imlicit' (did you mean 'implicit'?)")
    assert.error_matches(function() smtp.open { server = "http://x" } end,
      "the scheme must be")
    assert.error_matches(function() smtp.open { server = "smtp://x:99999" } end,
      "1 to 65535")
    assert.error_matches(function() smtp.open {} end, "server is missing")
  end)

  it("says which address it could not reach", function()
    local listener = assert(core.net.listen("127.0.0.1", 0))
    local _, port = listener:address()
    listener:close()
    local client, problem = smtp.open { host = "127.0.0.1", port = port }
    assert.is_nil(client)
    assert.equal("connect", problem.kind)
    assert.is_true(problem.transient)
    assert.equal("127.0.0.1:" .. port, problem.host)
  end)

  it("runs outside any loop, over a Unix socket", function()
    local path = os.tmpname()
    os.remove(path)
    local listener = assert(core.net.listen_unix(path))
    -- what the kernel keeps for the peer is enough for a whole session
    local client, problem = smtp.connect { server = "unix:" .. path,
      timeout = 0.05 }
    assert.is_nil(client)
    assert.equal("timeout", problem.kind)
    assert.equal(path, problem.host)
    listener:close()
  end)
end)

describe("AUTH", function()
  local function offering(words, ...)
    local answers = { ... }
    return function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 AUTH " .. words, table.unpack(answers))
    end
  end

  local function login(options, more)
    options.user, options.password = "ana", "secret"
    options.auth = { cleartext = true }
    for name, value in pairs(more or {}) do options.auth[name] = value end
    return smtp.open(options)
  end

  it("is the classic LOGIN", function()
    local heard = scripted.run(offering("LOGIN", "334 VXNlcm5hbWU6",
      "334 UGFzc3dvcmQ6", "235 2.7.0 welcome"), function(options)
      local client = assert(login(options))
      assert.equal("ana", client.user)
      local text = tostring(client.transcript)
      assert.is_nil(text:find("YW5h", 1, true))
      assert.is_nil(text:find("c2VjcmV0", 1, true))
      assert.matches("C: AUTH LOGIN\nS: 334", text)
    end)
    assert.same({ "EHLO me.example.org", "AUTH LOGIN", "YW5h", "c2VjcmV0" },
      heard[1])
  end)

  it("sends PLAIN at once, and masks it", function()
    local heard = scripted.run(offering("LOGIN PLAIN", "235 ok"),
      function(options)
      local client = assert(login(options))
      local text = tostring(client.transcript)
      assert.matches("C: AUTH PLAIN %*+\n", text)
    end)
    assert.equal("AUTH PLAIN AGFuYQBzZWNyZXQ=", heard[1][2])
  end)

  it("prefers CRAM-MD5, RFC 2195's example", function()
    local heard = scripted.run(offering("PLAIN CRAM-MD5",
      "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
      "235 ok"), function(options)
      options.user, options.password = "tim", "tanstaaftanstaaf"
      options.auth = { cleartext = true }
      assert(smtp.open(options))
    end)
    assert.equal("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
      heard[1][3])
  end)

  it("uses the mechanism asked for", function()
    local heard = scripted.run(offering("PLAIN LOGIN CRAM-MD5", "235 ok"),
      function(options)
      assert(login(options, { mechanism = "plain" }))
    end)
    assert.matches("^AUTH PLAIN ", heard[1][2])
  end)

  it("tells what was offered and what was wanted", function()
    scripted.run(offering("GSSAPI NTLM"), function(options)
      local client, problem = login(options)
      assert.is_nil(client)
      assert.equal("auth", problem.kind)
      assert.equal("no common mechanism: the server offers GSSAPI NTLM, "
        .. "wanted SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 "
        .. "PLAIN LOGIN", problem.text)
    end)
  end)

  it("tells a user without a password", function()
    scripted.run(offering("PLAIN LOGIN"), function(options)
      options.user, options.auth = "ana", { cleartext = true }
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("auth", problem.kind)
      assert.equal("user ana has no password, and no auth.token",
        problem.text)
    end)
  end)

  it("sends no password without TLS unless asked to", function()
    local heard = scripted.run(offering("PLAIN LOGIN CRAM-MD5"),
      function(options)
      options.user, options.password = "ana", "secret"
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      assert.matches("cleartext = true", problem.text)
    end)
    assert.same({ "EHLO me.example.org" }, { heard[1][1] })
    assert.is_nil(table.concat(heard[1], "\n"):find("AUTH"))
  end)

  it("is an error of its own kind when refused", function()
    scripted.run(offering("PLAIN", "535 5.7.8 wrong"), function(options)
      local client, problem = login(options)
      assert.is_nil(client)
      assert.equal("auth", problem.kind)
      assert.equal(535, problem.code)
      assert.equal("5.7.8", problem.enhanced)
      assert.is_nil(tostring(problem):find("AGFuYQ", 1, true))
    end)
  end)

  it("cancels where the challenge makes no sense", function()
    local heard = scripted.run(offering("CRAM-MD5", "334 !!!", "501 ok"),
      function(options)
      local client, problem = login(options)
      assert.is_nil(client)
      assert.equal("protocol", problem.kind)
    end)
    assert.equal("*", heard[1][3])
    heard = scripted.run(offering("LOGIN", "334 ", "334 ", "334 ", "501 ok"),
      function(options)
      local _, problem = login(options)
      assert.equal("protocol", problem.kind)
    end)
    assert.equal("*", heard[1][5])
  end)
end)

describe("TLS", function()
  local function starttls(context, after)
    return function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250-OLD\r\n250 STARTTLS", "220 go")
      if peer:secure(context) then after(peer) end
    end
  end

  it("comes by STARTTLS where it is offered, and EHLO is said again",
    function()
    local context, pem = scripted.certificate()
    local heard = scripted.run(starttls(context, function(peer)
      peer:answer("250-x\r\n250 AUTH PLAIN", "235 ok", "221 bye")
    end), function(options)
      options.ca, options.user, options.password = pem, "ana", "secret"
      local client = assert(smtp.open(options))
      assert.matches("^TLS", client.tls.version)
      assert.is_nil(client.extensions.OLD)
      assert.matches("%-%- TLS", tostring(client.transcript))
      client:quit()
    end)
    assert.same({ "EHLO me.example.org", "STARTTLS", "EHLO me.example.org",
      "AUTH PLAIN AGFuYQBzZWNyZXQ=", "QUIT" }, heard[1])
  end)

  it("is implicit when asked for", function()
    local context, pem = scripted.certificate()
    scripted.run(function(peer)
      if peer:secure(context) then
        peer:say("220 x")
        peer:answer("250 x", "221 bye")
      end
    end, function(options)
      options.ca, options.tls = pem, "implicit"
      local client = assert(smtp.open(options))
      assert.is_truthy(client.tls)
      assert(client:quit())
    end)
  end)

  it("verifies the certificate unless told not to", function()
    local context = scripted.certificate()
    scripted.run(starttls(context, function() end), function(options)
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
    end)
    scripted.run(starttls(context, function(peer)
      peer:answer("250 x")
    end), function(options)
      options.insecure = true
      assert(smtp.open(options))
    end)
  end)

  it("is required by tls = starttls", function()
    scripted.run(session(), function(options)
      options.tls = "starttls"
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      assert.equal("the server offers no STARTTLS", problem.text)
    end)
  end)

  it("is not begun over plaintext behind the reply", function()
    local context, pem = scripted.certificate()
    scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 STARTTLS", "220 go\r\n250 injected")
      peer:secure(context)
    end, function(options)
      options.ca = pem
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("protocol", problem.kind)
      assert.matches("plaintext", problem.text)
    end)
  end)

  it("names a peer that speaks no TLS", function()
    scripted.run(function(peer)
      peer:say("220 plain and simple")
      peer:hold()
    end, function(options)
      options.tls = "implicit"
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      assert.matches("starttls", problem.text)
    end)
  end)

  it("names a peer that speaks TLS at once", function()
    scripted.run(function(peer)
      peer:write("\21\3\1\0\2\2\70")
    end, function(options)
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("protocol", problem.kind)
      assert.matches("speaks TLS", problem.text)
    end)
  end)

  it("is suspected where no greeting comes, and named before the timeout",
    function()
    local context = scripted.certificate()
    local function tls(peer) -- the first time no ClientHello comes
      if peer:secure(context) then peer:linger() end
    end
    scripted.run({ tls, tls }, function(options)
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      assert.matches("smtps://", problem.text)
    end, true)
  end)

  it("is not suspected for good where a greeting is slow", function()
    scripted.run({ function(peer)
      peer.loop.sleep(0.8)
      peer:say("220 slow")
      peer:answer("250 x")
    end, function(peer) peer:hear() end }, function(options)
      assert(smtp.open(options))
    end)
  end)

  it("ends a stalled handshake at the deadline", function()
    scripted.run(function(peer)
      peer:hold()
    end, function(options)
      options.tls, options.timeout = "implicit", 0.1
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("timeout", problem.kind)
    end)
  end)
end)
