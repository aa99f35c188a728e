local codec = require "lunapost.codec"
local mime = require "lunapost.mime"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

local PIPELINING <const> = "250-x\r\n250 PIPELINING"

-- What one transaction for two comes to, the peer answering with these.
local function outcome(answers, ehlo)
  local result, problem
  scripted.run(function(peer)
    peer:say("220 x")
    peer:answer(ehlo or "250 x", table.unpack(answers))
    if answers[#answers] and answers[#answers]:find("^354") then
      peer:body()
      peer:say(answers.final or "250 kept")
    end
    while peer:hear() do end
  end, function(options)
    local client <close> = assert(smtp.open(options))
    result, problem = client:send({ from = "a@x", to = { "b@y", "c@y" } },
      "x\n")
  end)
  return result, problem
end

local function breaks(answers, ehlo, kind)
  local result, problem = outcome(answers, ehlo)
  assert.is_nil(result)
  assert.equal(kind or "protocol", problem.kind)
  assert.same({}, problem.accepted)
  for _, one in ipairs(problem.rejected) do
    assert.is_true(one.code >= 400, one.code)
  end
  return problem
end

describe("a reply that its command cannot have", function()
  for name, ehlo in pairs { ["in turn"] = "250 x", pipelined = PIPELINING } do
    it("breaks the protocol, " .. name, function()
      breaks({ "354 go" }, ehlo)
      breaks({ "250 ok", "334 what" }, ehlo)
      local problem = breaks({ "250 ok", "250 ok", "250 ok", "250 ok" }, ehlo)
      assert.equal("DATA", problem.command)
      assert.matches("250", problem.text)
      assert.matches("S: 250 ok\n%-%- no reply", tostring(problem.transcript))
      breaks({ "250 ok", "250 ok", "250 ok", "354 go", final = "354 go" },
        ehlo, "unconfirmed")
    end)
  end

  it("breaks the protocol as a greeting, and to EHLO", function()
    for _, said in ipairs { { "250 x" }, { "221 x" }, { "354 x" },
      { "220 x", "334 x" } } do
      scripted.run(function(peer)
        peer:say(said[1])
        peer:answer(said[2])
        peer:hear()
      end, function(options)
        local client, problem = smtp.open(options)
        assert.is_nil(client)
        assert.equal("protocol", problem.kind)
      end)
    end
  end)

  it("is not taken for another's", function()
    local twice <const> = "250 a\r\n250 b"
    local problem = breaks({ twice, "550 nobody", "250 ok", "354 go" },
      PIPELINING)
    assert.same({}, problem.rejected)
    problem = breaks({ twice, "550 nobody", "550 nobody", "503 no" },
      PIPELINING)
    assert.same({}, problem.rejected)
    breaks({ twice }, "250 x")
  end)

  it("does not come ahead of the body", function()
    local result, problem = outcome({ "250 ok", "250 ok", "250 ok",
      "354 go\r\n250 kept" })
    assert.is_nil(result)
    assert.equal("protocol", problem.kind)
  end)

  it("is the script's own where it wrote raw octets", function()
    scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250 x", "250 a", "354 odd")
    end, function(options)
      local client <close> = assert(smtp.open(options))
      assert(client:write("XADR\r\n"))
      assert(client:expect(250))
      assert.equal(354, client:mail("a@x").code)
    end)
  end)
end)

describe("the reply to a message", function()
  local last <const> = { ["250 2.0.0 kept"] = { "2.0.0", "kept", "kept" },
    ["250 kept"] = { nil, "kept", "kept" }, ["250"] = { nil, "", "" },
    ["250-2.0.0 a\r\n250 2.0.0 b"] = { "2.0.0", "a\nb", "a|b" } }

  -- Replies to it: from the machine at once, and command by command.
  local function replies_to(final)
    local list = {}
    for _, ehlo in ipairs { "250 x", PIPELINING } do
      local pipelined = ehlo == PIPELINING
      local result = assert(outcome({ "250 ok", "250 ok", "250 ok", "354 go",
        final = final }, ehlo))
      list[pipelined and "posted" or "said"] = result.reply
    end
    return list
  end

  it("has all its fields, whichever way that went", function()
    for final, expected in pairs(last) do
      for way, reply in pairs(replies_to(final)) do
        assert.equal(250, reply.code, way)
        assert.equal(expected[1], reply.enhanced, way)
        assert.equal(expected[2], reply.text, way)
        assert.is_nil(reply.other, way)
        assert.equal(expected[3], table.concat(reply.lines, "|"), way)
        assert.equal(final, table.concat(reply.raw, "\r\n"), way)
      end
    end
  end)

  it("has them for who goes through it, too", function()
    for final, expected in pairs(last) do
      for way, reply in pairs(replies_to(final)) do
        local seen = {}
        for name, value in pairs(reply) do seen[name] = value end
        assert.same({ code = 250, enhanced = expected[1], text = expected[2],
          lines = reply.lines, raw = reply.raw }, seen, way)
        assert.equal(final, table.concat(seen.raw, "\r\n"), way)
      end
    end
  end)
end)

