--- SASL, both sides: the vectors of the RFCs, and each mechanism by our
--- client to our server.

local codec = require "lunapost.codec"
local core = require "lunapost.core"
local net = require "lunapost.net"
local scram = require "lunapost.smtp.scram"
local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"

describe("SCRAM", function()
  local vectors <const> = {
    { "sha1", "fyko+d2lbbFgONRv9qkxdawL",
      "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,"
      .. "i=4096", "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
      .. "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
    { "sha256", "rOprNGfwEbeRWgbNEkqO",
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      .. "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      .. "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
  }
  local credentials <const> = { user = "user", password = "pencil" }

  local function client(vector, more)
    return scram.client(vector[1], false, more or credentials, {}, vector[2])
  end

  it("speaks as RFC 5802 5 and RFC 7677 3 show", function()
    for _, vector in ipairs(vectors) do
      local step, finished = client(vector)
      assert.equal("n,,n=user,r=" .. vector[2], step(nil))
      assert.equal(vector[4], step(vector[3]))
      assert.matches("did not prove", finished(true))
      assert.equal("", step(vector[5]))
      assert.is_nil(finished(true))
    end
  end)

  it("trusts no server that does not know the password", function()
    for _, vector in ipairs(vectors) do
      for _, final in ipairs { "v=AAAA", "e=invalid-proof", "",
        vector[5]:gsub("v=.", "v=X"), vector[5] .. "=" } do
        local step, finished = client(vector)
        step(nil)
        step(vector[3])
        local response, why = step(final)
        assert.is_nil(response)
        assert.matches(final:find("^e=") and "server says: invalid%-proof"
          or "proof is wrong", why)
        assert.matches("did not prove", finished(true))
      end
    end
  end)

  it("refuses a challenge that makes no sense", function()
    local nonce = vectors[1][2]
    for challenge, words in pairs {
      ["r=other,s=QSXCR+Q6sek8bf92,i=4096"] = "nonce",
      ["r=" .. nonce .. ",s=QSXCR+Q6sek8bf92,i=4096"] = "nonce",
      ["r=" .. nonce .. "x,s=!!!,i=4096"] = "malformed",
      ["r=" .. nonce .. "x,s=QSXCR+Q6sek8bf92"] = "malformed",
      ["m=ext,r=" .. nonce .. "x,s=QSXCR+Q6sek8bf92,i=4096"] = "malformed",
      ["r=" .. nonce .. "x,s=QSXCR+Q6sek8bf92,i=1"] = "1 rounds",
      ["r=" .. nonce .. "x,s=QSXCR+Q6sek8bf92,i=99999999"] = "99999999",
      ["r=" .. nonce .. "x,s=QSXCR+Q6sek8bf92,i=99999999999999999999999"]
        = "malformed",
      [""] = "malformed",
    } do
      local step = client(vectors[1])
      step(nil)
      local response, why = step(challenge)
      assert.is_nil(response)
      assert.matches(words, why, 1, true)
    end
  end)

  it("escapes names, and refuses those that cannot be", function()
    local step = client(vectors[1], { user = "a=b,c", password = "x",
      authorization = "d,e" })
    assert.matches("^n,a=d=2Ce,n=a=3Db=2Cc,r=", step(nil))
    assert.equal("a=b,c", scram.unescaped "a=3Db=2Cc")
    for _, bad in ipairs { "a=", "a=3", "a=41", "=2c" } do
      assert.is_nil(scram.unescaped(bad))
    end
    local none, why = client(vectors[1], { user = "a\0b", password = "x" })
    assert.is_nil(none)
    assert.matches("control characters", why)
    for given, prepared in pairs { ["a\u{a0}b\u{3000}\u{200b}"] = "a b  ",
      ["x\u{200d}\u{feff}y\u{ad}"] = "xy", ["\u{43f}\u{430}\u{440}"] =
      "\u{43f}\u{430}\u{440}", ["\xe9"] = "\xe9" } do
      assert.equal(prepared, scram.prepared(given))
    end
    for _, bad in ipairs { "\u{ad}", "\u{feff}\u{200d}", "a\u{85}", "\u{e000}",
      "\u{1fffe}", "\u{10ffff}", "\u{202e}a", "\u{fffd}", "a\tb" } do
      assert.is_nil(scram.prepared(bad))
    end
    assert.has_error(function() smtp.scram_keys("") end,
      "scram_keys: the password is empty or has control characters")
  end)

  it("says whether it could bind to the channel", function()
    local function binding() return "tls-exporter", "bound" end
    local function head(plus, channel)
      return scram.client("sha1", plus, credentials, channel, "n")(nil)
    end
    assert.matches("^y,,", head(false, { binding = binding }))
    assert.matches("^n,,", head(false, { binding = binding,
      plus_offered = true }))
    assert.matches("^p=tls%-exporter,,", head(true, { binding = binding }))
  end)
end)

-- Accounts by password or by keys; "ana" has a name and a word to escape.
local function accounts(_, user, mechanism)
  if user == "kept" then
    return smtp.scram_keys("secret", mechanism:find("SHA%-512") and "sha512"
      or mechanism:find("SHA%-256") and "sha256" or "sha1")
  end
  return user == "ana,=x" and "secret" or nil
end

local all <const> = { "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS",
  "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
  "CRAM-MD5", "PLAIN", "LOGIN" }

-- Logs in; what the session then is, or the error.
local function login(server, more)
  local options = { host = "127.0.0.1", port = server.port, insecure = true,
    timeout = 5, user = "ana,=x", password = "secret" }
  for name, value in pairs(more) do
    options[name] = value or nil
  end
  local client, problem = smtp.open(options)
  if not client then return nil, problem end
  local text = tostring(client.transcript)
  assert.is_nil(text:find("secret", 1, true))
  client:quit()
  return client, text
end

-- A session in TLS by a context of the spec's.
local function dialled(server, context)
  local client = assert(smtp.connect { host = "127.0.0.1",
    port = server.port, insecure = true, timeout = 5 })
  client.context = function() return context end
  assert(client:ehlo())
  assert(client:starttls())
  return client
end

describe("AUTH, our client to our server", function()
  it("runs each mechanism that needs a secret", function()
    local users = {}
    served.run({ tls = "test", auth = { secret = accounts,
      mechanisms = all }, on = { disconnect = function(session)
        users[#users + 1] = session.user or false
      end } }, function(server)
      for _, name in ipairs(all) do
        for _, user in ipairs { "ana,=x",
          name ~= "CRAM-MD5" and "kept" or nil } do
          local client, text = login(server, { user = user,
            auth = { mechanism = name } })
          assert(client, tostring(text))
          assert.matches("C: AUTH " .. name, text, 1, true)
          assert.equal(user, client.user)
        end
      end
    end)
    local seen = {}
    for _, user in ipairs(users) do seen[user] = (seen[user] or 0) + 1 end
    assert.equal(#all, seen["ana,=x"])
    assert.equal(#all - 1, seen.kept)
  end)

  it("lets nobody in who has not the secret", function()
    local seen = {}
    served.run({ tls = "test", auth = { secret = accounts,
      mechanisms = all }, on = { disconnect = function(session)
        seen[#seen + 1] = session.user
      end } }, function(server)
      for _, case in ipairs {
        { "SCRAM-SHA-256-PLUS", "ana,=x", "wrong" },
        { "SCRAM-SHA-1", "nobody", "secret" }, { "PLAIN", "kept", "wrong" },
        { "CRAM-MD5", "ana,=x", "wrong" }, { "CRAM-MD5", "kept", "secret" },
        { "CRAM-MD5", "nobody", "secret" }, { "LOGIN", "nobody", "secret" },
      } do
        local client, problem = login(server, { user = case[2],
          password = case[3], auth = { mechanism = case[1] } })
        assert.is_nil(client)
        assert.equal("auth", problem.kind)
        assert.equal(535, problem.code)
      end
    end)
    assert.same({}, seen)
  end)

  it("chooses the strongest that is offered", function()
    for _, case in ipairs {
      { nil, "SCRAM-SHA-256-PLUS" },
      { { "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-512" }, "SCRAM-SHA-512" },
      { { "LOGIN", "PLAIN", "CRAM-MD5" }, "CRAM-MD5" },
    } do
      served.run({ tls = "test", auth = { secret = accounts,
        mechanisms = case[1] } }, function(server)
        local _, text = login(server, {})
        assert.matches("C: AUTH " .. case[2], text, 1, true)
      end)
    end
  end)

  it("offers no binding where there is no TLS", function()
    served.run({ auth = { secret = accounts, cleartext = true } },
      function(server)
      local client, text = login(server, { auth = { cleartext = true } })
      assert(client, tostring(text))
      assert.matches("AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1\n", text, 1,
        true)
      local none, problem = login(server, { auth = { cleartext = true,
        mechanism = "SCRAM-SHA-1-PLUS" } })
      assert.is_nil(none)
      assert.equal("auth", problem.kind)
    end)
  end)

  it("binds by tls-unique before TLS 1.3", function()
    served.run({ tls = "test", auth = { secret = accounts } },
      function(server)
      local client = dialled(server, assert(net.context {
        insecure = true, maximum_version = "1.2" }))
      assert.equal("TLSv1.2", client.tls.version)
      assert(client:auth { user = "ana,=x", password = "secret",
        mechanism = "SCRAM-SHA-256-PLUS" })
      client:quit()
    end)
  end)

  it("runs the mechanisms of tokens", function()
    local seen = {}
    local function check(_, given)
      seen[#seen + 1] = given
      return given.token == "good.token" and given.user == "ana,=x"
    end
    served.run({ tls = "test", auth = { check = check,
      mechanisms = { "OAUTHBEARER", "XOAUTH2" } } }, function(server)
      for _, name in ipairs { "OAUTHBEARER", "XOAUTH2" } do
        local client, text = login(server, { password = false,
          auth = { mechanism = name, token = "good.token" } })
        assert(client, tostring(text))
        assert.is_nil(text:find("good.token", 1, true))
        assert(login(server, { password = false, auth = { mechanism = name,
          token = function() return "good.token" end } }))
        local none, problem = login(server, { password = false,
          auth = { mechanism = name, token = "stale" } })
        assert.is_nil(none)
        assert.equal(535, problem.code)
        assert.matches('"status":"401"', problem.text, 1, true)
        assert.is_nil(tostring(problem):find("stale", 1, true))
      end
      local none, problem = login(server, { auth = { mechanism = "XOAUTH2",
        token = function() return nil, "the helper is gone" end } })
      assert.is_nil(none)
      assert.equal("auth", problem.kind)
      assert.matches("no token: the helper is gone", problem.text, 1, true)
    end)
    assert.equal("OAUTHBEARER", seen[1].mechanism)
    assert.equal(6, #seen)
  end)

  it("takes the client's certificate for EXTERNAL", function()
    local own = assert(net.context { test = true, insecure = true })
    local told
    served.run({ tls = { test = true, ca = assert(own:pem()) }, auth = {
      mechanisms = { "EXTERNAL", "PLAIN" },
      check = function(_, given)
        told = given
        return given.mechanism == "EXTERNAL"
      end } }, function(server)
      local client = dialled(server, own)
      client.certified = true
      assert(client:auth())
      assert.matches("C: AUTH EXTERNAL =\n", tostring(client.transcript), 1,
        true)
      assert.equal("CN=lunapost test certificate", told.user)
      assert.is_true(told.certificate.verified)
      client:quit()
      local none, problem = login(server, { user = false, password = false,
        auth = { mechanism = "EXTERNAL" } })
      assert.is_nil(none)
      assert.matches("offers PLAIN, wanted EXTERNAL", problem.text)
    end)
  end)

  it("takes a mechanism of the script's", function()
    local mechanism = { name = "X-TURN", start = function(credentials)
      return function(challenge)
        if not challenge then return nil end
        return challenge:reverse() .. credentials.user
      end
    end }
    local heard = scripted.run(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 AUTH X-TURN PLAIN", "334 YWJj", "235 ok")
    end, function(options)
      options.user, options.password = "ana", "secret"
      options.auth = { mechanism = mechanism, cleartext = true }
      assert(smtp.open(options))
    end)
    assert.same({ "AUTH X-TURN", codec.base64.encode "cbaana" },
      { heard[1][2], heard[1][3] })
    assert.has_error(function()
      smtp.open { host = "x", auth = { mechanism = { name = "X" } } }
    end, "a mechanism needs a name and start = function(credentials)")
  end)
end)

describe("the server's side of AUTH", function()
  local function dialogue(options, lines)
    local server = smtp.server { hostname = "mx.test", auth = options }
    return server:script(lines)
  end

  local function replies(options, ...)
    local lines = { "EHLO x" }
    for _, line in ipairs { ... } do lines[#lines + 1] = line end
    return tostring(dialogue(options, lines))
  end

  local function b64(text) return codec.base64.encode(text) end

  local proofs <const> = { secret = accounts, cleartext = true,
    mechanisms = all }

  it("refuses what is malformed", function()
    for _, case in ipairs {
      { "SCRAM-SHA-1", "n,,n=ana" }, { "SCRAM-SHA-1", "" },
      { "SCRAM-SHA-1", "n,,n=a=zz,r=abc" }, { "SCRAM-SHA-1", "n,,n=,r=abc" },
      { "SCRAM-SHA-1", "x,,n=ana,r=abc" },
      { "SCRAM-SHA-1", "p=tls-unique,,n=ana,r=abc" },
      { "SCRAM-SHA-1", "n,,m=ext,n=ana,r=abc" },
      { "CRAM-MD5", "ana 00" },
    } do
      assert.matches("S: 501 5%.", replies(proofs, "AUTH " .. case[1] .. " "
        .. (case[2] == "" and "=" or b64(case[2]))))
    end
    assert.matches("S: 504 5.5.4", replies(proofs,
      "AUTH SCRAM-SHA-1-PLUS " .. b64 "p=tls-exporter,,n=ana,r=abc"), 1, true)
    for _, final in ipairs { "c=biws,r=abc,p=AAAA", "c=biws,r=abc,p=!",
      "rubbish", "" } do
      assert.matches("S: 5[03][15] 5%.", replies(proofs, "AUTH SCRAM-SHA-1 "
        .. b64 "n,,n=kept,r=abc", b64(final)))
    end
    assert.matches("S: 501 5.7.0 authentication cancelled", replies(proofs,
      "AUTH SCRAM-SHA-1 " .. b64 "n,,n=kept,r=abc", "*"), 1, true)
  end)

  it("does not tell who exists", function()
    local function challenge(user)
      local text = replies(proofs, "AUTH SCRAM-SHA-256 "
        .. b64("n,,n=" .. user .. ",r=abc"), "*")
      local salt, rounds = codec.base64.decode(text:match "334 (%S+)")
        :match("s=([^,]*),i=(%d+)")
      return #salt, rounds, salt
    end
    local length, rounds, salt = challenge "ana=2C=3Dx"
    local other_length, other_rounds, other = challenge "nobody"
    assert.same({ length, rounds }, { other_length, other_rounds })
    assert.not_equal(salt, other)
    assert.equal(salt, select(3, challenge "ana=2C=3Dx"))
    assert.equal(other, select(3, challenge "nobody"))
  end)

  it("says what its options lack", function()
    for words, options in pairs {
      ["mechanism SCRAM-SHA-1: auth needs secret = function"] =
        { check = print, mechanisms = { "scram-sha-1" } },
      ["mechanism XOAUTH2: auth needs check = function"] =
        { secret = print, mechanisms = { "XOAUTH2" } },
      ["unknown mechanism 'X'"] = { check = print, mechanisms = { "X" } },
      ["or secret = function(session, user, mechanism)"] = {},
    } do
      assert.error_matches(function() smtp.server { auth = options } end,
        words, 1, true)
    end
  end)

  it("tells the log where a secret is none", function()
    local faults = {}
    local server = smtp.server { log = function(record)
      faults[#faults + 1] = record.event == "error" and tostring(record) or nil
    end, auth = { cleartext = true, secret = function() return 5 end } }
    assert.matches("S: 451 4.3.0", tostring(server:script { "EHLO x",
      "AUTH PLAIN " .. b64 "\0ana\0secret" }), 1, true)
    assert.equal(1, #faults)
    assert.matches("scram_keys(...) is expected, not number", faults[1], 1,
      true)
  end)

  it("compares in constant time, whatever the lengths", function()
    assert.is_true(core.crypto.equal("", ""))
    assert.is_false(core.crypto.equal("a", "ab"))
  end)
end)
