-- Programs at the other end: `sendmail -bs` and its like, and delivery by a
-- program that takes a message on its standard input.
local carriers = require "spec.support.carriers"
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local post = require "lunapost"
local patience = require "spec.support.patience"
local peers = require "spec.support.peers"
local process = require "lunapost.smtp.process"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

local lua <const> = arg and arg[-1] or "lua5.4"

-- The program's words; path: where it writes what it is told.
local function spoken(word, path, ...)
  return { lua, "spec/support/spoken.lua", word, path, ... }
end

local function with_path(steps)
  local path = os.tmpname()
  local ok, problem = xpcall(steps, debug.traceback, path)
  os.remove(path)
  if not ok then error(problem, 0) end
end

local function descriptors()
  return #tree.lines "ls /proc/$PPID/fd"
end

-- A lookup of the host's name may be under way, in a thread of its own.
local function none_more_than(before)
  for _ = 1, 200 do
    if descriptors() <= before then return true end
    loop.sleep(0.01)
  end
  return false
end

local function zombies()
  local n = 0
  for _, line in ipairs(tree.lines "ps -o stat= --ppid $PPID") do
    if line:find "^Z" then n = n + 1 end
  end
  return n
end

local function all_reaped()
  for _ = 1, 200 do
    if process.left() == 0 then break end
    loop.sleep(0.01)
  end
  return process.left() == 0 and zombies() == 0
end

describe("a session with a program", function()
  local function send(path)
    return post.send { command = spoken("session", path), helo = "me",
      timeout = 5, from = "a@example.org", to = { "b@example.org" },
      subject = "x", text = "hello" }
  end

  it("is one like any other, and the program is reaped", function()
    with_path(function(path)
      local before = descriptors()
      local result = assert(send(path))
      assert.equal("kept", result.reply.text)
      assert.matches("^EHLO me\nMAIL FROM:<a@example.org>\nRCPT TO:"
        .. "<b@example.org>\nDATA\n.*\n%.\nQUIT\nended\n$", tree.read(path))
      assert.matches("connected to exec:" .. lua:gsub("%p", "%%%0"),
        tostring(result.transcript))
      assert.equal(0, process.left())
      assert.equal(0, zombies())
      assert.is_true(none_more_than(before))
    end)
  end)

  it("runs in the loop beside others", function()
    with_path(function(path)
      local done = 0
      for i = 1, 4 do
        loop.spawn(function()
          assert(send(path .. i))
          os.remove(path .. i)
          done = done + 1
        end)
      end
      loop.run()
      assert.equal(4, done)
      assert.equal(0, zombies())
    end)
  end)

  it("has a URL", function()
    local client <close> = assert(smtp.connect { timeout = 5,
      server = ("exec:%s  spec/support/spoken.lua session /dev/null")
        :format(lua) })
    assert.equal("spoken", client.greeting.text)
    assert(client:ehlo())
    assert(client:quit())
  end)

  it("tells what cannot be started", function()
    local before = descriptors()
    local client, problem = smtp.open { command = { "/no/such/program" } }
    assert.is_nil(client)
    assert.equal("connect", problem.kind)
    assert.is_false(problem.transient)
    assert.equal("exec:/no/such/program: cannot start /no/such/program: "
      .. "No such file or directory", tostring(problem))
    client, problem = smtp.open { command = { "README.md" } }
    assert.is_nil(client)
    assert.equal("connect", problem.kind)
    assert.is_true(none_more_than(before))
  end)

  it("tells of a program that ends without a word", function()
    local client, problem = smtp.open { command = { "true" }, timeout = 5 }
    assert.is_nil(client)
    assert.equal("closed", problem.kind)
    assert.is_true(all_reaped())
  end)

  it("is not cut short by the collector once it is released", function()
    with_path(function(path)
      local client = assert(smtp.connect { command = spoken("session", path),
        timeout = 5 })
      assert(client:helo())
      client:close()
      client = nil
      assert.is_nil(client)
      collectgarbage()
      collectgarbage()
      for _ = 1, 200 do
        if (tree.read(path) or ""):find "ended" then break end
        loop.sleep(0.01)
      end
      assert.matches("ended", tree.read(path))
      assert.is_true(all_reaped())
    end)
  end)

  it("is ended where it does not end by itself", function()
    with_path(function(path)
      local before <const> = process.GRACE
      process.GRACE = 0.1
      loop.spawn(function()
        local client = assert(smtp.connect { timeout = 5,
          command = spoken("stubborn", path) })
        client:close()
        assert.equal(1, process.left())
      end)
      local from = loop.now()
      loop.run()
      process.GRACE = before
      assert.is_true(loop.now() - from < 60)
      assert.equal(0, process.left())
      assert.equal(0, zombies())
      assert.equal("running\n", tree.read(path))
    end)
  end)

  it("raises for words that are none", function()
    for text, command in pairs {
      ["'command' is empty"] = {}, ["holds strings, not number"] = { "x", 1 },
    } do
      assert.error_matches(function() smtp.open { command = command } end,
        text)
    end
    assert.error_matches(function() smtp.open { command = { "x\0y" } } end,
      "contains a NUL")
    for text, why in pairs { ["a 'b"] = "a single quote", ['a "b\\"'] =
      "a double quote", ["a\\"] = "nothing follows the backslash" } do
      local server = "exec:" .. text
      assert.error_matches(function() smtp.open { server = server } end, why)
    end
    assert.error_matches(function() smtp.open { server = "exec:" } end,
      "'command' is empty")
  end)
end)

