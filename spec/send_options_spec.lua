--- How a message goes: in chunks, to all or to none, and in what time.

local mime = require "lunapost.mime"
local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"
local timeouts = require "lunapost.smtp.timeouts"

local envelope <const> = { from = "a@x", to = { "b@y", "c@y" } }

-- A server that keeps what comes, with its parameters and how it came.
local function keeping(options, steps)
  local kept = {}
  options.on = { message = function(session, message)
    kept[#kept + 1] = { body = session.envelope.parameters.BODY,
      raw = message:render(), message = message }
  end }
  served.run(options, function(server)
    steps({ host = "127.0.0.1", port = server.port, tls = "none" })
  end)
  return kept
end

local octets <const> = ("\0\1\2\255"):rep(300)

local function with_attachment()
  return assert(mime.message { from = "a@x", to = "b@y", subject = "s",
    text = "t", attach = { { data = octets, name = "a.bin" } } })
end

describe("a binary body", function()
  it("goes unencoded, in chunks, where BINARYMIME is offered", function()
    local kept = keeping({ extensions = { BINARYMIME = true } },
      function(options)
      local client = assert(smtp.open(options))
      assert(client:send(envelope, with_attachment()))
      assert.matches("BDAT %d+ LAST", tostring(client.transcript))
    end)
    assert.equal("BINARYMIME", kept[1].body)
    assert.equal(octets, kept[1].message.parts[2]:body())
    assert.is_truthy(kept[1].raw:find(octets, 1, true))
  end)

  it("may be a string that says so of itself", function()
    local body <const> = "Content-Transfer-Encoding: binary\r\n\r\n\0\n\1\r"
    local kept = keeping({ extensions = { BINARYMIME = true } },
      function(options)
      local client = assert(smtp.open(options))
      assert(client:send(envelope, body))
    end)
    assert.equal(body, kept[1].raw)
  end)

  it("is encoded for a server without it", function()
    local kept = keeping({}, function(options)
      local client = assert(smtp.open(options))
      assert(client:send(envelope, with_attachment()))
      assert.not_matches("BDAT", tostring(client.transcript))
    end)
    assert.is_nil(kept[1].raw:find("\0", 1, true))
    assert.equal(octets, kept[1].message.parts[2]:body())
  end)
end)

describe("a limit while it sends", function()
  it("is kept to the second: nothing waits in the kernel near its end",
    function()
    local client
    scripted.run(function(peer)
      peer:say "220 x"
      peer:hear()
    end, function(options)
      client = assert(smtp.connect(options))
      client:close()
      local own = setmetatable({ loop = { blocks = function() return true end }
        }, { __index = client })
      assert.is_true(own:patient(3))
      assert.is_false(own:patient(30, true))
      assert.is_true(own:patient(31, true))
    end)
  end)
end)

describe("chunking", function()
  it("sends by BDAT where that is offered", function()
    local kept = keeping({}, function(options)
      options.chunking = true
      local client = assert(smtp.open(options))
      assert(client:send(envelope, "Subject: one\n\n.a\n"))
      assert(client:send(envelope, "Subject: two\n\n.b\n",
        { chunking = false }))
      local text = tostring(client.transcript)
      assert.equal(1, select(2, text:gsub("BDAT", "")))
      assert.equal(1, select(2, text:gsub("C: DATA", "")))
    end)
    assert.equal("Subject: one\r\n\r\n.a\r\n", kept[1].raw)
    assert.equal("Subject: two\r\n\r\n.b\r\n", kept[2].raw)
  end)

  it("tells of each recipient, and drops what a chunk's refusal ends",
    function()
    local last
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250-CHUNKING\r\n250 PIPELINING", "250 ok",
        "550 5.1.1 nobody", "250 ok")
      peer:hear()
      peer:hear()
      peer:say "250 kept"
      peer:answer("250 ok", "250 ok", "250 ok")
      peer:hear()
      peer:hear()
      peer:say "552 5.3.4 too big"
      last = peer:hear()
      peer:say "250 reset"
    end, function(options)
      options.chunking = true
      local client = assert(smtp.open(options))
      local result = assert(client:send(envelope, "x\n"))
      assert.same({ "c@y" }, result.accepted)
      assert.equal("5.1.1", result.rejected[1].enhanced)
      local none, problem = client:send(envelope, "x\n")
      assert.is_nil(none)
      assert.equal(552, problem.code)
      assert.same({}, problem.accepted)
      assert.equal(2, #problem.rejected)
    end)
    assert.is_nil(last)
  end)
end)

