-- The message handler's message: in memory while small, else in a file; and
-- bodies that are read slowly, or not at all.
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peers = require "spec.support.peer"
local processes = require "spec.support.peers"
local served = require "spec.support.served"
local tree = require "spec.support.tree"
local wire = require "spec.support.wire"

local function begun(server)
  local peer = peers.dial(server.port)
  peer:reply()
  peer:ask("EHLO spec")
  peer:ask("MAIL FROM:<a@b>")
  peer:ask("RCPT TO:<c@d>")
  peer:ask("DATA")
  return peer
end

local function send(server, bytes)
  local peer <close> = begun(server)
  peer:say(bytes .. "\r\n.\r\n")
  return peer:reply()
end

local LARGE <const> = "Subject: =?utf-8?Q?gro=C3=9F?=\r\nFrom: a@b.example\r\n"
  .. "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x\r\n"
  .. "Content-Type: text/html\r\n\r\n"
  .. ("<p>Gr\xC3\xBC\xC3\x9Fe\r\n"):rep(500)
  .. "--x--"

-- Serves one message to the handler, and gives what it and the client saw.
local function serve(limits, handler, bytes)
  local logged = {}
  local reply
  local server = served.run({ limits = limits, on = { message = handler },
    log = served.log(logged) }, function(server)
    reply = send(server, bytes or LARGE)
  end)
  return reply, server, logged
end