describe("a program's surroundings", function()
  it("are its own: no descriptor of ours, all signals as usual", function()
    with_path(function(path)
      local file <close> = assert(io.open "README.md") -- not close-on-exec
      local conn, child = core.process.start(spoken("descriptors", path))
      assert.truthy(file)
      while not child:ended() do loop.sleep(0.005) end
      assert.equal(0, child:ended())
      conn:close()
      local text = tree.read(path)
      assert.is_nil(text:find("README", 1, true), text)
      assert.matches(" 0 %-> 'socket:", (text:gsub("> (socket:)", "> '%1")))
      assert.matches("SigBlk:%s+0+\n", text)
      -- 1: hangup, 2: interrupt, 13: pipe, 15: terminate
      local ignored = tonumber(text:match "SigIgn:%s+(%x+)", 16)
      assert.equal(0, ignored & (1 << 0 | 1 << 1 | 1 << 12 | 1 << 14))
    end)
  end)

  it("has no shell in it", function()
    with_path(function(path)
      local conn, child = core.process.start(spoken("message", path,
        "$HOME `id` ; 'x'", "*"))
      conn:shutdown()
      while not child:ended() do loop.sleep(0.005) end
      assert.equal("$HOME `id` ; 'x'\0*\n", tree.read(path))
      conn:close()
    end)
  end)

  it("ends by force when it is dropped", function()
    local conn, child = core.process.start { "sleep", "60" }
    assert.truthy(conn)
    assert.is_nil(child:ended())
    local pid = child:pid()
    child:terminate()
    for _ = 1, 200 do
      if child:ended() then break end
      loop.sleep(0.01)
    end
    assert.equal(128 + 15, child:ended())
    assert.is_nil(tree.read(("/proc/%d/stat"):format(pid)))
  end)
end)

