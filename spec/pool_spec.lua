--- A pool of sessions.

local core = require "lunapost.core"
local loops = require "lunapost.loop"
local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"

local envelope <const> = { from = "a@x", to = { "b@y" } }

local function counting()
  local counts = { sessions = 0, now = 0, most = 0, messages = 0 }
  return counts, {
    connect = function() counts.sessions = counts.sessions + 1 end,
    message = function()
      counts.now = counts.now + 1
      counts.most = math.max(counts.most, counts.now)
      loops.sleep(0.02)
      counts.now = counts.now - 1
      counts.messages = counts.messages + 1
    end,
  }
end

local function pool_of(server, options)
  options.host, options.port, options.tls = "127.0.0.1", server.port, "none"
  return smtp.pool(options)
end

-- Sends so many messages at the same time, in tasks of their own.
local function send_many(pool, count)
  local accepted, left = 0, count
  for _ = 1, count do
    loops.spawn(function()
      local result = pool:send(envelope, "x\n")
      accepted = accepted + (result and 1 or 0)
      left = left - 1
    end)
  end
  while left > 0 do loops.sleep(0.01) end
  return accepted
end

describe("a pool", function()
  it("uses a session again, up to max_messages", function()
    local counts, on = counting()
    served.run({ on = on }, function(server)
      local pool <close> = pool_of(server, { max_messages = 2 })
      for _ = 1, 5 do assert(pool:send(envelope, "x")) end
      assert.same({ connections = 3, replaced = 0, messages = 5, open = 1,
        idle = 1 }, pool:stats())
      assert.matches("pool %(127.0.0.1:%d+, 1 open, 1 idle%)",
        tostring(pool))
    end)
    assert.equal(3, counts.sessions)
  end)

  it("sends as many at a time as there may be connections", function()
    local counts, on = counting()
    served.run({ on = on }, function(server)
      local pool <close> = pool_of(server, { max_connections = 2 })
      assert.equal(9, send_many(pool, 9))
      assert.equal(2, pool:stats().connections)
    end)
    assert.equal(2, counts.most)
    assert.equal(9, counts.messages)
  end)

  it("waits for a free connection no longer than it may", function()
    local _, on = counting()
    local go = false
    on.message = function() while not go do loops.sleep(0.01) end end
    served.run({ on = on }, function(server)
      local pool <close> = pool_of(server, { max_connections = 1,
        wait = 0.1 })
      local sent = false
      loops.spawn(function() sent = pool:send(envelope, "x") end)
      while pool:stats().connections == 0 do loops.sleep(0.01) end
      local result, problem = pool:send(envelope, "x")
      assert.is_nil(result)
      assert.equal("limit", problem.kind)
      assert.is_true(problem.transient)
      assert.same({}, problem.accepted)
      go = true
      while not sent do loops.sleep(0.01) end
    end)
  end)

  local function refused(pool)
    local _, problem = pool:send(envelope, "x")
    assert.equal("limit", problem.kind)
  end

  local function killed(pool)
    local waiter = loops.spawn(function() pool:send(envelope, "x") end)
    loops.sleep(0.02)
    loops.kill(waiter)
  end

  -- Tasks that wait for what never comes; why a wait ended all the same.
  local function watch(count)
    local whys, tasks = {}, {}
    for i = 1, count do
      tasks[i] = loops.spawn(function()
        local listener <close> = assert(core.net.listen("127.0.0.1", 0))
        whys[#whys + 1] = select(2, loops.wait(listener:fd(), "r", 10))
      end)
    end
    loops.sleep(0.02)
    return whys, tasks
  end

  for how, leave in pairs { ["gave up"] = refused, ["was killed"] = killed } do
    it("does not wake another in place of a waiter that " .. how, function()
      local _, on = counting()
      local go = false
      on.message = function() while not go do loops.sleep(0.01) end end
      served.run({ on = on }, function(server)
        local pool <close> = pool_of(server, { max_connections = 1,
          wait = leave == killed and 10 or 0.05 })
        local result
        loops.spawn(function() result = pool:send(envelope, "x") end)
        while pool:stats().connections == 0 do loops.sleep(0.01) end
        leave(pool)
        local whys, tasks = watch(8) -- one has the descriptor of the waiter
        go = true
        while not result do loops.sleep(0.01) end
        loops.sleep(0.02)
        assert.same({}, whys)
        for _, task in ipairs(tasks) do loops.kill(task) end
      end)
    end)
  end

  it("wakes the next one where who was woken is killed before it runs",
    function()
    local _, on = counting()
    local go = false
    on.message = function() while not go do loops.sleep(0.01) end end
    served.run({ on = on }, function(server)
      local first, second, last
      local function wait(...)
        local ready, why = loops.wait(...)
        if coroutine.running() == second then last = why or last end
        return ready, why
      end
      local pool <close> = pool_of(server, { max_connections = 1,
        loop = setmetatable({ wait = wait }, { __index = loops }) })
      local result
      loops.spawn(function()
        assert(pool:send(envelope, "x"))
        loops.kill(first) -- it was woken just now
      end)
      while pool:stats().connections == 0 do loops.sleep(0.01) end
      first = loops.spawn(function() pool:send(envelope, "x") end)
      second = loops.spawn(function() result = pool:send(envelope, "x") end)
      loops.sleep(0.02)
      go = true
      while not result do loops.sleep(0.01) end
      assert.equal("closed", last) -- woken, not "timeout" of its own look
      assert.same({ "b@y" }, result.accepted)
    end)
  end)

  it("waits again where somebody else is quicker", function()
    local _, on = counting()
    local go, turn = false, {}
    on.message = function() while not go do loops.sleep(0.01) end end
    served.run({ on = on }, function(server)
      local pool <close> = pool_of(server, { max_connections = 1 })
      loops.spawn(function()
        assert(pool:send(envelope, "x"))
        assert(pool:send(envelope, "x")) -- before who was woken runs
        turn[#turn + 1] = "quick"
      end)
      while pool:stats().connections == 0 do loops.sleep(0.01) end
      for i = 1, 2 do
        loops.spawn(function()
          assert(pool:send(envelope, "x"))
          turn[#turn + 1] = i
        end)
      end
      loops.sleep(0.02)
      go = true
      while #turn < 3 do loops.sleep(0.01) end
      assert.same({ "quick", 1, 2 }, turn)
    end)
  end)

  it("keeps to its rate", function()
    local _, on = counting()
    on.message = nil
    served.run({ on = on }, function(server)
      local pool <close> = pool_of(server, { rate = { 2, 0.2 } })
      local started = core.loop.now()
      for _ = 1, 6 do assert(pool:send(envelope, "x")) end
      local took = core.loop.now() - started
      assert.is_true(took >= 0.38, took)
    end)
  end)

  -- One message, then what the script does.
  local function once(play)
    return function(peer)
      peer:say "220 x"
      peer:answer("250 x", "250 ok", "250 ok", "354 go")
      peer:body()
      peer:say "250 kept"
      play(peer)
    end
  end

  local endings <const> = {
    ["has closed"] = function() end,
    ["has said 421 to"] = function(peer) peer:say "421 4.4.2 idle" end,
    ["closes at MAIL"] = function(peer) peer:hear() end,
    ["says 421 to MAIL on"] = function(peer) peer:answer "421 4.3.2 bye" end,
  }
  for how, play in pairs(endings) do
    it("replaces a session that the server " .. how, function()
      local heard = scripted.run({ once(play), once(function() end) },
        function(options, loop)
        local pool <close> = smtp.pool(options)
        assert(pool:send(envelope, "x"))
        loop.sleep(0.05)
        local result, problem = pool:send(envelope, "x")
        assert(result, problem)
        assert.equal(2, pool:stats().connections)
        assert.equal(1, pool:stats().replaced)
      end)
      assert.equal(2, #heard)
    end)
  end

  it("sends nothing twice once MAIL was answered", function()
    local heard = scripted.run(once(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
    end), function(options)
      local pool <close> = smtp.pool(options)
      assert(pool:send(envelope, "x"))
      local result, problem = pool:send(envelope, "x")
      assert.is_nil(result)
      assert.equal("unconfirmed", problem.kind)
      assert.equal(0, pool:stats().open)
    end)
    assert.equal(1, #heard)
  end)

  -- Goes on up to DATA, then waits for the client to go.
  local function up_to_data(peer)
    peer:say "220 x"
    peer:answer("250 x", "250 ok", "250 ok", "354 go")
    peer:body()
  end

  it("drops a session whose task is killed within a message", function()
    local heard = scripted.run({ up_to_data, once(function() end) },
      function(options, loop)
      local pool <close> = smtp.pool(options)
      local midway = false
      local task = loop.spawn(function()
        pool:send(envelope, function()
          midway = true
          loop.sleep(10)
        end)
      end)
      while not midway do loop.sleep(0.01) end
      loop.kill(task)
      assert.equal(0, pool:stats().open)
      assert.equal(0, pool:stats().idle)
      assert(pool:send(envelope, "x"))
      assert.equal(1, pool:stats().open)
    end)
    assert.equal(2, #heard)
  end)

  it("drops a session whose replies do not fit", function()
    scripted.run({ function(peer)
      peer:say "220 x"
      peer:answer("250 x", "250 ok", "250 ok", "250 what?")
      peer:hear()
    end, once(function() end) }, function(options)
      local pool <close> = smtp.pool(options)
      local result, problem = pool:send(envelope, "x")
      assert.is_nil(result)
      assert.equal("protocol", problem.kind)
      assert.equal(0, pool:stats().open)
      assert(pool:send(envelope, "x"))
      assert.equal(2, pool:stats().connections)
    end)
  end)

  it("splits a message by the server's limits from its first use on",
    function()
    local sizes = {}
    served.run({ extensions = { LIMITS = { words = "RCPTMAX=2" } },
      on = { message = function(session)
        sizes[#sizes + 1] = #session.envelope.to
      end } }, function(server)
      local pool <close> = pool_of(server, {})
      local result = assert(pool:send({ from = "a@x", to = { "b@y", "c@y",
        "d@y", "e@y", "f@y" } }, "x"))
      assert.equal(5, #result.accepted)
      assert.equal(1, pool:stats().connections)
    end)
    assert.same({ 2, 2, 1 }, sizes)
    local pool <close> = smtp.pool { host = "127.0.0.1", port = 1 }
    local result, problem = pool:send({ from = "a@x", to = { "b@y", "c@y" } },
      "x")
    assert.is_nil(result)
    assert.equal("connect", problem.kind)
    assert.same({}, problem.accepted)
  end)

  it("keeps no session that was opened while it was closed", function()
    local pool, heard
    scripted.run(function(peer)
      peer:say "220 x"
      peer:hear()
      pool:close()
      peer:say "250 x"
      heard = peer:hear()
      assert.is_nil(peer:hear())
    end, function(options)
      pool = smtp.pool(options)
      assert.error_matches(function()
        pool:send({ from = "a@x", to = { "b@y", "c@y" } }, "x")
      end, "the pool is closed")
      assert.same({ 0, 0 }, { pool:stats().open, pool:stats().idle })
    end)
    assert.equal("QUIT", heard)
  end)

  it("replaces a session at MAILMAX", function()
    local function limited(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 LIMITS MAILMAX=1", "250 ok", "250 ok",
        "354 go")
      peer:body()
      peer:say "250 kept"
      peer:answer "221 bye"
    end
    scripted.run({ limited, limited }, function(options)
      local pool <close> = smtp.pool(options)
      assert(pool:send(envelope, "x"))
      assert(pool:send(envelope, "x"))
    end)
  end)

  it("tells why it cannot connect", function()
    local listener <close> = assert(core.net.listen("127.0.0.1", 0))
    local _, port = listener:address()
    listener:close()
    local pool <close> = smtp.pool { host = "127.0.0.1", port = port }
    local result, problem = pool:send(envelope, "x")
    assert.is_nil(result)
    assert.equal("connect", problem.kind)
    assert.same({}, problem.accepted)
    assert.equal(0, pool:stats().open)
  end)

  it("works outside of any loop", function()
    local tree = require "spec.support.tree"
    local peers = require "spec.support.peers"
    local folder <const> = peers.folder()
    local server = peers.serve("", folder .. "/log")
    local pool = smtp.pool { host = "127.0.0.1", port = server.port,
      tls = "none" }
    local first = pool:send(envelope, "Subject: x\n\nx")
    local second = pool:send(envelope, "Subject: x\n\nx")
    local stats = pool:stats()
    pool:close()
    server:stop()
    peers.remove(folder)
    assert.is_table(first)
    assert.is_table(second)
    assert.equal(1, stats.connections)
    assert.is_string(tree.command)
  end)

  it("raises for options that nobody knows, and when it is closed",
    function()
    assert.error_matches(function()
      smtp.pool { host = "x", max_conections = 3 }
    end, "did you mean 'max_connections'")
    assert.error_matches(function()
      smtp.pool { host = "x", max_messages = 0 }
    end, "must be more than 0")
    assert.error_matches(function()
      smtp.pool { host = "x", rate = { 1 } }
    end, "rate")
    local pool = smtp.pool { host = "127.0.0.1" }
    pool:close()
    assert.error_matches(function() pool:send(envelope, "x") end, "closed")
  end)
end)
