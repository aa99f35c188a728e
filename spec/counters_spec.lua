-- What a server counts and tells of itself.
local json = require "spec.support.json"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peer_of = require "spec.support.peer"
local peers = require "spec.support.peers"
local served = require "spec.support.served"
local wire = require "spec.support.wire"

local function hello(port)
  local peer = peer_of.dial(port)
  assert.matches("^220 ", peer:reply())
  peer:ask("EHLO spec")
  return peer
end

local function deliver(peer, to, body)
  peer:ask("MAIL FROM:<a@example.org>")
  for _, one in ipairs(to) do peer:ask("RCPT TO:<" .. one .. ">") end
  peer:ask("DATA")
  peer:say(body .. ".\r\n")
  return peer:reply()
end

local function eventually(fact) patience.await(loop, fact) end

-- A server that refuses nobody@ and messages that say "no".
local function options(more)
  local all = { tls = "test", auth = { check = function(_, credentials)
    return credentials.password == "luna"
  end }, on = {
    rcpt = function(_, path)
      if path.localpart == "nobody" then return 550, "5.1.1", "who?" end
    end,
    message = function(_, message)
      if message.subject == "no" then return 554, "5.6.0", "no" end
      if message.subject == "bad" then error "boom" end
    end,
  } }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

-- One of everything that is counted.
local function a_day(port)
  local peer = hello(port)
  peer:ask("STARTTLS")
  peer:starttls()
  peer:ask("EHLO spec")
  assert.matches("^535 ", peer:ask("AUTH PLAIN AGFuYQB4"))
  assert.matches("^235 ", peer:ask("AUTH PLAIN AGFuYQBsdW5h"))
  assert.matches("^250 ", deliver(peer, { "b@x", "nobody@x", "c@x" },
    "Subject: yes\r\n\r\n..\r\n"))
  assert.matches("^554 ", deliver(peer, { "b@x" }, "Subject: no\r\n\r\n"))
  assert.matches("^451 ", deliver(peer, { "b@x" }, "Subject: bad\r\n\r\n"))
  peer:ask("QUIT")
  peer:close()
end

