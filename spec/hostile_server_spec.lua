local patience = require "spec.support.patience"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

describe("a hostile server", function()
  -- The error that smtp.open and one transaction end in.
  local function fate(script, timeouts)
    local problem
    scripted.run(script, function(options)
      options.timeouts = timeouts
      local client
      client, problem = smtp.open(options)
      if not client then return end
      local result
      result, problem = client:send({ from = "a@x", to = { "b@y" } }, "x\n")
      if result then problem = nil end
    end)
    return problem
  end

  -- The lines of the server in a whole session.
  local phases <const> = { "220 x", "250-x\r\n250 HELP", "250 ok", "250 ok",
    "354 go", "250 kept" }

  local function upto(n, last)
    return function(peer)
      for i = 1, n - 1 do
        peer:say(phases[i])
        if i == 5 then peer:body() else peer:hear() end
      end
      last(peer)
    end
  end

  it("is no match for replies that come octet by octet", function()
    assert.is_nil(fate(function(peer)
      for i, phase in ipairs(phases) do
        if i == 6 then peer:body() elseif i > 1 then peer:hear() end
        peer:drip(phase .. "\r\n")
      end
      peer:hear()
    end))
  end)

  it("may close at every phase", function()
    for n = 1, 6 do
      local problem = fate(upto(n, function(peer) peer:close() end))
      assert.equal(n == 6 and "unconfirmed" or "closed", problem.kind, n)
      assert.is_true(n == 6 or problem.transient)
    end
  end)

  it("may say 421 at every phase", function()
    for n = 1, 6 do
      local problem = fate(upto(n, function(peer)
        peer:say("421 4.3.2 going down")
        peer:hear()
      end))
      assert.equal("reply", problem.kind, n)
      assert.equal(421, problem.code)
      assert.is_true(problem.transient)
    end
  end)

  it("may stay silent at every phase", function()
    for n, phase in ipairs { "greeting", "ehlo", "mail", "rcpt",
      "data_initiation", "data_termination" } do
      local problem = fate(upto(n, function(peer) peer:hold() end),
        { [phase] = 0.1 })
      assert.equal(n == 6 and "unconfirmed" or "timeout", problem.kind, n)
    end
  end)

  it("may drip a reply for ever: the deadline is for the whole", function()
    local problem = fate(function(peer)
      for octet in ("220 " .. ("x"):rep(200)):gmatch "." do
        if not peer:write(octet) then return end
        peer.loop.sleep(0.02)
      end
    end, { greeting = 0.2 })
    assert.equal("timeout", problem.kind)
  end)

  it("may mix codes, forget them, or send none", function()
    for _, garbage in ipairs { "250-a\r\n251 b", "250-a\r\nb", "hello",
      "25 ok", "999 ok", "250_ok", "\255\254", "" } do
      local problem = fate(upto(3, function(peer)
        peer:say(garbage)
        peer:hear()
      end))
      assert.equal("protocol", problem.kind, garbage)
    end
  end)

  it("may send lines and replies without end", function()
    local long = "250-" .. ("x"):rep(70) .. "\r\n"
    for _, flood in ipairs { ("250 " .. ("x"):rep(100000)),
      long:rep(5000) } do
      local problem = fate(upto(2, function(peer)
        peer:write(flood)
        peer:hear()
      end))
      assert.equal("protocol", problem.kind)
      assert.matches("too long", problem.text)
    end
  end)

  it("may answer before it is asked", function()
    local problem = fate(function(peer)
      peer:say("220 x", "250 x")
      peer:hear()
    end)
    assert.equal("protocol", problem.kind)
    assert.matches("nobody asked", problem.text)
  end)

  it("refuses and is gone: what it said stands", function()
    local pipelining = { "220 x", "250-x\r\n250 PIPELINING", "250 ok" }
    for n = 2, 4 do
      local problem = fate(function(peer)
        for i = 1, n - 1 do
          peer:say(pipelining[i])
          peer:hear()
        end
        peer:say("554 5.7.1 no")
        peer.conn:shutdown()
        peer:linger()
      end)
      assert.equal("reply", problem.kind, n)
      assert.equal(554, problem.code)
    end
  end)

  it("may say that it has the message before it has", function()
    -- both replies at once; the second by itself; while a body blocks
    for _, how in ipairs { "\r\n", 0, 0.1 } do
      local problem
      scripted.run(upto(5, function(peer)
        peer:write(how == "\r\n" and "354 go\r\n250 kept\r\n" or "354 go\r\n")
        if how ~= "\r\n" then
          peer.loop.sleep(how)
          peer:say("250 kept")
        end
        peer:hold() -- it reads no body
      end), function(options)
        local client = assert(smtp.open(options))
        local result
        result, problem = client:send({ from = "a@x", to = { "b@y" } },
          ("x\n"):rep(1 << 24))
        assert.is_nil(result)
      end)
      assert.equal("protocol", problem.kind, how)
      assert.same({}, problem.accepted)
    end
  end)

  it("may offer 200 extensions", function()
    local lines = { "250-x" }
    for i = 1, 200 do lines[#lines + 1] = ("250-X%d %d"):format(i, i) end
    lines[#lines + 1] = "250 HELP"
    scripted.run(function(peer)
      peer:say("220 x")
      peer:answer(table.concat(lines, "\r\n"))
    end, function(options)
      local client = assert(smtp.open(options))
      assert.same({ "200" }, client.extensions.X200)
    end)
  end)

  it("says 554 as its greeting and is heard", function()
    local problem = fate(function(peer)
      peer:say("554 5.7.1 go away")
      peer:hear()
    end)
    assert.equal("reply", problem.kind)
    assert.equal(554, problem.code)
    assert.equal("the greeting", problem.command)
  end)

  it("garbles the reply to the dot: nobody knows what became of the mail",
    function()
    local problem = fate(upto(6, function(peer)
      peer:say("250-kept\r\n550 or not")
      peer:hear()
    end))
    assert.equal("unconfirmed", problem.kind)
  end)

  it("leaves the session closed", function()
    scripted.run(function(peer)
      peer:say("220 x", "250 x")
    end, function(options)
      local client = assert(smtp.connect(options))
      assert.is_nil(client:ehlo())
      local reply, problem = client:noop()
      assert.is_nil(reply)
      assert.equal("closed", problem.kind)
      assert.is_nil(client:write("x"))
      client:close()
      client:close()
    end)
  end)
end)

describe("a session that is cancelled", function()
  it("closes its connection at whatever phase it was in", function()
    for n = 1, 5 do
      local there, gone = false, false
      scripted.run(function(peer)
        peer:say("220 x")
        peer:answer(table.unpack({ "250 x", "250 ok", "250 ok", "354 go" },
          1, n - 1))
        there = true
        peer:linger()
        gone = true
      end, function(options, loop)
        local task = loop.spawn(function()
          local client <close> = assert(smtp.open(options))
          client:send({ from = "a@x", to = { "b@y" } }, "x\n")
        end)
        patience.await(loop, function() return there end)
        loop.kill(task)
        patience.await(loop, function() return gone end)
      end)
    end
  end)
end)
