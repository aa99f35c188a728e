-- A whole dialogue as one function: session = function(s) ... end.
local dialogue = require "spec.support.dialogue"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peers = require "spec.support.peer"
local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"
local transcript = require "spec.support.transcript"

local cases = {}

-- Every step said by hand.
function cases.by_hand(note)
  return { auth = { cleartext = true }, session = function(s)
    s:answer(220, "mx.test at your service")
    local hello = assert(s:expect("EHLO", "HELO"))
    note("hello " .. hello.verb .. " " .. hello.argument)
    table.insert(hello.keywords, "XTRA")
    local mail = assert(s:expect "MAIL")
    note("from " .. mail.path.address .. " " .. mail.parameters.SIZE)
    s:answer(250, "2.1.0", "go on")
    repeat
      local command = assert(s:expect("RCPT", "DATA"))
      if command.verb == "RCPT" then note("to " .. command.path.address) end
    until command.verb == "DATA"
    note("body " .. s:receive():gsub("\r\n", "|"))
    s:answer(250, "2.0.0", "kept")
    local _, last = s:expect "MAIL"
    note("last " .. last.verb)
  end }
end

-- Nothing said by hand.
function cases.by_default()
  return { session = function(s)
    while s:next() do end -- luacheck: ignore
  end }
end

-- What the client may do instead of what is expected.
function cases.turned(note)
  return { session = function(s)
    assert(s:expect "EHLO")
    while s:expect "MAIL" do
      local rcpt, back = s:expect "RCPT"
      while rcpt do
        note "rcpt"
        s:answer(550, "5.1.1", "nobody here")
        rcpt, back = s:expect "RCPT"
      end
      note("back by " .. back.verb)
      if back.verb == "QUIT" then return end
    end
  end }
end

-- AUTH and a verb of one's own, with questions.
function cases.questions(note)
  return { auth = { cleartext = true }, session = function(s)
    for command in s.next, s do
      if command.verb == "AUTH" then
        local word = s:ask(334, "d29yZD8=")
        if word == "b3Blbg==" then
          s.user = "ali"
          s:answer(235, "2.7.0", "the door is open")
        else
          s:answer(535)
        end
      elseif command.verb == "XADR" then
        s:answer(250, "2.0.0", command.argument .. ": " .. s:ask(350, "sure?"))
      elseif command.verb == "MAIL" then
        note("mail by " .. tostring(s.user) .. " with " .. s.protocol)
      end
    end
  end }
end

