-- The same sessions in every event loop, and in none.
local carriers = require "spec.support.carriers"
local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local patience = require "spec.support.patience"
local peers = require "spec.support.peers"
local post = require "lunapost"
local process = require "lunapost.smtp.process"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"
local wire = require "spec.support.wire"

local NAMES <const> = { "builtin", "none", "cqueues", "luv", "copas" }
local FOREIGN <const> = { "cqueues", "luv", "copas" }

local folder
local servers = {}

setup(function()
  folder = peers.folder()
  for _, mode in ipairs { "starttls", "implicit" } do
    local ca = ("%s/%s.pem"):format(folder, mode)
    local server = peers.listening(tree.lua("spec/support/slow_server.lua "
      .. mode .. " " .. ca), folder .. "/" .. mode .. ".log")
    server.ca = ca
    servers[mode] = server
  end
end)

teardown(function()
  for _, server in pairs(servers) do server:stop() end
  peers.remove(folder)
end)

-- Runs steps in a carrier; they must leave no descriptor behind.
local function carried(carrier, steps)
  if carrier.loop and not carrier.warm then -- what a loop opens for good
    carrier.run(function() carrier.loop.sleep(0.01) end)
    carrier.warm = true
  end
  local before = wire.descriptors()
  carrier.run(function() steps(carrier.loop) end)
  assert.is_true(wire.at_most(before))
end

local function missing(carrier)
  return carrier.missing and not peers.need(carrier.name, false)
end

-- Tasks beside each other; comes back when all are over.
local function together(loop, count, fn)
  local left = count
  for i = 1, count do
    loop.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        left = left - 1
      end })
      fn(i)
    end)
  end
  while left > 0 do loop.sleep(0.01) end
end

local function settings(loop, more)
  local options = { host = "127.0.0.1", port = servers.starttls.port,
    tls = "none", timeout = 60, helo = "me.example.org", loop = loop }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

local function letter(loop, more)
  local options = settings(loop, { from = "ana@example.org",
    to = { "bob@example.org" }, subject = "Hello", text = "Hi\n" })
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

