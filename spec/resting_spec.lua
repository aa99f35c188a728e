-- Waits without a coroutine: loop.rest and loop.rouse.
local core = require "lunapost.core"
local wire = require "spec.support.wire"

describe("who rests at a descriptor", function()
  after_each(wire.close)

  local function sleeper(loop, fd, seen, seconds)
    local owner = {}
    function owner:wake(ready, why)
      seen[#seen + 1] = ready and "ready" or why or "roused"
      self.task = loop.task_of(self)
      self.now_in = coroutine.running()
    end
    loop.rest(fd, "r", seconds, owner)
    return owner
  end

  it("has no task until there is something to read", function()
    local loop, seen = wire.new_loop(), {}
    local a, b = wire.pair()
    local owner = sleeper(loop, b:fd(), seen, 5)
    assert.is_nil(loop.task_of(owner))
    assert.equal(1, loop.count())
    a:write "x"
    loop.run()
    assert.same({ "ready" }, seen)
    assert.equal(owner.now_in, owner.task)
    assert.equal(0, loop.count())
  end)

  it("is told of the time that is over, and of a close", function()
    local loop, seen = wire.new_loop(), {}
    local a, b = wire.pair()
    sleeper(loop, a:fd(), seen, 0.01)
    loop.run()
    sleeper(loop, b:fd(), seen)
    loop.forget(b:fd())
    loop.run()
    assert.same({ "timeout", "closed" }, seen)
  end)

  it("has the time of whichever comes first, seconds or a limit", function()
    local loop, seen, _, b = wire.new_loop(), {}, wire.pair()
    local owner = { wake = function(_, _, why) seen[#seen + 1] = why end }
    local limit = loop.now() + 0.01
    for _, seconds in ipairs { 60, math.huge } do
      assert.equal(limit, loop.rest(b:fd(), "r", seconds, owner, limit))
      loop.run()
    end
    assert.is_true(loop.rest(b:fd(), "r", 0.01, owner, limit + 60) < limit + 60)
    loop.run()
    assert.same({ "timeout", "timeout", "timeout" }, seen)
  end)

  it("is the only one there", function()
    local loop, seen = wire.new_loop(), {}
    local _, b = wire.pair()
    sleeper(loop, b:fd(), seen, 5)
    assert.error_matches(function() sleeper(loop, b:fd(), seen, 5) end,
      "two tasks wait for descriptor")
    loop.close()
    assert.same({ "closed" }, seen)
  end)

  it("may wait for something else meanwhile, as others may", function()
    local loop, order = wire.new_loop(), {}
    local function owner(name, seconds)
      return { wake = function(self)
        assert.equal(coroutine.running(), loop.task_of(self))
        loop.sleep(seconds)
        order[#order + 1] = name
      end }
    end
    loop.rouse(owner("slow", 0.05))
    loop.rouse(owner("quick", 0))
    loop.spawn(function() order[#order + 1] = "task" end)
    loop.run()
    assert.same({ "task", "quick", "slow" }, order)
    assert.equal(0, loop.count())
  end)

  it("fails alone, and is told of", function()
    local loop, seen, dropped = wire.new_loop(), {}, 0
    loop.on_error = function(problem) seen[#seen + 1] = problem end
    local function drop() dropped = dropped + 1 end
    loop.rouse { wake = function() error({ "at once" }) end, drop = drop }
    loop.rouse { wake = function()
      loop.sleep(0.01)
      error { "later" }
    end, drop = drop }
    loop.rouse { wake = function() seen[#seen + 1] = "fine" end }
    loop.run()
    assert.same({ { "at once" }, "fine", { "later" } }, seen)
    assert.equal(2, dropped)
    assert.equal(0, loop.count())
  end)

  it("is told of by its own traceback, or as it explains itself", function()
    local loop, texts = wire.new_loop(), {}
    loop.on_error = function(_, text) texts[#texts + 1] = text end
    loop.rouse { wake = function() error "the first" end }
    loop.rouse { wake = function() error("the second", 0) end,
      explain = function(problem) return "explained: " .. problem end }
    loop.run()
    assert.matches("the first\nstack traceback:.*resting_spec", texts[1])
    assert.same({ texts[1], "explained: the second" }, texts)
  end)

  it("rests again where it says so, until a time", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local limit = loop.now() + 60
    local dues = {}
    local owner = { wake = function(_, ready, why, due)
      seen[#seen + 1], dues[#dues + 1] = why or (ready and b:read(9)), due
      if why then return end
      if #seen == 3 then return limit, 0.01, b:fd() end
      a:write("x" .. #seen)
      return limit, nil, b:fd()
    end }
    loop.rest(b:fd(), "r", 30, owner)
    a:write "x"
    loop.run()
    assert.same({ "x", "x1", "x2", "timeout" }, seen)
    assert.is_true(dues[1] < limit and dues[4] < limit)
    assert.same({ limit, limit }, { dues[2], dues[3] })
    assert.equal(0, loop.count())
  end)

  it("goes on behind what it raised, where it can", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local owner = { wake = function(self, ready)
      self.task = coroutine.running()
      seen[#seen + 1] = ready and b:read(9) or "roused"
      error "first"
    end, explain = function(problem)
      return { problem, debug.traceback():match "resting_spec" }
    end }
    function owner:failed(problem)
      assert.equal(self, self.task and loop.task_of(self) and owner)
      seen[#seen + 1] = problem[2]
      if #seen == 2 then error "second" end
      loop.sleep(0) -- it may wait, as in wake
      if #seen > 4 then return end
      a:write "more"
      return loop.now() + 60, nil, b:fd()
    end
    loop.rouse(owner)
    loop.run()
    assert.same({ "roused", "resting_spec", "resting_spec", "more",
      "resting_spec" }, seen)
    assert.equal(0, loop.count())
  end)

  it("goes on when the loop was stopped in the middle", function()
    local loop, order = wire.new_loop(), {}
    loop.rouse { wake = function()
      loop.stop()
      loop.sleep(0)
      order[#order + 1] = "over"
    end }
    loop.run()
    assert.same({}, order)
    loop.run()
    assert.same({ "over" }, order)
  end)

  it("is dropped where its task is killed, and no other owner", function()
    local loop, log = wire.new_loop(), {}
    local function owner(name, seconds)
      return { wake = function(self)
        self.task = coroutine.running()
        if seconds then loop.sleep(seconds) end
        log[#log + 1] = name
      end, drop = function() log[#log + 1] = "dropped " .. name end }
    end
    local first, second, third = owner "a", owner("b", 60), owner("c", 0)
    loop.rouse(first)
    loop.run()
    loop.rouse(second)
    loop.spawn(function()
      loop.sleep(0.01)
      assert.equal(first.task, second.task) -- the coroutine is used again
      loop.rouse(third)
      loop.kill(loop.task_of(second))
    end)
    loop.run()
    assert.same({ "a", "dropped b", "c" }, log)
    assert.equal(0, loop.count())
  end)
end)

describe("a machine whose owner rests", function()
  after_each(wire.close)

  -- Answers NOOP after NOOP on conn, as long as act(argument) has it.
  local function speaker(loop, conn, seen, act)
    local machine = core.server.new(core.server.config {
      hostname = "mx.test", mail_parameters = "", rcpt_parameters = "" })
    machine:step()
    machine:reply()
    local owner = { wakes = 0, patience = 5, dues = {} }
    function owner:wake(_, why, due, poller)
      self.wakes = self.wakes + 1
      if why then
        seen[#seen + 1], self.ended = why, due
        return
      end
      local accepted
      repeat
        local event, a, b = core.server.step(machine, conn, accepted, poller,
          loop.now() + 60, self.patience)
        if event == "read" then
          seen[#seen + 1] = "rests"
          self.dues[#self.dues + 1] = b
          return b, nil, a
        end
        seen[#seen + 1], accepted = a, true
      until not act(a)
    end
    loop.rest(conn:fd(), "r", 5, owner)
    return owner
  end

  -- Acts by name; what has none is the last.
  local function acting(acts)
    return function(name) return acts[name] and (acts[name]() or true) end
  end

  -- Each word has the next one said, the first behind a wait of its handler
  -- where there is one; the owner is woken once.
  local function wakes_once(handle)
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local owner = speaker(loop, b, seen, acting {
      a = function()
        if handle then handle(loop) end
        a:write "NOOP b\r\n"
      end,
      b = function() a:write "NOOP c\r\n" end,
    })
    a:write "NOOP a\r\n"
    loop.run()
    assert.same({ "a", "b", "c" }, seen)
    assert.equal(1, owner.wakes)
    assert.equal(0, loop.count())
  end

  it("waits by itself where nobody else has anything to do", function()
    wakes_once()
  end)

  it("lets others go first who have something to do", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local c, d = wire.pair()
    loop.rest(d:fd(), "r", 5, { wake = function()
      seen[#seen + 1] = "other"
      assert.equal("y", d:read(9))
      a:write "NOOP b\r\n"
    end })
    local owner = speaker(loop, b, seen, acting {
      a = function() c:write "y" end, -- without it, nothing comes
      b = function()
        loop.spawn(function()
          seen[#seen + 1] = "task"
          a:write "NOOP c\r\n"
        end)
      end,
    })
    a:write "NOOP a\r\n"
    loop.run()
    assert.same({ "a", "rests", "other", "b", "rests", "task", "c" }, seen)
    assert.equal(3, owner.wakes)
  end)

  it("lets go by no event of the same time", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local c, d = wire.pair()
    loop.rest(d:fd(), "r", 5, { wake = function() seen.other = d:read(9) end })
    speaker(loop, b, seen, acting { a = function()
      c:write "y"
      a:write "NOOP b\r\n"
    end })
    a:write "NOOP a\r\n"
    loop.run()
    assert.equal("y", seen.other)
    assert.equal("a", seen[1])
    assert.equal("b", seen[#seen])
    assert.equal(0, loop.count())
  end)

  it("rests where the loop is to stop", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    speaker(loop, b, seen, acting { a = function()
      loop.stop()
      a:write "NOOP b\r\n"
    end })
    a:write "NOOP a\r\n"
    loop.run()
    assert.same({ "a", "rests" }, seen)
    loop.run()
    assert.same({ "a", "rests", "b" }, seen)
  end)

  it("has the time of a command, whoever comes first and whatever does",
    function()
      local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
      local owner = speaker(loop, b, seen, function() return true end)
      owner.patience = 0.05
      loop.spawn(function()
        a:write "NOOP a\r\nNO"
        loop.sleep(0.01)
        seen[#seen + 1] = "task"
        a:write "OP"
      end)
      loop.run()
      assert.equal("a", seen[1])
      assert.equal("timeout", seen[#seen])
      for _, due in ipairs(owner.dues) do assert.equal(due, owner.ended) end
    end)

  it("ends by its time while nobody says anything", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local owner = speaker(loop, b, seen, acting { a = function() end })
    owner.patience = 0.02
    a:write "NOOP a\r\n"
    loop.run()
    assert.same({ "a", "rests", "timeout" }, seen)
    assert.equal(owner.dues[1], owner.ended)
  end)

  it("lets a timer go off that was set before", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    loop.spawn(function()
      a:write "NOOP a\r\n"
      loop.sleep(0.02)
      seen[#seen + 1] = "timer"
      a:write "NOOP b\r\n" -- without it, nothing comes
    end)
    speaker(loop, b, seen, acting { a = function() end })
    loop.run()
    assert.same({ "a", "rests", "timer", "b" }, seen)
  end)

  it("lets others learn that it closed what they wait for", function()
    local loop, seen, a, b = wire.new_loop(), {}, wire.pair()
    local _, d = wire.pair()
    loop.rest(d:fd(), "r", 5, { wake = function(_, _, why)
      seen[#seen + 1] = why
      a:write "NOOP b\r\n"
    end })
    speaker(loop, b, seen, acting { a = function()
      loop.forget(d:fd())
      d:close()
    end })
    a:write "NOOP a\r\n"
    loop.run()
    assert.same({ "a", "rests", "closed", "b" }, seen)
  end)

  it("waits so behind a handler that waited, too", function()
    wakes_once(function(loop) loop.sleep(0.001) end)
  end)
end)
