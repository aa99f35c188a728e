--- What workers know of each other: the places for sessions, and the lock
--- under which they count.
local places = require "lunapost.smtp.places"
local server_of = require "lunapost.smtp.server"
local share_of = require "lunapost.smtp.share"
local wire = require "spec.support.wire"

-- The view that a worker has of what is shared.
local function view(share, slot)
  local one = { sessions = setmetatable({}, { __index = share.sessions }),
    events = setmetatable({}, { __index = share.events }) }
  setmetatable(one, { __index = share })
  one:join(slot)
  return one
end

local function server(share, slot, limits)
  local one = server_of.new { hostname = "mx.test", limits = limits }
  one.share = view(share, slot)
  return one
end

describe("places that workers share", function()
  it("are as many as the limits say, whoever takes them", function()
    local share = share_of.new(2)
    local a = server(share, 1, { sessions = 3, source_sessions = 2 })
    local b = server(share, 2, { sessions = 3, source_sessions = 2 })
    assert.is_true(places.take(a, "x", 0))
    assert.is_true(places.take(b, "x", 0))
    assert.is_false(places.take(a, "x", 0))
    assert.is_true(places.take(b, "y", 0))
    assert.is_false(places.take(a, "z", 0))
    places.give(b, "x")
    assert.is_true(places.take(a, "z", 0))
    assert.equal(2, a.counts.sessions)
    assert.same({ y = 1 }, b.sources)
    share:bury(1)
    assert.is_true(places.take(b, "x", 0))
    assert.is_true(places.take(b, "x", 0))
    assert.is_false(places.take(b, "z", 0))
  end)

  it("are neither one too many nor one too few, however workers race",
    function()
    assert.equal("100\n", wire.script [[
      local core = require "lunapost.core"
      local loop = require "lunapost.loop"
      local places = require "lunapost.smtp.places"
      local server_of = require "lunapost.smtp.server"
      local share_of = require "lunapost.smtp.share"
      local SOURCES <const> = 100
      local limits <const> = { source_sessions = 1 }
      local over <const> = loop.now() + 60
      local share = share_of.new(2)
      share.patience = 60000 -- whatever else the machine does
      local ready, taken = core.process.shared(2), core.process.shared(2)

      -- Asks for each place at the moment when the other one does.
      local function work(slot)
        share:join(slot)
        local server = server_of.new { hostname = "mx.test",
          limits = limits }
        server.share = share
        for i = 1, SOURCES do
          ready:set(slot, i)
          repeat
            assert(loop.now() < over, "the other one is gone")
          until ready:get(3 - slot) >= i
          places.take(server, "source " .. i, 0)
        end
        taken:set(slot, server.counts.sessions)
      end

      for slot = 1, 2 do
        if assert(core.process.fork()) == 0 then
          work(slot)
          os.exit(0, false)
        end
      end
      local living = 2
      while living > 0 do
        local pid, code = core.process.reap()
        if pid then
          assert(code == 0)
          living = living - 1
        end
        loop.sleep(0.001)
      end
      print(taken:get(1) + taken:get(2))
    ]])
  end)
end)

describe("the lock of workers", function()
  it("is free again when who holds it is dead", function()
    local share = share_of.new(2)
    share.patience = 1
    local a, b = view(share, 1), view(share, 2)
    local held = a:alone()
    assert.is_truthy(held)
    assert.is_nil(b:alone()) -- as if a were stopped
    share:bury(2) -- not its own
    assert.is_nil(b:alone())
    share:bury(1)
    do
      local _ <close> = assert(b:alone())
    end
    assert.is_truthy(a:alone())
  end)

  it("is waited for once where who holds it is stopped", function()
    local share = share_of.new(2)
    local waits = 0
    local memory <const> = share.shared
    share.shared = setmetatable({ lock = function(_, ...)
      waits = waits + 1
      return memory:lock(...)
    end }, { __index = function(_, name)
      return function(_, ...) return memory[name](memory, ...) end
    end })
    share.patience = 1
    local a, b = view(share, 1), view(share, 2)
    local stopped = a:alone()
    for _ = 1, 100 do assert.is_nil(b:alone()) end
    assert.equal(2, waits)
    getmetatable(stopped).__close(stopped) -- it goes on
    for _ = 1, 3 do
      local hold <close> = b:alone()
      assert.is_truthy(hold)
    end
    local again <close> = a:alone()
    assert.is_truthy(again)
    assert.is_nil(b:alone()) -- and is stopped again
    assert.equal(7, waits)
  end)

  it("lets no one too many pass even where it cannot be had", function()
    local share = share_of.new(3)
    share.patience = 1
    local a = server(share, 1, { sessions = 1, source_sessions = 1 })
    local b = server(share, 2, { sessions = 1, source_sessions = 1 })
    local stopped <close> = assert(view(share, 3):alone())
    assert.is_truthy(stopped)
    assert.is_true(places.take(a, "x", 0))
    assert.is_false(places.take(b, "x", 0))
    assert.same({}, b.sources)
    assert.equal(0, b.counts.sessions)
  end)
end)

describe("what workers have in files", function()
  it("is told to each other, and the dead have none", function()
    local share = share_of.new(3)
    local a, b = view(share, 1), view(share, 2)
    a:tell_spooled(5)
    b:tell_spooled(7)
    assert.equal(7, a:spooled_elsewhere())
    assert.equal(12, view(share, 3):spooled_elsewhere())
    share:bury(2)
    assert.equal(0, a:spooled_elsewhere())
  end)

  it("is asked for where there is no room", function()
    local share = share_of.new(2)
    local a, b = view(share, 1), view(share, 2)
    assert.is_false(b:is_room_wanted())
    a:want_room()
    assert.is_true(b:is_room_wanted())
    assert.is_false(b:is_room_wanted())
  end)
end)
