-- Handlers that raise: each costs its own command an answer, and nothing else.
local loop = require "lunapost.loop"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"

local FAULT <const> = "451 4.3.0 local error; try again later"

-- What a server says to a group of lines that comes at once, line by line, and
-- the faults that its error handler was told of.
local function replies(on, count, ...)
  local list, faults = {}, {}
  local lines = table.concat({ ... }, "\r\n") .. "\r\n"
  on.error = function(_, problem) faults[#faults + 1] = problem end
  local server = served.run({ on = on }, function(server)
    local peer <close> = peers.dial(server.port)
    peer:reply()
    peer:ask "EHLO me"
    peer:say(lines)
    for i = 1, count do list[i] = peer:reply() end
  end)
  assert.equal(#faults, server:stats().faults)
  return list, faults
end

local function wait()
  loop.sleep(0.01)
end

local GROUP <const> = { "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<e@f>",
  "DATA" }

describe("a handler that raises", function()
  it("greets nobody", function()
    local faults = {}
    local server = served.run({ on = {
      connect = function() error "before all" end,
      error = function(_, problem) faults[#faults + 1] = problem end,
    } }, function(server)
      local peer <close> = peers.dial(server.port)
      assert.equal("421 local error; try again later", peer:reply())
      assert.same({ nil, "eof" }, { peer:line() })
    end)
    assert.matches("before all", faults[1])
    assert.same({ 1, 1 }, { server:stats().faults, server:stats().refused })
  end)

  for how, before in pairs { ["at once"] = function() end,
    ["when it has waited"] = wait } do
    it("is answered 451 in the midst of a group, " .. how, function()
      local tried = 0
      local list, faults = replies({ rcpt = function()
        before()
        tried = tried + 1
        if tried == 1 then error "of the first" end
      end }, 4, table.unpack(GROUP))
      assert.same({ "250 2.1.0 sender ok", FAULT, "250 2.1.5 recipient ok",
        "354 end with a line that holds one dot" }, list)
      assert.matches("raising_spec.lua:%d+: of the first.*traceback.*"
        .. "raising_spec", faults[1])
    end)

    it("may refuse by that, " .. how, function()
      local list, faults = replies({ mail = function()
        before()
        smtp.reject(550, "5.7.1", "not you")
      end, vrfy = function()
        before()
        error { "a table", before }
      end }, 4, "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "VRFY x", "NOOP")
      assert.same({ "550 5.7.1 not you", "503 5.5.1 MAIL comes first", FAULT,
        "250 2.0.0 ok" }, list)
      assert.same({ { "a table", before } }, faults)
    end)

    it("has no message, " .. how, function()
      local left
      local list, faults = replies({ data = function(_, body)
        before()
        body:read_chunk()
        error "half way"
      end, rset = function(session, reason)
        before()
        left = reason
        if reason == "failed" then error("of " .. session.id) end
      end }, 7, "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "BDAT 3", "a\r\nNOOP",
        "BDAT 3 LAST", "b\r\nMAIL FROM:<a@b>", "RCPT TO:<c@d>")
      assert.same({ FAULT, "250 2.1.0 sender ok", "250 2.1.5 recipient ok" },
        table.move(list, 5, 7, 1, {}))
      assert.equal(2, #faults)
      assert.equal("failed", left)
    end)
  end

  it("closes what it holds, which may wait for that", function()
    local closed = 0
    local holder = setmetatable({}, { __close = function()
      wait()
      closed = closed + 1
    end })
    local list = replies({ mail = function()
      local _ <close> = holder
      error "with something open"
    end, noop = function()
      local _ <close> = holder
      return 250, "2.0.0", "closed " .. closed
    end }, 3, "MAIL FROM:<a@b>", "NOOP", "NOOP")
    assert.same({ FAULT, "250 2.0.0 closed 1", "250 2.0.0 closed 2" }, list)
    assert.equal(3, closed)
  end)

  it("raises for itself, not for the body that is under way", function()
    local octets
    local list, faults = replies({ data = function(_, body)
      octets = body:read()
    end, noop = function() error "in between" end }, 5, "MAIL FROM:<a@b>",
      "RCPT TO:<c@d>", "BDAT 3", "a\r\nNOOP", "BDAT 3 LAST", "b")
    assert.same({ "250 2.0.0 go on", FAULT, "250 2.0.0 message accepted" },
      table.move(list, 3, 5, 1, {}))
    assert.equal("a\r\nb\r\n", octets)
    assert.matches("in between", faults[1])
  end)

  it("may raise what fails to say what it is", function()
    local nameless = setmetatable({}, { __tostring = function()
      error("nobody knows", 0)
    end })
    local function throw() error(nameless) end
    for _, on in ipairs { { noop = throw },
      { noop = function() error "a fault" end, error = throw } } do
      local said = {}
      served.run({ on = on, log = served.log(said) }, function(server)
        local peer <close> = peers.dial(server.port)
        peer:reply()
        peer:ask "EHLO me"
        for _ = 1, 2 do assert.equal(FAULT, peer:ask "NOOP") end
        assert.matches("^252", peer:ask "VRFY x")
      end)
      assert.equal(2, #said)
      assert.matches("a table whose __tostring fails: nobody knows$", said[2])
    end
  end)

  it("may do so at its deadline", function()
    local faults = {}
    served.run({ limits = { handler = 0.05 }, on = {
      rcpt = function() loop.sleep(60) end,
      error = function(_, problem) faults[#faults + 1] = tostring(problem) end,
    } }, function(server)
      local peer <close> = peers.dial(server.port)
      peer:reply()
      for _, line in ipairs { "EHLO me", "MAIL FROM:<a@b>" } do
        peer:ask(line)
      end
      assert.equal(FAULT, peer:ask "RCPT TO:<c@d>")
      assert.equal("250 2.0.0 ok", peer:ask "NOOP")
    end)
    assert.same({ "the deadline passed" }, faults)
  end)
end)
