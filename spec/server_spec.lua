local files = require "spec.support.peers"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"

local function greeted(server)
  local peer = peers.dial(server.port)
  assert.equal("220 mx.test ESMTP", peer:reply())
  assert.matches("^250%-mx.test|", peer:ask("EHLO spec"))
  return peer
end

local function begun(server)
  local peer = greeted(server)
  assert.equal("250 2.1.0 sender ok", peer:ask("MAIL FROM:<a@example.org>"))
  assert.equal("250 2.1.5 recipient ok", peer:ask("RCPT TO:<b@example.org>"))
  return peer
end

local function in_data(server)
  local peer = begun(server)
  assert.matches("^354 ", peer:ask("DATA"))
  return peer
end

-- Options with a message handler that counts, and an error log.
local function counting(more)
  local seen = { messages = {}, errors = {} }
  local options = more or {}
  options.on = options.on or {}
  options.on.data = options.on.data or function(_, body)
    local bytes = body:read()
    table.insert(seen.messages, bytes)
  end
  options.on.error = function(_, problem)
    table.insert(seen.errors, tostring(problem))
  end
  return options, seen
end

local function eventually(fact) patience.await(loop, fact) end

describe("a server", function()
  it("delivers exactly the octets that were sent, dots removed", function()
    local options, seen = counting()
    served.run(options, function(server)
      local peer = in_data(server)
      peer:say("Subject: x\r\n\r\n..dot\r\n\255\254 8-bit\r\n.\r\n")
      assert.equal("250 2.0.0 message accepted", peer:reply())
      assert.equal("221 2.0.0 mx.test closes the connection",
        peer:ask("QUIT"))
      assert.same({ nil, "eof" }, { peer:line() })
    end)
    assert.same({ "Subject: x\r\n\r\n.dot\r\n\255\254 8-bit\r\n" },
      seen.messages)
  end)

  it("answers a handler that throws with 451 and no more", function()
    local options, seen = counting()
    options.on.rcpt = function(_, path)
      if path.localpart == "boom" then error("secret detail") end
    end
    served.run(options, function(server)
      local peer = greeted(server)
      peer:ask("MAIL FROM:<a@example.org>")
      assert.equal("451 4.3.0 local error; try again later",
        peer:ask("RCPT TO:<boom@example.org>"))
      assert.equal("250 2.1.5 recipient ok",
        peer:ask("RCPT TO:<b@example.org>"))
    end)
    assert.matches("secret detail", seen.errors[1])
  end)

  it("answers a body handler that throws with 451, session unhurt", function()
    local options, seen = counting { on = { data = function(_, body)
      body:read(4)
      error("disk on fire")
    end } }
    served.run(options, function(server)
      local peer = in_data(server)
      peer:say("12345678\r\nMAIL FROM:<x@y>\r\n.\r\n")
      assert.equal("451 4.3.0 local error; try again later", peer:reply())
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
    end)
    assert.matches("disk on fire", seen.errors[1])
  end)

  it("unwinds the handler of a message that is cut off", function()
    local closed, why = 0, nil
    local options, seen = counting { on = { data = function(_, body)
      local guard <close> = setmetatable({}, { __close = function()
        closed = closed + 1
      end })
      body:read()
      closed = 100
      return 250, guard and "2.0.0"
    end, disconnect = function(_, reason) why = reason end } }
    served.run(options, function(server)
      local peer = in_data(server)
      peer:say("half a mess")
      peer:close()
      eventually(function() return why ~= nil end)
    end)
    assert.equal(1, closed)
    assert.equal("closed", why)
    assert.same({}, seen.errors)
  end)

  it("ends a session whose peer never speaks", function()
    local why
    local options = { limits = { timeout = 0.15 },
      on = { disconnect = function(_, reason) why = reason end } }
    served.run(options, function(server)
      local peer = peers.dial(server.port)
      assert.equal("220 mx.test ESMTP", peer:reply())
      assert.equal("421 4.4.2 mx.test waited too long", peer:reply())
      assert.same({ nil, "eof" }, { peer:line() })
    end)
    assert.equal("timeout", why)
  end)

  it("gives a command its time as a whole, not an octet", function()
    served.run({ limits = { timeout = 0.3 } }, function(server)
      local peer = greeted(server)
      local reply
      for _ = 1, 100 do
        peer:say("N")
        reply = peer:reply(0.05)
        if reply then break end
      end
      assert.matches("^421 4.4.2", reply)
    end)
  end)

  it("goes on after an over-long line and a NUL", function()
    served.run({}, function(server)
      local peer = greeted(server)
      assert.equal("500 5.5.2 line too long",
        peer:ask("NOOP " .. ("x"):rep(5000)))
      assert.equal("501 5.5.2 NUL in a command", peer:ask("NOOP \0"))
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
    end)
  end)

  it("refuses a bare LF before the dot and delivers nothing", function()
    local options, seen = counting()
    served.run(options, function(server)
      local peer = in_data(server)
      peer:say("one\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\n")
      assert.equal("554 5.6.0 bare CR or LF in the message", peer:reply())
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
    end)
    assert.same({}, seen.messages)
    assert.same({}, seen.errors)
  end)

  it("takes octets after STARTTLS for a protocol error", function()
    local options, seen = counting { tls = "test" }
    served.run(options, function(server)
      local peer = greeted(server)
      peer:say("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
      assert.equal("554 5.5.1 no octets may follow STARTTLS", peer:reply())
      assert.same({ nil, "eof" }, { peer:line() })
      peer = greeted(server)
      assert.equal("220 2.0.0 ready to start TLS", peer:ask("STARTTLS"))
      peer:say("MAIL FROM:<evil@example.org>\r\n")
      local _, ended = peer:line()
      while _ do _, ended = peer:line() end
      assert.is_truthy(ended)
    end)
    assert.same({}, seen.messages)
  end)

  it("drains what a handler leaves unread", function()
    local options = counting { on = { data = function()
      return 250, "2.0.0", "enough"
    end } }
    served.run(options, function(server)
      local peer = in_data(server)
      peer:say(("RCPT TO:<x@y>\r\n"):rep(10000) .. ".\r\n")
      assert.equal("250 2.0.0 enough", peer:reply())
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
    end)
  end)

  it("lets no early 250 stand when the rest breaks", function()
    local options = counting { limits = { size = 1000 },
      on = { data = function() return 250, "2.0.0", "enough" end } }
    served.run(options, function(server)
      local peer = in_data(server)
      peer:say(("x"):rep(70) .. "\r\n")
      peer:say((("y"):rep(70) .. "\r\n"):rep(1000) .. ".\r\n")
      assert.equal("552 5.3.4 message too big", peer:reply())
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
    end)
  end)

  it("hands out MAIL with its parameters, typed", function()
    local got
    local options = { extensions = { XFOO = { mail = { "XFOO" } } },
      on = { mail = function(session, path, parameters)
        got = { path.address, path.localpart, path.domain, parameters,
          tostring(path), session.envelope.from.address }
      end } }
    served.run(options, function(server)
      local peer = greeted(server)
      peer:ask("MAIL FROM:<a@b.c> SIZE=12 BODY=8BITMIME XFOO=bar")
    end)
    assert.same({ "a@b.c", "a", "b.c",
      { SIZE = 12, BODY = "8BITMIME", XFOO = "bar" }, "a@b.c", "a@b.c" }, got)
  end)

  it("offers what it can do and no more", function()
    served.run({ on = { vrfy = function() end },
      limits = { size = 1000 }, extensions = { XBAR = {} } }, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      assert.equal("250-mx.test|250-PIPELINING|250-SIZE 1000|250-8BITMIME|"
        .. "250-SMTPUTF8|250-ENHANCEDSTATUSCODES|250-CHUNKING|250-VRFY|"
        .. "250-LIMITS RCPTMAX=1000|250-XBAR|250 HELP",
        peer:ask("EHLO spec"))
    end)
  end)

  it("limits failed passwords and slows them down", function()
    local options = { auth = { cleartext = true, check = function()
      return false
    end } }
    served.run(options, function(server)
      local peer = greeted(server)
      for _ = 1, 2 do
        assert.equal("535 5.7.8 authentication failed",
          peer:ask("AUTH PLAIN AGEAYg=="))
      end
      assert.equal("421 4.7.0 too many failed authentications",
        peer:ask("AUTH PLAIN AGEAYg=="))
      assert.same({ nil, "eof" }, { peer:line() })
    end)
  end)

  it("bounds sessions and sessions of one source", function()
    served.run({ limits = { source_sessions = 1 } }, function(server)
      local first = greeted(server)
      local second = peers.dial(server.port)
      assert.equal("421 4.3.2 mx.test has too many sessions; try later",
        second:reply())
      first:ask("QUIT")
      eventually(function() return server:stats().sessions == 0 end)
      greeted(server)
    end)
  end)

  it("gives a handler its deadline", function()
    local options, seen = counting { limits = { handler = 0.1 },
      on = { noop = function() loop.sleep(90) end } }
    served.run(options, function(server)
      local peer = greeted(server)
      assert.equal("451 4.3.0 local error; try again later",
        peer:ask("NOOP"))
    end)
    assert.matches("deadline", seen.errors[1])
  end)

  it("does not count a slow upload against the handler", function()
    local options, seen = counting { limits = { handler = 0.2 } }
    served.run(options, function(server)
      local peer = in_data(server)
      for _ = 1, 8 do
        peer:say("slowly\r\n")
        loop.sleep(0.05)
      end
      peer:say(".\r\n")
      assert.equal("250 2.0.0 message accepted", peer:reply())
    end)
    assert.equal(1, #seen.messages)
    assert.same({}, seen.errors)
  end)

  it("turns a client away when no handlers can be made for it", function()
    local logged = {}
    for _, make in ipairs { function() error("boom") end,
      function() return { mial = print } end } do
      served.run({ on = make, log = served.log(logged) }, function(server)
        local peer = peers.dial(server.port)
        assert.equal("421 4.3.0 local error; try again later", peer:reply())
        assert.same({ nil, "eof" }, { peer:line() })
      end)
    end
    assert.matches("boom", logged[1])
    assert.matches("did you mean 'mail'", logged[2], 1, true)
  end)

  it("keeps a transaction when a second EHLO is refused", function()
    local options, seen = counting()
    options.on.ehlo = function(session, domain)
      if domain == "again" then return 550, "5.7.1", "once is enough" end
      assert(session.helo == domain)
    end
    served.run(options, function(server)
      local peer = begun(server)
      assert.equal("550 once is enough", peer:ask("EHLO again"))
      peer:ask("DATA")
      peer:say("hi\r\n.\r\n")
      assert.equal("250 2.0.0 message accepted", peer:reply())
    end)
    assert.same({ "hi\r\n" }, seen.messages)
    assert.same({}, seen.errors)
  end)

  it("opens no parameter of a keyword that was taken back", function()
    served.run({ auth = { check = print },
      on = { ehlo = function(_, _, keywords)
        for i = #keywords, 1, -1 do
          if keywords[i]:find("^SIZE") then table.remove(keywords, i) end
        end
      end } }, function(server)
      local peer = greeted(server)
      assert.equal("555 5.5.4 parameter not offered",
        peer:ask("MAIL FROM:<a@b> SIZE=5"))
      assert.equal("555 5.5.4 parameter not offered",
        peer:ask("MAIL FROM:<a@b> AUTH=<>"))
      assert.matches("^250", peer:ask("MAIL FROM:<a@b> BODY=7BIT"))
    end)
  end)

  it("takes a 3yz of a handler for a fault", function()
    local options, seen = counting()
    options.on.rcpt = function() return 354, "go on" end
    served.run(options, function(server)
      local peer = greeted(server)
      peer:ask("MAIL FROM:<a@b>")
      assert.matches("^451 4.3.0", peer:ask("RCPT TO:<c@d>"))
      assert.matches("^554", peer:ask("DATA"))
    end)
    assert.matches("354 answers nothing", seen.errors[1])
  end)

  it("notes 8-bit octets that nobody announced", function()
    local defects = {}
    served.run({ on = { message = function(_, message)
      table.insert(defects, #message.defects)
    end } }, function(server)
      for _, parameter in ipairs { "", " BODY=8BITMIME" } do
        local peer = greeted(server)
        peer:ask("MAIL FROM:<a@b>" .. parameter)
        peer:ask("RCPT TO:<c@d>")
        peer:ask("DATA")
        peer:say("Content-Type: text/plain; charset=utf-8\r\n"
          .. "Content-Transfer-Encoding: 8bit\r\n\r\nGr\u{FC}\r\n.\r\n")
        assert.matches("^250", peer:reply())
      end
    end)
    assert.same({ 1, 0 }, defects)
  end)

  it("keeps its state as the reply handler leaves it", function()
    served.run({ on = { reply = function(session, code)
      if session.verb == "MAIL" and code == 250 then
        return 450, "4.7.1", "not yet"
      end
    end, rcpt = function(session) assert(session.envelope) end } },
      function(server)
        local peer = greeted(server)
        assert.equal("450 4.7.1 not yet", peer:ask("MAIL FROM:<a@b>"))
        assert.matches("^503 ", peer:ask("RCPT TO:<c@d>"))
      end)
  end)

  it("counts a message as the reply handler leaves it", function()
    served.run({ on = { reply = function(session, code)
      if session.verb == "DATA" and code == 250 then
        return 550, "5.7.1", "on second thoughts"
      end
    end } }, function(server)
      local peer = in_data(server)
      peer:say("x\r\n.\r\n")
      assert.equal("550 5.7.1 on second thoughts", peer:reply())
      assert.equal(0, server:stats().messages)
    end)
  end)

  it("lets the reply handler rewrite any answer", function()
    served.run({ on = { reply = function(_, code, _, text)
      if code == 502 then return 500, "5.5.1", "rewritten: " .. text end
    end } }, function(server)
      local peer = greeted(server)
      assert.equal("500 5.5.1 rewritten: command not implemented",
        peer:ask("FROB"))
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
    end)
  end)

  it("says 421 to idle sessions when it stops", function()
    local why
    served.run({ on = { disconnect = function(_, reason) why = reason end } },
      function(server)
        local peer = greeted(server)
        server:stop(1)
        assert.equal("421 4.3.2 mx.test shuts down", peer:reply())
        assert.same({ nil, "eof" }, { peer:line() })
        eventually(function() return why ~= nil end)
      end)
    assert.equal("stopped", why)
  end)

  it("shows the certificate that the script chooses for a name", function()
    local folder, more = files.folder(), files.folder()
    local certificate, key = files.certificate(folder)
    local other, other_key = files.certificate(more)
    local asked, prints = {}, {}
    served.run({ tls = { certificate = certificate, key = key,
      sni = function(name)
        asked[#asked + 1] = name
        if name == "other.test" then
          return { certificate = other, key = other_key }
        end
      end } }, function(server)
      for i, name in ipairs { "mx.test", "other.test" } do
        local peer <close> = greeted(server)
        peer:ask("STARTTLS")
        peer:starttls(name)
        prints[i] = peer.conn:tls().fingerprint
      end
    end)
    files.remove(folder)
    files.remove(more)
    assert.same({ "mx.test", "other.test" }, asked)
    assert.are_not.equal(prints[1], prints[2])
  end)

  it("gives back every descriptor", function()
    local function open()
      collectgarbage()
      local n = 0
      for _ in io.popen("ls /proc/self/fd"):lines() do n = n + 1 end
      return n
    end
    local before
    served.run({ tls = "test" }, function(server)
      greeted(server):close()
      before = open()
      for _ = 1, 20 do
        local peer = in_data(server)
        peer:say("cut")
        peer:close()
        greeted(server):close()
      end
      eventually(function() return server:stats().sessions == 0 end)
      assert.equal(before, open())
    end)
  end)
end)

describe("the options of a server", function()
  local function refuse(options, text)
    local ok, problem = pcall(server_of.new, options)
    assert.is_false(ok)
    assert.matches(text, problem, 1, true)
  end

  it("are checked, and the nearest name is told", function()
    refuse({ commands = { XADM = { needs = { atuh = true }, run = print } } },
      "did you mean 'auth'?")
    refuse({ commands = { VRFY = print } }, "server.on.vrfy")
    refuse({ commands = { ["X Y"] = print } }, "letters, digits and hyphens")
    refuse({ extensions = { XFOO = { mial = {} } } }, "did you mean 'mail'?")
    refuse({ extensions = { XFOO = 1 } }, "a table of options")
    refuse({ extensions = { DNS = true } },
      "unknown standard extension 'DNS' (did you mean 'DSN'?)")
    refuse({ extensions = { XFOO = { words = "a\r\n250 Y" } } },
      "visible ASCII")
    refuse({ extensions = { ["X\r\n250 Y"] = {} } }, "letters, digits")
    refuse({ limits = { size = -1 } }, "limit 'size' must not be negative")
    refuse({ limits = { recipients = 1.5 } }, "must be integer")
    refuse({ hostname = "x\r\n250 y" }, "is no name of a host")
    refuse({ lisen = "x" }, "did you mean 'listen'?")
    refuse({ limits = { recipiants = 1 } }, "did you mean 'recipients'?")
    refuse({ on = { rcptt = print } }, "did you mean 'rcpt'?")
    refuse({ on = { observe = { mial = print } } }, "did you mean 'mail'?")
    refuse({ auth = {} }, "auth needs check")
    refuse({ tls = { mode = "startls" } }, "did you mean 'starttls'?")
    refuse({ protocol = "esmtp" }, "did you mean 'smtp'?")
    refuse({ commands = { XADR = { syntax = "XADR" } } }, "needs run")
  end)

  it("are told of where the script gave them", function()
    local ok, problem = pcall(function()
      local server = server_of { lisen = "x" }
      return server
    end)
    assert.is_false(ok)
    assert.matches("^[^:]*server_spec.lua:%d+: unknown option", problem)
  end)

  it("take one handler for the body, not two", function()
    local server = server_of.new { on = { data = print, message = print } }
    assert.has_error(function() server:script {} end)
  end)

  it("check a handler that is set later", function()
    local server = server_of.new {}
    assert.has_error(function() server.on.mial = print end)
    assert.has_error(function() server.on.mail = "x" end)
  end)
end)

describe("a dialogue in memory", function()
  it("runs the same handlers without a socket", function()
    local server = server_of.new { hostname = "mx.test",
      auth = { cleartext = true, check = function(session, given)
        return session.helo == "me" and given.user == "a"
          and given.password == "b"
      end },
      commands = { XADR = function(session, argument)
        return 250, session:ask(334, "sure?") .. " " .. argument
      end } }
    local record = server:script { "EHLO me", "AUTH LOGIN", "YQ==", "Yg==",
      "XADR bob", "yes", "QUIT" }
    local text = tostring(record)
    assert.matches("C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\n", text, 1, true)
    assert.matches("S: 334 UGFzc3dvcmQ6\n", text, 1, true)
    assert.matches("235 2.7.0 authenticated", text, 1, true)
    assert.matches("250 2.0.0 yes bob", text, 1, true)
    assert.is_nil(text:find("Yg==", 1, true))
  end)

  it("gives LMTP one answer a recipient, or a fault", function()
    local verdict, logged
    local server = server_of.new { hostname = "mx.test", protocol = "lmtp",
      log = function(record)
        if record.level == "error" then logged = record.text end
      end,
      on = { data = function() return verdict end } }
    local function answers(given)
      verdict = given
      local text = tostring(server:script { "LHLO me", "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>", "RCPT TO:<e@d>", "DATA", "hi", ".", "NOOP" })
      return text:match("C: %.\n(.*)C: NOOP")
    end
    assert.equal("S: 250 2.0.0 ok\nS: 550 5.7.1 refused\n",
      answers { 250, 550 })
    assert.equal("S: 250 2.0.0 yes\nS: 452 4.2.2 full\n",
      answers { { 250, "yes" }, { 452, "4.2.2", "full" } })
    assert.equal(("S: 451 4.3.0 local error; try again later\n"):rep(2),
      answers { { 550 }, { 550 }, { 250 } })
    assert.matches("3 answers for 2 recipients", logged)
  end)

  it("stamps Received: with the true state of the session", function()
    local received
    local server = server_of.new { hostname = "mx.test", on = {
      data = function(session, body)
        received = session:received()
        return 250, body:read()
      end } }
    server:script { "EHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA",
      "hi", ".", "QUIT" }
    assert.matches("^Received: from me %(unknown %[127.0.0.1%]%)\r\n\tby "
      .. "mx.test %(lunapost%) with ESMTP id %w+\r\n\tfor <c@d>;\r\n\t%a+, "
      .. "%d+ %a+ %d+ [%d:]+ %+0000\r\n$", received)
  end)
end)
