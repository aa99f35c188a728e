-- Sessions that no honest client holds: octets as they are, in pieces, in
-- the wrong order, and what is expected of the answers.
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

-- Holds a session with a script; more: options of smtp.connect.
local function run(script, steps, more)
  return scripted.run(script, function(options, loop)
    for name, value in pairs(more or {}) do options[name] = value end
    local client <close> = assert(smtp.connect(options))
    steps(client, loop)
  end)[1]
end

describe("a raw write", function()
  it("goes out as it is, in pieces and with pauses", function()
    local sizes, slept = {}, nil
    local heard = run(function(peer)
      peer:say("220 x")
      while true do
        local octets, why = peer.conn:read(1000)
        if octets then
          sizes[#sizes + 1] = #octets
          if table.concat(sizes):find "^1111" then peer:say("250 ok") break end
        elseif why == "read" then
          peer.loop.wait(peer.conn:fd(), "r", 2)
        end
      end
    end, function(client, loop)
      local from = loop.now()
      assert(client:write("NO\n.", { size = 1, pause = 0.02 }))
      slept = loop.now() - from
      assert(client:expect(250))
      assert.equal("C: N\\\nC: O\\\nC: \\n\nC: .\\\n",
        tostring(client.transcript):match "C: N.*%.\\\n")
    end)
    assert.same({}, heard)
    assert.same({ 1, 1, 1, 1 }, sizes)
    assert.is_true(slept >= 0.059)
  end)

  it("hides a password that is written in pieces", function()
    run(function(peer)
      peer:say("220 x")
      peer:hear()
      peer:say("334 ")
      peer:hear()
      peer:say("235 ok")
    end, function(client)
      assert(client:write("AUTH PLAIN AGEAc2Vj", { size = 3 }))
      assert(client:write("cmV0\r\n", { size = 1 }))
      assert(client:expect(334))
      assert(client:write("c2Vj", { size = 2 }))
      assert(client:write("cmV0\r\n"))
      assert(client:expect(235))
      local said = client.transcript:text():gsub("%*+", "")
      for octets in ("AGEA c2V cmV Vj V0"):gmatch "%S+" do
        assert.is_nil(said:find(octets, 1, true), said)
      end
    end)
  end)

  it("may come before the greeting", function()
    run(function(peer)
      assert.equal("EHLO early", peer:hear())
      peer:say("554 5.5.0 wait for your turn")
    end, function(client)
      assert.is_nil(client.greeting)
      assert(client:write("EHLO early\r\n"))
      local reply = assert(client:expect(554))
      assert.equal("5.5.0", reply.enhanced)
    end, { greeting = false })
  end)

  it("hears the greeting where it was left out", function()
    run(function(peer)
      peer:say("220 x")
      peer:answer("250 x")
    end, function(client)
      assert.equal("x", assert(client:expect(220)).text)
      assert(client:ehlo())
    end, { greeting = false })
  end)

  it("may be half closed", function()
    run(function(peer)
      peer:say("220 x")
      assert.equal("NOOP", peer:hear())
      assert.is_nil(peer:hear())
      peer:say("250 all the same")
    end, function(client)
      assert(client:write("NOOP\r\n"))
      assert(client:shutdown())
      assert.equal("all the same", client:expect(250).text)
      assert.is_true(client:expect("closed"))
      assert.matches("%-%- nothing more is said\n", tostring(client.transcript))
    end)
  end)

  it("pauses, and the transcript tells", function()
    run(function(peer) peer:say("220 x") end, function(client, loop)
      local from = loop.now()
      client:pause(0.05)
      assert.is_true(loop.now() - from >= 0.049)
      assert.matches("%-%- a pause of 0%.05 s\n", tostring(client.transcript))
    end)
  end)
end)

describe("an expectation", function()
  it("tells what came instead, to what, and what was hoped for", function()
    run(function(peer)
      peer:say("220 x")
      peer:answer("250 ok", "550 5.1.1 nobody")
    end, function(client)
      assert(client:write("MAIL FROM:<a@example.org>\r\n"))
      assert(client:expect(250))
      assert(client:write("RCPT TO:<b@example.org>\r\n"))
      local reply, problem = client:expect { 250, 251 }
      assert.is_nil(reply)
      assert.equal(550, problem.reply.code)
      assert.matches("^127%.0%.0%.1:%d+: 550 5%.1%.1 nobody, where 250 or 251 "
        .. "was expected %(RCPT TO:<b@example%.org>%)$", tostring(problem))
    end)
  end)

  it("tells that nothing came in time", function()
    run(function(peer)
      peer:say("220 x")
      peer:hear()
      peer:hear()
    end, function(client)
      assert(client:write("NOOP\r\n"))
      local reply, problem = client:expect(250, 0.05)
      assert.is_nil(reply)
      assert.equal("timeout", problem.kind)
      assert.matches("no reply within 0%.05 seconds, where 250 was expected "
        .. "%(NOOP%)$", tostring(problem))
    end)
  end)

  it("may be that the peer closes, or is silent", function()
    run(function(peer)
      peer:say("220 x")
      peer:hear()
      peer.loop.sleep(0.1)
      peer:say("250 late")
      peer:hear()
    end, function(client)
      assert(client:write("NOOP\r\n"))
      assert.is_true(client:expect("silence", 0.02))
      local ok, problem = client:expect("silence", 1)
      assert.is_nil(ok)
      assert.matches("250 late, where silence was expected %(NOOP%)$",
        tostring(problem))
      assert(client:write("x\r\n"))
      assert.is_true(client:expect("closed"))
      ok, problem = client:expect("silence", 0.02)
      assert.is_nil(ok)
      assert.equal("closed", problem.kind)
      assert.is_true(client:expect("closed"))
    end)
    run(function(peer)
      peer:say("220 x")
      peer:answer("250 ok")
      peer:hear()
    end, function(client)
      assert(client:write("NOOP\r\n"))
      local ok, problem = client:expect("closed")
      assert.is_nil(ok)
      assert.matches("250 ok, where the end was expected", tostring(problem))
      ok, problem = client:expect("closed", 0.02)
      assert.is_nil(ok)
      assert.equal("timeout", problem.kind)
    end)
  end)

  it("raises for what cannot come, where it was called", function()
    run(function(peer) peer:say("220 x") end, function(client)
      for text, call in pairs {
        ["\"closed\" or \"silence\" is expected, not string"] = function()
          client:expect("clsed")
        end,
        ["octets must be string, not nil"] = function() client:write() end,
        ["unknown option of write 'sise'"] = function()
          client:write("x", { sise = 1 })
        end,
        ["'size' must be 1 or more"] = function()
          client:write("x", { size = 0 })
        end,
        ["'seconds' must be number, not nil"] = function() client:pause() end,
      } do
        local ok, problem = pcall(call)
        assert.is_false(ok)
        assert.matches("^spec/raw_spec%.lua:%d+: ", problem)
        assert.truthy(problem:find(text, 1, true), problem)
      end
    end)
  end)
end)
