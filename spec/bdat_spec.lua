--- BDAT as handlers see it (RFC 3030), and the parameters of the extensions
--- that a script may offer.

local patience = require "spec.support.patience"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

-- A peer that said EHLO and MAIL and RCPT.
local function begun(server, mail, rcpt)
  local peer = peers.dial(server.port)
  peer:reply()
  peer:ask "EHLO spec"
  assert.matches("^250", peer:ask("MAIL FROM:<a@b.c>" .. (mail or "")))
  assert.matches("^250", peer:ask("RCPT TO:<d@e.f>" .. (rcpt or "")))
  return peer
end

describe("BDAT", function()
  it("feeds the reader that DATA feeds", function()
    local chunks, body = {}, nil
    served.run({ on = { data = function(_, reader)
      chunks[1] = reader:read(4)
      body = reader:read()
      return 250, "2.0.0", "kept"
    end } }, function(server)
      local peer = begun(server)
      peer:say "BDAT 7\r\nab\r\n.\r\n"
      assert.equal("250 2.0.0 go on", peer:reply())
      peer:say "BDAT 8 LAST\r\nQUIT\r\n\r\n"
      assert.equal("250 2.0.0 kept", peer:reply())
      assert.matches("^221", peer:ask "QUIT")
    end)
    assert.same({ "ab\r\n" }, chunks)
    assert.equal(".\r\nQUIT\r\n\r\n", body)
  end)

  it("drains what a handler left unread, chunk by chunk", function()
    served.run({ on = { data = function() return 550, "5.7.1", "no" end } },
      function(server)
      local peer = begun(server)
      peer:say "BDAT 3\r\na\r\n"
      assert.equal("250 2.0.0 go on", peer:reply())
      peer:say "BDAT 3 LAST\r\nb\r\n"
      assert.equal("550 5.7.1 no", peer:reply())
      assert.matches("^250", peer:ask "NOOP")
    end)
  end)

  it("unwinds the handler at RSET, QUIT and a lost peer", function()
    local events = {}
    local function note(word) events[#events + 1] = word end
    served.run({ on = {
      data = function(_, reader)
        local _ <close> = setmetatable({}, { __close = function()
          note "unwound"
        end })
        reader:read()
        note "delivered"
      end,
      rset = function(_, reason) note("rset " .. reason) end,
      error = function() note "error" end,
      disconnect = function(_, why) note(why) end,
    } }, function(server)
      local peer = begun(server)
      peer:say "BDAT 3\r\na\r\n"
      peer:reply()
      assert.matches("^250", peer:ask "RSET")
      assert.matches("^503", peer:ask "DATA")
      assert.matches("^250", peer:ask "MAIL FROM:<a@b.c>")
      peer:ask "RCPT TO:<d@e.f>"
      peer:say "BDAT 3\r\na\r\n"
      peer:reply()
      assert.matches("^221", peer:ask "QUIT")
      peer = begun(server)
      peer:say "BDAT 30\r\na\r\n"
      peer:close()
      patience.await(require "lunapost.loop", function()
        return #events == 6
      end)
    end)
    assert.same({ "unwound", "rset rset", "unwound", "quit", "unwound",
      "closed" }, events)
  end)

  it("waits for no chunk that is longer than a message may be", function()
    served.run({ limits = { size = 1000 } }, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:ask "EHLO spec"
      local octets <const> = ("QUIT\r\n"):rep(300):sub(1, 1001)
      assert.matches("^503 5.5.1 MAIL", peer:ask "BDAT 1001 LAST")
      peer:say(octets)
      for _, first in ipairs { "", "BDAT 3\r\nabc" } do
        peer:ask "MAIL FROM:<a@b.c>"
        peer:ask "RCPT TO:<d@e.f>"
        if first ~= "" then
          peer:say(first)
          assert.matches("^250", peer:reply())
        end
        assert.matches("^552 5.3.4", peer:ask "BDAT 1001 LAST")
        peer:say(octets:sub(1, 500))
        peer:say(octets:sub(501))
        assert.matches("^250", peer:ask "NOOP")
      end
      peer:ask "MAIL FROM:<a@b.c>"
      peer:ask "RCPT TO:<d@e.f>"
      assert.matches("^552 5.3.4", peer:ask("BDAT 9223372036854775807"))
      peer:say "QUIT\r\nMAIL FROM:<evil@x>\r\n"
      peer:close()
    end)
  end)

  it("answers the last chunk once a recipient in LMTP", function()
    served.run({ protocol = "lmtp", on = { data = function(_, reader)
      reader:read()
      return { { 250, "2.0.0", "one" }, { 452, "4.2.2", "two" } }
    end } }, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:ask "LHLO spec"
      peer:ask "MAIL FROM:<a@b.c>"
      peer:ask "RCPT TO:<d@e.f>"
      peer:ask "RCPT TO:<g@e.f>"
      peer:say "BDAT 3\r\na\r\n"
      assert.equal("250 2.0.0 go on", peer:reply())
      peer:say "BDAT 0 LAST\r\n"
      assert.equal("250 2.0.0 one", peer:reply())
      assert.equal("452 4.2.2 two", peer:reply())
    end)
  end)

  it("holds lines to the limit that DATA has for them", function()
    local line = ("x"):rep(98) .. "\r\n"
    served.run({ limits = { line = 100 },
      extensions = { BINARYMIME = true } }, function(server)
      for body, code in pairs { [line] = "^250", ["x" .. line] = "^554 5.6.0 l",
        [("x"):rep(101)] = "^554 5.6.0 l" } do
        local peer = begun(server)
        peer:say(("BDAT %d\r\n%s"):format(#body, body))
        assert.matches(code, peer:reply())
        peer = begun(server)
        peer:say("BDAT 50\r\n" .. body:sub(1, 50))
        assert.matches("^250", peer:reply())
        peer:say(("BDAT %d LAST\r\n%s"):format(#body - 50, body:sub(51)))
        assert.matches(code, peer:reply())
        peer = begun(server, " BODY=BINARYMIME")
        peer:say(("BDAT %d LAST\r\n%s"):format(#body, body))
        assert.matches("^250", peer:reply())
      end
    end)
  end)

  it("tells the reply handler of BDAT, and of BODY in any case", function()
    local verbs, defects = {}, 0
    served.run({ on = { reply = function(session)
      verbs[#verbs + 1] = session.verb
    end, message = function(_, message)
      defects = defects + #message.defects
    end } }, function(server)
      local peer = begun(server, " BODY=8bitmime")
      peer:say "BDAT 6\r\nA: b\r\nNOOP\r\nBDAT 6 LAST\r\n\r\n\xc3\xa4\r\n"
      for _ = 1, 3 do assert.matches("^250", peer:reply()) end
    end)
    assert.equal("CONNECT EHLO MAIL RCPT BDAT NOOP BDAT",
      table.concat(verbs, " "))
    assert.equal(0, defects)
  end)

  it("keeps no more of a long body than DATA does", function()
    local octets = 0
    local function resident()
      for line in io.lines "/proc/self/status" do
        local kib = line:match "VmRSS:%s+(%d+)"
        if kib then return tonumber(kib) end
      end
    end
    local piece, pieces <const> = ("x"):rep(62) .. "\r\n", 1600
    piece = piece:rep(1024)
    served.run({ limits = { size = 1 << 30 }, on = {
      data = function(_, reader)
        for chunk in reader:chunks() do octets = octets + #chunk end
      end } }, function(server)
      local peer = begun(server)
      collectgarbage()
      local before = resident()
      peer:say(("BDAT %d LAST\r\n"):format(#piece * pieces))
      for _ = 1, pieces do peer:say(piece) end
      assert.matches("^250", peer:reply())
      local grown = resident() - before
      -- the sanitizer keeps what is freed
      assert.is_true(tree.build:find "asan" ~= nil or grown < 16384, grown)
    end)
    assert.equal(100 << 20, octets)
  end)

  it("takes a chunk that says refused for one, whoever said so", function()
    local messages = 0
    served.run({ on = {
      message = function() messages = messages + 1 end,
      reply = function(session, code)
        if session.verb == "BDAT" and code == 250 then
          return 451, "4.3.0", "not now"
        end
      end,
    } }, function(server)
      local peer = begun(server)
      peer:say "BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\n"
      assert.equal("451 4.3.0 not now", peer:reply())
      assert.matches("^503", peer:reply())
    end)
    assert.equal(0, messages)
  end)
end)

describe("a server's extensions", function()
  it("are those that the script serves, with the standard's grammar",
    function()
    local seen = {}
    served.run({ limits = { errors = 100 },
      extensions = { DSN = true, BINARYMIME = true,
      DELIVERBY = { words = "240" }, REQUIRETLS = true, RRVS = true,
      FUTURERELEASE = { words = "86400 2030-01-01T00:00:00Z" },
      ["MT-PRIORITY"] = { words = "STANAG4406" } },
      on = { mail = function(_, _, parameters) seen.mail = parameters end,
        rcpt = function(_, _, parameters) seen.rcpt = parameters end } },
      function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      assert.matches("|250%-BINARYMIME|250%-DELIVERBY 240|250%-DSN|"
        .. "250%-FUTURERELEASE 86400 2030%-01%-01T00:00:00Z|"
        .. "250%-MT%-PRIORITY STANAG4406|250%-RRVS|250 HELP",
        peer:ask "EHLO spec")
      for _, bad in ipairs { "RET=SOME", "RET", "ENVID=", "ENVID=a+b",
        "ENVID=a+2b", "ENVID=" .. ("x"):rep(101), "BY=1", "BY=1;X",
        "BY=0;R", "BY=-1;R", "BY=-5;RT",
        "BY=1234567890;R", "HOLDFOR=-1", "HOLDUNTIL=2030-01-01",
        "HOLDUNTIL=2030-01-01T00:00:00", "MT-PRIORITY=10", "BODY=9BIT",
        "MT-PRIORITY=--1", "RET=FULL RET=HDRS", "ENVID=a+0D+0ASubject:+20x",
        "ENVID=a+7F", "HOLDUNTIL=2030-13-01T00:00:00Z",
        "HOLDUNTIL=2030-00-01T00:00:00Z", "HOLDUNTIL=2030-02-29T00:00:00Z",
        "HOLDUNTIL=2030-01-01T24:00:00Z", "HOLDUNTIL=2030-01-01T00:60:00Z",
        "HOLDUNTIL=2030-01-01T00:00:00+24:00",
        "HOLDFOR=1 HOLDUNTIL=2030-01-01T00:00:00Z",
        "HOLDUNTIL=2030-01-01T00:00:00Z HOLDFOR=1",
        "HOLDUNTIL=2030-01-00T00:00:00Z", "HOLDUNTIL=2030-01-01T00:00:61Z",
        "HOLDUNTIL=2030-01-01T00:00:00.Z",
        "HOLDUNTIL=2030-01-01T00:00:00.5", "HOLDUNTIL=2030-01-01X00:00:00Z",
        "HOLDUNTIL=2030-01-01T00:00:00-01:60",
        "HOLDUNTIL=2030/01-01T00:00:00Z", "HOLDUNTIL=" } do
        assert.matches("^501 5.5.4", peer:ask("MAIL FROM:<a@b.c> " .. bad))
      end
      assert.matches("^555", peer:ask "MAIL FROM:<a@b.c> REQUIRETLS")
      assert.matches("^250", peer:ask("MAIL FROM:<a@b.c> RET=hdrs "
        .. "ENVID=QQ+2B1 BY=+120;NT HOLDUNTIL=2030-01-01T00:00:00.5+01:00 "
        .. "MT-PRIORITY=-3 BODY=binarymime"))
      for _, bad in ipairs { "NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=ALWAYS",
        "NOTIFY=DELAY,", "NOTIFY=DELAY,DELAY", "ORCPT=a@b", "ORCPT=rfc822;",
        "ORCPT=;a", "ORCPT=rfc822;a=b", "RRVS=now", "ORCPT=rfc822;a+0Ab",
        "RRVS=2014-04-31T23:01:00Z" } do
        assert.matches("^501 5.5.4", peer:ask("RCPT TO:<d@e.f> " .. bad))
      end
      assert.matches("^250", peer:ask("RCPT TO:<d@e.f> "
        .. "NOTIFY=SUCCESS,delay ORCPT=rfc822;d+2Bx@e.f "
        .. "RRVS=2014-04-03T23:01:00Z;C"))
    end)
    assert.equal("QQ+2B1", seen.mail.ENVID)
    assert.equal("SUCCESS,delay", seen.rcpt.NOTIFY)
  end)

  it("opens no standard parameter by itself", function()
    served.run({}, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:ask "EHLO spec"
      assert.equal("555 5.5.4 parameter not offered",
        peer:ask "MAIL FROM:<a@b.c> RET=FULL")
      assert.matches("^501", peer:ask "MAIL FROM:<a@b.c> BODY=BINARYMIME")
    end)
  end)

  it("can be one of the script's own, whatever its case", function()
    local server = smtp.server { hostname = "mx.test",
      extensions = { xfoo = { words = "a b", mail = { "XFOO" } } } }
    local text = tostring(server:script { "EHLO x",
      "MAIL FROM:<a@b> XFOO=anything" })
    assert.matches("S: 250-XFOO a b\n", text, 1, true)
    assert.matches("S: 250 2.1.0 sender ok\n", text, 1, true)
  end)
end)

describe("client:bdat", function()
  -- What a server is given by send(client), as one string a message.
  local function kept(options, send, mail)
    local bodies, sizes = {}, {}
    options.on = { data = function(_, reader)
      local pieces = {}
      for chunk in reader:chunks() do pieces[#pieces + 1] = chunk end
      bodies[#bodies + 1] = table.concat(pieces)
    end, reply = function(session, code)
      if session.verb == "BDAT" then sizes[#sizes + 1] = code end
    end }
    served.run(options, function(server)
      local client = assert(smtp.open { host = "127.0.0.1",
        port = server.port, timeout = 5 })
      assert(client:mail("a@b.c", mail))
      assert(client:rcpt "d@e.f")
      send(client)
      client:quit()
    end)
    return bodies, sizes
  end

  it("sends a short body in one chunk, its line ends mended", function()
    local bodies, replies = kept({}, function(client)
      local reply = assert(client:bdat ".\nQUIT\r\n.\r\na\rb")
      assert.equal(250, reply.code)
      assert.matches("%* 14 octets of message in chunks\nS: 250",
        "* " .. tostring(client.transcript):match("%-%- (14 oct.*)"))
    end)
    assert.same({ ".\r\nQUIT\r\n.\r\na\r\nb" }, bodies)
    assert.same({ 250 }, replies)
  end)

  it("sends a source in many chunks, whatever pieces it gives", function()
    local pieces = {}
    for i = 1, 900 do
      pieces[i] = i % 3 == 0 and "" or ("%d\r"):format(i):rep(i % 700)
      if i % 5 == 0 then pieces[i] = pieces[i] .. "\r" end
    end
    local expected = table.concat(pieces):gsub("\r\n?", "\r\n")
    local at = 0
    local bodies, replies = kept({}, function(client)
      assert(client:bdat(function()
        at = at + 1
        return pieces[at]
      end))
    end)
    assert.equal(#expected, #bodies[1])
    assert.is_true(expected == bodies[1])
    assert.is_true(#replies > 5)
  end)

  it("sends any octets where the peer takes them", function()
    local octets = string.char(0, 10, 13, 255, 46):rep(100000)
    local bodies = kept({ extensions = { BINARYMIME = true } },
      function(client)
      assert.same({}, client.extensions.BINARYMIME)
      assert(client:bdat(octets, { binary = true }))
      assert(client:mail("a@b.c", { BODY = "BINARYMIME" }))
      assert(client:rcpt "d@e.f")
      assert(client:bdat("", { binary = true }))
    end, { BODY = "BINARYMIME" })
    assert.is_true(bodies[1] == octets)
    assert.equal("", bodies[2])
  end)

  it("stops where a chunk is refused, and the session goes on", function()
    local bodies = kept({ limits = { size = 300000 } }, function(client)
      local reply, problem = client:bdat(("x"):rep(400000))
      assert.is_nil(reply)
      assert.equal("reply", problem.kind)
      assert.equal(552, problem.code)
      assert(client:rset())
      assert(client:mail "a@b.c")
      assert(client:rcpt "d@e.f")
      assert(client:bdat "hi\r\n")
    end)
    assert.same({ "hi\r\n" }, bodies)
  end)

  it("stops behind a refused chunk in LMTP, and waits for nothing",
    function()
    served.run({ protocol = "lmtp", limits = { size = 100000 } },
      function(server)
      local client = assert(smtp.open { port = server.port, timeout = 2,
        host = "127.0.0.1", protocol = "lmtp" })
      assert(client:mail "a@b.c")
      assert(client:rcpt "d@e.f")
      assert(client:rcpt "g@e.f")
      local reply, problem = client:bdat(("x"):rep(250000))
      assert.is_nil(reply)
      assert.equal(552, problem.code)
      assert(client:rset())
      client:quit()
    end)
  end)

  it("does not send half of what could not be read", function()
    local bodies = kept({}, function(client)
      local n = 0
      local reply, problem = client:bdat(function()
        n = n + 1
        if n < 4 then return ("x"):rep(100000) end
        return nil, "the disk is gone"
      end)
      assert.is_nil(reply)
      assert.equal("file", problem.kind)
    end)
    assert.same({}, bodies)
  end)
end)
