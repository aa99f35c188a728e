-- A transcript as a server: what was recorded of one session is played to
-- the next, and what the client does otherwise is told.
local loop = require "lunapost.loop"
local post = require "lunapost"
local smtp = require "lunapost.smtp"
local testing = require "lunapost.testing"
local peer = require "spec.support.peer"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local function recorder()
  return smtp.transcript.new { limit = false }
end

-- Holds a session with a real server; gives its transcript.
local function record(options, steps)
  local transcript = recorder()
  testing.run(options, function(server)
    steps { server = server.url, insecure = true, helo = "me.example.org",
      transcript = transcript, timeout = 60 }
  end)
  return transcript
end

-- Holds the same session with the replay of a transcript.
local function play(transcript, steps, options)
  return testing.run(smtp.replay(transcript, options), function(server)
    steps({ server = server.url, insecure = true, helo = "me.example.org",
      timeout = 60 }, server)
  end)
end

local checked <const> = { tls = "test",
  auth = { check = function() return true end },
  on = {
    rcpt = function(_, path)
      if path.localpart == "nobody" then return 550, "5.1.1", "who?" end
    end,
    message = function() return 250, "2.0.0", "kept" end,
  } }

local function session(password)
  return function(options)
    options.user, options.password = "ana", password
    local client <close> = assert(smtp.open(options))
    local result = assert(client:send({ from = "ana@example.org",
      to = { "bob@example.org", "nobody@example.org" } },
      "Subject: x\r\n\r\n.dot\r\n"))
    assert.same({ "bob@example.org" }, result.accepted)
    assert.equal(550, result.rejected[1].code)
    assert.equal("kept", result.reply.text)
    client:quit()
  end
end

