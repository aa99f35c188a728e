--- Many messages over one session, one by one and overlapped.

local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"

local function pipelining(play)
  return function(peer)
    peer:say "220 x"
    peer:answer "250-x\r\n250 PIPELINING"
    play(peer)
  end
end

local function pair(name)
  return { { from = "a@x", to = { name .. "@y" } }, name .. "\n" }
end

-- What came of each message: "index accepted" or "index kind code".
local function outcomes(client, list, options)
  local out = {}
  for i, result, problem in client:send_all(list, options) do
    out[#out + 1] = result and ("%d %s"):format(i, result.accepted[1])
      or ("%d %s %s"):format(i, problem.kind, problem.code)
    assert.is_table((result or problem).rejected)
  end
  return out
end

describe("send_all", function()
  for _, overlap in ipairs { true, false } do
    it("delivers each message, overlapped " .. tostring(overlap), function()
      local bodies = {}
      served.run({ on = { message = function(session, message)
        bodies[#bodies + 1] = session.envelope.to[1].address .. " "
          .. message:render()
        if message:render():find "^b" then return 550, "5.7.1", "no" end
      end } }, function(server)
        local client = assert(smtp.open { host = "127.0.0.1",
          port = server.port, tls = "none" })
        local list = {}
        for i = 1, 6 do list[i] = pair(("abcdef"):sub(i, i)) end
        assert.same({ "1 a@y", "2 reply 550", "3 c@y", "4 d@y", "5 e@y",
          "6 f@y" }, outcomes(client, list, { overlap = overlap }))
        assert(client:noop())
        local i = 0
        assert.same({ "1 s1@y", "2 s2@y" }, outcomes(client, function()
          i = i + 1
          if i <= 2 then return table.unpack(pair("s" .. i)) end
        end, { overlap = overlap }))
      end)
      assert.equal(8, #bodies)
      assert.equal("f@y f\r\n", bodies[6])
    end)
  end

  it("says the next message behind the body before it", function()
    local early
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      assert.equal("one", peer:body())
      early = { peer:hear(), peer:hear(), peer:hear() }
      peer:say "250 first"
      peer:say("250 ok", "250 ok", "354 go")
      assert.equal("two", peer:body())
      peer:say "250 second"
    end), function(options)
      options.overlap = true
      local client = assert(smtp.open(options))
      assert.same({ "1 one@y", "2 two@y" }, outcomes(client,
        { pair "one", pair "two" }))
    end)
    assert.same({ "MAIL FROM:<a@x>", "RCPT TO:<two@y>", "DATA" }, early)
  end)

  it("says any behind any, and hears it in its own time", function()
    local slow <const> = { [2] = 2.1 } -- longer than MAIL may take
    local told <const> = { [4] = "552 no" }
    local log
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      for i = 1, 6 do
        assert.equal("m" .. i, peer:body())
        if i < 6 then peer:hear() peer:hear() peer:hear() end
        peer.loop.sleep(slow[i] or 0)
        peer:say(told[i] or "250 kept")
        if i < 6 then
          peer.loop.sleep(0.05) -- so that they are waited for
          peer:say("250 ok", "250 ok", "354 go")
        end
      end
    end), function(options)
      options.timeout, options.timeouts = 20, { mail = 2 }
      local client, list = assert(smtp.open(options)), {}
      for i = 1, 6 do
        list[i] = pair("m" .. i)
        if i == 2 or i == 4 then list[i][1].parameters = {} end
      end
      assert.same({ "1 m1@y", "2 m2@y", "3 m3@y", "4 reply 552", "5 m5@y",
        "6 m6@y" }, outcomes(client, list, { overlap = true }))
      log = tostring(client.transcript)
    end)
    for i = 3, 6 do
      assert.matches("RCPT TO:<m" .. i .. "@y>.-S: %d%d%d %l+\n", log)
    end
    local said, kept = log:find "RCPT TO:<m3@y>", select(2, log:find(
      "250 kept.-250 kept"))
    assert.truthy(said < kept, log)
  end)

  it("tells a farewell that comes while a body leaves as what it is",
    function()
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
      peer:say "421 4.3.2 enough"
      peer:hear()
    end), function(options)
      local client = assert(smtp.open(options))
      -- as if the socket took no more of the body until it came
      function client:flush()
        self.flush = nil
        assert(getmetatable(self).__index.flush(self))
        return nil, self:refused(assert(self:receive(2)))
      end
      local first = pair "a"
      first[1].parameters = {} -- not the way of post.lua
      assert.same({ "1 reply 421", "2 closed nil" }, outcomes(client,
        { first, pair "b" }, { overlap = true }))
    end)
  end)

  it("goes on behind messages that are refused", function()
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
      peer:hear() peer:hear() peer:hear()
      peer:say "552 5.3.4 too big"
      peer:say("250 ok", "550 5.1.1 nobody", "503 no")
      peer:answer("250 reset", "250 ok", "250 ok", "354 go")
      peer:body()
      peer:say "250 third"
    end), function(options)
      local client = assert(smtp.open(options))
      assert.same({ "1 reply 552", "2 reply 550", "3 c@y" }, outcomes(client,
        { pair "a", pair "b", pair "c" }, { overlap = true }))
    end)
  end)

  for _, parameters in ipairs { false, { X = "y" } } do
    it("takes an envelope as it is when it is given, plain "
      .. tostring(not parameters), function()
      local heard
      scripted.run(pipelining(function(peer)
        for _ = 1, 3 do
          peer:answer("250 ok", "250 ok", "354 go")
          peer:body()
          peer:say "250 kept"
        end
        heard = table.concat(peer.heard, "\n")
      end), function(options)
        local client = assert(smtp.open(options))
        local envelope, list, n = { from = "a@x", to = { "" } }, {}, 0
        envelope.parameters = parameters or nil
        for i, result in client:send_all(function()
          n = n + 1
          if n > 3 then return nil end
          envelope.to[1] = ("u%d@y"):format(n)
          if parameters then parameters.X = "y" .. n end
          return envelope, ("for %d\n"):format(n)
        end, { overlap = true }) do
          list[i] = result.accepted[1]
        end
        assert.same({ "u1@y", "u2@y", "u3@y" }, list)
      end)
      local at = 1
      for i = 1, 3 do
        local _, stop = heard:find(("MAIL FROM:<a@x>%s\nRCPT TO:<u%d@y>\n"
          .. "DATA\nfor %d\n"):format(parameters and " X=y" .. i or "", i, i),
          at, true)
        assert.truthy(stop, i)
        at = stop
      end
    end)
  end

  it("knows what is unconfirmed, and what was never sent", function()
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
      peer:hear() peer:hear() peer:hear()
    end), function(options)
      local client = assert(smtp.open(options))
      assert.same({ "1 unconfirmed nil", "2 closed nil", "3 closed nil" },
        outcomes(client, { pair "a", pair "b", pair "c" },
          { overlap = true }))
    end)
  end)

  it("closes a session that would leave a message half", function()
    local after
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
      peer:hear() peer:hear() peer:hear()
      peer:say "250 first"
      peer:say("250 ok", "250 ok", "354 go")
      after = peer:hear()
    end), function(options)
      local client = assert(smtp.open(options))
      do
        local step, series, _, closing <close> = client:send_all({ pair "a",
          pair "b" }, { overlap = true })
        local _, result = step(series)
        assert.same({ "a@y" }, result.accepted)
        assert.is_table(closing)
      end
      assert.is_nil(client.conn)
    end)
    assert.is_nil(after)
  end)

  it("raises what the source raises when all before it is told", function()
    for _, overlap in ipairs { true, false } do
      for broken = 1, 5 do
        local told, asked = {}, 0
        scripted.run(pipelining(function(peer)
          for _ = 1, broken - 1 do
            peer:answer("250 ok", "250 ok", "354 go")
            peer:body()
            peer:say "250 kept"
          end
          peer:answer "250 noop"
        end), function(options)
          local client = assert(smtp.open(options))
          local thrown <const> = {}
          local ok, raised = pcall(function()
            for i, result in client:send_all(function()
              asked = asked + 1
              if asked == broken then error(thrown) end
              local envelope, message = table.unpack(pair("m" .. asked))
              if asked == 2 then envelope.parameters = {} end
              return envelope, message
            end, { overlap = overlap }) do
              told[i] = result.accepted[1]
            end
          end)
          assert.is_false(ok)
          assert.equal(thrown, raised)
          assert(client:noop()) -- nothing was left half
        end)
        assert.equal(broken, asked)
        assert.equal(broken - 1, #told)
      end
    end
  end)

  it("counts messages, not what its source raises", function()
    scripted.run(pipelining(function(peer)
      peer:answer("250 ok", "250 ok", "354 go")
      peer:body()
      peer:say "250 kept"
    end), function(options)
      local client = assert(smtp.open(options))
      local asked = 0
      local series, state = client:send_all(function()
        asked = asked + 1
        if asked == 1 then error "not yet" end
        if asked == 2 then return table.unpack(pair "m") end
      end, { overlap = true })
      assert.is_false(pcall(series, state))
      local i, result = series(state)
      assert.equal(1, i)
      assert.same({ "250 kept" }, result.reply.raw)
    end)
  end)

  it("tells of all messages, whenever its source closes the session", function()
    for closing = 1, 5 do
      for plain = 0, 1 do
        local told
        scripted.run(pipelining(function(peer)
          for _ = 1, closing do
            peer:answer("250 ok", "250 ok", "354 go")
            peer:body()
            peer:say "250 kept"
          end
        end), function(options)
          local client, i = assert(smtp.open(options)), 0
          told = outcomes(client, function()
            i = i + 1
            if i == closing then client:close() end
            if i > 6 then return nil end
            local envelope, message = table.unpack(pair("m" .. i))
            if plain == 0 and i % 2 == 0 then envelope.parameters = {} end
            return envelope, message
          end, { overlap = true })
        end)
        local order = table.concat(told, "|")
          :gsub("%d unconfirmed nil", "u"):gsub("%d closed nil", "c")
          :gsub("(%d) m%1@y", "s")
        assert.equal(6, #told)
        assert.matches("^[s|]*u?[|c]*c$", order)
        assert.truthy(#order:gsub("[^s]", "") >= closing - 3, order)
        assert.equal(closing > 2, order:find "u" ~= nil, order)
      end
    end
  end)

  it("tells of a message that cannot be said, in its turn", function()
    scripted.run(pipelining(function(peer)
      for _ = 1, 2 do
        peer:answer("250 ok", "250 ok", "354 go")
        peer:body()
        peer:say "250 kept"
      end
    end), function(options)
      local client = assert(smtp.open(options))
      assert.same({ "1 a@y", "2 syntax nil", "3 c@y" }, outcomes(client,
        { pair "a", pair "b b>", pair "c" }, { overlap = true }))
    end)
  end)

  it("says the commands of the next one as one, or later", function()
    local tail <const>, most <const> = "a\r\n.\r\n", 1 << 20
    local frame <const> = #"RCPT TO:<>\r\n"
    local left = most - #tail - #"MAIL FROM:<b@x>\r\nDATA\r\n"
    local to = {}
    for i = 65, 1, -1 do -- all of them fill what may wait, to the octet
      to[#to + 1] = ("%02d"):format(i) .. ("x"):rep(left // i - frame - 2)
      left = left - left // i
    end
    local verbs = {}
    scripted.run(pipelining(function(peer)
      for line in peer.hear, peer do
        verbs[#verbs + 1] = line:sub(1, 4)
        if line == "DATA" then
          peer:say "354 go"
          peer:body()
        end
        peer:say "250 ok"
      end
    end), function(options)
      local client <close> = assert(smtp.open(options))
      local last = { { from = "b@x", to = to, parameters = {} }, "b\n" }
      for _, result, problem in client:send_all({ pair "a", last },
        { overlap = true }) do
        assert(result, problem)
      end
    end)
    assert.equal("MAIL RCPT DATA MAIL " .. ("RCPT "):rep(65) .. "DATA",
      table.concat(verbs, " ", 1, 4 + 65 + 1))
  end)

  it("counts what was heard of a message when the session broke", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250-CHUNKING\r\n250 PIPELINING", "250 ok",
        "250 ok")
      peer:hear()
      repeat local line = peer:hear() until line:find "BDAT %d+ LAST"
      peer:body() -- a line of a dot is its last one
      peer:say("250 some", "250 taken", "250 taken, did I say")
      peer:hear()
    end, function(options)
      options.chunking = true
      local client = assert(smtp.open(options))
      local long <const> = ("a line\r\n"):rep(20000) .. ".\r\n"
      assert.same({ "1 a@y", "2 closed nil" }, outcomes(client,
        { { { from = "a@x", to = { "a@y" } }, long }, pair "b" },
        { overlap = true }))
    end)
  end)

  it("knows what is unconfirmed by LMTP, too", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 PIPELINING", "250 ok", "250 ok", "354 go")
      peer:body()
      peer:hear()
    end, function(options)
      options.protocol = "lmtp"
      local client = assert(smtp.open(options))
      local n = 0
      assert.same({ "1 unconfirmed nil", "2 closed nil" }, outcomes(client,
        function()
          n = n + 1
          if n == 3 then client:close() end
          if n < 3 then return table.unpack(pair "a") end
        end, { overlap = true }))
    end)
  end)
end)