describe("smtp.sendmail", function()
  local message <const> = "Subject: x\r\n\r\n.\r\nhello\nworld\r\n"

  local function deliver(word, options, ...)
    local more = { ... }
    local said
    local result, problem
    with_path(function(path)
      options = options or {}
      options.command = spoken(word, path, table.unpack(more))
      result, problem = smtp.sendmail(options):send({ from = "a@example.org",
        to = { "b@example.org", "-odd@example.org" } }, message)
      said = tree.read(path)
    end)
    return said, result, problem
  end

  it("hands the message and the envelope over", function()
    local before = descriptors()
    local said, result = deliver "message"
    assert.equal("-f\0a@example.org\0--\0b@example.org\0-odd@example.org\n"
      .. "Subject: x\n\n.\nhello\nworld\n", said)
    assert.same({ accepted = { "b@example.org", "-odd@example.org" },
      rejected = {}, exit = 0 }, result)
    assert.is_true(none_more_than(before))
    assert.equal(0, zombies())
  end)

  it("is a transport of post.send", function()
    with_path(function(path)
      local result = assert(post.send {
        transport = smtp.sendmail { command = spoken("message", path) },
        from = "Ana <ana@example.org>", to = "bob@example.org",
        bcc = "eve@example.org", subject = "Gr\xc3\xbc\xc3\x9fe",
        text = "hello\n", attach = { { data = ("x"):rep(300000),
          name = "x.bin" } } })
      assert.same({ "bob@example.org", "eve@example.org" }, result.accepted)
      local said = tree.read(path)
      assert.matches("^%-f%zana@example.org%z%-%-%zbob@example.org%z"
        .. "eve@example.org\n", said)
      assert.is_nil(said:find("\r", 1, true))
      assert.is_true(#said > 400000)
    end)
  end)

  it("takes other words, or none, and other line ends", function()
    assert.equal("Subject: x\r\n\r\n.\r\nhello\r\nworld\r\n",
      (deliver("message", { arguments = false, line_end = "\r\n" }))
        :match "^\n(.*)$")
    assert.matches("^to%z2\n", (deliver("message", {
      arguments = function(_, to) return { "to", tostring(#to) } end })))
  end)

  it("says <> for the null sender", function()
    with_path(function(path)
      assert(smtp.sendmail { command = spoken("message", path) }:send({
        from = "", to = "b@example.org" }, message))
      assert.matches("^%-f%z<>%z%-%-%zb@example.org\n", tree.read(path))
    end)
  end)

  it("tells the exit code, what it means, and what was said last", function()
    local _, result, problem = deliver("fail", nil, "67")
    assert.is_nil(result)
    assert.equal("process", problem.kind)
    assert.equal(67, problem.exit)
    assert.is_false(problem.transient)
    assert.same({}, problem.accepted)
    assert.matches(": exit code 67 %(no such user%): no such user here$",
      tostring(problem))
    _, result, problem = deliver("loud", nil, "75")
    assert.is_nil(result)
    assert.is_true(problem.transient)
    assert.matches("26 octets are too many$", tostring(problem))
    assert.is_true(#problem.output <= 4096)
  end)

  it("ends a program that takes too long", function()
    with_path(function(path)
      patience.rising(0.3, function(seconds)
        local result, problem = smtp.sendmail { timeout = seconds,
          command = spoken("stubborn", path) }:send({ from = "",
          to = "b@example.org" }, message)
        assert.is_nil(result)
        assert.equal("timeout", problem.kind)
        assert.is_true(problem.transient)
        assert(tostring(problem):find(("not done within %g seconds"):format(
          seconds), 1, true))
        assert.equal(0, zombies())
        return tree.read(path) == "running\n" -- it had begun
      end)
    end)
  end)

  local large <const> = "Subject: x\r\n\r\n" .. ("x\r\n"):rep(1 << 20)

  it("asks a program that does not read it all for its exit code", function()
    local parties <const> = { from = "", to = "b@example.org" }
    local result = assert(smtp.sendmail { command = { "true" } }:send(parties,
      large))
    assert.same({ "b@example.org" }, result.accepted)
    local _, problem = smtp.sendmail { command = { "false" } }:send(parties,
      large)
    assert.equal("process", problem.kind)
    assert.equal(1, problem.exit)
  end)

  it("takes no word for it while the message is not read", function()
    local heir <const> = tree.lua "spec/support/spoken.lua heir"
    local result, problem = smtp.sendmail { timeout = 0.5, arguments = false,
      command = { "sh", "-c", "exec " .. heir } }:send({ from = "",
      to = "b@example.org" }, large)
    assert.is_nil(result)
    assert.equal("timeout", problem.kind)
    assert.is_true(all_reaped())
  end)

  it("tells what cannot be started or read", function()
    local result, problem = smtp.sendmail { command = { "/no/such" } }:send(
      { from = "", to = "b@example.org" }, message)
    assert.is_nil(result)
    assert.equal("connect", problem.kind)
  end)

  it("does not let half a message be taken for a whole one", function()
    with_path(function(path)
      local steps = { "Subject: x\n\n", "half", false }
      local result, problem = smtp.sendmail {
        command = spoken("whole", path) }:send({ from = "",
        to = "b@example.org" }, function()
        local octets = table.remove(steps, 1)
        return octets or nil, not octets and "gone" or nil
      end)
      assert.is_nil(result)
      assert.equal("file", problem.kind)
      assert.equal("", tree.read(path))
      assert.equal(0, zombies())
    end)
  end)

  it("raises for what is wrong", function()
    local transport = smtp.sendmail { command = { "true" } }
    for text, call in pairs {
      ["unknown option of smtp.sendmail 'comand'"] = function()
        smtp.sendmail { comand = {} }
      end,
      ["'command' is empty"] = function() smtp.sendmail { command = {} } end,
      ["no recipient"] = function()
        transport:send({ from = "", to = {} }, "x")
      end,
      ["a sender is missing"] = function() transport:send({ to = "b" }, "x")
      end,
      ["is no address"] = function()
        transport:send({ from = "", to = "a\nb" }, "x")
      end,
      ["'server' has no place beside 'transport'"] = function()
        post.send { transport = transport, server = "smtp://x", from = "a@b",
          to = "c@d" }
      end,
      ["a transport has a method send"] = function()
        post.send { transport = {}, from = "a@b", to = "c@d" }
      end,
    } do
      local ok, problem = pcall(call)
      assert.is_false(ok, text)
      assert.truthy(problem:find(text, 1, true), problem)
      assert.matches("^spec/process_spec%.lua:%d+: ", problem)
    end
  end)
end)

describe("smtp.dry", function()
  it("gives the message and its envelope, and sends nothing", function()
    local result = assert(post.send { transport = smtp.dry(),
      from = "Ana <ana@example.org>", to = "bob@example.org",
      bcc = "eve@example.org", subject = "dry", text = "hello\n" })
    assert.same({ from = "ana@example.org", to = { "bob@example.org",
      "eve@example.org" } }, result.envelope)
    assert.same(result.envelope.to, result.accepted)
    assert.matches("\r\nSubject: dry\r\n.*\r\n\r\nhello\r\n$", result.message)
    assert.is_nil(result.message:find("eve", 1, true))
  end)

  it("writes to a file, or to a function, as a peer would take it", function()
    with_path(function(path)
      local result = assert(post.send { transport = smtp.dry { path = path },
        from = "a@example.org", to = "b@example.org", text = "Gr\xc3\xbcn" })
      assert.is_nil(result.message)
      assert.matches("Gr\xc3\xbcn", tree.read(path))
      local pieces = {}
      assert(post.send { transport = smtp.dry { encoding = "7bit",
        write = function(octets) pieces[#pieces + 1] = octets end },
        from = "a@example.org", to = "b@example.org", text = "Gr\xc3\xbcn" })
      assert.is_nil(table.concat(pieces):find("[\x80-\xff]"))
    end)
    local result, problem = post.send { transport = smtp.dry {
      path = "/no/such/file" }, from = "a@example.org", to = "b@example.org" }
    assert.is_nil(result)
    assert.equal("file", problem.kind)
    assert.error_matches(function() smtp.dry { encoding = "8bits" } end,
      "unknown value of 'encoding' '8bits' %(did you mean '8bit'")
  end)
end)

describe("programs, odd sessions and replays", function()
  local message <const> = "Subject: x\r\n\r\nhello\r\n"

  local function by_program(own, path)
    assert(post.send { command = spoken("session", path), helo = "me",
      loop = own, timeout = 5, from = "a@example.org", to = "b@example.org",
      message = message })
    assert.matches("QUIT\nended\n$", tree.read(path))
    local transport = smtp.sendmail { loop = own,
      command = spoken("message", path) }
    assert(transport:send({ from = "", to = "b@example.org" }, message))
    local slow = smtp.sendmail { loop = own, timeout = 0.2,
      arguments = false, command = { "sleep", "60" } }
    local result, problem = slow:send({ from = "", to = "b" }, message)
    assert.is_nil(result)
    assert.equal("timeout", problem.kind)
  end

  local function by_hand(own)
    local server = smtp.replay("S: 220 x\nC: NOOP\nS: 250 ok\nC: QUIT\n"
      .. "S: 221 bye", { loop = own, timeout = 5 })
    assert(server:start())
    local client = assert(smtp.connect { server = server.url, loop = own,
      timeout = 5 })
    assert(client:write("NOOP\r\n", { size = 2, pause = 0.005 }))
    assert(client:expect(250))
    assert(client:expect("silence", 0.02))
    client:pause(0.01)
    assert(client:quit())
    server:settle()
    server:stop()
    assert.is_true(server:check())
  end

  for _, name in ipairs { "builtin", "none", "cqueues", "luv", "copas" } do
    it("wait in " .. name, function()
      local carrier = carriers.new(name)
      if carrier.missing and not peers.need(name, false) then return end
      with_path(function(path)
        carrier.run(function()
          by_program(carrier.loop, path)
          if carrier.loop then by_hand(carrier.loop) end
        end)
      end)
      assert.equal(0, zombies())
    end)
  end
end)
