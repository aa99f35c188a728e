-- What another loop watches in place of a timer and of many descriptors.
local core = require "lunapost.core"

local function ready(fd, seconds)
  return core.loop.block(fd, "r", seconds) ~= nil
end

describe("an alarm", function()
  it("is readable when its time has come, until it is set again", function()
    local alarm <close> = assert(core.alarm.new())
    assert.is_false(ready(alarm:fd(), 0.01))
    alarm:set(0.03)
    assert.is_false(ready(alarm:fd(), 0))
    assert.is_true(ready(alarm:fd(), 5))
    assert.is_true(ready(alarm:fd(), 0))
    alarm:set(60)
    assert.is_false(ready(alarm:fd(), 0.01))
    for _, now in ipairs { 0, -1, 1e-30 } do
      alarm:set(now)
      assert.is_true(ready(alarm:fd(), 5))
    end
  end)

  it("may be set for never", function()
    local alarm <close> = assert(core.alarm.new())
    for _, far in ipairs { 1e300, math.huge, 2 ^ 40 } do
      alarm:set(far)
      assert.is_false(ready(alarm:fd(), 0.005))
    end
    alarm:set(0.001)
    alarm:set(nil)
    assert.is_false(ready(alarm:fd(), 0.01))
    assert.has_error(function() alarm:set(0 / 0) end)
  end)

  it("is closed once", function()
    local alarm = assert(core.alarm.new())
    alarm:close()
    alarm:close()
    assert.equal(-1, alarm:fd())
    assert.error_matches(function() alarm:set(1) end, "closed")
  end)
end)

describe("a poller", function()
  it("can be watched, and tells its earliest deadline", function()
    local poller <close> = core.loop.new()
    local alarm <close> = assert(core.alarm.new())
    local fd = poller:fd()
    if not fd then return pending "this backend has no descriptor" end
    assert.is_nil((poller:due()))
    poller:wait(alarm:fd(), "r", 60)
    poller:timer(30)
    local left = poller:due() - core.loop.now()
    assert.is_true(left > 29 and left <= 30)
    assert.is_false(ready(fd, 0.01))
    alarm:set(0)
    assert.is_true(ready(fd, 5))
    poller:turn(0)
    assert.same({ alarm:fd(), "r" }, { poller:next() })
    poller:turn(0) -- nobody waits for it any more
    assert.is_nil((poller:next()))
    assert.is_false(ready(fd, 0.01))
  end)

  it("that asks by poll has none", function()
    local poller <close> = core.loop.new "poll"
    assert.is_nil((poller:fd()))
  end)
end)