describe("strict", function()
  for name, more in pairs { ["one by one"] = "", pipelined = "\r\n250 "
    .. "PIPELINING" } do
    it("sends to all or to none, " .. name, function()
      local heard = scripted.run(function(peer)
        peer:say "220 x"
        peer:answer("250-x\r\n250" .. (more == "" and " " or "-") .. "HELP"
          .. more, "250 ok", "250 ok", "550 5.1.1 nobody", "250 reset",
          "250 ok", "250 ok", "250 ok", "354 go")
        peer:body()
        peer:say "250 kept"
      end, function(options)
        options.strict = true
        local client = assert(smtp.open(options))
        local result, problem = client:send(envelope, "x")
        assert.is_nil(result)
        assert.equal(550, problem.code)
        assert.same({}, problem.accepted)
        assert.same({ { address = "c@y", code = 550, enhanced = "5.1.1",
          text = "nobody" } }, problem.rejected)
        assert.same({ "b@y", "c@y" },
          assert(client:send(envelope, "x")).accepted)
      end)
      assert.same({ "RSET", "MAIL FROM:<a@x>" },
        { table.unpack(heard[1], 5, 6) })
    end)
  end

  it("may be asked for one message", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250 x", "250 ok", "250 ok", "550 no", "250 reset")
    end, function(options)
      local client = assert(smtp.open(options))
      assert.is_nil((client:send(envelope, "x", { strict = true })))
      assert.error_matches(function()
        client:send(envelope, "x", { strickt = true })
      end, "did you mean 'strict'")
    end)
  end)
end)

describe("timeouts", function()
  it("are those of RFC 5321 4.5.3.2 unless given", function()
    local limits = timeouts.complete()
    assert.same({ 300, 300, 300, 120, 180, 600 }, { limits.greeting,
      limits.MAIL, limits.RCPT, limits.DATA, limits.data_block,
      limits.data_termination })
    limits = timeouts.complete({ mail = 7 }, 5)
    assert.same({ 5, 7, 5, 5 }, { limits.greeting, limits.MAIL, limits.RCPT,
      limits.data_termination })
  end)

  local phases <const> = {
    { "greeting" },
    { "ehlo", "220 x" },
    { "mail", "220 x", "250 x" },
    { "rcpt", "220 x", "250 x", "250 ok" },
    { "data_initiation", "220 x", "250 x", "250 ok", "250 ok", "250 ok" },
    { "data_termination", "220 x", "250 x", "250 ok", "250 ok", "250 ok",
      "354 go" },
  }
  for _, phase in ipairs(phases) do
    it("bound the phase " .. phase[1], function()
      local kind
      scripted.run(function(peer)
        if phase[2] then peer:say(phase[2]) end
        peer:answer(table.unpack(phase, 3))
        peer:hold()
      end, function(options)
        options.timeouts = { [phase[1]] = 0.1 }
        local client, problem = smtp.open(options)
        if client then
          local _
          _, problem = client:send(envelope, "x")
        end
        kind = problem.kind
      end)
      assert.equal(phase[1] == "data_termination" and "unconfirmed"
        or "timeout", kind)
    end)
  end

  it("bound a body that the peer does not take", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250 x", "250 ok", "250 ok", "250 ok", "354 go")
      peer:hold()
    end, function(options)
      options.timeouts = { data_block = 0.2 }
      local client = assert(smtp.open(options))
      local result, problem = client:send(envelope, ("x\r\n"):rep(1 << 23))
      assert.is_nil(result)
      assert.equal("timeout", problem.kind)
      assert.matches("0.2 seconds", problem.text)
    end)
  end)

  it("raise for a phase that nobody knows", function()
    assert.error_matches(function()
      smtp.open { host = "127.0.0.1", timeouts = { mial = 3 } }
    end, "did you mean 'mail'")
    assert.error_matches(function()
      smtp.open { host = "127.0.0.1", timeouts = { mail = 0 } }
    end, "'mail' must be more than 0")
  end)
end)

describe("an attachment in base64", function()
  it("is the same by whatever way it leaves", function()
    for _, size in ipairs { 0, 1, 56, 57, 58, 23940, 23941, 200000 } do
      local data = ("\0\1\2\255\254."):rep(size // 6 + 1):sub(1, size)
      local message = assert(mime.message { from = "a@x", to = "b@y",
        subject = "s", text = "t", seed = 1,
        attach = { { data = data, name = "a.bin" } } })
      local rendered = assert(message:render())
      local kept = keeping({}, function(options)
        local client = assert(smtp.open(options))
        assert(client:send(nil, message))
        assert(client:mail "a@x")
        assert(client:rcpt "b@y")
        assert(client:data(message))
      end)
      assert.equal(rendered, kept[1].raw)
      assert.equal(rendered, kept[2].raw)
    end
  end)
end)

describe("a plain message to one server", function()
  it("goes in one call, and its dialogue is told in full", function()
    local kept = keeping({}, function(options)
      local client = assert(smtp.open(options))
      for i = 1, 200 do
        local result = assert(client:send({ from = "", to = "b@y" },
          ("." .. i .. "\n")))
        assert.same({ "b@y" }, result.accepted)
        assert.equal(250, result.reply.code)
      end
      assert(client:send(envelope, "Gr\u{FC}\u{DF}e\n"))
      local list = client.transcript
      assert.is_true(#list >= 50 and #list <= 100)
      local text = tostring(list)
      assert.matches("C: MAIL FROM:<a@x> BODY=8BITMIME SIZE=%d+\n"
        .. "C: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nC: DATA\nS: 250[^\n]*\n"
        .. "S: 250[^\n]*\nS: 250[^\n]*\nS: 354[^\n]*\n"
        .. "%-%- 8 octets of message, then the dot\nS: 250[^\n]*\n$", text)
      assert.equal(list[#list].text, client.transcript[#list].text)
    end)
    assert.equal(201, #kept)
    assert.equal(".200\r\n", kept[200].raw)
  end)
end)
