--- XCLIENT, XFORWARD and ETRN.

local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

local OFFER <const> = "250-x\r\n250-XCLIENT NAME ADDR PORT LOGIN\r\n"
  .. "250-XFORWARD NAME ADDR HELO SOURCE\r\n250 ETRN"

local function trusting(...)
  local answers = { ... }
  return function(peer)
    peer:say "220 x"
    peer:answer(OFFER, table.unpack(answers))
  end
end

describe("XCLIENT", function()
  it("encodes its attributes, and the session starts anew", function()
    local heard = scripted.run(trusting("220 anew", "250-y\r\n250 SIZE 10",
      "501 no"), function(options)
      local client = assert(smtp.open(options))
      local reply = assert(client:xclient { name = "a b+c=d", ADDR = "::1",
        login = "[UNAVAILABLE]" })
      assert.equal(220, reply.code)
      assert.same({ "10" }, client.extensions.SIZE)
      assert.is_nil(client.extensions.XCLIENT)
      local none, problem = client:xclient { NAME = "x" }
      assert.is_nil(none)
      assert.matches("offers no XCLIENT", problem.text)
    end)
    assert.same({
      "XCLIENT ADDR=IPV6:::1 LOGIN=[UNAVAILABLE] NAME=a+20b+2Bc+3Dd",
      "EHLO me.example.org" }, { table.unpack(heard[1], 2) })
  end)
end)

describe("XFORWARD", function()
  it("takes as many commands as lines have room", function()
    local heard = scripted.run(trusting("250 ok", "250 ok"),
      function(options)
      local client = assert(smtp.open(options))
      assert(client:xforward { ADDR = "192.0.2.1", NAME = ("n"):rep(300),
        HELO = ("h"):rep(300) })
    end)
    assert.same({ "XFORWARD ADDR=192.0.2.1 HELO=" .. ("h"):rep(300),
      "XFORWARD NAME=" .. ("n"):rep(300) }, { table.unpack(heard[1], 2) })
  end)

  it("says nothing of an attribute that the server does not take", function()
    local heard = scripted.run(trusting(), function(options)
      local client = assert(smtp.open(options))
      local reply, problem = client:xforward { IDENT = "x" }
      assert.is_nil(reply)
      assert.equal("syntax", problem.kind)
      assert.matches("no IDENT %(it takes NAME ADDR HELO SOURCE%)",
        problem.text)
      assert.error(function() client:xforward {} end)
    end)
    assert.equal(1, #heard[1])
  end)
end)

describe("ETRN", function()
  it("names a node", function()
    local heard = scripted.run(trusting("250 queuing started", "458 unable"),
      function(options)
      local client = assert(smtp.open(options))
      assert.equal(250, assert(client:etrn "@example.org").code)
      local reply, problem = client:etrn "other.example.org"
      assert.is_nil(reply)
      assert.equal(458, problem.code)
    end)
    assert.equal("ETRN @example.org", heard[1][2])
  end)
end)
