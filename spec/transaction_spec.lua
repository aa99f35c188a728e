local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

local EHLO <const> = "250-mx.example.org\r\n250-SIZE 1000\r\n250 8BITMIME"

-- Greeting and EHLO, then the answers that follow.
local function session(...)
  local answers = { ... }
  return function(peer)
    peer:say("220 mx.example.org ESMTP")
    peer:answer(EHLO, table.unpack(answers))
  end
end

describe("a transaction", function()
  local envelope <const> = { from = "a@x", to = { "b@y", "c@y", "d@y" } }

  local function pipelining(...)
    local answers = { ... }
    return function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 PIPELINING", table.unpack(answers))
    end
  end

  it("that cannot be said leaves the session in step", function()
    local heard = scripted.run(function(peer)
      pipelining()(peer)
      while peer:hear() ~= "DATA" do peer:say("250 ok") end
      peer:say("354 go")
      peer:body()
      peer:say("250 kept")
    end, function(options)
      local client = assert(smtp.open(options))
      for _, body in ipairs { "x", ("x\n"):rep(1 << 15) } do
        local result, problem = client:send({ from = "a@x",
          to = { "b@y", ("u"):rep(1 << 14) .. "@y" } }, body)
        assert.is_nil(result)
        assert.equal("limit", problem.kind)
        assert.equal("RCPT TO:<" .. ("u"):rep(71) .. "...", problem.command)
      end
      assert.same({ "c@y" }, assert(client:send({ from = "d@x",
        to = { "c@y" } }, "x")).accepted)
    end)
    assert.same({ "MAIL FROM:<d@x>", "RCPT TO:<c@y>", "DATA" },
      { table.unpack(heard[1], 2, 4) })
  end)

  for name, opening in pairs { ["one by one"] = session,
    pipelined = pipelining } do
    describe(name, function()
      it("delivers, and tells of each recipient", function()
        local body
        scripted.run(function(peer)
          opening("250 ok", "250 ok", "550 5.1.1 nobody", "250 ok",
            "354 go")(peer)
          body = peer:body()
          peer:say("250 2.0.0 kept as 42")
        end, function(options)
          local client = assert(smtp.open(options))
          local result = assert(client:send(envelope, ".one\ntwo\r\n"))
          assert.same({ "b@y", "d@y" }, result.accepted)
          assert.same({ { address = "c@y", code = 550, enhanced = "5.1.1",
            text = "nobody" } }, result.rejected)
          assert.equal("kept as 42", result.reply.text)
          assert.equal(client.transcript, result.transcript)
        end)
        assert.equal("..one\ntwo", body)
      end)

      it("is an error when nobody is accepted, and drops it", function()
        local last
        scripted.run(function(peer)
          opening("250 ok", "550 5.1.1 nobody", "451 later", "550 no")(peer)
          last = peer:hear()
          if last == "DATA" then
            peer:say("503 no")
            last = peer:hear()
          end
          peer:say("250 ok")
        end, function(options)
          local client = assert(smtp.open(options))
          local result, problem = client:send(envelope, "x")
          assert.is_nil(result)
          assert.equal("reply", problem.kind)
          assert.equal(550, problem.code)
          assert.equal("5.1.1", problem.enhanced)
          assert.same({}, problem.accepted)
          assert.equal(3, #problem.rejected)
          assert.equal(451, problem.rejected[2].code)
        end)
        assert.equal("RSET", last)
      end)

      it("is an error when MAIL is refused", function()
        scripted.run(function(peer)
          opening("451 4.3.0 busy", "503 no", "503 no", "503 no",
            "503 no")(peer)
        end, function(options)
          local client = assert(smtp.open(options))
          local result, problem = client:send(envelope, "x")
          assert.is_nil(result)
          assert.equal(451, problem.code)
          assert.is_true(problem.transient)
          assert.equal(3, #problem.rejected)
        end)
      end)

      it("is an error when DATA is refused", function()
        scripted.run(function(peer)
          opening("250 ok", "250 ok", "250 ok", "250 ok", "554 no",
            "250 reset", "250 noop")(peer)
        end, function(options)
          local client = assert(smtp.open(options))
          local result, problem = client:send(envelope, "x")
          assert.is_nil(result)
          assert.equal(554, problem.code)
          assert.equal("DATA", problem.command)
          assert.same({}, problem.accepted)
          assert.equal(3, #problem.rejected)
          assert(client:noop())
        end)
      end)

      it("is unconfirmed when the peer is lost after the dot", function()
        scripted.run(function(peer)
          opening("250 ok", "250 ok", "250 ok", "250 ok", "354 go")(peer)
          peer:body()
        end, function(options)
          local client = assert(smtp.open(options))
          local result, problem = client:send(envelope, "x")
          assert.is_nil(result)
          assert.equal("unconfirmed", problem.kind)
          assert.same({}, problem.accepted)
          assert.same({}, problem.rejected)
        end)
      end)
    end)
  end

  it("is unconfirmed when the reply to the dot is late", function()
    scripted.run(function(peer)
      session("250 ok", "250 ok", "354 go")(peer)
      peer:body()
      peer:hold()
    end, function(options)
      options.timeouts = { data_termination = 0.1 }
      local client = assert(smtp.open(options))
      local _, problem = client:send({ from = "a@x", to = "b@y" }, "x")
      assert.equal("unconfirmed", problem.kind)
      assert.matches("0%.1 seconds", problem.text)
    end)
  end)

  it("sends one dot when DATA is taken for nobody, RFC 2920 3.1", function()
    local heard = scripted.run(function(peer)
      pipelining("250 ok", "550 no", "354 go", "554 nobody", "250 ok")(peer)
    end, function(options)
      local client = assert(smtp.open(options))
      local result, problem = client:send({ from = "a@x", to = "b@y" }, "x")
      assert.is_nil(result)
      assert.equal(550, problem.code)
    end)
    assert.same({ "DATA", ".", "RSET" },
      table.move(heard[1], 4, 6, 1, {}))
  end)

  it("refuses early what the peer would find too big", function()
    local heard = scripted.run(session(), function(options)
      local client = assert(smtp.open(options))
      local result, problem = client:send(envelope, ("x"):rep(999))
      assert.is_nil(result)
      assert.equal("limit", problem.kind)
    end)
    assert.same({ "EHLO me.example.org" }, { heard[1][1] })
    assert.is_nil(table.concat(heard[1]):find("MAIL"))
  end)

  it("declares SIZE and BODY where they are offered", function()
    local heard = scripted.run(function(peer)
      session("250 ok", "250 ok", "354 go")(peer)
      peer:body()
      peer:say("250 ok")
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
      peer:say("250 ok")
    end, function(options)
      local client = assert(smtp.open(options))
      local to = { from = "a@x", to = "b@y", parameters = { SIZE = "7" } }
      assert(client:send(to, "gr\xc3\xbc\xc3\x9fe\n"))
      assert(client:send(to, "plain\r\n"))
    end)
    assert.equal("MAIL FROM:<a@x> BODY=8BITMIME SIZE=9", heard[1][2])
    assert.equal("MAIL FROM:<a@x> SIZE=7", heard[1][7])
  end)

  it("takes octets, files, paths and sources", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("from a file\n")
    file:close()
    local bodies = {}
    local turn = 0
    local forms = { "octets\n", { path = path }, function()
      turn = turn + 1
      return ({ "a ", "", "source\n" })[turn]
    end, assert(io.open(path)) }
    scripted.run(function(peer)
      session()(peer)
      for i = 1, #forms do
        peer:answer("250 ok", "250 ok", "354 go")
        bodies[i] = peer:body()
        peer:say("250 ok")
      end
    end, function(options)
      local client = assert(smtp.open(options))
      for _, form in ipairs(forms) do
        assert(client:send({ from = "a@x", to = "b@y" }, form))
      end
      local result, problem = client:send({ from = "a@x", to = "b@y" },
        { path = "/nowhere/at/all" })
      assert.is_nil(result)
      assert.equal("file", problem.kind)
      assert.has_error(function() client:send({ to = "b@y" }, 42) end)
      assert.has_error(function() client:send({ to = {} }, "x") end)
    end)
    os.remove(path)
    assert.same({ "octets", "from a file", "a source", "from a file" }, bodies)
  end)

  it("ends without a dot when the source fails", function()
    for _, fault in ipairs { "says", "raises" } do
      local body = "not asked"
      scripted.run(function(peer)
        session("250 ok", "250 ok", "354 go")(peer)
        body = peer:body()
      end, function(options)
        local client = assert(smtp.open(options))
        local turn = 0
        local function source()
          turn = turn + 1
          if turn < 4 then return ("half of it\n"):rep(1000) end
          if fault == "raises" then error("disk on fire", 0) end
          return nil, "disk on fire"
        end
        local to = { from = "a@x", to = "b@y" }
        local ok, result, problem = pcall(client.send, client, to, source)
        if fault == "raises" then
          assert.is_false(ok)
          assert.equal("disk on fire", result)
        else
          assert.is_nil(result)
          assert.equal("file", problem.kind)
          assert.matches("disk on fire", problem.text)
        end
      end)
      assert.is_nil(body)
    end
  end)

  it("hears a body refused before its end", function()
    scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250 x", "250 ok", "250 ok", "354 go")
      peer:hear()
      peer:say("552 5.3.4 too much")
      peer:hold()
    end, function(options)
      local client = assert(smtp.open(options))
      local result, problem = client:send({ from = "a@x", to = "b@y" },
        ("0123456789\n"):rep(2000000))
      assert.is_nil(result)
      assert.equal("reply", problem.kind)
      assert.equal(552, problem.code)
      assert.equal("b@y", problem.rejected[1].address)
    end)
  end)

  it("gives each LMTP recipient a reply of its own", function()
    local heard = scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250 x", "250 ok", "250 ok", "250 ok", "250 ok", "354 go")
      peer:body()
      peer:say("250 2.0.0 b", "452 4.2.2 full", "250 2.0.0 d")
    end, function(options)
      options.protocol = "lmtp"
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x"))
      assert.same({ "b@y", "d@y" }, result.accepted)
      assert.equal("c@y", result.rejected[1].address)
      assert.equal(452, result.rejected[1].code)
    end)
    assert.equal("LHLO me.example.org", heard[1][1])
  end)

  it("keeps to the parameters of its envelope, whatever becomes of them",
    function()
    local given <const> = { from = "a@x", parameters = { X = "1" },
      to = { "b@y", { address = "c@y", parameters = { Y = "2" } } } }
    local heard = scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 LIMITS RCPTMAX=1")
      for _ = 1, 2 do
        peer:answer("250 ok", "250 ok", "354 go")
        peer:body()
        given.parameters.X, given.to[2].parameters.Y = "3", nil
        peer:say("250 kept")
      end
    end, function(options)
      local client = assert(smtp.open(options))
      assert.same({ "b@y", "c@y" }, assert(client:send(given, "x")).accepted)
    end)
    local said = {}
    for _, line in ipairs(heard[1]) do
      if line:find "^MAIL" or line:find "^RCPT" then said[#said + 1] = line end
    end
    assert.same({ "MAIL FROM:<a@x> X=1", "RCPT TO:<b@y>",
      "MAIL FROM:<a@x> X=1", "RCPT TO:<c@y> Y=2" }, said)
  end)

  it("needs SMTPUTF8 for an address that is not ASCII", function()
    scripted.run(session(), function(options)
      local client = assert(smtp.open(options))
      local result, problem = client:send({ from = "a@x",
        to = { "j\xc3\xb6rg@y" } }, "x")
      assert.is_nil(result)
      assert.matches("SMTPUTF8", problem.text)
    end)
  end)
end)
