-- How sessions end, whatever their handlers do meanwhile.
local loop = require "lunapost.loop"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local wire = require "spec.support.wire"

-- A peer that has said lines, each of which is answered.
local function said(server, ...)
  local peer = peers.dial(server.port)
  peer:reply()
  for _, line in ipairs { ... } do
    assert.matches("^[23]", peer:ask(line))
  end
  return peer
end

-- Options whose faults and ends are gathered.
local function watched(on, more)
  local seen = { faults = {}, ends = {} }
  on.error = function(_, problem)
    table.insert(seen.faults, (tostring(problem):match "[^\n]*"))
  end
  on.disconnect = on.disconnect or function(_, why)
    table.insert(seen.ends, why)
  end
  local options = more or {}
  options.on = on
  return options, seen
end

local function until_ended(server)
  local limit = loop.now() + 10
  while next(server.sessions) and loop.now() < limit do loop.sleep(0.01) end
  assert.is_nil(next(server.sessions))
end

describe("a question", function()
  it("is none where the line that answers it is refused", function()
    local asked = {}
    local options, seen = watched { unknown = function(session)
      asked[1] = select(2, pcall(session.ask, session, 334, "one"))
      asked[2] = select(2, pcall(session.ask, session, 334, "two"))
    end }
    options.limits = { errors = 1 }
    served.run(options, function(server)
      local peer <close> = said(server, "EHLO me")
      assert.equal("334 one", peer:ask "OWN")
      assert.equal("421 4.7.0 mx.test too many errors", peer:ask "bad\1line")
      assert.same({ nil, "eof" }, { peer:line() })
    end)
    assert.equal("421 4.7.0 mx.test too many errors", tostring(asked[1]))
    assert.matches("only AUTH and own commands may ask", asked[2])
    assert.same({}, seen.faults)
  end)
end)

describe("a disconnect handler that raises", function()
  local function failing(why)
    return function() error(why, 0) end
  end

  it("leaves no session behind when the server stops", function()
    local options, seen = watched { disconnect = failing "boom",
      mail = function() loop.sleep(60) end }
    local server = served.run(options, function(server)
      for _ = 1, 2 do said(server, "EHLO me"):say "MAIL FROM:<a@b>\r\n" end
      loop.sleep(0.05)
      server:stop(0)
      assert.is_nil(next(server.sessions))
    end)
    assert.same({ "boom", "boom" }, seen.faults)
    assert.equal(2, server:stats().ended.stopped)
  end)

  it("does not keep the process from its end", function()
    assert.matches("ended in order", wire.script [[
      local core, loop = require "lunapost.core", require "lunapost.loop"
      local peers = require "spec.support.peer"
      local server = require("lunapost.smtp.server").new {
        listen = "127.0.0.1:0", grace = 0, log = function() end, on = {
          mail = function() loop.sleep(60) end,
          disconnect = function() error "boom" end } }
      server:run(function()
        loop.spawn(function()
          local peer = peers.dial(server.port)
          peer:reply()
          peer:ask "EHLO me"
          peer:say "MAIL FROM:<a@b>\r\n"
          loop.sleep(0.1)
          core.process.tell(core.system.pid(), "end")
          loop.sleep(20)
          os.exit(3)
        end)
      end)
      print "ended in order"
    ]])
  end)

  it("has no fault where it asks for more of what is over", function()
    local reader
    local options, seen = watched { data = function(_, body)
      reader = body
      body:read()
    end, disconnect = function() reader:read() end }
    served.run(options, function(server)
      local peer = said(server, "EHLO me", "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>", "DATA")
      peer:say "cut o"
      peer:close()
      until_ended(server)
    end)
    assert.same({}, seen.faults)
  end)
end)
