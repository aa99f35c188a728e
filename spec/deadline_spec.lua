local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local default_loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local wire = require "spec.support.wire"

describe("a deadline", function()
  after_each(wire.close)

  it("gives the results of work that is in time", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(deadline.run(default_loop, 5,
      function(...) return ... end, 1, nil, 3)))
  end)

  it("passes other errors on", function()
    local ok, problem = pcall(deadline.run, default_loop, 5, error, { "x" })
    assert.is_false(ok)
    assert.same({ "x" }, problem)
    assert.is_false(deadline.is(problem))
    ok, problem = pcall(deadline.run, default_loop, 5, error, "words", 0)
    assert.same({ false, "words" }, { ok, problem })
  end)

  it("ends waits that together take too long, and unwinds", function()
    local loop, closed, problem, took = wire.new_loop(), false, nil, nil
    local a, b = wire.pair()
    assert.is_truthy(a)
    wire.run(loop, function()
      local start = loop.now()
      local ok
      ok, problem = pcall(deadline.run, loop, 0.05, function()
        local _ <close> = setmetatable({}, { __close = function()
          closed = true
        end })
        while true do
          assert.same({ nil, "timeout" }, { loop.wait(b:fd(), "r", 0.02) })
        end
      end)
      assert.is_false(ok)
      took = loop.now() - start
    end)
    assert.is_true(deadline.is(problem))
    assert.equal("timeout", problem.kind)
    assert.equal("the deadline passed", tostring(problem))
    assert.is_true(closed)
    assert.is_true(took >= 0.05)
  end)

  it("holds outside any loop, and for sleep", function()
    local start = core.loop.now()
    local ok, problem = pcall(deadline.run, default_loop, 0.02,
      default_loop.sleep, 60)
    assert.is_false(ok)
    assert.is_true(deadline.is(problem))
    assert.is_true(core.loop.now() - start < 30)
  end)

  it("raises at each later wait, too", function()
    local count = 0
    local ok = pcall(deadline.run, default_loop, 0.01, function()
      for _ = 1, 3 do
        local fine, problem = pcall(default_loop.sleep, 60)
        assert.is_false(fine)
        assert.is_true(deadline.is(problem))
        count = count + 1
      end
      error "over"
    end)
    assert.is_false(ok)
    assert.equal(3, count)
  end)

  it("is only shortened by one within, and put back after", function()
    local put_back, inner_passed, outer_passed
    patience.rising(0.06, function(seconds)
      pcall(deadline.run, default_loop, seconds, function()
        inner_passed = not pcall(deadline.run, default_loop, 0.01,
          default_loop.sleep, 60)
        put_back = pcall(default_loop.sleep, 0.01) -- that has not passed
        inner_passed = inner_passed
          and not pcall(deadline.run, default_loop, 60, default_loop.sleep, 60)
        outer_passed = not pcall(default_loop.sleep, 60)
      end)
      assert.is_true(inner_passed)
      assert.is_true(outer_passed)
      return put_back
    end)
    default_loop.sleep(0) -- no deadline is left behind
  end)

  it("is each task's own, and a wrapped coroutine's", function()
    local loop, order = wire.new_loop(), {}
    wire.run(loop, function()
      local ok, problem = pcall(deadline.run, loop, 0.02, function()
        loop.wrap(function() loop.sleep(60) end)()
      end)
      assert.is_false(ok)
      assert.is_true(deadline.is(problem))
      order[#order + 1] = "first"
    end, function()
      loop.sleep(0.05)
      order[#order + 1] = "second"
    end)
    assert.same({ "first", "second" }, order)
  end)

  it("tells an adapter how long to wait", function()
    assert.same({ 5, false }, { deadline.limit(5) })
    assert.same({ n = 2, nil, false }, table.pack(deadline.limit(nil)))
    deadline.run(nil, 10, function()
      local seconds, cut = deadline.limit(5)
      assert.same({ 5, false }, { seconds, cut })
      seconds, cut = deadline.limit(nil)
      assert.is_true(seconds > 9 and seconds <= 10 and cut)
      deadline.check(false, "timeout")
      deadline.check(true, nil)
      assert.is_false((pcall(deadline.check, true, "timeout")))
    end)
  end)
end)
