-- How sessions end, whatever their handlers do meanwhile.
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
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
  patience.await(loop, function() return not next(server.sessions) end)
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

describe("a session that cannot wait", function()
  it("keeps no place and no connection", function()
    local told = {}
    local own <const> = setmetatable({}, { __index = loop })
    loop.on_error = function(problem) told[#told + 1] = problem end
    finally(function() loop.on_error = nil end)
    function own.rest(fd, mode, seconds, owner, limit)
      if owner.machine then error("no room for a wait", 0) end
      return loop.rest(fd, mode, seconds, owner, limit)
    end
    served.run({ loop = own }, function(server)
      local peer <close> = peers.dial(server.port)
      assert.matches("^220", peer:reply())
      assert.same({ nil, "eof" }, { peer:line() })
      until_ended(server)
      assert.equal(0, server.counts.sessions)
    end)
    assert.same({ "no room for a wait" }, told)
  end)
end)

describe("a session whose connection the script closes", function()
  -- Why sessions end that wait for a command, or for a body in a handler.
  local function closed(first)
    local whys, list = {}, {}
    local on = { data = function(_, body) body:read() end }
    function on.connect(session) list[#list + 1] = session end
    function on.disconnect(_, why) whys[#whys + 1] = why end
    function on.noop() list[1].conn:close() end
    served.run({ on = on }, function(server)
      local peer <close> = peers.dial(server.port)
      first(peer)
      local other <close> = peers.dial(server.port)
      assert.matches("^220", other:reply())
      assert.matches("^250", other:ask "NOOP")
      assert.same({ nil, "eof" }, { peer:line() })
      assert.matches("^221", other:ask "QUIT")
      until_ended(server)
      assert.equal(1, server:stats().ended.closed)
    end)
    assert.equal(2, #whys)
    return whys[1]
  end

  it("is told of that, not of a time that were over", function()
    assert.equal("closed", closed(function(peer) peer:reply() end))
    assert.equal("closed", closed(function(peer)
      peer:reply()
      for _, line in ipairs { "EHLO a", "MAIL FROM:<a@b>", "RCPT TO:<a@b>",
        "DATA" } do
        peer:ask(line)
      end
    end))
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

  -- What a process says that is told to end while a handler waits.
  local function told_to_end(more)
    return wire.script(([[
      local core, loop = require "lunapost.core", require "lunapost.loop"
      local peers = require "spec.support.peer"
      local server = require("lunapost.smtp.server").new {
        listen = "127.0.0.1:0", grace = 0, log = function() end, on = {
          mail = function() loop.sleep(60) end,
          disconnect = function() error "boom" end } }
      %s
      server:run(function()
        loop.spawn(function()
          local peer = peers.dial(server.port)
          peer:reply()
          peer:ask "EHLO me"
          peer:say "MAIL FROM:<a@b>\r\n"
          loop.sleep(0.1)
          core.process.tell(core.system.pid(), "end")
          loop.sleep(60)
          os.exit(3)
        end)
      end)
      print "ended in order"
    ]]):format(more))
  end

  it("does not keep the process from its end", function()
    assert.equal("ended in order\n", told_to_end "")
  end)

  it("ends like anything else that fails within the stop", function()
    local out = told_to_end "function server.leave() error 'stuck' end"
    assert.matches("stuck.*ended in order\n$", out)
  end)

  it("has no fault where it asks for more of what is over", function()
    local reader
    local options, seen = watched { data = function(_, body)
      reader = body
      body:read()
    end, disconnect = function() reader:read() end }
    local _ <close> = setmetatable({}, { __close = function()
      loop.on_error = nil
    end })
    loop.on_error = function(problem)
      table.insert(seen.faults, tostring(problem))
    end
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

describe("a handler that stops its server", function()
  local function stopped(options, seen)
    local server = served.run(options, function(server)
      local other <close> = said(server, "EHLO other")
      local peer <close> = said(server, "EHLO me")
      assert.equal("421 4.3.2 mx.test shuts down",
        peer:ask "MAIL FROM:<a@b>")
      assert.same({ nil, "eof" }, { peer:line() })
      assert.equal("421 4.3.2 mx.test shuts down", other:reply())
      until_ended(server)
      loop.sleep(0.05) -- what is over could still be told of
    end)
    assert.same({}, seen.faults)
    assert.equal(2, server:stats().ended.stopped)
  end

  it("leaves its session like any other", function()
    local options, seen = watched {
      mail = function(session) session.server:stop(0) end }
    stopped(options, seen)
    assert.same({ "stopped", "stopped" }, seen.ends)
  end)

  it("may answer, which nobody hears", function()
    local options, seen = watched { mail = function(session)
      session.server:stop(0)
      return 250, "2.0.0", "too late"
    end }
    stopped(options, seen)
    assert.same({ "stopped", "stopped" }, seen.ends)
  end)

  it("may be the function of a whole dialogue", function()
    local options, seen = watched {}
    local why
    options.session = function(s)
      for command in s.next, s do
        if command.verb == "MAIL" then s.server:stop(0) end
      end
      why = select(2, s:next())
    end
    stopped(options, seen)
    assert.equal("stopped", why)
  end)
end)

describe("a handler that stops its server with a grace", function()
  local LONG <const> = 3600 -- the spec is cut off before

  it("sees the others out, and is heard", function()
    local order = {}
    local options, seen = watched {
      vrfy = function(session)
        session.server:stop(LONG)
        order[#order + 1] = "stopped"
        return 252, "2.0.0", "I did"
      end,
      message = function() order[#order + 1] = "message" end,
    }
    served.run(options, function(server)
      local other = said(server, "EHLO you", "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>", "DATA")
      local peer = said(server, "EHLO me")
      peer:say "VRFY it\r\n"
      repeat loop.sleep(0.001) until server.stopping
      other:say "Subject: x\r\n\r\n.\r\n"
      assert.matches("^250 ", other:reply())
      assert.equal("421 4.3.2 mx.test shuts down", other:reply())
      assert.equal("252 2.0.0 I did", peer:reply())
      assert.equal("421 4.3.2 mx.test shuts down", peer:reply())
      until_ended(server)
    end)
    assert.same({ "message", "stopped" }, order)
    assert.same({}, seen.faults)
  end)

  for name, more in pairs {
    ["does not wait for another one"] = { mail = function(session)
      session.server:stop(LONG)
    end },
    ["may be the function of a whole dialogue, and does not either"] = {
      session = function(session)
        for command in session.next, session do
          if command.verb == "MAIL" then session.server:stop(LONG) end
        end
      end },
  } do
    it(name, function()
      local options <const> = { session = more.session, on = more }
      more.session = nil
      served.run(options, function(server)
        local peers_of = {}
        for i = 1, 2 do peers_of[i] = said(server, "EHLO me") end
        for i = 1, 2 do peers_of[i]:say "MAIL FROM:<a@b>\r\n" end
        for i = 1, 2 do
          local reply = peers_of[i]:reply()
          -- whoever came later was idle when the first one stopped the server
          assert.is_truthy(reply:find "^250 " or reply:find "^421 ", reply)
        end
        until_ended(server)
      end)
    end)
  end

  it("ends its session, too, when that takes too long", function()
    local woken
    local options, seen = watched { noop = function(session)
      session.server:stop(0.05)
      loop.sleep(LONG)
      woken = true
    end }
    served.run(options, function(server)
      local peer = said(server, "EHLO me")
      peer:say "NOOP\r\n"
      assert.equal("421 4.3.2 mx.test shuts down", peer:reply())
      until_ended(server)
    end)
    assert.is_nil(woken)
    assert.same({ "stopped" }, seen.ends)
  end)

  it("ends what its server runs in", function()
    assert.equal("250 2.0.0 bye\nreturned\n", wire.script [[
      local loop = require "lunapost.loop"
      local peers = require "spec.support.peer"
      local server = require("lunapost.smtp.server").new {
        listen = "127.0.0.1:0", on = { noop = function(session)
          session.server:stop(60)
          return 250, "2.0.0", "bye"
        end } }
      server:run(function()
        loop.spawn(function()
          local peer = peers.dial(server.port)
          peer:reply()
          print(peer:ask "NOOP")
        end)
      end)
      print "returned"
    ]])
  end)
end)

describe("an end that a handler swallows", function()
  it("is said once, and ends the session", function()
    local tries = {}
    local options, seen = watched({ data = function(_, body)
      for i = 1, 3 do tries[i] = tostring(select(2, pcall(body.read, body))) end
      return 250, "2.0.0", "thanks for all of it"
    end }, { limits = { timeout = 0.2 } })
    local server = served.run(options, function(server)
      local peer <close> = said(server, "EHLO me", "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>", "DATA")
      peer:say "cut o"
      assert.equal("421 4.4.2 mx.test waited too long", peer:reply())
      assert.same({ nil, "eof" }, { peer:line() })
      until_ended(server)
    end)
    local over <const> = "the session is over: timeout"
    assert.same({ over, over, over }, tries)
    assert.same({ {}, { "timeout" } }, { seen.faults, seen.ends })
    assert.equal(0, server:stats().messages)
  end)

  -- What becomes of a question whose peer does something else.
  local function questioned(more, act)
    local options, seen = watched({ unknown = function(session)
      pcall(session.ask, session, 334, "one")
      pcall(session.ask, session, 334, "two")
      return 250, "2.0.0", "ok"
    end }, more)
    served.run(options, function(server)
      local peer <close> = said(server, "EHLO me")
      assert.equal("334 one", peer:ask "OWN")
      act(peer)
      until_ended(server)
    end)
    assert.same({}, seen.faults)
    return seen.ends
  end

  it("is no fault where the peer was asked, and is gone", function()
    assert.same({ "closed" }, questioned({}, function(peer) peer:close() end))
  end)

  it("is no fault where the peer was asked, and says nothing", function()
    assert.same({ "timeout" }, questioned({ limits = { timeout = 0.2 } },
      function(peer)
      assert.equal("421 4.4.2 mx.test waited too long", peer:reply())
      assert.same({ nil, "eof" }, { peer:line() })
    end))
  end)

  it("leaves by the machine itself, whatever was to be read", function()
    local a, b = wire.pair()
    local machine = core.server.new(core.server.config { hostname = "mx.test",
      mail_parameters = "", rcpt_parameters = "" })
    machine:step(a)
    machine:reply()
    assert.equal("read", (machine:step(a)))
    machine:close(421, "4.4.2", "over")
    assert.equal("closed", (machine:step(a)))
    wire.close()
    assert(b)
  end)
end)