local function client_suite(carrier)
  local function it_does(what, steps)
    it(what, function()
      if missing(carrier) then return end
      carried(carrier, steps)
    end)
  end

  it_does("sends, and tells who was refused", function(loop)
    local result = assert(post.send(letter(loop, {
      to = { "bob@example.org", "nobody@example.org" } })))
    assert.same({ "bob@example.org" }, result.accepted)
    assert.equal(550, result.rejected[1].code)
  end)

  it_does("sends by STARTTLS and by implicit TLS, verified", function(loop)
    for mode, server in pairs(servers) do
      assert(post.send(letter(loop, { port = server.port, tls = mode,
        ca = server.ca })))
    end
  end)

  it_does("refuses a certificate that it does not know", function(loop)
    local result, problem = post.send(letter(loop, { tls = "starttls" }))
    assert.is_nil(result)
    assert.equal("tls", problem.kind)
  end)

  it_does("sends much, by TLS too", function(loop)
    local text = ("0123456789\r\n"):rep(200000)
    for _, tls in ipairs { "none", "starttls" } do
      local result = assert(post.send(settings(loop, { tls = tls,
        ca = servers.starttls.ca, from = "a@example.org",
        to = "b@example.org", message = "Subject: x\r\n\r\n" .. text })))
      assert.matches(#text + 14 .. " octets", result.reply.text)
    end
  end)

  it_does("knows its task within a wrapped coroutine", function(loop)
    if not loop then return end
    local inner
    local step = loop.wrap(function()
      inner = loop.task()
      loop.sleep(0.001)
      assert.equal(inner, loop.task())
    end)
    step()
    assert.equal("thread", type(inner))
    assert.equal(loop.task(), inner)
  end)

  it_does("finds names", function(loop)
    assert(post.send(letter(loop, { host = "localhost" })))
  end)

  it_does("says word by word what a script wants", function(loop)
    local client <close> = assert(smtp.connect(settings(loop)))
    assert(client:write "EH")
    assert(client:write "LO me\r\n")
    assert(client:expect(250))
    assert(client:mail "")
    assert.equal(250, client:rcpt("slow@example.org").code)
    assert(client:quit())
  end)

  it_does("waits no longer than it is told", function(loop)
    local start = core.loop.now()
    local client <close> = assert(smtp.open(settings(loop,
      { timeouts = { rcpt = 0.2 } })))
    assert(client:mail "ana@example.org")
    local reply, problem = client:rcpt "never@example.org"
    assert.is_nil(reply)
    assert.equal("timeout", problem.kind)
    assert.is_true(core.loop.now() - start >= 0.2)
  end)

  it_does("says that nobody listens", function(loop)
    local client, problem = smtp.open(settings(loop, { port = 1 }))
    assert.is_nil(client)
    assert.equal("connect", problem.kind)
  end)

  it_does("is cut off by a deadline, and closes", function(loop)
    local ok, problem = pcall(deadline.run, loop, 0.2, function()
      post.send(letter(loop, { to = "never@example.org" }))
    end)
    assert.is_false(ok)
    assert.is_true(deadline.is(problem))
  end)

  it_does("closes when its scope is left", function(loop)
    local ok = pcall(function()
      local client <close> = assert(smtp.open(settings(loop)))
      error(client)
    end)
    assert.is_false(ok)
  end)
end

local function task_suite(carrier)
  local function it_does(what, steps)
    it(what, function()
      if missing(carrier) then return end
      carried(carrier, steps)
    end)
  end

  it_does("keeps many sessions going", function(loop)
    local begun, sent, begun_first = 0, 0, nil
    together(loop, 20, function(i)
      begun = begun + 1
      assert(post.send(letter(loop, { to = "slow@example.org",
        tls = i % 2 == 0 and "starttls" or "none",
        ca = servers.starttls.ca })))
      sent, begun_first = sent + 1, begun_first or begun
    end)
    assert.same({ 20, 20 }, { sent, begun_first })
  end)

  it_does("closes what a killed task holds", function(loop)
    local open, unwound
    local task = loop.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        unwound = true
      end })
      local client <close> = assert(smtp.open(settings(loop)))
      open = true
      assert(client:mail "ana@example.org")
      client:rcpt "never@example.org"
      error "not reached"
    end)
    while not open do loop.sleep(0.01) end
    loop.sleep(0.05)
    loop.kill(task)
    patience.await(loop, function() return unwound end)
  end)

  it_does("ends at once the program of a killed delivery", function(loop)
    local path = folder .. "/killed"
    local transport = smtp.sendmail { loop = loop, arguments = false,
      command = { "sh", "-c", "trap '' TERM; echo $$ >" .. path
        .. "; exec sleep 60" } }
    local task = loop.spawn(function()
      transport:send({ from = "", to = "b@example.org" },
        ("Subject: x\r\n"):rep(1 << 20))
    end)
    local pid
    patience.await(loop, function()
      pid = math.tointeger(tonumber(tree.read(path) or ""))
      return pid
    end)
    local waits, sleep = 0, loop.sleep
    loop.sleep = function(seconds)
      waits = waits + 1
      return sleep(seconds)
    end
    loop.kill(task)
    assert.equal(0, waits)
    loop.sleep = sleep
    local state = ("/proc/%d/stat"):format(pid)
    patience.await(loop, function() return not tree.read(state) end)
    patience.await(loop, function() return process.left() == 0 end)
    os.remove(path)
  end)

  it_does("delivers by several tasks at a time", function(loop)
    local result = assert(smtp.deliver("Subject: x\r\n\r\nx\r\n", {
      from = "ana@example.org", helo = "me.example.org", loop = loop,
      to = { "slow@[127.0.0.1]", "slow@[IPv6:::ffff:127.0.0.1]" },
      port = servers.starttls.port, loopback = true, tls = "opportunistic" }))
    assert.equal(2, #result.accepted)
  end)

  it_does("kills a task that sleeps, or has not begun", function(loop)
    local reached = false
    local function sleeper()
      loop.sleep(3600)
      reached = true
    end
    local task = loop.spawn(sleeper)
    loop.sleep(0.01)
    loop.kill(task)
    loop.kill(loop.spawn(sleeper))
    loop.sleep(0.02)
    assert.is_false(reached)
    assert.has_error(function() loop.kill(coroutine.running()) end)
  end)

  it_does("wakes who waits for what another closes", function(loop)
    local client = assert(smtp.connect(settings(loop)))
    local reply, problem
    loop.spawn(function() reply, problem = client:receive() end)
    loop.sleep(0.05)
    client:close()
    patience.await(loop, function() return reply or problem end)
    assert.is_nil(reply)
    assert.equal("closed", problem.kind)
  end)

  it_does("lets one task wait for a descriptor, not two", function(loop)
    local client <close> = assert(smtp.connect(settings(loop)))
    local fd = client.conn:fd()
    local over, ended = false, false
    loop.spawn(function()
      repeat loop.wait(fd, "r", 0.02) until over
      ended = true
    end)
    loop.sleep(0.01)
    assert.error_matches(function() loop.wait(fd, "r", 0.1) end,
      "two tasks wait for descriptor")
    over = true
    patience.await(loop, function() return ended end)
    assert.same({ nil, "timeout" }, { loop.wait(fd, "r", 0.01) })
    assert.is_true(loop.wait(fd, "w", 60))
    assert.same({ nil, "closed" }, { loop.wait(-1, "r", 1) })
  end)

  it_does("reports the error of a task", function(loop)
    local seen
    loop.on_error = function(problem) seen = problem end
    loop.spawn(function() error { "mine" } end)
    patience.await(loop, function() return seen end)
    loop.on_error = nil
    assert.same({ "mine" }, seen)
  end)
end

-- A server and its clients in one loop.
local function serve(loop, options, steps)
  options.listen, options.loop = "127.0.0.1:0", loop
  options.hostname = "localhost"
  local server = smtp.server(options)
  assert(server:start())
  local ok, problem = pcall(steps, server, function(more)
    local own = { port = server.port }
    for name, value in pairs(more or {}) do own[name] = value end
    return post.send(letter(loop, own))
  end)
  server:stop(0)
  if not ok then error(problem, 0) end
  patience.await(loop, function() return server:stats().sessions == 0 end)
end

local function server_suite(carrier)
  local function it_does(what, steps)
    it(what, function()
      if missing(carrier) then return end
      carried(carrier, steps)
    end)
  end

  it_does("serves, TLS too", function(loop)
    local subjects = {}
    serve(loop, { tls = "test", on = { message = function(session, message)
      subjects[#subjects + 1] = message.subject .. " "
        .. tostring(session.tls ~= nil)
    end } }, function(server, send)
      assert(send())
      assert(send { tls = "starttls", ca = (server.context:pem()) })
    end)
    assert.same({ "Hello false", "Hello true" }, subjects)
  end)

  it_does("serves many at once, and handlers that wait", function(loop)
    local asked = 0
    serve(loop, { on = { rcpt = function() -- each waits for all
      asked = asked + 1
      patience.await(loop, function() return asked == 15 end)
    end } }, function(_, send)
      together(loop, 15, function() assert(send()) end)
    end)
  end)

  it_does("serves a dialogue that is one function, and waits", function(loop)
    local bodies = {}
    serve(loop, { session = function(s)
      loop.sleep(0.01)
      for command in s.next, s do
        if command.verb == "RCPT" then loop.sleep(0.02) end
        if command.verb == "DATA" then
          local octets = s:receive()
          loop.sleep(0.01)
          bodies[#bodies + 1] = octets
          s:answer(250, "2.0.0", "kept")
        end
      end
    end }, function(server, send)
      together(loop, 5, function()
        assert.equal("kept", assert(send()).reply.text)
      end)
      local idle = assert(smtp.open(settings(loop, { port = server.port })))
      loop.sleep(0.02)
      idle:close()
    end)
    assert.equal(5, #bodies)
    assert.matches("Subject: Hello", bodies[5])
  end)

  it_does("relays from within a handler", function(loop)
    local text
    serve(loop, { on = { data = function(_, body)
      text = body:read()
    end } }, function(last)
      serve(loop, { on = { data = function(session, body)
        local result = assert(post.send(settings(loop, { port = last.port,
          from = session.envelope.from.address, to = "eve@example.org",
          message = body:source() })))
        return 250, "2.0.0", result.reply.text
      end } }, function(_, send) assert(send()) end)
    end)
    assert.matches("Subject: Hello", text)
  end)

  it_does("ends sessions that say nothing", function(loop)
    serve(loop, { limits = { timeout = 0.1 } }, function(server)
      local client <close> = assert(smtp.connect(settings(loop,
        { port = server.port })))
      local reply = assert(client:receive(60))
      assert.equal(421, reply.code)
    end)
  end)

  it_does("holds handlers to their time", function(loop)
    serve(loop, { limits = { handler = 0.1 }, log = function() end,
      on = { rcpt = function() loop.sleep(3600) end } }, function(_, send)
      local result, problem = send()
      assert.is_nil(result)
      assert.equal(451, problem.code)
    end)
  end)

  it_does("drops idle and busy sessions when it stops", function(loop)
    local why, asked, unwound = {}, false, false
    local logged = {}
    serve(loop, { log = served.log(logged), on = {
      disconnect = function(_, reason) why[#why + 1] = reason end,
      rcpt = function()
        local _ <close> = setmetatable({}, { __close = function()
          unwound = true
        end })
        asked = true
        loop.sleep(3600)
      end,
    } }, function(server)
      local idle = assert(smtp.open(settings(loop, { port = server.port })))
      local busy = assert(smtp.open(settings(loop, { port = server.port })))
      assert(busy:mail "")
      assert(busy:write "RCPT TO:<a@example.org>\r\n")
      patience.await(loop, function() return asked end)
      server:stop(0)
      patience.await(loop, function() return #why == 2 end)
      assert.equal(421, assert(idle:receive(60)).code)
      local _, problem = busy:receive(60)
      assert.is_true(problem == nil or problem.kind == "closed")
      idle:close()
      busy:close()
    end)
    assert.same({ "stopped", "stopped" }, why)
    assert.is_true(unwound)
    assert.same({}, logged)
  end)
end

for _, name in ipairs(NAMES) do
  local carrier = carriers.new(name)
  describe("a session in " .. name, function() client_suite(carrier) end)
  if name ~= "none" then
    describe("a task in " .. name, function() task_suite(carrier) end)
    describe("a server in " .. name, function() server_suite(carrier) end)
  end
end

describe("an adapter", function()
  for _, name in ipairs(FOREIGN) do
    it("of " .. name .. " tells what it needs", function()
      local out = wire.script(([[
        package.preload[%q], package.path = nil,
          package.path:gsub("/usr/share/[^;]*", "")
        package.cpath = package.cpath:gsub("/usr/lib/[^;]*", "")
        package.path = package.path:gsub("%%./%%?.lua;?", "")
        print(pcall(require, "lunapost.loops.%s"))
      ]]):format(name, name))
      assert.matches(("module '%s' not found, which lunapost.loops.%s needs: "
        .. "luarocks install %s"):format(name, name, name), out, 1, true)
    end)

    it("of " .. name .. " blocks outside its loop", function()
      local carrier = carriers.new(name)
      if missing(carrier) then return end
      local start = core.loop.now()
      assert(post.send(letter(carrier.loop, { to = "slow@example.org" })))
      carrier.loop.sleep(0.05)
      assert.is_true(core.loop.now() - start > 0.25)
    end)
  end

  it("of luv lets go of a coroutine that is closed", function()
    local carrier = carriers.new "luv"
    if missing(carrier) then return end
    carried(carrier, function(loop)
      local co = coroutine.create(function()
        local client <close> = assert(smtp.open(settings(loop)))
        client:receive()
      end)
      coroutine.resume(co)
      loop.sleep(0.1)
      assert.equal("suspended", coroutine.status(co))
      assert(coroutine.close(co))
      loop.sleep(0.02)
    end)
  end)

  it("does not run a server by itself", function()
    local loop = require("lunapost.loops.seam").adapt {}
    local server = smtp.server { listen = "127.0.0.1:0", loop = loop,
      hostname = "localhost" }
    assert.error_matches(function() server:run() end, "use server:start")
  end)

  it("of cqueues says where a server can start", function()
    local carrier = carriers.new "cqueues"
    if missing(carrier) then return end
    assert.error_matches(function() carrier.loop.spawn(function() end) end,
      "within cqueues")
  end)
end)
