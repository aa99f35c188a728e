-- A server for a spec in one line, beside the client or in a process of its
-- own, and the faults that it can be given.
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peers = require "spec.support.peers"
local post = require "lunapost"
local smtp = require "lunapost.smtp"
local testing = require "lunapost.testing"
local wire = require "spec.support.wire"

local function send(server, more)
  local options = { server = server.url, from = "ana@example.org",
    to = { "bob@example.org" }, subject = "Grüße", text = "Hi", timeout = 60 }
  for name, value in pairs(more or {}) do options[name] = value end
  return post.send(options)
end

describe("testing.server", function()
  it("serves clients outside of any loop until it is closed", function()
    local url
    do
      local server <close> = testing.server()
      url = server.url
      assert(send(server))
      assert(send(server, { bcc = { "eve@example.org" } }))
      assert.equal(2, #server.messages)
      assert.equal("Grüße", server.messages[1].subject)
      assert.same({ "bob@example.org", "eve@example.org" },
        server.envelopes[2].to)
      assert.is_truthy(server.envelopes[1].parameters.SIZE)
    end
    local result, err = send { url = url }
    assert.is_nil(result)
    assert.equal("connect", err.kind)
  end)

  it("may run twice, and within a loop", function()
    local one <close> = testing.server()
    local two <close> = testing.server()
    assert(send(one))
    assert(send(two))
    loop.spawn(function()
      assert(send(one))
      loop.stop()
    end)
    loop.run()
    assert.equal(2, #one.messages)
    assert.equal(1, #two.messages)
    assert.has_error(function() testing.server { lisen = "x" } end)
    assert.has_error(function() testing.server { listen = "192.0.2.1:1" } end)
    assert(send(two))
  end)

  it("speaks TLS and LMTP by its URL", function()
    local implicit <close> = testing.server { tls = { test = true,
      mode = "implicit" } }
    assert.matches("^smtps://", implicit.url)
    assert(send(implicit, { insecure = true }))
    assert.is_true(implicit.envelopes[1].tls)
    local lmtp <close> = testing.server { protocol = "lmtp" }
    assert.matches("^lmtp://", lmtp.url)
    assert(send(lmtp))
  end)

  it("is reached by the path of a Unix socket", function()
    local path <const> = os.tmpname()
    os.remove(path)
    do
      local server <close> = testing.server { listen = "unix:" .. path }
      assert.equal("unix:" .. path, server.url)
      assert(send(server))
      assert.equal(1, #server.messages)
    end
    local lmtp <close> = testing.server { listen = "unix:" .. path,
      protocol = "lmtp" }
    assert.equal("lmtp://" .. path, lmtp.url)
    assert(send(lmtp))
    assert.equal(1, #lmtp.messages)
  end)

  it("leaves no descriptor, folder or process behind", function()
    local folders, system = {}, core.system
    local make = system.temporary_folder
    finally(function() system.temporary_folder = make end)
    function system.temporary_folder(template)
      folders[#folders + 1] = assert(make(template))
      return folders[#folders]
    end
    do
      local warm <close> = testing.server()
      assert(send(warm))
    end
    local descriptors = wire.descriptors()
    for _, apart in ipairs { false, true } do
      local server <close> = testing.server { process = apart }
      assert(send(server))
    end
    collectgarbage()
    assert.equal(1, #folders)
    assert.is_nil((system.stat(folders[1])))
    assert.is_true(wire.at_most(descriptors))
    assert.is_nil((core.process.reap()))
  end)
end)

describe("testing.server in a process of its own", function()
  it("serves any client, and keeps what came", function()
    local server = testing.server { process = true }
    assert(send(server, { html = "<p>x" }))
    local output, code = peers.run(("curl -sS --crlf --url %s --mail-from "
      .. "a@b.example --mail-rcpt c@d.example -T README.md")
      :format(server.url))
    assert(code == 0, output)
    assert.equal(2, #server.messages)
    assert.equal("Grüße", server.messages[1].subject)
    assert.equal("multipart/alternative", server.messages[1].type)
    assert.same({ from = "a@b.example", to = { "c@d.example" },
      tls = false, helo = server.envelopes[2].helo,
      parameters = server.envelopes[2].parameters }, server.envelopes[2])
    server:stop()
    server:stop()
    assert.equal(2, #server.messages)
    assert.is_nil(server.messages[3])
  end)

  it("keeps the path of a Unix socket until it is stopped", function()
    local path <const> = os.tmpname()
    os.remove(path)
    local descriptors = wire.descriptors()
    do
      local server <close> = testing.server { process = true,
        listen = "unix:" .. path, metrics = "unix:" .. path .. ".m" }
      assert.equal("socket", core.system.stat(path .. ".m").type)
      local door <close> = assert(core.net.connect_unix(path .. ".m"))
      assert.is_truthy(door)
      assert.equal("unix:" .. path, server.url)
      assert(send(server))
      assert.equal(1, #server.messages)
    end
    assert.is_nil(core.system.stat(path))
    assert.is_nil(core.system.stat(path .. ".m"))
    assert.is_true(wire.at_most(descriptors))
  end)

  it("refuses once it is dead, by a Unix socket, too", function()
    local path <const> = os.tmpname()
    os.remove(path)
    for _, listen in ipairs { "unix:" .. path, "127.0.0.1:0" } do
      local server <close> = testing.server { process = true, listen = listen }
      assert(send(server))
      core.process.tell(server.pid, "kill")
      assert.is_true(peers.wait(5, function()
        return not wire.alive(server.pid)
      end))
      local result, problem = send(server)
      assert.is_nil(result)
      assert.equal("connect", problem.kind)
      assert.matches("refused", problem.text)
    end
    assert.is_nil(core.system.stat(path))
  end)

  it("has the URL of its first door", function()
    local server <close> = testing.server { tls = "test", process = true,
      listen = { { at = "127.0.0.1:0", tls = "implicit" }, "127.0.0.1:0" } }
    assert.matches("^smtps://", server.url)
    assert(send(server, { insecure = true }))
  end)

  it("runs handlers there, faults as well", function()
    local seen = false
    local server <close> = testing.server { process = true, on = {
      rcpt = function(_, path)
        seen = true
        if path.localpart == "no" then return 550, "5.1.1", "who?" end
      end },
      faults = { { at = "MAIL", nth = 1, reply = { 451, "4.2.0", "later" } } },
    }
    local result, err = send(server)
    assert.is_nil(result)
    assert.equal(451, err.code)
    assert.equal(550, select(2, send(server, { to = { "no@b" } })).code)
    assert(send(server))
    assert.is_false(seen)
  end)

  it("ends with the process that started it", function()
    local output = wire.script [[
      local testing = require "lunapost.testing"
      local server = testing.server { process = true }
      print(server.pid, server.folder)
      os.execute("kill -9 " .. require "lunapost.core".system.pid())
    ]]
    local pid, folder = output:match "(%d+)\t(%S+)"
    assert.is_truthy(peers.wait(5, function() return not wire.alive(pid) end))
    os.execute("rm -rf " .. folder)
  end)
end)

-- Sends through one fault; the result or the error, and the server.
local function through(fault, more, options)
  local all = { faults = { fault } }
  for name, value in pairs(options or {}) do all[name] = value end
  local server <close> = testing.server(all)
  local settings = { timeout = (fault.drop or fault.stall) and 0.4 or 60 }
  for name, value in pairs(more or {}) do settings[name] = value end
  local before = core.loop.now()
  local result, err = send(server, settings)
  return result, err, server, core.loop.now() - before
end

local points <const> = { "greeting", "EHLO", "MAIL", "RCPT", "DATA",
  "message" }

describe("a fault", function()
  it("closes or resets at any point", function()
    for _, how in ipairs { "close", "reset" } do
      for _, point in ipairs(points) do
        for after = 0, 6, 6 do
          local result, err = through { at = point, [how] = true,
            after = after }
          assert.is_nil(result)
          local kind = point == "message" and "unconfirmed" or "closed"
          assert.equal(kind, err.kind, how .. " " .. point .. after)
        end
      end
    end
  end)

  it("says nothing, or goes silent within a reply", function()
    for _, point in ipairs(points) do
      for _, fault in ipairs { { drop = true }, { stall = true },
        { stall = true, after = 5 } } do
        fault.at = point
        local kind = point == "message" and "unconfirmed" or "timeout"
        if fault.drop and (point == "MAIL" or point == "RCPT") then
          kind = "protocol" -- 354 comes where the answer to RCPT is due
        end
        patience.rising(0.4, function(seconds)
          local result, err = through(fault, { timeout = seconds })
          assert.is_nil(result)
          if err.kind == "timeout" and kind ~= "timeout" then return false end
          assert.equal(kind, err.kind, point)
          return true
        end)
      end
    end
  end)

  it("delays and splits what is right", function()
    for _, point in ipairs(points) do
      local result, err, _, seconds = through({ at = point, delay = 0.1,
        split = 1, pause = 0.001 }, { timeout = 5 })
      assert(result, err)
      assert(seconds >= 0.1, seconds)
    end
  end)

  it("says the wrong thing", function()
    for _, point in ipairs(points) do
      local _, err = through { at = point, reply = { 452, "4.3.1", "full" } }
      assert.equal(452, err.code, point)
      assert.equal("full", err.text)
      _, err = through { at = point, say = "HTTP/1.1 400 Bad Request\r\n\r\n" }
      assert.equal(point == "message" and "unconfirmed" or "protocol",
        err.kind, point)
    end
  end)

  it("strikes a session's TLS, its AUTH, its body", function()
    local tls <const> = { tls = "test" }
    for _, how in ipairs { "close", "reset", "stall" } do
      local _, err = through({ at = "tls", [how] = true },
        { tls = "starttls", insecure = true }, tls)
      assert(err.kind == "tls" or err.kind == "closed"
        or err.kind == "timeout", err.kind)
      _, err = through({ at = "tls", [how] = true }, { insecure = true },
        { tls = { test = true, mode = "implicit" }, log = function() end })
      assert(err.kind == "tls" or err.kind == "closed"
        or err.kind == "timeout", err.kind)
    end
    local auth <const> = { auth = { cleartext = true,
      check = function() return true end } }
    local login <const> = { user = "ana", password = "luna",
      auth = { cleartext = true, mechanism = "LOGIN" } }
    local _, err = through({ at = "challenge", close = true }, login, auth)
    assert.equal("closed", err.kind)
    _, err = through({ at = "challenge", nth = 2, say = "334 \255\r\n" },
      login, auth)
    assert.is_nil(tostring(err):find "luna")
    _, err = through({ at = "AUTH", reply = { 535, "5.7.8", "no" } }, login,
      auth)
    assert.equal("auth", err.kind)
    for _, how in ipairs { "close", "reset", "stall" } do
      local server
      _, err, server = through({ at = "body", after = 100000, [how] = true },
        { text = ("x"):rep(70):rep(100000, "\n") })
      assert(err, how)
      assert.same({}, server.messages)
    end
  end)

  it("strikes the nth time, whichever reply it is", function()
    local refused = 0
    for n = 1, 7 do
      local server <close> = testing.server { faults = {
        { nth = n, close = true } } }
      local ok = send(server)
      if not ok then refused = refused + 1 end
      assert(send(server))
    end
    assert.equal(6, refused) -- the seventh is the answer to QUIT
  end)

  it("is chosen by a function", function()
    local at = {}
    local server <close> = testing.server { faults = function(session, point)
      assert.matches("^session ", tostring(session))
      at[#at + 1] = point
      return point == "RCPT" and { reply = { 450, "4.7.1", "grey" } } or nil
    end }
    assert.equal(450, select(2, send(server)).code)
    assert.same({ "greeting", "EHLO", "MAIL", "RCPT" },
      table.move(at, 1, 4, 1, {}))
  end)

  it("leaves earlier replies of a group whole", function()
    local server <close> = testing.server { faults = {
      { at = "RCPT", nth = 2, close = true } } }
    local client <close> = assert(smtp.open { server = server.url })
    client:say("MAIL", "FROM:<a@b.example>")
    client:say("RCPT", "TO:<c@d.example>")
    client:say("RCPT", "TO:<e@d.example>")
    assert.equal(250, assert(client:receive()).code)
    assert.equal(250, assert(client:receive()).code)
    assert.equal("closed", select(2, client:receive()).kind)
  end)

  it("tells a wrong field, and a point that no dialogue has", function()
    for fault, problem in pairs {
      [{ ad = "MAIL" }] = "field of a fault 'ad' %(did you mean 'at'%?%)",
      [{ at = "rcpt" }] = "point of a fault 'rcpt' %(did you mean 'RCPT'%?%)",
      [{ at = "greting" }] = "fault 'greting' %(did you mean 'greeting'%?%)",
      [{ at = "RCTP" }] = "fault 'RCTP' %(did you mean 'RCPT'%?%)",
      [{ at = "dot" }] = "fault 'dot' %(did you mean 'message'%?%)",
      [{ at = "RCPT", reply = { "450", "no" } }] =
        "the reply of a fault is { code, enhanced, text }",
    } do
      assert.error_matches(function()
        testing.server { faults = { fault } }
      end, problem)
    end
  end)

  it("strikes a server that prints as where it listens", function()
    local server <close> = testing.server()
    assert.equal("server (" .. server.addresses[1] .. ")", tostring(server))
    assert.equal("server (does not listen)", tostring(smtp.server {}))
  end)

  it("is one of a list, and no option of another name", function()
    assert.error_matches(function()
      testing.server { faults = { at = "RCPT", drop = true } }
    end, "faults is a list: { { at = ")
    assert.error_matches(function() testing.server { fault = {} } end,
      "unknown option of testing.server 'fault' "
      .. "%(did you mean 'faults'%?%)")
    assert.error_matches(function() testing.run({ fault = {} }, print) end,
      "unknown option of testing.server 'fault'")
  end)

  it("says its reply before it closes", function()
    local _, err = through { at = "MAIL", reply = { 421, "4.3.2", "closing" },
      close = true }
    assert.equal("421 4.3.2 closing", ("%d %s %s"):format(err.code,
      err.enhanced, err.text))
    _, err = through { at = "MAIL", reply = { 450, "no code but words" } }
    assert.equal("no code but words", err.text)
    _, err = through { at = "XFOO", reply = { 450 } }
    assert.is_nil(err)
  end)
end)
