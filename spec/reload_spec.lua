-- A server that takes on a new script and new certificates while it serves.
local core = require "lunapost.core"
local peer_of = require "spec.support.peer"
local peers = require "spec.support.peers"
local server_of = require "lunapost.smtp.server"
local served = require "spec.support.served"

local function hup(server)
  os.execute("kill -HUP " .. server.pid)
end

local function hello(server)
  local peer = peer_of.dial(server.port)
  assert.matches("^220 ", peer:reply())
  peer:ask("EHLO spec")
  return peer
end

describe("SIGHUP to lunapost serve", function()
  local folder, server

  setup(function() folder = peers.folder() end)
  teardown(function() peers.remove(folder) end)
  after_each(function()
    if server then assert.is_true(server:stop(), server:output()) end
    server = nil
  end)

  local path
  local function script(text)
    path = folder .. "/script.lua"
    peers.write(path, text)
    return path
  end

  local function serve(arguments)
    server = peers.serve(arguments .. " --log text", folder .. "/log")
    return server
  end

  it("gives new sessions a new script, and leaves the old ones", function()
    serve(script "return { noop = function() return 250, 'first' end }")
    local old = hello(server)
    assert.equal("250 2.0.0 first", old:ask("NOOP"))
    script [[return function(server)
      function server.on.noop() return 250, 'second' end
      server.commands.XNEW = function() return 250, 'new' end
      server.seen = (server.seen or 0) + 1
    end]]
    hup(server)
    assert.is_truthy(server:says "reloaded")
    assert.equal("250 2.0.0 first", old:ask("NOOP"))
    local new = hello(server)
    assert.equal("250 2.0.0 second", new:ask("NOOP"))
    assert.equal("250 2.0.0 new", new:ask("XNEW"))
  end)

  it("takes whom to trust, and how to talk, of the new script", function()
    serve(script "return { xclient = { '127.0.0.1' } }")
    assert.truthy(served.keywords(server).XCLIENT)
    script [[return { on = function()
      return { noop = function() return 250, 'a set' end }
    end }]]
    hup(server)
    assert.is_truthy(server:says "reloaded")
    assert.is_nil(served.keywords(server).XCLIENT)
    assert.equal("250 2.0.0 a set", hello(server):ask("NOOP"))
    script [[return { session = function(s)
      while s:expect "NOOP" do s:answer(250, "a dialogue") end
    end }]]
    hup(server)
    assert.is_truthy(peers.wait(5, function()
      return hello(server):ask("NOOP") == "250 2.0.0 a dialogue"
    end), server:output())
    script "return { on = { noop = function() return 250, 'a table' end } }"
    hup(server)
    assert.is_truthy(peers.wait(5, function()
      return hello(server):ask("NOOP") == "250 2.0.0 a table"
    end), server:output())
  end)

  it("keeps all as it was where the script is broken", function()
    for i, text in ipairs { "return {", "error 'boom'", "return 1",
      "return { mial = print }", "return function() error 'boom' end",
      "return { limits = { sice = 1 } }",
      "return { data = print, message = print }" } do
      serve(script "return { noop = function() return 250, 'first' end }")
      script(text)
      hup(server)
      assert.is_truthy(server:says "not reloaded, all stays as it was: ", i)
      assert.equal("250 2.0.0 first", hello(server):ask("NOOP"))
      assert.is_true(server:stop(), server:output())
    end
  end)

  it("keeps the flags, and takes the script's new limits", function()
    local mail = folder .. "/mail"
    serve(script "return {}" .. " --max-size 1000 --maildir " .. mail)
    script "return { limits = { recipients = 1, size = 5 } }"
    hup(server)
    assert.is_truthy(server:says "reloaded")
    local peer = peer_of.dial(server.port)
    peer:reply()
    local offers = peer:ask("EHLO spec")
    assert.matches("SIZE 1000|", offers, 1, true)
    assert.matches("RCPTMAX=1|", offers, 1, true)
    peer:ask("MAIL FROM:<a@example.org>")
    peer:ask("RCPT TO:<b@example.org>")
    assert.matches("^452", peer:ask("RCPT TO:<c@example.org>"))
    peer:ask("DATA")
    peer:say("Subject: x\r\n\r\n.\r\n")
    assert.matches("^250 ", peer:reply())
    assert.equal(1, #core.system.list(mail .. "/new"))
  end)

  it("reaches each worker", function()
    local text = [[local pid = require("lunapost.core").system.pid
      return { noop = function() return 250, %q .. pid() end }]]
    serve(script(text:format "first ") .. " --workers 2")
    script(text:format "second ")
    hup(server)
    local seen, n = {}, 0
    assert.is_truthy(peers.wait(10, function()
      for _ = 1, 10 do
        local peer <close> = hello(server)
        local pid = peer:ask("NOOP"):match "second (%d+)"
        if pid and not seen[pid] then seen[pid], n = true, n + 1 end
      end
      return n == 2
    end), server:output())
  end)

  it("reads certificates anew, and leaves sessions in their TLS", function()
    local certificate, key = peers.certificate(folder)
    serve(("--tls %s:%s"):format(certificate, key))
    local function secured()
      local peer = hello(server)
      assert.matches("^220 ", peer:ask "STARTTLS")
      peer:starttls()
      return peer, peer.conn:tls().fingerprint
    end
    local old, first = secured()
    assert.equal(first, select(2, secured()))
    peers.certificate(folder)
    hup(server)
    assert.is_truthy(server:says "reloaded")
    local second = select(2, secured())
    assert.not_equal(first, second)
    assert.equal("250 2.0.0 ok", old:ask "NOOP")
    peers.write(certificate, "no certificate")
    hup(server)
    assert.is_truthy(server:says "not reloaded, all stays as it was: ")
    assert.equal(second, select(2, secured()))
  end)
end)

describe("server:reload", function()
  it("takes what the option gives", function()
    local text, calls = "first", 0
    local function noop() return { noop = function() return 250, text end } end
    served.run({ on = noop(), log = function() end, reload = function()
      calls = calls + 1
      if calls == 1 then return noop() end
      return calls == 2 and {} or nil
    end }, function(server)
      local peer = hello(server)
      text = "second"
      assert.is_true(server:reload())
      assert.equal("250 2.0.0 second", hello(server):ask "NOOP")
      assert.is_true(server:reload())
      assert.equal("250 2.0.0 ok", hello(server):ask "NOOP")
      assert.equal("250 2.0.0 second", peer:ask "NOOP")
      local ok, err = server:reload()
      assert.is_nil(ok)
      assert.equal("file", err.kind)
      assert.matches("reload must return a table", err.text)
    end)
  end)

  it("keeps what handlers set later apart from sessions under way", function()
    served.run({ on = {}, reload = function()
      return function(server)
        assert.is_nil(rawget(server, "stop")) -- a view, with all methods
        server.mark = (server.mark or 0) + 1
        function server.on.noop() return 250, "mark " .. server.mark end
      end
    end }, function(server)
      assert.is_true(server:reload())
      assert.is_true(server:reload())
      assert.equal(2, server.mark)
      assert.equal("250 2.0.0 mark 2", hello(server):ask "NOOP")
      function server.on.noop() return 250, "later" end
      assert.equal("250 2.0.0 later", hello(server):ask "NOOP")
    end)
  end)

  it("leaves session.server the server that it was", function()
    local server, given
    local function same(session)
      return 250, tostring(session.server == server
        and server == session.server and session.server ~= {}
        and session.server ~= session.server.options)
    end
    server = served.run({ on = { noop = same }, tls = "test",
      listen = { "127.0.0.1:0", { at = "127.0.0.1:0", tls = "none" } },
      reload = function()
        return function(one)
          given = one
          one.on.noop = same
        end
      end }, function(one)
      server = one
      local old = { hello(one), hello { port =
        math.tointeger(one.addresses[2]:match "%d+$") } }
      for i = 1, 2 do
        assert.equal("250 2.0.0 true", old[i]:ask "NOOP")
      end
      assert.is_true(one:reload())
      assert.is_true(one == given)
      assert.is_true(one:reload())
      for i = 1, 2 do
        assert.equal("250 2.0.0 true", old[i]:ask "NOOP")
      end
      assert.equal("250 2.0.0 true", hello(one):ask "NOOP")
    end)
  end)

  it("leaves sessions under way their commands and limits", function()
    local function saying(verb)
      return { [verb] = { run = function() return 250, "by " .. verb end } }
    end
    -- which of the verbs it serves, and the size that it takes
    local function known(peer)
      return { peer:ask "OLD":sub(1, 3), peer:ask "NEW":sub(1, 3),
        peer:ask "EHLO me":match "SIZE (%d+)", peer:ask "HELP":match "%u+$" }
    end
    served.run({ log = function() end, commands = saying "OLD",
      limits = { size = 100000 }, listen = { "127.0.0.1:0",
        { at = "127.0.0.1:0", tls = "none" } },
      reload = function()
        return { commands = saying "NEW", limits = { size = 200000 } }
      end }, function(server)
      local door = { port = server.addresses[2]:match "%d+$" // 1 }
      local old <const> = { "250", "502", "100000", "OLD" }
      local new <const> = { "502", "250", "200000", "NEW" }
      local peers_of_old = { hello(server), hello(door) }
      for _ = 1, 2 do
        assert.is_true(server:reload())
        for _, peer in ipairs(peers_of_old) do assert.same(old, known(peer)) end
        assert.same(new, known(hello(server)))
        assert.same(new, known(hello(door)))
      end
      assert.equal(6, server:stats().sessions)
    end)
  end)

  it("keeps a throw-away certificate", function()
    local server = server_of.new { tls = "test", hostname = "mx.test" }
    local before = server.context:pem()
    assert.is_true(server:reload())
    assert.equal(before, server.context:pem())
  end)

  it("takes handlers that are made for each session", function()
    local made, scripts = 0, {
      { on = function()
        return { noop = function() return 250, "anew" end }
      end },
      { noop = function() return 250, "for all" end },
      { on = function() end, session = function() end },
    }
    served.run({ log = function() end, on = function()
      made = made + 1
      local own = made
      return { noop = function() return 250, "set " .. own end }
    end, reload = function() return table.remove(scripts, 1) end },
      function(server)
      local peer = hello(server)
      assert.equal("250 2.0.0 set 1", peer:ask "NOOP")
      assert.equal("250 2.0.0 set 2", hello(server):ask "NOOP")
      assert.is_true(server:reload())
      assert.equal("250 2.0.0 anew", hello(server):ask "NOOP")
      assert.equal("250 2.0.0 set 1", peer:ask "NOOP")
      assert.is_true(server:reload())
      assert.equal("250 2.0.0 for all", hello(server):ask "NOOP")
      local ok, err = server:reload()
      assert.is_nil(ok)
      assert.matches("leaves no place for on = function", err.text)
      assert.equal("250 2.0.0 for all", hello(server):ask "NOOP")
    end)
  end)

  it("takes a dialogue by one function, and leaves it", function()
    local function answering(text)
      return function(s)
        for command in s.next, s do
          if command.verb == "NOOP" then s:answer(250, text) end
        end
      end
    end
    local scripts = {
      { session = answering "second" },
      { session = false, noop = function() return 250, "third" end },
      { session = false, noop = 7 },
    }
    served.run({ log = function() end, session = answering "first",
      reload = function() return table.remove(scripts, 1) end },
      function(server)
      local peer = hello(server)
      for _, text in ipairs { "first", "second", "third" } do
        assert.equal("250 2.0.0 " .. text, hello(server):ask "NOOP")
        assert.equal("250 2.0.0 first", peer:ask "NOOP")
        if scripts[2] then assert.is_true(server:reload()) end
      end
      assert.is_nil((server:reload()))
      assert.equal("250 2.0.0 third", hello(server):ask "NOOP")
    end)
  end)

  it("takes other lists of who speaks for others", function()
    local scripts = { { xclient = { "127.0.0.1" } }, { xclient = false },
      { xclient = { "nobody" } } }
    served.run({ log = function() end, on = {},
      reload = function() return table.remove(scripts, 1) end },
      function(server)
      local function offers()
        return served.keywords(server).XCLIENT ~= nil
      end
      assert.is_false(offers())
      assert.is_true(server:reload())
      assert.is_true(offers())
      assert.is_true(server:reload())
      assert.is_false(offers())
      local ok, err = server:reload()
      assert.is_nil(ok)
      assert.matches("option 'xclient'", err.text)
    end)
  end)
end)
