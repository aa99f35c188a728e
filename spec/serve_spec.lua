-- `lunapost serve` as a process of its own.
local core = require "lunapost.core"
local peer_of = require "spec.support.peer"
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

local function listed(path)
  local list = {}
  for _, name in ipairs(core.system.list(path) or {}) do
    if name ~= "." and name ~= ".." then list[#list + 1] = name end
  end
  return list
end

local function hello(server)
  local peer = peer_of.dial(server.port)
  assert.matches("^220 ", peer:reply())
  return peer, peer:ask("EHLO spec")
end

local function deliver(peer, bytes)
  peer:ask("MAIL FROM:<a@example.org>")
  peer:ask("RCPT TO:<b@example.org>")
  peer:ask("DATA")
  peer:say(bytes .. ".\r\n")
  return peer:reply()
end

describe("lunapost serve", function()
  local folder, server

  setup(function() folder = peers.folder() end)
  teardown(function() peers.remove(folder) end)
  after_each(function()
    if server then assert.is_true(server:stop(), server:output()) end
    server = nil
  end)

  local function serve(arguments)
    server = peers.serve(arguments, folder .. "/log")
    return server
  end

  local function script(text)
    peers.write(folder .. "/script.lua", text)
    return folder .. "/script.lua"
  end

  it("says first where it listens, and ends in order on SIGTERM", function()
    serve("")
    assert.matches("^listening on 127%.0%.0%.1:%d+\n", server:output())
  end)

  it("shows what it catches, and what is wrong with it", function()
    local peer = hello(serve(""))
    assert.matches("^250 ", deliver(peer, "Subject: caught\r\n\r\nhi\r\n"))
    assert.is_truthy(server:says("from <a@example%.org> to <b@example%.org>"))
    assert.is_truthy(server:says("\n  ESMTP from spec %[127.0.0.1%]\n"))
    assert.is_truthy(server:says("\n  \"caught\"\n"))
    assert.is_truthy(server:says("text/plain"))
    assert.is_truthy(server:says("\n  ! no Date\n"))
    assert.is_nil(server:output():find("\27", 1, true)) -- no terminal
  end)

  it("keeps what it catches while it runs, or for good where it is told to",
    function()
      local peer = hello(serve(""))
      local passing = server:says "keeping what comes in (%S+) until the end"
      assert.same({}, listed(passing .. "/new"))
      assert.matches("^250 ", deliver(peer, "Subject: a\r\n\r\n"))
      local path = server:says(("(%s/new/%%S+)\n"):format(passing
        :gsub("%p", "%%%0")))
      assert.matches("Subject: a\r\n\r\n$", tree.read(path))
      assert.is_true(server:stop())
      assert.is_nil(core.system.stat(passing))

      local mail = folder .. "/caught"
      peer = hello(serve("--workers 2 --maildir " .. mail))
      assert.matches("^250 ", deliver(peer, "Subject: b\r\n\r\n"))
      assert.is_truthy(server:says("\n  \"b\"\n"))
      assert.is_true(server:stop())
      assert.equal(1, #listed(mail .. "/new"))
    end)

  it("shows no terminal what a peer would make it do", function()
    local peer = hello(serve(""))
    peer:ask("MAIL FROM:<\"a\\\27[31m\"@example.org>")
    deliver(peer, "Subject: \27]0;x\7\194\155\r\n"
      .. "Content-Type: text/plain; name=\"\27[2J\"\r\n\r\n\27[31m\r\n")
    assert.is_truthy(server:says "new/")
    assert.is_nil(server:output():find "[\27\7]")
    assert.is_nil(server:output():find("\194\155", 1, true))
  end)

  it("shows what a peer calls things in one short line, read forwards",
    function()
      local peer = hello(serve(""))
      deliver(peer, "Subject: \u{202e}" .. ("gpj."):rep(20000) .. "\r\n"
        .. "Content-Type: text/plain; name=\"\u{202e}\u{9d}\u{2028}x\"\r\n\r\n"
        .. "\u{2066}\u{85}y\r\n")
      assert.is_truthy(server:says "new/")
      for _, code in ipairs { 0x85, 0x9d, 0x2028, 0x202e, 0x2066 } do
        assert.is_nil(server:output():find(utf8.char(code), 1, true))
      end
      assert.is_true(#server:output() < 2000, #server:output())
    end)

  it("listens at each --listen", function()
    serve(("--listen unix:%s/a --listen 127.0.0.1:0"):format(folder))
    assert.matches("^listening on 127.0.0.1:%d+\nlistening on unix:%S+/a\n"
      .. "listening on 127.0.0.1:%d+\n", server:output())
  end)

  it("gives each --listen a way to TLS of its own", function()
    serve(("--tls test --listen 127.0.0.1:0,tls=implicit --listen "
      .. "127.0.0.1:0,tls=none --listen unix:%s/a,b=c,permissions=600,tls=none")
      :format(folder))
    assert.is_truthy(server:says "unix:[^\n]*/a,b=c\n")
    local ports = {}
    for port in server:output():gmatch "127.0.0.1:(%d+)" do
      ports[#ports + 1] = math.tointeger(port)
    end
    for i, tls in ipairs { "starttls", "implicit", "none" } do
      local client <close> = assert(smtp.open { host = "127.0.0.1",
        port = ports[i], tls = tls, insecure = true })
      assert.equal(tls ~= "none", client.tls ~= nil)
      assert.is_nil(client.extensions.STARTTLS)
    end
    assert.equal("600", tree.lines(("stat -c %%a %s/a,b=c"):format(folder))[1])
  end)

  it("delivers into a Maildir, octet by octet", function()
    local mail = folder .. "/mail"
    local peer = hello(serve("--maildir " .. mail))
    local bytes = "Subject: kept\r\n\r\n\255 8-bit\r\n"
    assert.matches("^250 2.0.0 kept as ", deliver(peer, bytes))
    local names = listed(mail .. "/new")
    assert.equal(1, #names)
    local stored = tree.read(mail .. "/new/" .. names[1])
    assert.equal(bytes, stored:sub(-#bytes))
    assert.matches("^Return%-Path: <a@example.org>\r\nReceived: from spec "
      .. "%(unknown %[127.0.0.1%]%)\r\n\tby %S+ %(lunapost%) with ESMTP id ",
      stored)
  end)

  it("leaves nothing in the Maildir of a message that was cut", function()
    local mail = folder .. "/cut"
    local peer = hello(serve("--maildir " .. mail))
    peer:ask("MAIL FROM:<a@example.org>")
    peer:ask("RCPT TO:<b@example.org>")
    peer:ask("DATA")
    peer:say("Subject: half\r\n\r\n" .. ("x\r\n"):rep(100000))
    peer:close()
    assert.is_truthy(peers.wait(5, function()
      return #listed(mail .. "/tmp") == 0
    end))
    assert.same({}, listed(mail .. "/new"))
  end)

  it("leaves nothing of a body that stalls when it ends", function()
    local mail = folder .. "/stalled"
    local path = script "return { limits = { timeout = 60 } }"
    local peer = hello(serve(path .. " --maildir " .. mail))
    peer:ask("MAIL FROM:<a@example.org>")
    peer:ask("RCPT TO:<b@example.org>")
    peer:ask("DATA")
    peer:say("half")
    server:signal("TERM")
    assert.is_truthy(peers.wait(15, function() return not server:alive() end))
    assert.same({}, listed(mail .. "/tmp"))
    assert.same({}, listed(mail .. "/new"))
    server = nil
  end)

  it("stores nothing that a script refuses for every recipient", function()
    local mail = folder .. "/lmtp"
    local path = script [[
      local verdicts = { { {550}, {550} }, { {550}, {250} } }
      return { data = function() return table.remove(verdicts, 1) end }
    ]]
    local peer = peer_of.dial(serve(path .. " --lmtp --maildir " .. mail).port)
    peer:reply()
    peer:ask("LHLO spec")
    for _, stored in ipairs { 0, 1 } do
      peer:ask("MAIL FROM:<a@example.org>")
      peer:ask("RCPT TO:<b@example.org>")
      peer:ask("RCPT TO:<c@example.org>")
      peer:ask("DATA")
      peer:say("hi\r\n.\r\n")
      assert.matches("^550", peer:reply())
      peer:reply()
      assert.equal(stored, #listed(mail .. "/new"))
      assert.equal(0, #listed(mail .. "/tmp"))
    end
  end)

  it("lets the script refuse what would go into the Maildir", function()
    local mail = folder .. "/refused"
    local path = script [[
      return { message = function(_, message)
        if message.subject == "no" then return 550, "5.7.1", "not that" end
      end }
    ]]
    local peer = hello(serve(path .. " --maildir " .. mail))
    assert.equal("550 5.7.1 not that", deliver(peer, "Subject: no\r\n\r\n"))
    assert.matches("^250 ", deliver(peer, "Subject: yes\r\n\r\n"))
    assert.equal(1, #listed(mail .. "/new"))
    assert.equal(0, #listed(mail .. "/tmp"))
  end)

  it("takes handlers, commands and extensions of a script", function()
    local path = script [[
      return {
        rcpt = function(_, path)
          if path.domain ~= "example.org" then return 550, "5.7.1 no" end
        end,
        commands = { XADR = function(_, text) return 250, "hi " .. text end },
        extensions = { XADR = {} },
      }
    ]]
    local peer, offers = hello(serve(path))
    assert.matches("250%-XADR", offers)
    assert.equal("250 2.0.0 hi ana", peer:ask("XADR ana"))
    peer:ask("MAIL FROM:<a@example.org>")
    assert.equal("550 5.7.1 no", peer:ask("RCPT TO:<b@example.net>"))
  end)

  it("takes a dialogue, and whom to trust, of a script", function()
    local peer, offers = hello(serve(script [[
      return { xclient = { "127.0.0.1" }, session = function(s)
        while s:expect "NOOP" do s:answer(250, "2.0.0", s.peer.address) end
      end }
    ]]))
    assert.matches("250%-XCLIENT NAME ADDR", offers)
    assert.matches("^220 ", peer:ask("XCLIENT ADDR=192.0.2.7"))
    assert.equal("250 2.0.0 192.0.2.7", peer:ask("NOOP"))
    assert.equal("503 5.5.1 NOOP is expected", peer:ask("VERB"))
  end)

  it("delivers to a Maildir by handlers for all sessions alone", function()
    local output, code = peers.run(("%s serve %s --listen 127.0.0.1:0 "
      .. "--maildir %s/none"):format(tree.command,
      script "return { on = function() return {} end }", folder))
    assert.equal(64, code)
    assert.matches("on must be a table", output)
  end)

  it("serves examples/server.lua", function()
    local peer, offers = hello(serve("examples/server.lua"))
    assert.matches("XADR", offers)
    assert.matches("^250 2.1.5 Ana", peer:ask("VRFY ana"))
    assert.matches("^334 ", peer:ask("XADR bob"))
    assert.matches("^250 2.1.5 Bob", peer:ask("please"))
  end)

  it("offers and demands AUTH inside TLS", function()
    local peer, offers = hello(serve("--tls test --auth ana:luna "
      .. "--require-auth"))
    assert.is_nil(offers:find("AUTH"))
    assert.matches("STARTTLS", offers)
    assert.equal("530 5.7.0 authentication required",
      peer:ask("MAIL FROM:<a@example.org>"))
    peer:ask("STARTTLS")
    peer:starttls()
    assert.matches("AUTH PLAIN LOGIN", peer:ask("EHLO spec"))
    assert.matches("^535 ", peer:ask("AUTH PLAIN AGFuYQB4"))
    assert.matches("^235 ", peer:ask("AUTH PLAIN AGFuYQBsdW5h"))
    assert.matches("^250 ", peer:ask("MAIL FROM:<a@example.org>"))
  end)

  it("bounds messages by --max-size", function()
    local peer, offers = hello(serve("--max-size 1000"))
    assert.matches("SIZE 1000|", offers)
    assert.equal("552 5.3.4 message too big",
      deliver(peer, ("x\r\n"):rep(500)))
  end)

  it("speaks LMTP", function()
    local peer = peer_of.dial(serve("--lmtp").port)
    peer:reply()
    assert.matches("^250", peer:ask("LHLO spec"))
    peer:ask("MAIL FROM:<a@example.org>")
    peer:ask("RCPT TO:<b@example.org>")
    peer:ask("RCPT TO:<c@example.org>")
    peer:ask("DATA")
    peer:say("Subject: x\r\n\r\n.\r\n")
    assert.matches("^250 ", peer:reply())
    assert.matches("^250 ", peer:reply())
    assert.equal("221", peer:ask("QUIT"):sub(1, 3))
  end)

  it("shares the listener between workers, and starts the dead anew",
    function()
      local path = script [[
        local core = require "lunapost.core"
        return { noop = function() return 250, "pid " .. core.system.pid() end }
      ]]
      serve(path .. " --workers 2")
      local function pids()
        local seen, n = {}, 0
        for _ = 1, 40 do
          local peer <close> = hello(server)
          local pid = peer:ask("NOOP"):match("pid (%d+)")
          if not seen[pid] then n = n + 1 end
          seen[pid] = true
        end
        return seen, n
      end
      local before = pids()
      for pid in pairs(before) do os.execute("kill -9 " .. pid) end
      assert.is_truthy(server:says("ended with 137"))
      assert.is_truthy(peers.wait(5, function()
        local alive = pcall(hello, server)
        return alive
      end))
      for pid in pairs((pids())) do assert.is_nil(before[pid]) end
    end)

  it("tells what is wrong with its options", function()
    for arguments, text in pairs {
      ["--lisen x"] = "did you mean --listen?",
      ["--tls nonsense"] = "--tls is test or CERT:KEY",
      ["--require-auth"] = "--require-auth needs --auth USER:PASS",
      ["a.lua b.lua"] = "one FILE.lua at most",
      ["--listen 127.0.0.1:0,tsl=none"] = "(did you mean 'tls'?)",
      ["--listen 127.0.0.1:0,tls=implict"] = "(did you mean 'implicit'?)",
      ["--listen 127.0.0.1:0,tls=implicit"] = "needs the option tls",
      ["--listen 127.0.0.1:0,tls=none,tls=none"] = "tls is given twice",
      ["--listen 127.0.0.1:0,permissions=660"] = "are for a Unix socket",
      ["--log xml"] = "--log is text or json",
      ["--metrics nowhere"] = "is not HOST:PORT",
      ["no-such-file.lua"] = "no-such-file.lua",
      ["--listen 127.0.0.1:99999"] = "is not HOST:PORT",
      ["--max-size 0"] = "--max-size needs a whole number",
      ["--max-size 1e30"] = "--max-size needs a whole number",
      ["--tls /none:/none"] = "/none",
    } do
      local output, code = peers.run(tree.command .. " serve " .. arguments)
      assert.equal(64, code, arguments)
      assert.matches(text, output, 1, true)
      assert.is_nil(output:find("traceback"))
    end
  end)
end)
