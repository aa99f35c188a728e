--- LIMITS (RFC 9422): transactions split by what the server limits.

local limits = require "lunapost.smtp.limits"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

local function addresses(lists)
  local out = {}
  for i, list in ipairs(lists) do
    out[i] = {}
    for j, to in ipairs(list) do out[i][j] = to.address end
  end
  return out
end

local function recipients(...)
  local list = {}
  for i, address in ipairs { ... } do list[i] = { address = address } end
  return list
end

describe("limits of a server", function()
  it("are read, and what makes no sense is none", function()
    assert.same({ recipients = 10, mails = 2 }, limits.of { "RCPTMAX=10",
      "mailmax=2", "RCPTDOMAINMAX=0", "X=3", "RCPTMAX=", "=4" })
    assert.same({}, limits.of(nil))
  end)

  it("split recipients by number and by domain, in order", function()
    local list = recipients("a@x", "b@y", "c@x", "d@Y", "e@z")
    assert.same({ { "a@x", "b@y" }, { "c@x", "d@Y" }, { "e@z" } },
      addresses(limits.split(list, { recipients = 2 })))
    assert.same({ { "a@x", "c@x" }, { "b@y", "d@Y" }, { "e@z" } },
      addresses(limits.split(list, { domains = 1 })))
    assert.same({ { "a@x", "b@y" }, { "c@x", "d@Y" }, { "e@z" } },
      addresses(limits.split(list, { domains = 2, recipients = 2 })))
    assert.equal(list, limits.split(list, {})[1])
  end)

  it("split many recipients in time proportional to them", function()
    local list = {}
    for i = 1, 20000 do list[i] = { address = "a@" .. i } end
    assert.equal(20000, #limits.split(list, { domains = 1 }))
  end)
end)

-- A server with words for LIMITS; the answers follow.
local function limiting(words, play)
  return function(peer)
    peer:say "220 x"
    peer:answer("250-x\r\n250-PIPELINING\r\n250 " .. words)
    play(peer)
  end
end

-- One transaction: answers to MAIL and RCPTs, 354, and to the dot.
local function taking(peer, final, ...)
  peer:answer("250 ok", ...)
  peer:answer "354 go"
  local body = peer:body()
  peer:say(final)
  return body
end

describe("a message for more recipients than the server takes", function()
  local envelope <const> = { from = "a@x", to = { "b@y", "c@y", "d@y" } }

  it("goes in several transactions, whose results are one", function()
    local bodies = {}
    local heard = scripted.run(limiting("LIMITS RCPTMAX=2", function(peer)
      bodies[1] = taking(peer, "250 first", "250 ok", "550 5.1.1 nobody")
      bodies[2] = taking(peer, "250 second", "250 ok")
    end), function(options)
      local client = assert(smtp.open(options))
      local chunks = { "one\n", "two\n" }
      local result = assert(client:send(envelope, function()
        return table.remove(chunks, 1) -- a source can be read only once
      end))
      assert.same({ "b@y", "d@y" }, result.accepted)
      assert.equal("c@y", result.rejected[1].address)
      assert.equal(1, #result.rejected)
      assert.equal("second", result.reply.text)
      assert.is_nil(result.error)
    end)
    assert.same({ "one\ntwo", "one\ntwo" }, bodies)
    local mails = 0
    for _, line in ipairs(heard[1]) do
      if line:find "^MAIL" then mails = mails + 1 end
    end
    assert.equal(2, mails)
  end)

  it("tells of a transaction that failed as a whole", function()
    scripted.run(limiting("LIMITS RCPTMAX=2", function(peer)
      taking(peer, "250 first", "250 ok", "250 ok")
      taking(peer, "451 4.3.0 later", "250 ok")
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y", "c@y" }, result.accepted)
      assert.same({ { address = "d@y", code = 451, enhanced = "4.3.0",
        text = "later" } }, result.rejected)
      assert.equal(451, result.error.code)
    end)
  end)

  it("names those whose outcome is unknown", function()
    scripted.run(limiting("LIMITS RCPTMAX=2", function(peer)
      taking(peer, "250 first", "250 ok", "250 ok")
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y", "c@y" }, result.accepted)
      assert.equal("unconfirmed", result.error.kind)
      local one = result.rejected[1]
      assert.same({ "d@y", "unconfirmed", 451, "4.4.2", true }, { one.address,
        one.kind, one.code, one.enhanced, one.final })
    end)
  end)

  it("has a code for those whom a lost session leaves", function()
    scripted.run(limiting("LIMITS RCPTMAX=1", function(peer)
      taking(peer, "250 first", "250 ok")
      peer:hear()
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y" }, result.accepted)
      assert.equal(2, #result.rejected)
      for i, one in ipairs(result.rejected) do
        assert.same({ envelope.to[i + 1], "closed", 451, "4.4.2" },
          { one.address, one.kind, one.code, one.enhanced })
        assert.is_nil(one.final)
      end
      assert.is_true(result.error.transient)
    end)
  end)

  it("has the code of a farewell for those whom it leaves", function()
    scripted.run(limiting("LIMITS RCPTMAX=1", function(peer)
      taking(peer, "250 first", "250 ok")
      peer:answer "421 4.3.2 bye"
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send({ from = "a@x",
        to = { "b@y", "c@y" } }, "x"))
      local one = result.rejected[1]
      assert.same({ "c@y", 421, "4.3.2", "bye" }, { one.address, one.code,
        one.enhanced, one.text })
    end)
  end)

  it("may do for the others in another session (MAILMAX)", function()
    scripted.run(limiting("LIMITS RCPTMAX=2 MAILMAX=1", function(peer)
      taking(peer, "250 first", "250 ok", "250 ok")
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y", "c@y" }, result.accepted)
      local one = result.rejected[1]
      assert.same({ "d@y", "limit", 451, "4.5.0" }, { one.address, one.kind,
        one.code, one.enhanced })
      assert.matches("MAILMAX", one.text)
      assert.is_true(result.error.transient)
    end)
  end)

  it("goes again for those that were too many (452 4.5.3)", function()
    local heard = scripted.run(limiting("HELP", function(peer)
      taking(peer, "250 first", "250 ok", "452 4.5.3 too many",
        "452 4.5.3 too many")
      taking(peer, "250 second", "250 ok", "452 4.5.3 too many")
      peer:answer("250 ok", "452 4.5.3 too many", "503 no", "250 reset")
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y", "c@y" }, result.accepted)
      assert.equal("d@y", result.rejected[1].address)
      assert.equal(452, result.rejected[1].code)
    end)
    assert.equal("RSET", heard[1][#heard[1]])
  end)

  it("goes again where a server without enhanced codes says 452", function()
    scripted.run(limiting("HELP", function(peer)
      taking(peer, "250 first", "250 ok", "452 too many", "452 4.2.2 full")
      taking(peer, "250 second", "250 ok")
    end), function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y", "c@y" }, result.accepted)
      assert.same({ "d@y", "4.2.2" }, { result.rejected[1].address,
        result.rejected[1].enhanced })
    end)
  end)

  it("goes once to who is named twice, whatever the server says", function()
    for _, words in ipairs { "HELP", "LIMITS RCPTMAX=1" } do
      local heard = scripted.run(limiting(words, function(peer)
        taking(peer, "250 taken", "250 ok")
        taking(peer, "250 taken", "250 ok")
      end), function(options)
        local client = assert(smtp.open(options))
        local result = assert(client:send({ from = "a@x",
          to = { "b@y", "b@y", { address = "<b@y>" } } }, "x"))
        assert.same({ "b@y" }, result.accepted)
        assert.same({}, result.rejected)
        result = assert(client:send({ from = "a@x", to = { "b@y", "b@y" } },
          "x"))
        assert.same({ "b@y" }, result.accepted)
      end)
      assert.equal("DATA", heard[1][4])
    end
  end)

  it("goes again to fewer each time", function()
    local parts = {}
    local result = assert(limits.deliver({ content = {}, envelope = {
      recipients = recipients("b@y", "c@y", "b@y") } }, {}, function(part)
      local list = addresses { part.envelope.recipients }[1]
      parts[#parts + 1] = list
      assert(#parts < 5, "it goes on without end")
      local rejected = {}
      for i = 2, #list do
        rejected[i - 1] = { address = list[i], code = 452, enhanced = "4.5.3" }
      end
      return { accepted = { list[1] }, rejected = rejected }
    end))
    assert.same({ { "b@y", "c@y", "b@y" }, { "c@y" } }, parts)
    assert.same({ "b@y", "c@y" }, result.accepted)
  end)

  it("is no more than MAILMAX allows in a session", function()
    scripted.run(limiting("LIMITS MAILMAX=1", function(peer)
      taking(peer, "250 first", "250 ok", "250 ok", "250 ok")
    end), function(options)
      local client = assert(smtp.open(options))
      assert(client:send(envelope, "x"))
      local result, problem = client:send(envelope, "x")
      assert.is_nil(result)
      assert.equal("limit", problem.kind)
      assert.matches("MAILMAX", problem.text)
      assert.is_true(problem.transient)
    end)
  end)
end)
