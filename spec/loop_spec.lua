local core = require "lunapost.core"
local loops = require "lunapost.loop"
local wire = require "spec.support.wire"

for _, backend in ipairs { "epoll", "poll" } do
  describe("the poller by " .. backend, function()
    local poller

    before_each(function() poller = core.loop.new(backend) end)
    after_each(function()
      poller:close()
      wire.close()
    end)

    it("says its name", function()
      assert.equal(backend, poller:name())
    end)

    it("reports what is left unread again at the next wait", function()
      local a, b = wire.pair()
      a:write("abcdef")
      for _, rest in ipairs { "abc", "def" } do
        poller:wait(b:fd(), "r", 1)
        poller:turn(1)
        assert.same({ b:fd(), "r" }, { poller:next() })
        assert.is_nil(poller:next())
        assert.equal(rest, b:read(3))
      end
    end)

    it("ends a wait by its deadline after what is ready had its turn",
      function()
      local a, b = wire.pair()
      local c, d = wire.pair()
      poller:wait(b:fd(), "r", 0.01)
      poller:wait(d:fd(), "r", 60)
      c:write("x")
      core.loop.block(-1, "r", 0.02) -- both have come to be
      poller:turn(60)
      assert.same({ d:fd(), "r" }, { poller:next() })
      assert.is_nil(poller:next())
      a:write("y")
      poller:turn(60)
      assert.same({ b:fd(), "r" }, { poller:next() })
      poller:wait(b:fd(), "w", 60)
      poller:wait(d:fd(), "r", 0.01)
      d:read(1)
      core.loop.block(-1, "r", 0.02)
      poller:turn(60)
      assert.same({ b:fd(), "w" }, { poller:next() })
      poller:wait(b:fd(), "w", 60)
      poller:turn(60) -- though something is always ready
      assert.same({ b:fd(), "w" }, { poller:next() })
      assert.same({ d:fd(), "timeout" }, { poller:next() })
    end)

    it("keeps quiet about a descriptor that nobody waits for", function()
      local a, b = wire.pair()
      poller:wait(b:fd(), "r", 1)
      poller:cancel(b:fd())
      a:write("x")
      poller:turn(0.01)
      assert.is_nil(poller:next())
      local start = core.loop.now()
      poller:turn(0.05) -- disarmed by now: it sleeps
      assert.is_true(core.loop.now() - start >= 0.05)
      poller:wait(b:fd(), "r", 1)
      poller:turn(1)
      assert.equal(b:fd(), (poller:next()))
    end)

    it("keeps quiet about a peer that hung up, unless asked", function()
      local a, b = wire.pair()
      poller:wait(b:fd(), "r", 1)
      poller:cancel(b:fd())
      a:write("x")
      b:write("y")
      a:close() -- with unread bytes: a reset
      poller:turn(0.01)
      assert.is_nil(poller:next())
      local start = core.loop.now()
      poller:turn(0.05)
      assert.is_true(core.loop.now() - start >= 0.05)
      poller:wait(b:fd(), "r", 1)
      poller:turn(1)
      assert.equal(b:fd(), (poller:next()))
    end)

    it("waits for room to write only when asked", function()
      local a = wire.pair()
      poller:wait(a:fd(), "rw", 1)
      poller:turn(1)
      assert.same({ a:fd(), "w" }, { poller:next() })
      poller:wait(a:fd(), "r", 0.02)
      poller:turn(1)
      assert.same({ a:fd(), "timeout" }, { poller:next() })
    end)

    it("hands out deadlines in their order", function()
      local ids, order = {}, {}
      for i, seconds in ipairs { 0.03, 0.01, 0.02, 0.01 } do
        ids[poller:timer(seconds)] = i
      end
      assert.equal(4, poller:waiting())
      while poller:waiting() > 0 do
        poller:turn(1)
        for id, what in poller.next, poller do
          assert.equal("timeout", what)
          order[#order + 1] = ids[id]
        end
      end
      assert.same({ 2, 4, 3, 1 }, order)
    end)

    it("cancels timers in the middle of many", function()
      local kept, all = {}, {}
      for i = 1, 500 do all[i] = poller:timer((i * 7919 % 500) / 20000) end
      for i = 1, 500 do
        if i % 3 == 0 then kept[all[i]] = true else poller:cancel(all[i]) end
      end
      local count = 0
      while poller:waiting() > 0 do
        poller:turn(1)
        for id in poller.next, poller do
          assert.is_true(kept[id])
          kept[id] = nil
          count = count + 1
        end
      end
      assert.equal(166, count)
    end)

    it("tells who waits that the descriptor was closed", function()
      local a = wire.pair()
      local fd = a:fd()
      poller:wait(fd, "r", 10)
      a:close()
      assert.is_false(poller:waits(fd))
      poller:turn(1)
      assert.same({ fd, "closed" }, { poller:next() })
    end)

    it("forgets nobody where more happens than one turn takes", function()
      core.system.raise_descriptors()
      local a, b = {}, {}
      for i = 1, 300 do
        a[i], b[i] = wire.pair()
        a[i]:write "x"
        poller:wait(b[i]:fd(), "r", 60)
      end
      local turns, seen = 0, 0
      local function gather(wanted)
        while seen < wanted do
          turns = turns + 1
          poller:turn(1)
          local count = 0
          for _ in poller.next, poller do count = count + 1 end
          assert.is_true(count > 0 and count <= 256)
          seen = seen + count
        end
      end
      gather(300)
      assert.equal(2, turns)
      for i = 1, 300 do poller:wait(b[i]:fd(), "w", 60) end
      gather(600)
      for i = 1, 300 do
        b[i]:read(1)
        poller:wait(b[i]:fd(), "r", 60)
      end
      for i = 1, 300 do b[i]:close() end
      gather(900)
      assert.equal(0, poller:waiting())
    end)

    it("sees a new connection under an old number", function()
      for _ = 1, 5 do
        local a, b = wire.pair()
        poller:wait(b:fd(), "r", 10)
        a:write("x")
        poller:turn(1)
        assert.same({ b:fd(), "r" }, { poller:next() })
        poller:wait(b:fd(), "r", 10)
        wire.close()
        poller:turn(0)
        for _ in poller.next, poller do end
      end
    end)

    it("refuses what is no descriptor or no time", function()
      assert.has_error(function() poller:wait(-1, "r", 1) end)
      assert.has_error(function() poller:wait(0, "x", 1) end)
      assert.has_error(function() poller:wait(0, "r", 0 / 0) end)
      assert.has_error(function() poller:wait(2 ^ 40, "r", 1) end)
      poller:close()
      assert.has_error(function() poller:wait(0, "r", 1) end)
      poller:close()
    end)

    it("takes a plain file as always ready", function()
      assert.equal("0\tr\n0\tr\n", wire.script(([[
        local poller = require "lunapost.core".loop.new "%s"
        for _ = 1, 2 do
          poller:wait(0, "r", 60)
          poller:turn(1)
          print(poller:next())
        end]]):format(backend), "< spec/loop_spec.lua "))
    end)
  end)

  describe("the loop by " .. backend, function()
    local loop

    before_each(function() loop = loops.new(backend) end)
    after_each(function()
      loop.close()
      wire.close()
    end)

    it("runs tasks in the order of spawning, until none is left", function()
      local seen = {}
      for i = 1, 3 do
        loop.spawn(function(name)
          seen[#seen + 1] = name
          coroutine.yield()
          seen[#seen + 1] = name .. "'"
        end, "t" .. i)
      end
      loop.run()
      assert.same({ "t1", "t2", "t3", "t1'", "t2'", "t3'" }, seen)
      assert.equal(0, loop.count())
    end)

    it("carries 1,000 sleepers", function()
      local woken, last = 0, 0
      for i = 1, 1000 do
        loop.spawn(function()
          local delay = (i * 7919 % 1000) / 20000
          loop.sleep(delay)
          woken = woken + 1
          last = math.max(last, delay)
        end)
      end
      local start = loop.now()
      loop.run()
      assert.equal(1000, woken)
      assert.is_true(loop.now() - start >= last)
    end)

    it("parks a task while others go on", function()
      local a, b = wire.pair()
      local seen = {}
      loop.spawn(function()
        assert.is_true(loop.wait(b:fd(), "r", 5))
        seen[#seen + 1] = b:read(10)
      end)
      loop.spawn(function()
        seen[#seen + 1] = "writing"
        a:write("hello")
      end)
      loop.run()
      assert.same({ "writing", "hello" }, seen)
    end)

    it("ends a wait at its deadline", function()
      local a, b = wire.pair()
      loop.spawn(function()
        local start = loop.now()
        assert.same({ nil, "timeout" }, { loop.wait(b:fd(), "r", 0.02) })
        assert.is_true(loop.now() - start >= 0.02)
        a:write("x")
        assert.is_true(loop.wait(b:fd(), "r", 5))
      end)
      loop.run()
    end)

    it("blocks outside any task", function()
      local a, b = wire.pair()
      assert.same({ nil, "timeout" }, { loop.wait(b:fd(), "r", 0.01) })
      a:write("x")
      assert.is_true(loop.wait(b:fd(), "r", 1))
      local start = loop.now()
      loop.sleep(0.02)
      assert.is_true(loop.now() - start >= 0.02)
    end)

    it("takes what is closed as closed", function()
      local a = wire.pair()
      a:close()
      assert.same({ nil, "closed" }, { loop.wait(a:fd(), "r", 60) })
    end)

    it("reports a failing task and goes on", function()
      local seen = {}
      function loop.on_error(problem, trace)
        seen[#seen + 1] = problem
        assert.matches("stack traceback", trace)
      end
      local closed
      loop.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          closed = true
        end })
        error("oops", 0)
      end)
      loop.spawn(function() seen[#seen + 1] = "next" end)
      loop.run()
      assert.same({ "oops", "next" }, seen)
      assert.is_true(closed)
    end)

    it("reports a failing task without a trace where none can be made",
      function()
      local seen = {}
      function loop.on_error(problem, trace)
        seen[#seen + 1], seen[#seen + 2] = problem, trace
      end
      loop.spawn(error, "oops", 0)
      loop.spawn(function() seen[#seen + 1] = "next" end)
      local traceback <const> = debug.traceback
      local function restore() rawset(debug, "traceback", traceback) end
      finally(restore)
      rawset(debug, "traceback", function()
        error("not enough memory", 0)
      end)
      loop.run()
      restore()
      assert.same({ "oops", "oops", "next" }, seen)
    end)

    it("goes on behind what fails to say what it is", function()
      local out = wire.script [[
        local loop = require "lunapost.loop"
        local function fail() error("nobody knows", 0) end
        loop.spawn(function()
          error(setmetatable({}, { __tostring = fail }))
        end)
        loop.spawn(function() print "next" end)
        loop.run()
      ]]
      assert.matches("a task failed: a table whose __tostring fails: "
        .. "nobody knows\nnext\n$", out)
    end)

    it("refuses two tasks on one descriptor", function()
      local a, b = wire.pair()
      local problem
      function loop.on_error(e) problem = e end
      loop.spawn(function() loop.wait(b:fd(), "r", 5) end)
      loop.spawn(function()
        local ok, e = pcall(loop.wait, b:fd(), "w", 5)
        assert.is_false(ok)
        problem = e
        a:write("x")
      end)
      loop.run()
      assert.matches("two tasks wait for descriptor", problem)
    end)

    it("wants to know how long to sleep", function()
      assert.has_error(function() loop.sleep() end, "sleep needs seconds")
    end)

    it("wakes who waits for a descriptor that is closed", function()
      local a = wire.pair()
      local why
      loop.spawn(function() why = select(2, loop.wait(a:fd(), "r", 60)) end)
      loop.spawn(function()
        a:close()
      end)
      loop.run()
      assert.equal("closed", why)
    end)

    it("closes what a killed task holds", function()
      local log = {}
      local task = loop.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          log[#log + 1] = "closed"
          log[#log + 1] = select(2, loop.wait(0, "r", 60))
        end })
        loop.sleep(60)
      end)
      loop.spawn(function() loop.kill(task) end)
      loop.run()
      assert.same({ "closed", "closed" }, log)
    end)

    it("survives a task that somebody else closed", function()
      local _, b = wire.pair()
      local task = loop.spawn(function() loop.wait(b:fd(), "r", 60) end)
      loop.spawn(function()
        loop.forget(b:fd())
        coroutine.close(task)
        loop.sleep(0.01)
      end)
      loop.run()
      assert.equal(0, loop.count())
    end)

    it("stops, and goes on later", function()
      local steps = 0
      loop.spawn(function()
        for _ = 1, 3 do
          steps = steps + 1
          loop.stop()
          loop.sleep(0)
        end
      end)
      loop.run()
      assert.equal(1, steps)
      loop.run()
      assert.equal(2, steps)
      loop.run(function() return true end)
      assert.equal(2, steps)
    end)

    it("passes the waits of a wrapped coroutine through", function()
      local got = {}
      loop.spawn(function()
        for i in loop.wrap(function()
          for i = 1, 3 do
            loop.sleep(0.001)
            coroutine.yield(i)
          end
        end) do
          got[#got + 1] = i
        end
      end)
      loop.run()
      assert.same({ 1, 2, 3 }, got)
    end)

    it("closes a wrapped coroutine at the end of its for loop", function()
      local log = {}
      loop.spawn(function()
        for i in loop.wrap(function()
          local _ <close> = setmetatable({}, { __close = function()
            log[#log + 1] = select(2, loop.wait(0, "r", 60))
          end })
          for i = 1, 3 do coroutine.yield(i) end
        end) do
          log[#log + 1] = i
          if i == 2 then break end
        end
        log[#log + 1] = "end"
      end)
      loop.run()
      assert.same({ 1, 2, "closed", "end" }, log)
    end)

    it("names the remedy for a wait in a foreign coroutine", function()
      local problem
      loop.spawn(function()
        local _, e = coroutine.resume(coroutine.create(function()
          loop.sleep(1)
        end))
        problem = e
      end)
      loop.run()
      assert.matches("loop.wrap", problem)
    end)

    it("survives a crowd that comes and goes at random", function()
      math.randomseed(7919)
      local tasks, outcomes = {}, {}
      local function act(conn, peer)
        for _ = 1, math.random(20) do
          local dice = math.random(12)
          if dice <= 4 then
            conn:write(("x"):rep(math.random(100)))
          elseif dice <= 8 then
            local _, why = loop.wait(conn:fd(), "r", math.random() / 500)
            outcomes[why or "ready"] = true
            conn:read(math.random(100))
          elseif dice == 9 then
            loop.wait(conn:fd(), "rw", math.random() / 500)
          elseif dice == 10 then
            loop.sleep(math.random() / 500)
          elseif dice == 11 then
            loop.forget(conn:fd())
          else
            peer:close()
            coroutine.yield()
          end
        end
        conn:close()
      end
      local before = wire.descriptors()
      for _ = 1, 150 do
        local a, b = wire.pair()
        tasks[#tasks + 1] = loop.spawn(act, a, b)
        tasks[#tasks + 1] = loop.spawn(act, b, a)
      end
      loop.spawn(function()
        for i = 1, 40 do
          loop.sleep(0.0003)
          loop.kill(tasks[i * 7])
          if i % 3 == 0 then coroutine.close(tasks[i * 7 + 1]) end
        end
      end)
      local problems = {}
      function loop.on_error(e) problems[#problems + 1] = tostring(e) end
      loop.run()
      assert.same({}, problems)
      assert.equal(0, loop.count())
      assert.same({ ready = true, timeout = true, closed = true }, outcomes)
      wire.close()
      collectgarbage()
      loop.close()
      assert.is_true(wire.at_most(before))
    end)

    it("leaks no descriptor", function()
      collectgarbage()
      local before = wire.descriptors()
      for _ = 1, 20 do
        local other = loops.new(backend)
        other.spawn(function()
          local a, b = wire.pair()
          other.wait(b:fd(), "r", 0)
          a:close()
        end)
        other.run()
        other.close()
        wire.close()
      end
      assert.is_true(wire.at_most(before))
    end)
  end)
end