describe("a message beyond limits.memory", function()
  it("is the same to the handler, but for its place", function()
    for _, memory in ipairs { 100, 1 << 20 } do
      local spooled
      local reply = serve({ memory = memory }, function(_, message)
        spooled = message.spooled
        assert(message.subject == "groß")
        assert(message.from[1].address == "a@b.example")
        assert(message:header "from" == "a@b.example")
        assert(message.type == "multipart/mixed")
        assert(message.parameters.boundary == "x")
        assert(message:size() == #LARGE + 2)
        local pieces = {}
        for chunk in message:source() do pieces[#pieces + 1] = chunk end
        assert(table.concat(pieces) == LARGE .. "\r\n")
        assert(message.spooled == spooled)
        assert(#message.parts == 2 and message.text == "hi")
        assert(message:attachments()[1] == nil)
        assert(message:render() == LARGE .. "\r\n")
        assert(#message.defects > 0) -- 8-bit octets, announced by nobody
        assert(message:size() == #LARGE + 2)
        assert(message.spooled == spooled)
        message:set("Subject", "new")
        assert(message.subject == "new")
        assert(message:render():find("Subject: new", 1, true))
      end)
      assert.equal("250 2.0.0 message accepted", reply)
      assert.equal(memory == 100 or nil, spooled)
    end
  end)

  it("prints what it is, without being read", function()
    local text
    serve({ memory = 100 }, function(_, message) text = tostring(message) end)
    assert.equal(("message: \"groß\", %d bytes in a file"):format(#LARGE + 2),
      text)
  end)

  it("lives as long as somebody holds it", function()
    local kept = {}
    local _, server = serve({ memory = 100 }, function(_, message)
      kept[1] = message
    end)
    collectgarbage()
    collectgarbage()
    assert.equal(#LARGE + 2, server.spooled)
    assert.equal("hi", kept[1].text)
    kept[1] = nil
    collectgarbage()
    collectgarbage()
    assert.equal(0, server.spooled)
  end)

  it("is refused where limits.spool is reached, and only there", function()
    local replies, kept, logged = {}, {}, {}
    served.run({ limits = { memory = 100, spool = 2 * #LARGE },
      log = served.log(logged),
      on = { message = function(_, message) kept[#kept + 1] = message end } },
      function(server)
        for i = 1, 2 do replies[i] = send(server, LARGE) end
        replies[3] = send(server, "small")
        kept = {}
        replies[4] = send(server, LARGE)
      end)
    assert.same({ "250 2.0.0 message accepted",
      "452 4.3.1 no room for the message; try again later",
      "250 2.0.0 message accepted", "250 2.0.0 message accepted" }, replies)
    assert.same({ "spool: its limit is reached" }, logged)
  end)

  it("is in the folder that is asked for, else where TMPDIR says", function()
    local temporary, seen = core.system.temporary, {}
    rawset(core.system, "temporary", function(pattern)
      seen[#seen + 1] = pattern
      return temporary(pattern)
    end)
    local folder = assert(core.system.temporary_folder(
      "/tmp/lunapost-spec-XXXXXX"))
    finally(function()
      rawset(core.system, "temporary", temporary)
      core.system.remove_folder(folder)
    end)
    for _, place in ipairs { folder, folder .. "/none" } do
      served.run({ limits = { memory = 100 }, spool = place,
        log = function() end, on = { message = function() end } },
        function(server)
        local reply = send(server, LARGE)
        seen[#seen + 1] = reply
      end)
    end
    assert.same({}, core.system.list(folder))
    assert.same({ folder .. "/lunapost-XXXXXX", "250 2.0.0 message accepted",
      folder .. "/none/lunapost-XXXXXX",
      "452 4.3.1 no room for the message; try again later" }, seen)
    for place, text in pairs { [""] = "/tmp", ["/x"] = "/x" } do
      assert.equal(text .. "\n", wire.script(
        "print(require('lunapost.smtp.spare').folder())",
        "TMPDIR=" .. place .. " "))
    end
  end)

  it("is refused where the disk is full", function()
    local temporary = core.system.temporary
    finally(function() rawset(core.system, "temporary", temporary) end)
    local calls = 0
    for _, broken in ipairs { "open", "write", "flush" } do
      local closed = 0
      rawset(core.system, "temporary", function()
        if broken == "open" then return nil, "no space" end
        local file = { close = function() closed = closed + 1 end }
        function file.write() return broken ~= "write" or nil, "no space" end
        function file.flush() return broken ~= "flush" or nil, "no space" end
        return file
      end)
      local reply, server, logged = serve({ memory = 100 }, function()
        calls = calls + 1
      end)
      assert.equal("452 4.3.1 no room for the message; try again later",
        reply)
      assert.same({ "spool: no space" }, logged)
      assert.equal(0, server.spooled)
      assert.equal(broken == "open" and 0 or 1, closed)
    end
    assert.equal(0, calls)
  end)

  it("leaves nothing behind when its body breaks", function()
    local calls = 0
    local reply, server = serve({ memory = 100, size = 4000 }, function()
      calls = calls + 1
    end)
    assert.equal("552 5.3.4 message too big", reply)
    assert.equal(0, server.spooled)
    assert.equal(0, calls)
  end)

  it("of 100 MiB is served in 16 MiB, descriptors given back", function()
    if not io.open "/proc/self/status" then return pending "no /proc here" end
    for _, handler in ipairs { "message", "data" } do
      local output, code = processes.run(tree.lua(
        "spec/support/large_served.lua") .. " " .. handler, 100)
      assert.equal(0, code, output)
      local above, seen, octets = output:match("^(%-?%d+)\t([^\t]+)\t(%d+)$")
      assert.is_truthy(above, output)
      assert.equal(handler .. " " .. octets .. (handler == "message"
        and " large hi 76608000" or ""), seen)
      if not tree.build:find "asan" then
        assert(tonumber(above) < 16384, output)
      end
    end
  end)
end)

describe("a body that is read slowly", function()
  it("slows the client down", function()
    local written, go = 0, false
    local TOTAL <const> = 48 << 20
    served.run({ on = { data = function(_, body)
      body:read_chunk()
      while not go do loop.sleep(0.01) end
    end } }, function(server)
      local peer <close> = begun(server)
      local piece = (("x"):rep(78) .. "\r\n"):rep(1024)
      local reply
      local writer = loop.spawn(function()
        while written < TOTAL and peer:say(piece) do
          written = written + #piece
        end
        peer:say(".\r\n")
        reply = peer:reply()
      end)
      local before
      repeat
        before = written
        loop.sleep(0.1)
      until written == before and written > 0
      assert.is_true(written < TOTAL // 2)
      go = true
      patience.await(loop, function() return reply end)
      assert.equal("250 2.0.0 message accepted", reply)
      loop.kill(writer)
    end)
  end)
end)
