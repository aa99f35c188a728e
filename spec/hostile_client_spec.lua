-- A server and clients that mean it no good: each attack gets its answer,
-- and no message, session or memory but its own suffers.
local loop = require "lunapost.loop"
local peer = require "spec.support.peer"
local served = require "spec.support.served"

-- Runs attacks on a server that keeps what it accepts: steps(server, kept).
local function attacked(options, steps)
  local kept = {}
  options.on = { message = function(session, message)
    kept[#kept + 1] = { from = session.envelope.from.address,
      to = #session.envelope.to, octets = message:render() }
  end }
  served.run(options, function(server)
    steps(server, kept)
    -- nobody else suffers
    local p <close> = peer.dial(server.port)
    p:reply()
    p:ask "EHLO honest"
    p:ask "MAIL FROM:<honest@x>"
    p:ask "RCPT TO:<b@y>"
    p:ask "DATA"
    assert.matches("^250 ", p:ask "Subject: honest\r\n\r\nx\r\n.")
    assert.equal("honest@x", kept[#kept].from)
  end, 60)
end

local begin <const> = { "EHLO c", "MAIL FROM:<a@x>", "RCPT TO:<b@y>" }

-- A session that has said some lines.
local function said(server, lines)
  local p = peer.dial(server.port)
  assert.matches("^220 ", p:reply())
  for _, line in ipairs(lines) do assert.matches("^[23]", p:ask(line)) end
  return p
end

local function code(p, seconds)
  return (p:reply(seconds) or "closed"):sub(1, 6):match "^%d+" or "closed"
end

-- The codes of n replies.
local function codes(p, n)
  local list = {}
  for i = 1, n do list[i] = code(p) end
  return table.concat(list, " ")
end

describe("a message's end", function()
  local ends <const> = { "\r", "\n", "\r\n", "", "\0", "\r\r\n", "\n\r",
    " \r\n", "\t\r\n", "\v", "\f", "\u{85}" }
  local smuggled <const> = "MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\n"
    .. "DATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"

  -- Every dot between every two of what might be taken for line ends.
  local function shapes()
    local list = { "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n.\r\0\n" }
    for _, before in ipairs(ends) do
      for _, after in ipairs(ends) do
        for _, dots in ipairs { ".", ".." } do
          local shape = before .. dots .. after
          if not shape:find("\r\n.\r\n", 1, true) then
            list[#list + 1] = shape
          end
        end
      end
    end
    return list
  end

  -- What became of a body with a shape in it, and a session behind it.
  local function outcome(server, kept, shape)
    local before = #kept
    local p <close> = said(server, begin)
    p:ask "DATA"
    p:say("Subject: outer\r\n\r\nbody" .. shape .. smuggled)
    local reply = code(p)
    p:ask "NOOP"
    for i = before + 1, #kept do
      assert.equal("a@x", kept[i].from, ("%q"):format(shape))
    end
    assert.is_true(#kept - before <= 1)
    return reply, kept[before + 1]
  end

  it("is CRLF.CRLF and nothing that looks like it", function()
    attacked({}, function(server, kept)
      for _, shape in ipairs(shapes()) do
        local reply, message = outcome(server, kept, shape)
        local bare = (shape .. "M"):gsub("\r\n", ""):find "[\r\n]"
        assert.equal(bare and "554" or "250", reply, ("%q"):format(shape))
        assert.equal(bare and true or false, message == nil)
      end
    end)
  end)

  it("stays what it is where bare line ends are mended or kept", function()
    for _, policy in ipairs { "fix", "keep" } do
      attacked({ bare = policy }, function(server, kept)
        for _, shape in ipairs(shapes()) do
          local reply = outcome(server, kept, shape)
          assert.equal("250", reply, ("%s %q"):format(policy, shape))
        end
      end)
    end
  end)

  it("may come in two pieces, cut anywhere", function()
    local octets <const> = "Subject: x\r\n\r\n..\r\n..a\r\n.\r\n"
    attacked({}, function(server, kept)
      for at = 1, #octets - 1 do
        local p <close> = said(server, begin)
        p:ask "DATA"
        p:say(octets:sub(1, at))
        loop.sleep(0.002)
        p:say(octets:sub(at + 1))
        assert.equal("250", code(p))
        assert.equal("Subject: x\r\n\r\n.\r\n.a\r\n", kept[#kept].octets)
      end
    end)
  end)

  it("may be all there is, and dots may be doubled in any line", function()
    attacked({}, function(server, kept)
      for octets, body in pairs { [".\r\n"] = "", ["..\r\n.\r\n"] = ".\r\n",
        ["...\r\n.\r\n"] = "..\r\n", ["\r\n.\r\n"] = "\r\n",
        [". \r\n.\r\n"] = " \r\n" } do
        local p <close> = said(server, begin)
        p:ask "DATA"
        p:say(octets)
        assert.equal("250", code(p))
        assert.equal(body, kept[#kept].octets)
      end
    end)
  end)
end)

describe("a message's line", function()
  it("has at most 1 MiB, in a header, too", function()
    attacked({}, function(server, kept)
      for _, before in ipairs { "", "Subject: x\r\n\r\n" } do
        for more, reply in pairs { [-2] = "250 2.0.0", [-1] = "554 5.6.0",
          [1 << 22] = "554 5.6.0" } do
          local p <close> = said(server, begin)
          p:ask "DATA"
          p:say(before .. ("x"):rep((1 << 20) + more) .. "\r\n.\r\n")
          assert.equal(reply, p:reply():sub(1, 9), more)
        end
      end
      assert.equal(2, #kept)
    end)
  end)
end)

describe("a command", function()
  -- What each line is answered with, and that the session goes on.
  local function answers(server, before, rows)
    for _, row in ipairs(rows) do
      for line in row[2]:gmatch "[^|]+" do
        local p <close> = said(server, before)
        local reply = p:ask(line)
        assert.equal(row[1], tonumber(reply:sub(1, 3)), line)
        assert.matches("^250", p:ask "NOOP", 1, false, line)
      end
    end
  end

  it("has its place", function()
    attacked({ tls = "test", auth = { secret = function() end } },
      function(server)
      answers(server, {}, {
        { 503, "MAIL FROM:<a@x>|RCPT TO:<a@x>|DATA|BDAT 0|BDAT 0 LAST|"
          .. "STARTTLS|AUTH PLAIN" },
        { 501, "HELO|EHLO|RSET x|VRFY|EXPN|EHLO\v x" },
        { 500, "|\xff\xfe|LHLO x|F\xfco|Host: x" },
        { 502, "FOO|TURN|SOML FROM:<a@x>|EHLOx" },
      })
      answers(server, { "EHLO c" }, {
        { 503, "RCPT TO:<b@y>|DATA|BDAT 0 LAST" },
        { 501, "STARTTLS x|MAIL|MAIL FROM|MAIL FROM:|MAIL FROM:  |AUTH" },
        { 538, "AUTH PLAIN|AUTH LOGIN dXNlcg==|AUTH FOO" },
      })
      answers(server, { "EHLO c", "MAIL FROM:<a@x>" }, {
        { 503, "MAIL FROM:<b@x>|DATA|STARTTLS|AUTH PLAIN|BDAT 0" },
        { 501, "RCPT|RCPT TO:|RCPT TO:<>|RCPT FROM:<b@y>|RCPT TO:<root>" },
        { 250, "RCPT TO:<postmaster>|RCPT TO:<PostMaster>|EHLO d|RSET" },
        { 555, "RCPT TO:<b@y> NOTIFY=NEVER|RCPT TO:<b@y> SIZE=1" },
      })
    end)
  end)

  it("has a path of RFC 5321's grammar", function()
    local long = ("x"):rep(63)
    attacked({}, function(server)
      local function mail(list)
        return (list:gsub("[^|]+", "MAIL FROM:<%0>"))
      end
      answers(server, { "EHLO c" }, {
        { 250, mail('"a b"@x|"a\\"b"@x|"a>b"@x|"<>@"@x|a@[127.0.0.1]|'
          .. "a@[IPv6:::1]|a@[IPv6:2001:db8::1]|a@[IPv6:1:2:3:4:5:6:7:8]|"
          .. "a@[IPv6:::ffff:1.2.3.4]|@r1,@r2:a@x|@r1:a@x|"
          .. "!#$%&'*+-/=?^_`{}~@x|" .. long .. "x@x|a@" .. long .. ".y") },
        { 250, "MAIL FROM:<>|mail from:<a@x>|MAIL FROM:<a@x> " },
        { 501, mail('a|@x|a@|a@@x|a@x@y|a b@x|a..b@x|.a@x|a.@x|"a"b"@x|'
          .. '"a@x|"a\\>@x|a@-x.y|a@x-.y|a@x..y|a@.x|a@x.|a@x_y|<a@x>|'
          .. "a@[256.0.0.1]|a@[1.2.3]|a@[1.2.3.4.5]|a@[]|a@[x]|a@[1.2.3.4|"
          .. "a@1.2.3.4]|a@[IPv6:g::1]|a@[IPv6:1:2:3:4:5:6:7:8:9]|"
          .. "a@[IPv6:::1::]|@r1,r2:a@x|@:a@x|@r1:|a\tb@x|a(c)@x|a,b@x|"
          .. "a;b@x|a:b@x|a\\b@x|a[b@x|postmaster|" .. long .. "xx@x|a@"
          .. long .. "x.y|a@" .. ("x.y."):rep(64) .. "z") },
        { 501, "MAIL FROM:<|MAIL FROM:<a@x|MAIL FROM:a@x>|MAIL FROM:a@x|"
          .. "MAIL FROM:<a@x>>|MAIL FROM :<a@x>|MAIL TO:<a@x>|"
          .. "MAIL FROM:<a@x> <b@y>|MAIL FROM:<a@x>SIZE=1" },
        { 553, mail "\u{FC}@x|a@\u{FC}.x" },
        { 250, "MAIL FROM:<\u{FC}@x> SMTPUTF8|"
          .. "MAIL FROM:<a@\u{FC}.x> SMTPUTF8" },
        { 501, "MAIL FROM:<\xfc@x> SMTPUTF8|MAIL FROM:<\xc3(@x> SMTPUTF8|"
          .. "MAIL FROM:<\xed\xa0\x80@x> SMTPUTF8|"
          .. "MAIL FROM:<\xc0\xaf@x> SMTPUTF8" },
      })
    end)
  end)

  it("has the parameters that were offered, once, with their values",
    function()
    attacked({}, function(server)
      local function mail(list)
        return (list:gsub("[^|]+", "MAIL FROM:<a@x> %0"))
      end
      answers(server, { "EHLO c" }, {
        { 250, mail "SIZE=10|size=1| SIZE=10|SIZE=10 |BODY=7BIT|"
          .. mail "BODY=8bitmime|SMTPUTF8|SIZE=1 BODY=7BIT SMTPUTF8" },
        { 501, mail("SIZE=|SIZE|SIZE=abc|SIZE=-1|SIZE=+1|SIZE=1.5|SIZE=0x10|"
          .. "SIZE=1 SIZE=2|SIZE=10=20|SIZE= 10|SIZE =10|SIZE=10,BODY=7BIT|"
          .. "SIZE=999999999999999999999|BODY=9BIT|BODY=|BODY|BODY=BINARYMIME|"
          .. "BODY=7BIT BODY=8BITMIME|SMTPUTF8=1|SMTPUTF8=|SMTPUTF8 SMTPUTF8|"
          .. "=x|-FOO=1") },
        { 552, mail "SIZE=99999999999|SIZE=18446744073709551616" },
        { 555, mail "FOO=1|FOO|RET=FULL|ENVID=x|AUTH=<>|BY=10;R" },
      })
      answers(server, { "HELO c" }, {
        { 555, mail "SIZE=10|BODY=8BITMIME|SMTPUTF8" } })
    end)
  end)

  it("holds no NUL and no bare line end, and is not endless", function()
    attacked({}, function(server)
      local p <close> = said(server, { "EHLO c" })
      for octets, expected in pairs {
        ["NOOP a\0b\r\n"] = "501 5.5.2", ["NOOP\rRSET\r\n"] = "501 5.5.2",
        ["NOOP \a\r\n"] = "501 5.5.2", ["NOOP\nRSET\r\n"] = "500 5.5.2",
        ["NOOP " .. ("x"):rep(4090) .. "\r\n"] = "500 5.5.2",
        ["NOOP " .. ("x"):rep(4089) .. "\r\n"] = "250 2.0.0",
        [("x"):rep(5000) .. "\nRSET\r\n"] = "500 5.5.2",
        [("x"):rep(3000000) .. "\r\n"] = "500 5.5.2",
      } do
        p:say(octets)
        assert.equal(expected, p:reply():sub(1, 9))
        p:say "NOOP end\r\n"
        assert.matches("^250 ", p:reply()) -- one answer, not two
      end
    end)
  end)

  it("is not taken from HTTP", function()
    attacked({}, function(server, kept)
      for _, verb in ipairs { "GET", "POST", "CONNECT", "OPTIONS" } do
        local p <close> = said(server, {})
        p:say(verb .. " / HTTP/1.1\r\nHost: x\r\n\r\nEHLO c\r\n"
          .. "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nx\r\n.\r\n")
        assert.equal("554", code(p))
        assert.equal("closed", code(p))
      end
      assert.equal(0, #kept)
    end)
  end)

  it("may be wrong twenty times", function()
    attacked({}, function(server)
      for _, octets in ipairs { "FOO\r\n", "RCPT TO:<b@y>\r\n", "\0\r\n" } do
        local p <close> = said(server, {})
        p:say(octets:rep(1000))
        local answered, last = 0
        repeat
          last = code(p)
          answered = answered + 1
        until last == "421" or last == "closed"
        assert.equal(20, answered)
        assert.equal("closed", code(p))
      end
    end)
  end)
end)

describe("BDAT", function()
  -- What is said, the codes of the answers, how many messages that makes.
  local rows <const> = {
    { "BDAT 5 LAST\r\nhelloNOOP\r\n", "250 250", 1 },
    { "BDAT 0 LAST\r\nNOOP\r\n", "250 250", 1 },
    { "BDAT 5\r\nhelloBDAT 5 LAST\r\nworldNOOP\r\n", "250 250 250", 1 },
    { "BDAT 5 LAST\r\nhelloBDAT 5 LAST\r\nNOOP\nNOOP\r\n", "250 503 250", 1 },
    { "BDAT 5\r\nhelloDATA\r\nNOOP\r\n", "250 503 250", 0 },
    { "BDAT 5\r\nhelloMAIL FROM:<a@x>\r\nNOOP\r\n", "250 503 250", 0 },
    { "BDAT 5\r\nhelloRCPT TO:<a@x>\r\nNOOP\r\n", "250 503 250", 0 },
    { "BDAT 5\r\nhelloRSET\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n",
      "250 250 503 250", 0 },
    { "BDAT 5\r\nhelloQUIT\r\n", "250 221", 0 },
    { "BDAT\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT x\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT -1\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT 5 FIRST\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT 5 LAST LAST\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT 5LAST\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT 99999999999999999999999\r\nNOOP\r\n", "501 closed", 0 },
    { "BDAT 2000 LAST\r\n" .. ("x"):rep(2000) .. "NOOP\r\n", "552 250", 0 },
    { "BDAT 600\r\n" .. ("x"):rep(600) .. "BDAT 600\r\n" .. ("x"):rep(600)
      .. "BDAT 6 LAST\r\nNOOP\r\nRSET\r\nNOOP\r\n", "250 552 503 250 250", 0 },
    { "BDAT 12 LAST\r\nS: x\n\nabcde\nNOOP\r\n", "554 250", 0 },
  }

  it("counts octets, whatever they look like", function()
    attacked({ limits = { size = 1000 } }, function(server, kept)
      for _, row in ipairs(rows) do
        local before = #kept
        local p <close> = said(server, begin)
        p:say(row[1])
        local _, n = row[2]:gsub("%w+", "")
        assert.equal(row[2], codes(p, n), row[1])
        assert.equal(row[3], #kept - before, row[1])
      end
    end)
  end)

  it("takes its octets where it is refused", function()
    attacked({}, function(server)
      for _, before in ipairs { { "EHLO c" }, { "EHLO c", "MAIL FROM:<a@x>" },
        { "EHLO c", "MAIL FROM:<a@x>", "RSET" } } do
        local p <close> = said(server, before)
        p:say "BDAT 17 LAST\r\nMAIL FROM:<e@x>\r\nNOOP\r\n"
        assert.equal("503 250", codes(p, 2))
      end
    end)
  end)

  it("may announce more than there is memory, and nothing is set aside",
    function()
    attacked({}, function(server)
      local p <close> = said(server, begin)
      p:say("BDAT 999999999999 LAST\r\n" .. ("x"):rep(100000))
      assert.equal("552", code(p))
      p:say "NOOP\r\n"
      assert.is_nil(p:reply(0.1))
    end)
  end)
end)

describe("STARTTLS", function()
  it("takes nothing that was said before it", function()
    attacked({ tls = "test" }, function(server, kept)
      for _, more in ipairs { "E", "EHLO c\r\n", "\22\3\1", "\r\n" } do
        local p <close> = said(server, { "EHLO c" })
        p:say("STARTTLS\r\n" .. more)
        assert.equal("554", code(p))
        assert.equal("closed", code(p))
      end
      assert.equal(0, #kept)
    end)
  end)

  it("forgets what was said before it", function()
    attacked({ tls = "test", auth = { secret = function() end } },
      function(server)
      local p <close> = said(server, { "EHLO c", "MAIL FROM:<a@x>", "RSET" })
      assert.is_nil(p:ask("EHLO c"):find "AUTH")
      p:ask "STARTTLS"
      p:starttls()
      assert.matches("^503 ", p:ask "MAIL FROM:<a@x>")
      assert.matches("^503 ", p:ask "AUTH PLAIN AGEAYg==")
      local offers = p:ask "EHLO c"
      assert.is_nil(offers:find "STARTTLS")
      assert.matches("AUTH", offers)
      assert.matches("^503 ", p:ask "STARTTLS")
    end)
  end)

  it("keeps nobody waiting whose handshake stalls or is garbage", function()
    attacked({ tls = "test" }, function(server)
      local stalled <close> = said(server, { "EHLO c", "STARTTLS" })
      local garbage <close> = said(server, { "EHLO c", "STARTTLS" })
      garbage:say(("MAIL FROM:<a@x>\r\n"):rep(20))
      assert.is_nil(garbage:reply(1))
      assert(stalled)
    end)
  end)
end)

describe("AUTH", function()
  local auth <const> = { mechanisms = { "PLAIN", "LOGIN", "CRAM-MD5",
    "SCRAM-SHA-256" }, secret = function(_, user)
    return user == "user" and "secret" or nil
  end }
  local right <const> = "AUTH PLAIN AHVzZXIAc2VjcmV0"

  local function inside(server)
    local p = said(server, { "EHLO c", "STARTTLS" })
    p:starttls()
    p:ask "EHLO c"
    return p
  end

  -- Lines said one after the other, and the codes of the answers.
  local rows <const> = {
    { "235 503", right, right },
    { "235 250 503", right, "MAIL FROM:<a@x>", right },
    { "250 503", "MAIL FROM:<a@x>", right },
    { "235 250", "auth plain AHVzZXIAc2VjcmV0", "NOOP" },
    { "334 235", "AUTH PLAIN", "AHVzZXIAc2VjcmV0" },
    { "334 334 235", "AUTH LOGIN", "dXNlcg==", "c2VjcmV0" },
    { "334 235", "AUTH LOGIN dXNlcg==", "c2VjcmV0" },
    { "334 501 250", "AUTH LOGIN", "*", "NOOP" },
    { "334 334 501 250", "AUTH LOGIN", "dXNlcg==", "*", "NOOP" },
    { "334 501 250", "AUTH LOGIN", "MAIL FROM:<a@x>", "MAIL FROM:<a@x>" },
    { "334 501 250", "AUTH LOGIN", "dXNl\0cg==", "NOOP" },
    { "334 500 250", "AUTH PLAIN", ("A"):rep(20000), "NOOP" },
    { "504 250", "AUTH FOO", "NOOP" },
    { "501 250", "AUTH", "NOOP" },
    { "501 250", "AUTH PLAIN !!!!", "NOOP" },
    { "501 250", "AUTH PLAIN A", "NOOP" },
    { "501 250", "AUTH PLAIN AAAA", "NOOP" },
    { "501 250", "AUTH PLAIN dXNlcg==", "NOOP" },
    { "501 250", right .. " extra", "NOOP" },
    { "501 250", right .. "=", "NOOP" },
    { "501 250", "AUTH PLAIN AHVzZXIAc2VjcmV0AHg=", "NOOP" }, -- one NUL more
    { "535 250", "AUTH PLAIN AHVzZXIAd3Jvbmc=", "NOOP" },
    { "535 250", "AUTH PLAIN b3RoZXIAdXNlcgBzZWNyZXQ=", "NOOP" }, -- as other
    { "334 535 250", "AUTH CRAM-MD5", "dXNlciAwMDAw", "NOOP" },
    { "334 501 250", "AUTH CRAM-MD5", "QUFB", "NOOP" },
    { "501 250", "AUTH SCRAM-SHA-256 QUFB", "NOOP" },
    { "501 250", "AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9", "NOOP" }, -- no nonce
    { "535 535 421 closed", "AUTH PLAIN AHVzZXIAMQ==",
      "AUTH PLAIN AHVzZXIAMg==", "AUTH PLAIN AHVzZXIAMw==", "NOOP" },
  }

  it("lets in who has the word, at the right time, and nobody else",
    function()
    attacked({ tls = "test", auth = auth }, function(server)
      for _, row in ipairs(rows) do
        local p <close> = inside(server)
        local answers = {}
        for i = 2, #row do
          p:say(row[i] .. "\r\n")
          answers[i - 1] = code(p)
        end
        assert.equal(row[1], table.concat(answers, " "), row[2])
      end
    end)
  end)

  it("comes before anything but what needs no name", function()
    served.run({ auth = { required = true, cleartext = true,
      secret = auth.secret } }, function(server)
      local p <close> = said(server, { "EHLO c" })
      for _, line in ipairs { "MAIL FROM:<a@x>", "RCPT TO:<a@x>", "DATA",
        "VRFY a", "EXPN a" } do
        assert.matches("^530 ", p:ask(line))
      end
      p:say "BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n"
      assert.equal("530 250", codes(p, 2))
      for _, line in ipairs { "NOOP", "RSET", "HELP", "EHLO d" } do
        assert.matches("^2", p:ask(line))
      end
      assert.matches("^235 ", p:ask(right))
      assert.matches("^250 ", p:ask "MAIL FROM:<a@x>")
    end)
  end)
end)