describe("a replay", function()
  it("plays a whole session, TLS and AUTH and a body included", function()
    local transcript = record(checked, session "secret")
    assert.is_nil(transcript:text():find("secret", 1, true))
    local server = play(transcript, session "another")
    assert.same({ "Subject: x\r\n\r\n.dot\r\n" }, server.bodies)
    assert.equal(1, server.played)
    -- and of its saved form
    play(assert(smtp.transcript.parse(transcript:text())), session "third")
    play(transcript:text(), session "fourth")
  end)

  describe("of a proof", function()
    local function proving(mechanism, password)
      return function(options)
        options.user, options.password = "ana", password or "secret"
        options.auth, options.tls = { mechanism = mechanism }, "starttls"
        local client <close>, problem = smtp.open(options)
        if not client then return problem end
        client:quit()
      end
    end

    local server <const> = { tls = "test", auth = {
      secret = function() return "secret" end, mechanisms = { "CRAM-MD5",
        "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" } } }

    it("takes any answer to the recorded challenge of CRAM-MD5", function()
      local transcript = record(server, proving "CRAM-MD5")
      play(transcript, proving("CRAM-MD5", "another"))
    end)

    it("proves SCRAM anew, by the password it is given", function()
      for _, name in ipairs { "SCRAM-SHA-1", "SCRAM-SHA-256",
        "SCRAM-SHA-256-PLUS" } do
        local transcript = record(server, proving(name))
        local replay = play(transcript:text(), proving(name),
          { password = "secret" })
        assert.equal(1, replay.played)
        assert.error_matches(function() smtp.replay(transcript) end,
          "line %d+ of the transcript: " .. name:gsub("%p", "%%%0")
          .. " fits one session alone: the option 'password'")
        local ok, problem = pcall(play, transcript, proving(name, "wrong"),
          { password = "secret" })
        assert.is_false(ok)
        assert.matches("the password is another one", tostring(problem))
      end
    end)

    it("refuses where the recorded server refused", function()
      local function tries(password)
        return function(options)
          options.user, options.password = "ana", password
          local client <close> = assert(smtp.connect(options))
          assert(client:ehlo())
          assert(client:starttls())
          assert(client:ehlo())
          local _, problem = client:auth { mechanism = "SCRAM-SHA-256" }
          assert.equal(535, problem.code)
          client:quit()
        end
      end
      local transcript = record(server, tries "wrong")
      play(transcript, tries "secret")
    end)

    it("tells who leaves within it", function()
      local transcript = record(server, proving "SCRAM-SHA-256")
      local ok, problem = pcall(play, transcript, function(options)
        options.tls = "starttls"
        local client <close> = assert(smtp.open(options))
        client:command("AUTH", "SCRAM-SHA-256 biwsbj1hbmEscj1ub25jZQ==")
        client:close()
      end, { password = "secret" })
      assert.is_false(ok)
      assert.matches("the client left within SCRAM", tostring(problem))
    end)
  end)

  it("plays to as many clients as come", function()
    local transcript = record(checked, session "secret")
    local server = play(transcript, function(options)
      session "a"(options)
      session "b"(options)
    end)
    assert.equal(2, server.played)
  end)

  it("plays implicit TLS", function()
    local transcript = assert(smtp.transcript.parse([[
-- TLSv1.3, any
S: 220 x
C: QUIT
S: 221 bye]]))
    play(transcript, function(options)
      options.server = options.server:gsub("^smtp:", "smtps:")
      local client <close> = assert(smtp.connect(options))
      assert.equal("TLSv1.3", client.tls.version)
      assert(client:quit())
    end)
  end)

  it("plays chunks", function()
    local body = ("x"):rep(200000) .. "\r\n"
    local function steps(options)
      local client <close> = assert(smtp.open(options))
      assert(client:mail "a@example.org")
      assert(client:rcpt "b@example.org")
      assert(client:bdat(body))
      client:quit()
    end
    local server = play(record({}, steps), steps)
    assert.equal(1, #server.bodies)
    assert.equal(body, server.bodies[1])
  end)

  it("plays octets that are no lines, and closes where the peer did",
    function()
    play([[
S: 220-x\
S: \r\n220 y
C: NO\
C: OP
C: RSET\n\
S: 421 4.4.2 enough
-- the peer closed the connection]], function(options)
      local client <close> = assert(smtp.connect(options))
      assert.same({ "x", "y" }, client.greeting.lines)
      client:write("N")
      loop.sleep(0.01)
      client:write("OOP\r\nRSET\n")
      local reply = assert(client:expect(421))
      assert.equal("4.4.2", reply.enhanced)
    end)
  end)

  it("keeps the pace of the transcript where it is asked to", function()
    local heard
    play("0 S: 220 x\n0 C: NOOP\n0.08 S: 250 ok\n0.08 C: QUIT\n"
      .. "0.08 S: 221 x", function(options)
      local client <close> = assert(smtp.connect(options))
      local from = loop.now()
      assert(client:noop())
      heard = loop.now() - from
      client:quit()
    end, { pace = true })
    assert.is_true(heard >= 0.079)
  end)

  -- What the check says of a client that departs from it.
  -- Where the machine is so busy that a greeting is late, the client looks for
  -- TLS, and the replay hears a ClientHello: then once more.
  local function departs(text, steps, options)
    local ok, problem
    for _ = 1, 9 do
      ok, problem = pcall(play, text, steps, options)
      if not tostring(problem):find([["\22\3]], 1, true) then break end
    end
    assert.is_false(ok)
    assert.equal("protocol", problem.kind)
    return problem
  end

  local script <const> = [[
S: 220 x
C: NOOP
S: 250 ok
C: RSET
S: 250 reset
C: QUIT
S: 221 bye]]

  it("tells where a client says something else, and goes on", function()
    local problem = departs(script, function(options)
      local client <close> = assert(smtp.connect(options))
      assert(client:noop())
      assert.equal("reset", client:command("HELP", "me").text)
      client:quit()
    end)
    assert.equal([[line 4 of the transcript: "RSET\r\n" was expected, ]]
      .. [[not "HELP me\r\n"]], problem.text)
    assert.same({ { line = 4, expected = "RSET\r\n", got = "HELP me\r\n",
      text = problem.text } }, problem.deviations)
  end)

  it("tells of a client that says less, or more", function()
    local problem = departs(script, function(options)
      local client <close> = assert(smtp.connect(options))
      assert(client:noop())
      client:close()
    end)
    assert.equal([[line 4 of the transcript: "RSET\r\n" was expected, but ]]
      .. "the client closed the connection", problem.text)
    problem = departs("S: 220 x\nC: NOOP\nS: 250 ok", function(options)
      local client <close> = assert(smtp.connect(options))
      assert(client:noop())
      client:command("VRFY", "x")
    end)
    assert.equal([[line 3 of the transcript: its end was expected, not ]]
      .. [["VRFY x\r\n"]], problem.text)
    problem = departs(script, function(options)
      local client <close> = assert(smtp.connect(options))
      assert.is_nil(client:receive(0.3))
    end, { timeout = 0.05 })
    assert.matches('"NOOP\\r\\n" was expected, but nothing came in time$',
      problem.text)
    problem = departs(script, function() end)
    assert.equal("0 of the transcript's 1 connections were played to the end",
      problem.text)
  end)

  it("tells of a bare line end where CRLF was expected", function()
    local problem = departs("S: 220 x\nC: NOOP\nS: 250 ok", function(options)
      local raw <close> = peer.dial(tonumber(options.server:match "%d+$"))
      raw:say("NOOP\n")
      assert.equal("220 x", raw:reply())
      assert.equal("250 ok", raw:reply())
    end)
    assert.matches('"NOOP\\r\\n" was expected, not "NOOP\\n"$', problem.text)
  end)

  it("lets the script say what else will do", function()
    local asked = {}
    play(script, function(options)
      local client <close> = assert(smtp.connect(options))
      assert(client:noop())
      client:command("HELP")
      client:quit()
    end, { match = function(expected, got)
      asked[#asked + 1] = { expected, got }
      return got == "HELP\r\n"
    end })
    assert.same({ { "RSET\r\n", "HELP\r\n" } }, asked)
  end)

  it("plays several connections in turn", function()
    play([[
-- connected to x
S: 421 busy
-- the peer closed the connection
-- connected to x
S: 220 x
C: QUIT
S: 221 bye]], function(options)
      local client, problem = smtp.connect(options)
      assert.is_nil(client)
      assert.equal(421, problem.code)
      client = assert(smtp.connect(options))
      assert(client:quit())
    end)
  end)

  it("plays what server:script returned", function()
    local server = smtp.server { hostname = "mx.test" }
    local transcript = server:script { "HELO me.example.org", "NOOP", "QUIT" }
    play(transcript, function(options)
      local client <close> = assert(smtp.connect(options))
      assert(client:helo())
      assert(client:noop())
      client:quit()
    end)
  end)

  it("runs beside a spec that holds no loop", function()
    local server <close> = testing.server(smtp.replay("S: 220 x\nC: QUIT\n"
      .. "S: 221 bye"))
    local client <close> = assert(smtp.connect { server = server.url,
      timeout = 5 })
    assert(client:quit())
    server:settle()
    assert(server:check())
  end)

  it("raises for what is no transcript or option, where it was called",
    function()
    local function raises(text, ...)
      local given = table.pack(...)
      local ok, problem = pcall(function()
        smtp.replay(table.unpack(given, 1, given.n))
      end)
      assert.is_false(ok)
      assert.matches("^spec/replay_spec%.lua:%d+: " .. text, problem)
    end
    raises("smtp%.replay: a transcript or its text is expected, not nil")
    raises("line 1 of the transcript: C:, S:", "hello")
    raises("unknown option of smtp%.replay 'tmeout' %(did you mean 'timeout'",
      "S: 220 x", { tmeout = 1 })
  end)

  it("serves post.send, and is a string for people", function()
    local transcript = recorder()
    local message <const> = { from = "a@example.org", to = { "b@example.org" },
      message = "Subject: hello\r\n\r\nhello\r\n", helo = "me.example.org",
      timeout = 5 }
    local function send(url, into)
      message.server, message.transcript = url, into
      return assert(post.send(message))
    end
    testing.run(function(server) send(server.url, transcript) end)
    local server = testing.run(smtp.replay(transcript), function(server)
      assert.matches("^replay %(127%.0%.0%.1:%d+, 0 played, 0 deviations%)$",
        tostring(server))
      assert.equal(250, send(server.url).reply.code)
    end)
    assert.same({ "Subject: hello\r\n\r\nhello\r\n" }, server.bodies)
    assert.is_true(server:check())
  end)
end)

describe("lunapost replay", function()
  local folder

  setup(function() folder = peers.folder() end)

  teardown(function() peers.remove(folder) end)

  local path <const> = "examples/session.txt"

  local function replay(flags, log)
    return peers.listening(("%s replay %s"):format(tree.command, flags),
      folder .. "/" .. log)
  end

  local function send(port, flags)
    return peers.run(("%s send --server smtp://127.0.0.1:%d --insecure "
      .. "--helo client.example.org --from ana@example.org "
      .. "--to bob@example.net --to nobody@example.net --raw README.md "
      .. "--tls starttls --timeout 5 --json %s"):format(tree.command, port,
      flags or ""))
  end

  local function over(server)
    assert(peers.wait(10, function() return not server:alive() end))
    return server:output()
  end

  it("serves a transcript, and tells of departures", function()
    peers.write(folder .. "/word", "any\n")
    local login = "--user ana --password-file " .. folder .. "/word"
    local readme = #tree.read "README.md" -- it has grown since
    local text = tree.read(path):gsub("SIZE=%d+", "SIZE=" .. readme)
    peers.write(folder .. "/session.txt", text)
    local server = replay(folder .. "/session.txt", "one.log")
    local output, code = send(server.port, login)
    assert.equal(1, code)
    assert.matches('"accepted":%["bob@example.net"%]', output)
    assert.matches('"address":"nobody@example.net","code":550', output)
    local said = over(server)
    assert.matches("^listening on 127%.0%.0%.1:%d+\n$", said)
    server = replay(folder .. "/session.txt --times 2 --timeout 2", "two.log")
    send(server.port, login)
    send(server.port, "--quit-after ehlo")
    said = over(server)
    assert.matches('\nline 14 of the transcript: "STARTTLS\\r\\n" was '
      .. 'expected, not "QUIT\\r\\n"\n', said)
  end)

  it("shows it, as a text, a picture and a diagram", function()
    local function shown(flag)
      local output, code = peers.run(("%s replay %s %s"):format(tree.command,
        path, flag))
      assert.equal(0, code)
      return output
    end
    local transcript = assert(smtp.transcript.load(path))
    assert.equal(tostring(transcript), shown "--print" .. "\n")
    assert.equal(transcript:mermaid(), shown "--mermaid" .. "\n")
    assert.equal(transcript:svg(), shown "--svg" .. "\n")
  end)

  it("is the picture in README", function()
    local transcript = assert(smtp.transcript.load(path))
    assert.equal(tree.read "examples/session.svg", transcript:svg {
      title = "Ana writes to Bob, and to nobody" })
  end)

  it("explains what it does not understand", function()
    peers.write(folder .. "/broken", "S: 220 x\nwhat\n")
    for words, text in pairs {
      [""] = "which transcript", ["/no/such"] = "No such file",
      [path .. " x"] = "unexpected word 'x'",
      [folder .. "/broken"] = "broken: line 2 of the transcript: C:, S:",
      [path .. " --listen x"] = "'x' is not HOST:PORT",
    } do
      local output, code = peers.run(tree.command .. " replay " .. words)
      assert.equal(64, code, words)
      assert.truthy(output:find(text, 1, true), output)
    end
  end)
end)