describe("a server's SIZE", function()
  it("is a decimal number, or none", function()
    for word, kind in pairs { ["0x10"] = false, ["1e1"] = false,
      ["10"] = "limit", ["-5"] = false } do
      local result, problem = nil, nil
      scripted.run(function(peer)
        peer:say("220 x")
        peer:answer("250-x\r\n250 SIZE " .. word, "250 ok", "250 ok", "354 go")
        peer:body()
        peer:say("250 kept")
      end, function(options)
        local client <close> = assert(smtp.open(options))
        result, problem = client:send({ from = "a@x", to = "b@y" },
          ("x"):rep(98) .. "\r\n")
      end)
      assert.equal(kind, problem and problem.kind or false, word)
      assert.equal(not kind, result ~= nil, word)
    end
  end)
end)

describe("a message that declares itself", function()
  -- The MAIL command that a message leads to.
  local function mail_of(message)
    local heard = scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250-8BITMIME\r\n250 SMTPUTF8", "250 ok", "250 ok",
        "354 go")
      peer:body()
      peer:say("250 kept")
    end, function(options)
      local client <close> = assert(smtp.open(options))
      assert(client:send({ from = "a@x.org", to = "b@y.org" }, message))
    end)
    return heard[1][2]
  end

  it("says BODY=8BITMIME where its octets need it, and only there", function()
    local plain <const> = "MAIL FROM:<a@x.org>"
    local eight <const> = plain .. " BODY=8BITMIME"
    local bytes <const> = "Content-Type: text/plain; charset=utf-8\r\n"
      .. "Content-Transfer-Encoding: 8bit\r\n\r\ngr\u{fc}n\r\n"
    local function built(text)
      return mime.message { from = "a@x.org", to = "b@y.org", text = text }
    end
    assert.equal(plain, mail_of(built("plain")))
    local message <const> = built("gr\u{fc}n\n")
    local is_8bit <const> = message:render({ encoding = "8bit" })
      :find("[\128-\255]")
    assert.equal(is_8bit and eight or plain, mail_of(message))
    assert.equal(eight, mail_of(bytes))
    assert.equal(eight, mail_of(mime.parse(bytes)))
    assert.equal(plain, mail_of(mime.parse("Subject: x\r\n\r\nx\r\n")))
  end)

  it("says SMTPUTF8 where its header needs it", function()
    local message <const> = mime.message { from = "j\u{f6}rg@x.org",
      to = "b@y.org", text = "x" }
    assert.matches(" SMTPUTF8", mail_of(message))
  end)
end)

describe("a secret that the server says", function()
  local function echo(password, run)
    local credentials <const> = { user = "ana", password = password,
      mechanism = "PLAIN", cleartext = true }
    scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 AUTH PLAIN")
      local line = peer:hear()
      peer:say(("535-5.7.8 no %s\r\n535 5.7.8 and '%s' %s"):format(line,
        password, codec.base64.encode(password)))
      peer:answer("250 again " .. password)
    end, function(options)
      local client <close> = assert(smtp.open(options))
      local reply, problem = client:auth(credentials)
      assert.is_nil(reply)
      run(problem, client)
    end)
  end

  it("is shown nowhere", function()
    for _, password in ipairs { "s3cr3t%pw", "open", "p.w", "\u{fc}" } do
      local plain <const> = codec.base64.encode("\0ana\0" .. password)
      echo(password, function(problem, client)
        local noop = assert(client:noop())
        for _, text in ipairs { problem.text, problem.reply.text,
          table.concat(problem.reply.raw), table.concat(problem.reply.lines),
          tostring(problem), tostring(client.transcript), tostring(noop) } do
          assert.is_nil(text:find(password, 1, true), text)
          assert.is_nil(text:find(plain, 1, true), text)
          assert.is_nil(text:find(codec.base64.encode(password), 1, true))
        end
        assert.equal(535, problem.code)
        assert.matches("%*%*%*%*", problem.text)
        assert.equal("again ********", noop.text)
      end)
    end
  end)

  it("leaves the words be of which a short one is a part", function()
    echo("aga", function(_, client)
      assert.equal("again ********", assert(client:noop()).text)
    end)
  end)
end)
