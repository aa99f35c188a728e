-- When the handler of a body is asked, and when it is not.
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"

local function in_data(server)
  local peer = peers.dial(server.port)
  assert.matches("^220 ", peer:reply())
  for _, line in ipairs { "EHLO spec", "MAIL FROM:<a@x>", "RCPT TO:<b@y>",
    "DATA" } do
    assert.matches("^[23]", peer:ask(line))
  end
  return peer
end

local function eventually(fact) patience.await(loop, fact) end

describe("a body", function()
  it("is for its handler once it has begun to come", function()
    local asked, ends, errors = 0, {}, {}
    local on = {
      data = function(_, body)
        asked = asked + 1
        return 250, "2.0.0", #body:read() .. " octets"
      end,
      disconnect = function(_, why) ends[#ends + 1] = why end,
      error = function(_, problem) errors[#errors + 1] = problem end,
    }
    served.run({ on = on }, function(server)
      local peer = in_data(server)
      peer:say ".\r\n" -- an empty one
      assert.equal("250 2.0.0 0 octets", peer:reply())
      peer:close()
      eventually(function() return #ends == 1 end)
      in_data(server):close()
      eventually(function() return #ends == 2 end)
      peer = in_data(server)
      peer:say "a\nb\r\n.\r\n" -- nothing of it may be kept
      assert.equal("554 5.6.0 bare CR or LF in the message", peer:reply())
    end)
    served.run({ on = on, limits = { timeout = 0.3 } }, function(server)
      local peer = in_data(server)
      assert.equal("421 4.4.2 mx.test waited too long", peer:reply())
      eventually(function() return ends[#ends] == "timeout" end)
    end)
    assert.equal(2, asked)
    assert.same({ "closed", "closed" }, { table.unpack(ends, 1, 2) })
    assert.same({}, errors)
  end)

  it("comes to its end where it was asked for before the stop",
    function()
    local why
    served.run({ on = { data = function(_, body)
      return 250, "2.0.0", #body:read() .. " octets"
    end, disconnect = function(_, reason) why = reason end } },
      function(server)
        local peer = in_data(server)
        local stopped = false
        loop.spawn(function()
          server:stop(10)
          stopped = true
        end)
        loop.sleep(0.1)
        assert.is_false(stopped)
        peer:say "x\r\n.\r\n"
        assert.equal("250 2.0.0 3 octets", peer:reply())
        assert.equal("421 4.3.2 mx.test shuts down", peer:reply())
        eventually(function() return stopped and why ~= nil end)
      end)
    assert.equal("stopped", why)
  end)
end)

describe("421 among answers one a recipient", function()
  -- What is said behind the dot, where a handler gives these answers.
  local function answers(lmtp, given)
    local faults = {}
    local server = server_of.new { hostname = "mx.test",
      protocol = lmtp and "lmtp" or nil, extensions = { PRDR = true },
      on = { data = function() return given end,
        error = function(_, problem) faults[#faults + 1] = problem end } }
    local text = tostring(server:script { lmtp and "LHLO me" or "EHLO me",
      "MAIL FROM:<a@b>" .. (lmtp and "" or " PRDR"), "RCPT TO:<c@d>",
      "RCPT TO:<e@d>", "DATA", "hi", ".", "NOOP" })
    assert.same({}, faults)
    return text:match("C: %.\n(.*)"), server:stats()
  end

  it("is the last word, by LMTP", function()
    local text, stats = answers(true, { 421, 250 })
    assert.equal("S: 421 4.3.0 try again later\n", text)
    assert.same({ 0, 1 }, { stats.messages, stats.messages_refused })
    text, stats = answers(true, { 250, 421 })
    assert.equal("S: 250 2.0.0 ok\nS: 421 4.3.0 try again later\n", text)
    assert.same({ 1, 1 }, { stats.messages, stats.ended.closed })
  end)

  it("is the last word where one answer is for all", function()
    assert.equal("S: 421 4.3.0 try again later\n",
      (answers(true, { code = 421 })))
  end)

  it("is the last word, by PRDR", function()
    local text, stats = answers(false, { 250, 421 })
    assert.equal("S: 353 an answer a recipient follows\n"
      .. "S: 250 2.0.0 ok\nS: 421 4.3.0 try again later\n", text)
    assert.same({ 0, 1 }, { stats.messages, stats.messages_refused })
  end)
end)
