local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"

-- Sends one message by hand, and notes in events when it is accepted.
local function deliver(server, name, events)
  local peer <close> = peers.dial(server.port)
  peer:reply()
  peer:ask("EHLO spec")
  peer:ask("MAIL FROM:<a@example.org>")
  peer:ask("RCPT TO:<" .. name .. "@example.org>")
  peer:ask("DATA")
  peer:say("Subject: x\r\n\r\nhello\r\n.\r\n")
  assert.matches("^250 ", peer:reply())
  events[#events + 1] = name
end

local function deliver_many(server, n, events)
  for i = 1, n do
    loop.spawn(deliver, server, "quick" .. i, events)
  end
end

local function wait_for(n, events)
  patience.await(loop, function() return #events >= n end)
  assert.equal(n, #events)
end

local function secure(server)
  local peer = peers.dial(server.port)
  peer:reply()
  peer:ask("EHLO spec")
  assert.matches("^220 ", peer:ask("STARTTLS"))
  return peer
end

describe("one session", function()
  it("that relays to a slow server does not delay fifty others", function()
    local smtp = require "lunapost.smtp"
    local events, go = {}, false
    local slow = server_of.new { hostname = "slow.test",
      listen = "127.0.0.1:0", on = { data = function()
        while not go do loop.sleep(0.01) end
        return 250, "2.0.0", "at last"
      end } }
    served.run({ on = { data = function(session, body)
      local bytes = body:read()
      if session.envelope.to[1].localpart ~= "slow" then return end
      events[#events + 1] = "relaying"
      local client <close> = assert(smtp.open { host = "127.0.0.1",
        port = slow.port, tls = "none", helo = "mx.test" })
      assert(client:send({ from = "a@example.org",
        to = { "b@example.net" } }, bytes))
    end } }, function(server)
      assert(slow:start())
      loop.spawn(deliver, server, "slow", events)
      while events[1] ~= "relaying" do loop.sleep(0.01) end
      deliver_many(server, 50, events)
      wait_for(51, events)
      go = true
      wait_for(52, events)
      slow:stop(0)
    end)
    assert.equal("relaying", events[1])
    assert.equal("slow", events[52])
  end)

  -- How many commands of a flood are served before another session's one.
  local function served_before(secured)
    local flood <const> = 20000
    local other, served_so_far, at = nil, 0, nil
    local function noop(_, text)
      if text == "other" then
        at = served_so_far
        return
      end
      served_so_far = served_so_far + 1
      if served_so_far == 1 then other:say("NOOP other\r\n") end
    end
    served.run({ tls = "test", on = { noop = noop } }, function(server)
      local peer <close> = peers.dial(server.port)
      local quiet <close> = peers.dial(server.port)
      for _, one in ipairs { peer, quiet } do
        one:reply()
        one:ask "EHLO spec"
      end
      other = quiet
      if secured then
        assert.matches("^220 ", peer:ask "STARTTLS")
        peer:starttls()
        peer:ask "EHLO spec"
      end
      loop.spawn(peer.say, peer, ("NOOP\r\n"):rep(flood))
      assert.matches("^250 ", quiet:reply())
      for _ = 1, flood do assert.matches("^250 ", peer:reply()) end
    end)
    assert.equal(flood, served_so_far)
    return at
  end

  it("that always has more to say does not delay others", function()
    assert.is_true(served_before(false) < 200)
  end)

  it("that always has more to say in TLS does not, either", function()
    assert.is_true(served_before(true) < 200)
  end)

  it("that stalls its TLS handshake does not delay others", function()
    local events = {}
    served.run({ tls = "test", limits = { timeout = 60 },
      on = { secured = function() events[#events + 1] = "secured" end } },
      function(server)
        local stalled <close> = secure(server)
        stalled:say("\22\3\1") -- the head of a record, and no more
        deliver_many(server, 10, events)
        wait_for(10, events)
        local other <close> = secure(server)
        other:starttls()
        assert.matches("^250", other:ask("EHLO spec"))
        assert.equal("secured", events[11])
      end)
  end)

  it("that never ends its handshake is ended by the deadline", function()
    local why
    served.run({ tls = "test", limits = { handshake = 0.2 },
      on = { disconnect = function(_, reason) why = reason end } },
      function(server)
        local stalled <close> = secure(server)
        local before = loop.now()
        assert.is_nil((stalled:line()))
        assert.is_true(loop.now() - before < 30) -- 60 are the default
      end)
    assert.is_not_nil(why)
  end)
end)

describe("octets that TLS holds decrypted", function()
  it("never wait for the socket", function()
    served.run({ tls = "test" }, function(server)
      local peer <close> = secure(server)
      peer:starttls()
      assert.matches("^250", peer:ask("EHLO spec"))
      -- one record of some 16 KiB; the server reads 4 KiB at a time
      peer:say(("NOOP 12345\r\n"):rep(1300))
      for _ = 1, 1300 do assert.equal("250 2.0.0 ok", peer:reply()) end
    end)
  end)

  it("nor does a body that came in the same record as DATA", function()
    local got
    served.run({ tls = "test", on = { data = function(_, body)
      got = body:read()
    end } }, function(server)
      local peer <close> = secure(server)
      peer:starttls()
      peer:ask("EHLO spec")
      local text = ("x"):rep(70) .. "\r\n"
      peer:say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
        .. text:rep(200) .. ".\r\n")
      for _ = 1, 3 do peer:reply(1) end
      assert.matches("^250 ", peer:reply(1))
      assert.equal(text:rep(200), got)
    end)
  end)
end)
