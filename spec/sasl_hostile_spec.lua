--- AUTH with peers that lie: names that are not theirs, channel bindings
--- that were taken away, lists of who exists, replies before their time.

local codec = require "lunapost.codec"
local core = require "lunapost.core"
local net = require "lunapost.net"
local peers = require "spec.support.peer"
local scram = require "lunapost.smtp.scram"
local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"

local b64, octets = codec.base64.encode, codec.base64.decode

local function greeted(server)
  local peer = peers.dial(server.port)
  peer:reply()
  peer:ask "EHLO spec"
  return peer
end

-- Says AUTH SCRAM-SHA-1 as a client does, its first message changed; the
-- last reply.
local function scram_by(peer, credentials, change)
  local step = scram.client("sha1", false, credentials, {}, "nonce")
  local first = step(nil)
  local reply = peer:ask("AUTH SCRAM-SHA-1 "
    .. b64(change and change(first) or first))
  if not reply:find "^334" then return reply end
  reply = peer:ask(b64(step(octets(reply:sub(5)))))
  return reply:find "^334" and peer:ask "" or reply
end

local function secret_of(_, user)
  return user == "ana" and "secret" or nil
end

local function options(auth)
  auth.cleartext = true
  return { auth = auth, limits = { errors = 100, auth_failures = 100 } }
end