-- Bodies by DATA and BDAT, cut and broken ones.
function cases.bodies(note)
  return { limits = { size = 40 }, session = function(s)
    for command in s.next, s do
      if command.verb == "DATA" or command.verb == "BDAT" then
        local octets, why = s:receive()
        note(octets and "whole " .. #octets or "no body: " .. why)
        s:answer(250, "2.0.0", "thanks")
      end
    end
    note("over: " .. select(2, s:next()))
  end }
end

-- A verdict before the body, and one instead of it.
function cases.early()
  return { session = function(s)
    for command in s.next, s do
      if command.verb == "RCPT" and command.path.localpart == "early" then
        s.early = true
      elseif command.verb == "DATA" and s.early then
        s:body()
        s:answer(554, "5.7.1", "not that kind")
      elseif command.verb == "DATA" then
        s:answer(451, "4.7.1", "no bodies today")
      end
    end
  end }
end

-- A function that returns in the middle of it all.
function cases.leaves()
  return { session = function(s)
    s:expect "EHLO"
    s:answer(421, "see you")
  end }
end

function cases.turns_away()
  return { session = function(s) s:answer(554, "5.7.1", "not you") end }
end

describe("a dialogue as one function", function()
  local drivers = dialogue.drivers(cases)

  for _, path in ipairs(transcript.files("linear")) do
    it("answers " .. path .. " in every chunk size", function()
      transcript.run_split(transcript.load(path), drivers)
    end)
  end

  local function serve(fn, steps, more)
    local options, errors = more or {}, {}
    options.session = fn
    options.on = options.on or {}
    options.on.error = function(_, problem)
      errors[#errors + 1] = tostring(problem)
    end
    served.run(options, steps)
    return errors
  end

  it("may wait without stopping others", function()
    local go = false
    serve(function(s)
      while true do
        local command = s:next()
        if not command then return end
        while command.verb == "NOOP" and not go do loop.sleep(0.01) end
      end
    end, function(server)
      local slow, quick = peers.dial(server.port), peers.dial(server.port)
      slow:reply()
      quick:reply()
      slow:say("NOOP\r\n")
      assert.matches("^250", quick:ask("EHLO x"))
      assert.matches("^250", quick:ask("MAIL FROM:<a@b>"))
      assert.same({ nil, "timeout" }, { slow:reply(0.01) })
      go = true
      assert.matches("^250", slow:reply())
    end)
  end)

  -- A client that is told of a fault instead of an answer.
  local function loses(server)
    local peer = peers.dial(server.port)
    peer:reply()
    assert.equal("421 4.3.0 local error; try again later",
      peer:ask("EHLO x"))
    assert.same({ nil, "eof" }, { peer:line() })
  end

  it("says 421 when the function fails, and tells the error handler",
    function()
    local errors = serve(function(s)
      s:next()
      error("secret detail")
    end, loses)
    assert.equal(1, #errors)
    assert.matches("secret detail", errors[1])
  end)

  it("is told where it yields by itself", function()
    local errors = serve(function(s)
      s:next()
      coroutine.yield("nobody asked for this")
    end, loses)
    assert.equal(1, #errors)
    assert.matches("to let others run, wait for 0 seconds", errors[1])
    errors = serve(function(s)
      while s:next() do end -- luacheck: ignore
      coroutine.yield()
    end, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:close()
      while next(server.sessions) do loop.sleep(0.01) end
    end)
    assert.equal(1, #errors)
    assert.matches("to let others run, wait for 0 seconds", errors[1])
  end)

  it("is unwound when the peer is gone, or the server stops", function()
    local whys, closed = {}, 0
    local function fn(s)
      local _ <close> = setmetatable({}, { __close = function()
        closed = closed + 1
      end })
      repeat
        local command, why = s:next()
        whys[#whys + 1] = why
        if command and command.verb == "NOOP" then loop.sleep(60) end
      until not command
    end
    local errors = serve(fn, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:close()
      patience.await(loop, function() return closed > 0 end)
      assert.same({ "closed" }, whys)
      peer = peers.dial(server.port)
      peer:reply()
      peer:say("NOOP\r\n")
      loop.sleep(0.05)
      server:stop(0)
    end)
    assert.equal(2, closed)
    assert.same({ "closed" }, whys)
    assert.same({}, errors)
  end)

  it("ends with the peer's patience at an end", function()
    local why
    serve(function(s)
      repeat until not s:next()
      why = select(2, s:next())
    end, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      assert.equal("421 4.4.2 mx.test waited too long", peer:reply())
    end, { limits = { timeout = 0.1 } })
    assert.equal("timeout", why)
  end)

  it("goes on over TLS", function()
    serve(function(s)
      for command in s.next, s do
        if command.verb == "NOOP" then
          s:answer(250, s.tls and s.tls.version or "in the clear")
        end
      end
    end, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:ask("EHLO x")
      assert.equal("250 2.0.0 in the clear", peer:ask("NOOP"))
      assert.matches("^220", peer:ask("STARTTLS"))
      peer:starttls()
      assert.matches("^250 2.0.0 TLS", peer:ask("NOOP"))
    end, { tls = "test" })
  end)

  it("has its mistakes told", function()
    local errors = serve(function(s)
      assert.error_matches(function() s:body() end, "DATA or BDAT")
      s:answer(220, "hi")
      assert.error_matches(function() s:answer(220, "hi") end,
        "the command has its answer")
      s:next()
      assert.error_matches(function() s:answer() end, "a code is expected")
      assert.error_matches(function() s:answer(99, "x") end, "200..559")
    end, function(server)
      local peer = peers.dial(server.port)
      peer:reply()
      peer:ask("EHLO x")
    end)
    assert.same({}, errors)
  end)

  it("leaves no place for handlers but those that report", function()
    for name, text in pairs { mail = "not mail", data = "not data" } do
      local server = server_of.new { session = print, on = { [name] = print } }
      assert.error_matches(function() server:script {} end, text)
    end
    assert.error_matches(function()
      server_of.new { session = print, on = print }
    end, "no place for on = function")
    local seen = {}
    local server = server_of.new { session = function(s) s:expect "QUIT" end,
      on = { observe = { quit = function() seen[#seen + 1] = "quit" end },
        reply = function(_, code) seen[#seen + 1] = code end } }
    server:script { "QUIT" }
    assert.same({ 220, "quit", 221 }, seen)
  end)
end)