describe("server:stats", function()
  it("counts what happened, by kind", function()
    served.run(options { limits = { source_sessions = 1, timeout = 0.2 },
      log = function() end }, function(server)
      a_day(server.port)
      eventually(function() return server:stats().sessions == 0 end)
      local stats = server:stats()
      assert.equal(1, stats.accepted)
      assert.equal(1, stats.secured)
      assert.same({ ok = 1, failed = 1 }, stats.auth)
      assert.equal(1, stats.messages)
      assert.equal(2, stats.messages_refused)
      assert.equal(#"Subject: yes\r\n\r\n.\r\n", stats.octets)
      assert.equal(4, stats.recipients)
      assert.equal(1, stats.recipients_refused)
      assert.equal(1, stats.faults)
      assert.equal(1, stats.ended.quit)
      assert.same({ 0, 3, 1, 3 }, { stats.timeouts, stats.replies[3],
        stats.replies[4], stats.replies[5] })

      local held = hello(server.port)
      local second <close> = peer_of.dial(server.port)
      assert.matches("^421 ", second:reply())
      assert.equal(1, server:stats().refused)
      assert.equal(1, server:stats().sessions)
      assert.matches("^421 4.4.2 ", held:reply())
      held:close()
      eventually(function() return server:stats().sessions == 0 end)
      assert.equal(1, server:stats().timeouts)
      hello(server.port):close()
      eventually(function() return server:stats().ended.closed == 1 end)
      eventually(function() return server:stats().sessions == 0 end)

      local wrong <close> = hello(server.port)
      assert.matches("^220 ", wrong:ask("STARTTLS"))
      wrong:say("this is no TLS\r\n")
      eventually(function() return server:stats().ended.tls == 1 end)
    end)
  end)

  it("counts sessions that a stop ends, idle and busy", function()
    local server = served.run({ log = function() end, on = {
      noop = function() loop.sleep(30) end } }, function(server)
      hello(server.port)
      local busy = hello(server.port)
      busy:say("NOOP\r\n")
      eventually(function() return server:stats().sessions == 2 end)
      loop.sleep(0.05)
      server:stop(0)
      eventually(function() return server:stats().ended.stopped == 2 end)
    end)
    assert.equal(0, server:stats().sessions)
  end)
end)

-- The samples of a text in Prometheus' format, each line checked.
local function samples(text)
  local list, typed = {}, {}
  assert.equal("\n", text:sub(-1))
  for line in text:gmatch "([^\n]*)\n" do
    local name, kind = line:match "^# TYPE ([%l_]+) (%l+)$"
    if name then
      assert.is_nil(typed[name])
      typed[name] = kind
    elseif not line:find "^# HELP [%l_]+ %u[^\n]+%.$" then
      local sample, value = line:match "^(%S+) (%d+)$"
      assert(sample, line)
      local base = sample:match "^[%l_]+"
      assert(typed[base], line)
      assert.equal(typed[base] == "counter", base:find "_total$" ~= nil)
      assert(sample == base or sample:match '^[%l_]+{%l+="%w+"}$', line)
      list[sample] = math.tointeger(value)
    end
  end
  return list
end

describe("server:metrics", function()
  it("is what Prometheus reads", function()
    served.run(options { log = function() end }, function(server)
      a_day(server.port)
      eventually(function() return server:stats().sessions == 0 end)
      local list = samples(server:metrics())
      assert.equal(0, list.lunapost_sessions)
      assert.equal(1, list.lunapost_workers)
      assert.equal(1, list['lunapost_messages_total{result="accepted"}'])
      assert.equal(2, list['lunapost_messages_total{result="refused"}'])
      assert.equal(1, list['lunapost_sessions_ended_total{why="quit"}'])
      assert.equal(3, list['lunapost_replies_total{class="5"}'])
    end)
  end)
end)

local function get(port, request)
  local peer <close> = peer_of.dial(port)
  peer:say(request or "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
  local lines = {}
  for line in function() return peer:line() end do lines[#lines + 1] = line end
  return table.concat(lines, "\n") .. "\n" .. peer.held
end

describe("the metrics' door", function()
  local folder, server

  setup(function() folder = peers.folder() end)
  teardown(function() peers.remove(folder) end)
  after_each(function()
    if server then assert.is_true(server:stop(), server:output()) end
    server = nil
  end)

  local function serve(arguments)
    server = peers.serve(arguments .. " --metrics 127.0.0.1:0",
      folder .. "/log")
    return math.tointeger(server:output()
      :match "\nmetrics on http://127.0.0.1:(%d+)/metrics\n")
  end

  it("answers HTTP, and nothing else", function()
    local port = serve ""
    local answer = get(port)
    assert.matches("^HTTP/1.1 200 OK\n", answer)
    assert.matches("\nContent-Type: text/plain; version=0.0.4", answer, 1, true)
    local body = answer:match "\n\n(.*)$"
    assert.equal(#body, tonumber(answer:match "Content%-Length: (%d+)"))
    assert.equal(0, samples(body).lunapost_sessions)
    assert.equal("", get(port, "HEAD / HTTP/1.0\r\n\r\n"):match "\n\n(.*)$")
    assert.matches("^HTTP/1.1 405 ", get(port, "PUT / HTTP/1.1\r\n\r\n"))
    assert.matches("^HTTP/1.1 400 ", get(port, "EHLO x\r\n\r\n"))
    assert.matches("^HTTP/1.1 400 ", get(port, ("x"):rep(10000)))
  end)

  it("tells of all workers, and of the dead", function()
    local path = folder .. "/script.lua"
    peers.write(path, "return { noop = function() os.exit(9) end }")
    local port = serve(path .. " --workers 3")
    for _ = 1, 12 do
      local peer = hello(server.port)
      assert.matches("^250 ", deliver(peer, { "b@x" }, "hi\r\n"))
      peer:ask("QUIT")
    end
    local function count(name)
      return samples(get(port):match "\n\n(.*)$")[name]
    end
    local messages <const> = 'lunapost_messages_total{result="accepted"}'
    assert.is_truthy(peers.wait(5, function() return count(messages) == 12 end))
    for _ = 1, 4 do -- fresh counts may die with their worker
      local ok, peer = pcall(hello, server.port)
      if ok then peer:ask("NOOP") end
    end
    assert.is_truthy(server:says "ended with 9")
    assert.is_truthy(peers.wait(8, function()
      local ok, n = pcall(count, "lunapost_sessions")
      return ok and n == 0
    end))
    assert.equal(12, count(messages))
    assert.equal(3, count "lunapost_workers")
  end)
end)

describe("the log", function()
  it("is records, from the first to the last", function()
    local records = {}
    served.run(options { log = function(record)
      records[#records + 1] = record
    end }, function(server)
      a_day(server.port)
      eventually(function() return server:stats().sessions == 0 end)
    end)
    local events = {}
    for i, record in ipairs(records) do
      events[i] = record.event
      assert.equal("number", type(record.time))
      assert.matches("^%l+$", record.level)
      assert.equal("127.0.0.1", record.peer)
      assert.equal("string", type(record.session))
    end
    assert.equal("connect secured refused auth refused message refused message"
      .. " error refused message disconnect", table.concat(events, " "))
    assert.equal("AUTH", records[3].verb)
    assert.equal(535, records[3].code)
    assert.equal("ana", records[4].user)
    assert.equal("RCPT", records[5].verb)
    local message = records[6]
    assert.same({ "a@example.org", { "b@x", "c@x" }, 250, 19, "ana" },
      { message.from, message.to, message.code, message.size, message.user })
    assert.equal("error", records[9].level)
    assert.matches("boom", records[9].text)
    assert.equal("quit", records[12].why)
    assert.equal(3, records[12].messages)
  end)

  it("prints each record as one line without control characters", function()
    local line
    served.run({ log = function(record)
      if record.event == "refused" then line = tostring(record) end
    end, on = { noop = function(_, text)
      return 550, "no \27[1m" .. text
    end } },
      function(server)
        hello(server.port):ask("NOOP \"q\" x=y")
      end)
    assert.matches("^session %w+ 127.0.0.1 refused: no %?%[1m\"q\" x=y "
      .. "code=550 enhanced=5.7.1 verb=NOOP$", line)
  end)

  it("that fails stops nothing", function()
    local output = wire.script [[
      local server = require "lunapost.smtp".server { log = error }
      print(server:script { "EHLO x", "QUIT" })]]
    assert.matches("221 2.0.0", output, 1, true)
    assert.matches("lunapost: log: ", output, 1, true)
  end)

  it("goes to stderr by --log, as text or JSON", function()
    local folder = peers.folder()
    for format, pattern in pairs {
      text = "\n(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ info    "
        .. "session %w+ 127.0.0.1 message [^\n]*)\n",
      json = "\n(%b{})\n[^\n]*disconnect",
    } do
      local server = peers.serve("--log " .. format, folder .. "/log")
      local peer = hello(server.port)
      deliver(peer, { "b@x" }, "hi\r\n")
      peer:ask("QUIT")
      local line = server:says(pattern)
      assert(line, server:output())
      if format == "json" then
        local record = json.decode(line)
        assert.equal("message", record.event)
        assert.same({ "b@x" }, record.to)
        assert.matches("^%d+%-%d%d%-%d%dT", record.time)
      end
      assert.is_true(server:stop())
    end
    peers.remove(folder)
  end)
end)