describe("a server's AUTH", function()
  it("lets nobody act as another where the secret decides", function()
    served.run(options { secret = secret_of }, function(server)
      for authzid, code in pairs { ana = "^235", root = "^535" } do
        assert.matches(code, scram_by(greeted(server), { user = "ana",
          password = "secret", authorization = authzid }))
        assert.matches(code, greeted(server):ask("AUTH PLAIN "
          .. b64(authzid .. "\0ana\0secret")))
      end
    end)
  end)

  it("reads SCRAM's first message to its end", function()
    served.run(options { secret = secret_of }, function(server)
      local peer = greeted(server)
      local credentials = { user = "ana", password = "secret" }
      for _, change in ipairs {
        function(first) return first .. "\0x" end,
        function(first) return first .. ",b" end,
        function(first) return first .. ",b=1," end,
        function(first) return first .. " x" end,
        function(first) return (first:gsub("^n,,", "n,root,")) end,
        function(first) return (first:gsub("^n,,", "n,a=,")) end,
      } do
        assert.equal("501 5.5.2 malformed SCRAM-SHA-1 response",
          scram_by(peer, credentials, change))
      end
      assert.matches("^235", scram_by(peer, credentials))
    end)
  end)

  it("takes 235 of check for a yes, and no other 2yz", function()
    local faults, users = {}, {}
    for _, code in ipairs { 235, 250 } do
      local given = options { check = function() return code end }
      given.on = { error = function(_, problem) faults[#faults + 1] = problem
        end, mail = function(session)
          users[code] = session.user or "nobody"
        end }
      served.run(given, function(server)
        local peer = greeted(server)
        assert.matches(code == 235 and "^235 2.7.0 " or "^451 4.3.0 ",
          peer:ask("AUTH PLAIN " .. b64 "\0ana\0secret"))
        peer:ask "MAIL FROM:<a@b.c>"
      end)
    end
    assert.same({ [235] = "ana", [250] = "nobody" }, users)
    assert.equal(1, #faults)
    assert.matches("235 is what lets a client in, not 250", faults[1])
  end)

  it("asks in one line, however long it is", function()
    served.run(options { secret = secret_of }, function(server)
      local nonce <const> = ("x"):rep(2000)
      local question = greeted(server):ask("AUTH SCRAM-SHA-256 "
        .. b64("n,,n=ana,r=" .. nonce))
      assert.matches("^334 [%w+/=]+$", question)
      assert.matches("^r=" .. nonce, octets(question:sub(5)))
    end)
  end)

  -- Seconds and rounds that the mechanism has for a user, of so many tries
  -- the least.
  local function answer_for(peer, user)
    local least, rounds = math.huge, nil
    for _ = 1, 9 do
      local from = core.loop.now()
      rounds = octets(peer:ask("AUTH SCRAM-SHA-256 "
        .. b64("n,,n=" .. user .. ",r=abc")):sub(5)):match "i=(%d+)"
      least = math.min(least, core.loop.now() - from)
      peer:ask "*"
    end
    return least, rounds
  end

  it("works as hard for a user that nobody knows", function()
    served.run(options { secret = secret_of }, function(server)
      local peer = greeted(server)
      local known, unknown = answer_for(peer, "ana"), answer_for(peer, "bob")
      assert.is_true(unknown > known / 4, unknown .. " s, not " .. known)
    end)
    local keys = smtp.scram_keys("secret", "sha256", nil, 20000)
    served.run(options { secret = function(_, user)
      return user == "ana" and keys or nil
    end }, function(server)
      local peer = greeted(server)
      local _, known = answer_for(peer, "ana")
      local _, unknown = answer_for(peer, "bob")
      assert.same({ "20000", "20000" }, { known, unknown })
    end)
  end)

  it("finds a binding that was taken away, whatever the digest", function()
    served.run({ tls = "test", auth = { secret = secret_of, mechanisms = {
      "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS" } } }, function(server)
      local peer = greeted(server)
      peer:ask "STARTTLS"
      peer:starttls()
      peer:ask "EHLO spec"
      local credentials = { user = "ana", password = "secret" }
      assert.equal("501 5.7.0 channel binding does not fit SCRAM-SHA-1",
        scram_by(peer, credentials, function(first)
          return (first:gsub("^n", "y"))
        end))
      local client = assert(smtp.connect { host = "127.0.0.1",
        port = server.port, insecure = true, timeout = 5 })
      client.context = function()
        return assert(net.context { insecure = true })
      end
      assert(client:ehlo())
      assert(client:starttls())
      assert(client:auth { user = "ana", password = "secret",
        mechanism = "SCRAM-SHA-1" })
      client:quit()
    end)
  end)

  it("says who has the certificate, not who they would like to be",
    function()
    local own = assert(net.context { test = true, insecure = true })
    local told
    served.run({ tls = { test = true, ca = assert(own:pem()) }, auth = {
      mechanisms = { "EXTERNAL" }, check = function(_, given)
        told = given
        return given.authzid == nil
      end } }, function(server)
      local client = assert(smtp.connect { host = "127.0.0.1",
        port = server.port, insecure = true, timeout = 5 })
      client.context, client.certified = function() return own end, true
      assert(client:ehlo())
      assert(client:starttls())
      assert.is_nil((client:auth { authorization = "root" }))
      client:quit()
    end)
    assert.equal("root", told.authzid)
    assert.equal("CN=lunapost test certificate", told.user)
  end)
end)

describe("a client's AUTH", function()
  -- What comes of a server that says these lines; nonce is the client's.
  local function told(mechanism, ...)
    local lines, problem = { ... }, nil
    local heard = scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 AUTH " .. mechanism)
      for _, line in ipairs(lines) do
        local said = peer:hear()
        if not said then return end
        peer:say(type(line) == "function" and line(said) or line)
      end
      peer:hear()
    end, function(given)
      given.user, given.password = "ana", "secret"
      given.auth = { cleartext = true }
      local client
      client, problem = smtp.open(given)
      assert.is_nil(client)
    end)
    return tostring(problem), heard[1]
  end

  local function challenge(more, nonce)
    return function(said)
      return "334 " .. b64("r=" .. octets(said:match "%S+$"):match "r=(.+)"
        .. (nonce or "x") .. ",s=c2FsdA==,i=4096" .. (more or ""))
    end
  end

  it("believes no SCRAM server before its proof", function()
    assert.matches("did not prove", told("SCRAM-SHA-1", "235 ok"))
    assert.matches("did not prove", told("SCRAM-SHA-1", challenge(),
      "235 ok"))
    assert.matches("proof is wrong", told("SCRAM-SHA-1", challenge(),
      "334 " .. b64 "v=AAAA", "235 ok"))
  end)

  it("cancels where a challenge makes no sense", function()
    for _, case in ipairs { { "SCRAM-SHA-1", "334" },
      { "SCRAM-SHA-1", "334 %%%" }, { "SCRAM-SHA-1", "334-a\r\n334 b" },
      { "SCRAM-SHA-1", challenge "junk" }, { "PLAIN", "334" },
      { "SCRAM-SHA-1", challenge("", "\0x") }, -- RFC 5802 7: printable
      { "CRAM-MD5", "334 %%%" } } do
      local _, heard = told(case[1], case[2], "501 cancelled", "221 bye")
      assert.equal("*", heard[3])
    end
    local _, heard = told("LOGIN", "334", "334", "334", "501 no", "221 bye")
    assert.same({ "*", "QUIT" }, { heard[5], heard[6] })
  end)

  it("sends no name or password that would be read as two", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 AUTH PLAIN XOAUTH2")
      assert.equal("QUIT", peer:hear())
    end, function(given)
      local client = assert(smtp.open(given))
      for words, auth in pairs {
        ["the user has control characters"] =
          { user = "a\0b", password = "secret" },
        ["the password has control characters"] =
          { user = "ana", password = "a\0b" },
        ["the authorization has control characters"] =
          { user = "ana", password = "secret", authorization = "a\0b" },
      } do
        auth.cleartext = true
        local none, problem = client:auth(auth)
        assert.is_nil(none)
        assert.equal("auth", problem.kind)
        assert.matches(words, problem.text, 1, true)
      end
      local none, problem = client:auth { cleartext = true, token = "t",
        user = "ana\1auth=Bearer x" }
      assert.is_nil(none)
      assert.matches("the user has control characters", problem.text)
      client:quit()
    end)
  end)
end)
