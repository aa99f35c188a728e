-- examples/mta.lua, as processes of its own.
local core = require "lunapost.core"
local peer_of = require "spec.support.peer"
local peers = require "spec.support.peers"
local post = require "lunapost"
local testing = require "lunapost.testing"
local tree = require "spec.support.tree"

local function stored(folder)
  local list = {}
  for _, name in ipairs(core.system.list(folder .. "/new") or {}) do
    list[#list + 1] = tree.read(folder .. "/new/" .. name)
  end
  assert.same({}, core.system.list(folder .. "/tmp") or {})
  return list
end

describe("a mail transfer agent without a queue", function()
  local folder, mta, hop

  setup(function() folder = peers.folder() end)
  teardown(function() peers.remove(folder) end)
  after_each(function()
    if mta then assert.is_true(mta:stop(), mta:output()) end
    if hop then hop:stop() end
    mta, hop = nil, nil
    os.execute("rm -rf " .. folder .. "/mail")
  end)

  local function start(words)
    mta = peers.listening(tree.lua(("examples/mta.lua domain=example.org "
      .. "mail=%s/mail user=ana user=bob name=mta.example.org %s")
      :format(folder, words)), folder .. "/log")
    mta.url = "smtp://127.0.0.1:" .. mta.port
  end

  -- The next hop, in a process of its own.
  local function next_hop(options)
    options = options or {}
    options.process = true
    hop = testing.server(options)
    return "relay=" .. hop.url
  end

  local function send(to, more)
    local options = { server = mta.url, from = "carol@example.net", to = to,
      subject = "Hello", text = "x" }
    for name, value in pairs(more or {}) do options[name] = value end
    return post.send(options)
  end

  it("delivers here, to each user of its own", function()
    start ""
    assert(send { "ana@example.org", "Bob+lists@EXAMPLE.ORG",
      "postmaster@example.org" })
    for _, user in ipairs { "ana", "bob", "postmaster" } do
      local list = stored(folder .. "/mail/" .. user)
      assert.equal(1, #list)
      assert.matches("^Return%-Path: <carol@example.net>\r\nReceived: from ",
        list[1])
    end
    for _, nobody in ipairs { "eve", "a/b", "ana%" } do
      local _, err = send { nobody .. "@example.org" }
      assert.equal(550, err.code, nobody)
    end
  end)

  it("passes on for those it trusts, and for domains of others", function()
    start(next_hop() .. " for=example.com")
    local _, err = send { "dave@example.edu" }
    assert.equal("no relaying for strangers", err.text)
    assert(send { "dave@example.com" })
    assert(mta:stop())
    start("trust=127.0.0.1 relay=" .. hop.url)
    assert(send { "dave@example.edu", "ana@example.org" })
    assert.equal(2, #hop.messages)
    assert.same({ "dave@example.edu" }, hop.envelopes[2].to)
    local received = hop.messages[2].received
    assert.equal("mta.example.org", received[1].by)
    assert.equal(1, #stored(folder .. "/mail/ana"))
  end)

  it("says of a recipient what the next hop says", function()
    start("trust=127.0.0.1 " .. next_hop { on = { rcpt = function(_, path)
      if path.localpart == "no" then return 550, "5.1.1", "who?" end
    end } })
    local result = assert(send { "no@example.net", "yes@example.net" })
    assert.same({ "yes@example.net" }, result.accepted)
    assert.equal("who?", result.rejected[1].text)
    assert.same({ "yes@example.net" }, hop.envelopes[1].to)
  end)

  it("keeps nothing of what the next hop refuses or loses", function()
    for _, case in ipairs {
      { { at = "message", reply = { 554, "5.7.1", "spam" } }, 554 },
      { { at = "DATA", close = true }, 451 },
      { { at = "message", close = true }, 451 },
      { { at = "body", reset = true }, 451 },
      { { at = "greeting", close = true }, 451 },
      { { at = "MAIL", reply = { 452, "4.3.1", "full" } }, 452 },
    } do
      start("trust=127.0.0.1 " .. next_hop { faults = { case[1] } })
      local peer = peer_of.dial(mta.port)
      peer:reply()
      peer:ask "EHLO spec"
      peer:ask "MAIL FROM:<carol@example.net>"
      peer:ask "RCPT TO:<ana@example.org>"
      local reply = peer:ask "RCPT TO:<dave@example.edu>"
      if reply:sub(1, 3) == "250" then
        peer:ask "DATA"
        peer:say("Subject: x\r\n\r\nx\r\n.\r\n")
        reply = peer:reply()
      end
      peer:close()
      assert.equal(case[2], tonumber(reply:sub(1, 3)), reply)
      assert.same({}, stored(folder .. "/mail/ana"))
      hop:stop()
      assert.is_true(mta:stop(), mta:output())
    end
  end)

  it("hands nothing on of what the client does not finish", function()
    start("trust=127.0.0.1 " .. next_hop())
    local peer = peer_of.dial(mta.port)
    peer:reply()
    peer:ask "EHLO spec"
    peer:ask "MAIL FROM:<carol@example.net>"
    peer:ask "RCPT TO:<ana@example.org>"
    peer:ask "RCPT TO:<dave@example.edu>"
    assert.matches("^354", peer:ask "DATA")
    peer:say("Subject: half\r\n\r\n" .. ("x\r\n"):rep(100000))
    peer:close()
    assert(send { "dave@example.edu" })
    assert.equal(1, #hop.messages)
    assert.is_truthy(peers.wait(5, function()
      return #core.system.list(folder .. "/mail/ana/tmp") == 0
    end))
    assert.same({}, stored(folder .. "/mail/ana"))
  end)

  it("ends a message that goes round in circles", function()
    start ""
    local _, err = send({ "ana@example.org" }, { headers = (function()
      local list = {}
      for i = 1, 31 do list[i] = { "Received", "from a by b; now" } end
      return list
    end)() })
    assert.equal("too many hops", err.text)
    assert.same({}, stored(folder .. "/mail/ana"))
  end)
end)
