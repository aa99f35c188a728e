local ebb = require "lunapost.smtp.ebb"

-- A server whose tasks run at once; others leave while they pause.
local function server_of(leave)
  local server = { tide = { most = 0, out = false, kib = 1 << 30 },
    pauses = 0, tasks = 0, counts = { sessions = 0 } }
  function server.pause()
    server.pauses = server.pauses + 1
    server.counts.sessions = math.max(0, server.counts.sessions - leave)
  end
  server.loop = { spawn = function(task, ...)
    server.tasks = server.tasks + 1
    task(...)
  end }
  return server
end

local function count(server, n)
  server.counts.sessions = n
  ebb.note(server, n)
end

describe("an ebb of sessions", function()
  setup(function() collectgarbage "stop" end)
  teardown(function() collectgarbage "restart" end)

  local function garbage()
    local list = setmetatable({}, { __mode = "k" })
    list[{}] = true
    return list
  end

  it("gives memory back when a crowd has left, all of it", function()
    local server, left = server_of(40), garbage()
    for n = 1, 800 do count(server, n) end
    for n = 799, 101, -1 do count(server, n) end
    assert.truthy(next(left))
    count(server, 100)
    assert.same({ 1, 4, 100, false, 0 }, { server.tasks, server.pauses,
      server.tide.most, server.tide.out, server.counts.sessions })
    assert.is_nil(next(left))
    for n = 99, 0, -1 do count(server, n) end
    assert.equal(1, server.tasks)
  end)

  it("gives back what is free at any time, once at a time", function()
    local server, left = server_of(0), garbage()
    server.tide.out = true
    ebb.tidy(server)
    assert.equal(0, server.tasks)
    server.tide.out = false
    ebb.tidy(server)
    assert.same({ 1, 1, false }, { server.tasks, server.pauses,
      server.tide.out })
    assert.is_nil(next(left))
  end)

  it("gives back a stack that overflowed, and no other fault's", function()
    local server, left = server_of(0), garbage()
    ebb.fault(server, "boom")
    assert.equal(0, server.tasks)
    assert.truthy(next(left))
    local function deeper() return deeper() + 1 end
    ebb.fault(server, select(2, pcall(deeper)))
    assert.equal(1, server.tasks)
    assert.is_nil(next(left))
  end)

  it("gives back what a flood has left, when a session of it ends",
    function()
    local server, left = server_of(0), garbage()
    count(server, 1)
    local kib <const> = collectgarbage "count" // 1 | 0
    server.tide.kib = kib // 2
    count(server, 0)
    assert.equal(0, server.tasks)
    server.tide.kib = (kib - 9000) // 2
    count(server, 1)
    count(server, 0)
    assert.equal(1, server.tasks)
    assert.is_nil(next(left))
    assert.is_true(server.tide.kib > 0)
  end)

  it("does nothing for those who are no crowd", function()
    local server, left = server_of(1), garbage()
    for n = 1, 499 do count(server, n) end
    for n = 498, 0, -1 do count(server, n) end
    assert.equal(0, server.tasks)
    assert.truthy(next(left))
  end)
end)
