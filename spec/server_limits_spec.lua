-- The limits of a server, each with its answer.
local loop = require "lunapost.loop"
local peers = require "spec.support.peer"
local places = require "lunapost.smtp.places"
local rates = require "lunapost.smtp.rates"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"

local function greeted(server)
  local peer = peers.dial(server.port)
  assert.equal("220 mx.test ESMTP", peer:reply())
  assert.matches("^250%-mx.test|", peer:ask("EHLO spec"))
  return peer
end

local function gone(peer)
  assert.same({ nil, "eof" }, { peer:line() })
end

local function with(limits, steps, more)
  local options = more or {}
  options.limits = limits
  options.log = options.log or function() end
  return served.run(options, steps)
end

local function send(peer, body)
  peer:ask("MAIL FROM:<a@b>")
  peer:ask("RCPT TO:<c@d>")
  peer:ask("DATA")
  peer:say(body .. "\r\n.\r\n")
  return peer:reply()
end

describe("the limit", function()
  it("commands ends a session that has said too many", function()
    with({ commands = 3 }, function(server)
      local peer = greeted(server)
      peer:ask("NOOP")
      assert.matches("^500 ", peer:ask("?"))
      assert.equal("421 4.7.0 mx.test too many commands", peer:ask("NOOP"))
      gone(peer)
    end)
  end)

  it("descriptors leaves some to the sessions that are here", function()
    assert.same({ 19872, 24 }, { places.descriptors(20000),
      places.descriptors(32) })
    with({}, function(server)
      local peer, own = peers.dial(server.port), server.descriptors
      assert.matches("^220", peer:reply())
      server.descriptors = 0
      local other = peers.dial(server.port)
      assert.equal("421 4.3.2 mx.test has too many sessions; try later",
        other:reply())
      gone(other)
      peer:ask "EHLO x"
      assert.matches("^250", send(peer, "one"))
      server.descriptors = own
      assert.matches("^220", peers.dial(server.port):reply())
    end)
  end)

  it("messages ends a session, and is told beforehand", function()
    with({ messages = 2 }, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      assert.matches("LIMITS MAILMAX=2 RCPTMAX=1000", peer:ask("EHLO x"), 1,
        true)
      assert.matches("^250", send(peer, "one"))
      assert.matches("^250", send(peer, "two"))
      assert.equal("421 4.7.0 mx.test too many messages",
        peer:ask("MAIL FROM:<a@b>"))
      gone(peer)
    end)
  end)

  it("unknown ends a session that only guesses", function()
    with({ unknown = 3 }, function(server)
      local peer = greeted(server)
      assert.equal("502 5.5.1 command not implemented", peer:ask("XONE"))
      assert.equal("500 5.5.2 command not recognized", peer:ask("?"))
      assert.equal("502 5.5.1 command not implemented", peer:ask("XTWO"))
      assert.equal("421 4.7.0 mx.test too many unknown commands",
        peer:ask("XTHREE"))
      gone(peer)
    end)
  end)

  it("unknown does not count commands of the script's own", function()
    with({ unknown = 2 }, function(server)
      local peer = greeted(server)
      for _ = 1, 5 do assert.matches("^250", peer:ask("XADR")) end
    end, { commands = { XADR = function() return 250, "yes" end } })
  end)

  it("header bounds the header, not the body", function()
    local sizes = {}
    with({ header = 100 }, function(server)
      local peer = greeted(server)
      local line = "A: " .. ("x"):rep(30)
      assert.matches("^250", send(peer, line .. "\r\n\r\n"
        .. ("y\r\n"):rep(99)))
      assert.equal("552 5.3.4 header too big",
        send(peer, ("%s\r\n"):format(line):rep(3) .. "\r\nbody"))
      peer:ask("MAIL FROM:<a@b>")
      peer:ask("RCPT TO:<c@d>")
      peer:say("BDAT 102 LAST\r\nA:" .. ("x"):rep(98) .. "\r\n")
      assert.equal("552 5.3.4 header too big", peer:reply())
      assert.equal("250 2.0.0 ok", peer:ask("NOOP"))
      assert.matches("^250", send(peer, ("no field\r\n"):rep(50)))
    end, { on = { data = function(_, body)
      sizes[#sizes + 1] = #body:read()
    end } })
    assert.same({ 33 + 4 + 297 + 2, 502 }, sizes)
  end)

  it("session_time ends a session that is never silent", function()
    with({ session_time = 0.2 }, function(server)
      local peer = greeted(server)
      local replies, last = 0
      local limit = loop.now() + 60
      repeat
        last = peer:ask("NOOP")
        replies = replies + 1
        loop.sleep(0.01)
      until not last or not last:find("^250") or loop.now() > limit
      assert.equal("421 4.4.2 mx.test has no more time", last)
      assert.is_true(replies > 1)
      gone(peer)
    end)
  end)

  it("body_time ends a body that only trickles in", function()
    local why, unwound
    with({ body_time = 0.2, timeout = 5 }, function(server)
      local peer = greeted(server)
      peer:ask("MAIL FROM:<a@b>")
      peer:ask("RCPT TO:<c@d>")
      peer:ask("DATA")
      local last
      local limit = loop.now() + 60
      repeat
        peer:say("x")
        last = peer:reply(0.01)
      until last or loop.now() > limit
      assert.equal("421 4.4.2 mx.test has no more time", last)
      gone(peer)
    end, { on = { disconnect = function(_, reason) why = reason end,
      data = function(_, body)
        local _ <close> = setmetatable({}, { __close = function()
          unwound = true
        end })
        body:read()
      end } })
    assert.equal("timeout", why)
    assert.is_true(unwound)
  end)

  it("body_time is of one body, the session has its own", function()
    with({ body_time = 0.3 }, function(server)
      local peer = greeted(server)
      for _ = 1, 4 do
        assert.matches("^250", send(peer, "quick"))
        loop.sleep(0.1)
      end
    end)
  end)

  it("handler is of the error handler, too", function()
    local took = false
    with({ handler = 0.2 }, function(server)
      local peer <close> = greeted(server)
      assert.matches("^451 ", peer:ask "MAIL FROM:<a@b>")
      assert.matches("^250 ", peer:ask "NOOP")
    end, { on = { mail = function() error "boom" end, error = function()
      loop.sleep(30)
      took = true
    end } })
    assert.is_false(took)
  end)

  it("handler is of who makes handlers for a session, too", function()
    local took = false
    with({ handler = 0.2 }, function(server)
      local peer <close> = peers.dial(server.port)
      assert.equal("421 4.3.0 local error; try again later", peer:reply())
    end, { on = function()
      loop.sleep(30)
      took = true
      return {}
    end })
    assert.is_false(took)
  end)

  it("handshake bounds TLS", function()
    with({ handshake = 0.1 }, function(server)
      local peer = greeted(server)
      assert.matches("^220", peer:ask("STARTTLS"))
      local before = loop.now()
      local line, why = peer:line()
      assert.is_nil(line)
      assert.equal("eof", why)
      assert.is_true(loop.now() - before < 30) -- 60 are the default
    end, { tls = "test" })
  end)

  it("source_connection_rate turns away who comes too often", function()
    with({ source_connection_rate = 2 }, function(server)
      for _ = 1, 2 do greeted(server):close() end
      local peer = peers.dial(server.port)
      assert.equal("421 4.7.0 mx.test has too many connections from you; "
        .. "try later", peer:reply())
      gone(peer)
    end)
  end)

  it("connection_rate turns away whoever comes", function()
    with({ connection_rate = 1 }, function(server)
      greeted(server):close()
      local peer = peers.dial(server.port)
      assert.equal("421 4.3.2 mx.test has too many connections; try later",
        peer:reply())
    end)
  end)

  it("source_message_rate refuses messages for now", function()
    with({ source_message_rate = 2 }, function(server)
      local peer = greeted(server)
      assert.matches("^250", send(peer, "one"))
      assert.matches("^250", send(peer, "two"))
      assert.equal("450 4.7.1 too many messages from you; try later",
        peer:ask("MAIL FROM:<a@b>"))
      assert.matches("^503", peer:ask("RCPT TO:<c@d>"))
      assert.equal("450 4.7.1 too many messages from you; try later",
        greeted(server):ask("MAIL FROM:<a@b>"))
    end)
  end)

  it("message_rate does so for all", function()
    with({ message_rate = 1 }, function(server)
      local peer = greeted(server)
      assert.matches("^250", send(peer, "one"))
      assert.equal("450 4.3.2 too many messages; try later",
        peer:ask("MAIL FROM:<a@b>"))
    end)
  end)

  it("greeting_pause turns away who talks first", function()
    local logged = {}
    with({ greeting_pause = 0.2 }, function(server)
      local hasty = peers.dial(server.port)
      hasty:say("EHLO spec\r\n")
      assert.equal("554 mx.test greets first; who talks before is not served",
        hasty:reply())
      gone(hasty)
      local before = loop.now()
      local patient = peers.dial(server.port)
      assert.equal("220 mx.test ESMTP", patient:reply())
      assert.is_true(loop.now() - before >= 0.19)
      assert.matches("^250", patient:ask("EHLO spec"))
    end, { log = served.log(logged) })
    assert.same({ "talks before the greeting" }, logged)
  end)

  it("tarpit delays refusals", function()
    with({ tarpit = 0.2 }, function(server)
      local peer = greeted(server)
      local function seconds(line, code)
        local before = loop.now()
        assert.equal(code, peer:ask(line):sub(1, 3))
        return loop.now() - before
      end
      assert.is_true(seconds("FROB", "502") >= 0.19)
      assert.is_true(seconds("RCPT TO:<a@b>", "503") >= 0.19)
    end)
  end)

  it("tarpit delays nothing but refusals, and nobody else", function()
    with({ tarpit = 60 }, function(server)
      local refused, served_well = greeted(server), greeted(server)
      refused:say("FROB\r\n")
      assert.matches("^250", served_well:ask("NOOP"))
      assert.same({ nil, "timeout" }, { refused:reply(0) })
    end)
  end)
end)

describe("pipelining", function()
  it("before EHLO allowed it is refused, command by command", function()
    with({}, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:say("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
      assert.matches("^250%-", peer:reply())
      for _ = 1, 2 do
        assert.equal("503 5.5.1 pipelining before EHLO allowed it",
          peer:reply())
      end
      peer:say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
      assert.matches("^250", peer:reply())
      assert.matches("^250", peer:reply())
    end)
  end)

  it("is not for who says HELO", function()
    with({}, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:ask("HELO x")
      peer:say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nQUIT\r\n")
      assert.matches("^250", peer:reply())
      assert.matches("^503 5.5.1 pipelining", peer:reply())
      assert.matches("^221", peer:reply())
    end)
  end)

  it("may be allowed at any time", function()
    with({}, function(server)
      local peer = peers.dial(server.port)
      peer:say("HELO x\r\nMAIL FROM:<a@b>\r\nQUIT\r\n")
      for _, code in ipairs { "220", "250", "250", "221" } do
        assert.equal(code, peer:reply():sub(1, 3))
      end
    end, { early_pipelining = true })
  end)
end)

describe("HTTP", function()
  it("ends the session at its first line", function()
    local errors, greetings = 0, 0
    with({}, function(server)
      for _, line in ipairs { "GET / HTTP/1.1", "POST /x?y HTTP/1.0",
        "CONNECT mx.test:25 HTTP/1.1", "PRI * HTTP/2.0" } do
        local peer = peers.dial(server.port)
        peer:reply()
        peer:say(line .. "\r\nHost: mx.test\r\n\r\nEHLO x\r\nMAIL FROM:<a@b>"
          .. "\r\n")
        assert.equal("554 5.5.1 this is no HTTP server", peer:reply())
        gone(peer)
      end
      local peer = peers.dial(server.port)
      peer:reply()
      for _, line in ipairs { "GET up", "CONNECT", "CONNECT x" } do
        assert.equal("502 5.5.1 command not implemented", peer:ask(line))
      end
    end, { on = { mail = function() errors = errors + 1 end,
      connect = function() greetings = greetings + 1 end } })
    assert.equal(0, errors)
    assert.equal(5, greetings)
  end)
end)

describe("a rate", function()
  it("counts each key by itself, and lets past events fade", function()
    local rate = rates.new(2)
    assert.is_true(rate:take "a")
    assert.is_true(rate:take "a")
    assert.is_false(rate:take "a")
    assert.is_true(rate:take "b")
    rate.began = rate.began - 75 -- a quarter of the next minute
    assert.is_true(rate:take "a") -- 1.5 of before fade in
    assert.is_false(rate:take "a")
    rate.began = rate.began - 300
    assert.is_true(rate:take "a")
    assert.same({ a = 1 }, rate.present)
    assert.same({}, rate.past)
  end)
end)

describe("limits", function()
  it("are documented, each by its name", function()
    local readme = io.open("README.md"):read "a"
    local part = readme:match("\n### Limits of a server\n(.-)\n## ")
    for name in pairs(server_of.limits) do
      assert(part:find("`" .. name .. "`", 1, true), name)
    end
  end)
end)
