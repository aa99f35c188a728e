--- Parameters of MAIL and RCPT on the client's side: grammar, encoding, and
--- what the server has to offer.

local core = require "lunapost.core"
local parameters = require "lunapost.smtp.asks"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"
local testing = require "lunapost.testing"

-- The words that typed parameters become, where all is offered.
local function written(given, known)
  local client = { tls = { certificate = { verified = true } } }
  client.extensions = setmetatable({}, {
    __index = function() return {} end })
  return parameters.append(client, "X", parameters.typed(given, known))
end

describe("a parameter that is understood", function()
  local mail <const> = {
    { { ret = "hdrs" }, "RET=HDRS" },
    { { envid = "QQ 314+1=2" }, "ENVID=QQ+20314+2B1+3D2" },
    { { requiretls = true }, "REQUIRETLS" },
    { { deliver_by = 120 }, "BY=120;N" },
    { { deliver_by = { seconds = 60, mode = "R", trace = true } },
      "BY=60;RT" },
    { { deliver_by = -5 }, "BY=-5;N" },
    { { hold_for = 3600 }, "HOLDFOR=3600" },
    { { hold_until = "2024-02-29t23:59:60.5z" },
      "HOLDUNTIL=2024-02-29T23:59:60.5Z" },
    { { hold_until = 1760000000 }, "HOLDUNTIL=2025-10-09T08:53:20Z" },
    { { hold_until = "2026-01-01T00:00:00+01:00" },
      "HOLDUNTIL=2026-01-01T00:00:00+01:00" },
    { { mt_priority = -9 }, "MT-PRIORITY=-9" },
    { { submitter = "ana+x@example.org" }, "AUTH=ana+2Bx@example.org" },
    { { submitter = "<>" }, "AUTH=<>" },
    { { ret = "FULL", envid = "a", hold_for = 1 },
      "ENVID=a HOLDFOR=1 RET=FULL" },
  }
  local rcpt <const> = {
    { { notify = "never" }, "NOTIFY=NEVER" },
    { { notify = { "SUCCESS", "delay" } }, "NOTIFY=SUCCESS,DELAY" },
    { { notify = "failure, delay" }, "NOTIFY=FAILURE,DELAY" },
    { { orcpt = "bob+x@example.net" }, "ORCPT=rfc822;bob+2Bx@example.net" },
    { { orcpt = "x400;/a=b/" }, "ORCPT=x400;/a+3Db/" },
    { { orcpt = "j\u{FC}rgen+a@example.net" },
      "ORCPT=utf-8;j\\x{FC}rgen\\x{2B}a@example.net" },
    { { rrvs = 1396566061 }, "RRVS=2014-04-03T23:01:01Z" },
    { { rrvs = { since = "2014-04-03T23:01:00Z", mode = "c" } },
      "RRVS=2014-04-03T23:01:00Z;C" },
  }
  for known, list in pairs { [parameters.mail] = mail,
    [parameters.rcpt] = rcpt } do
    for _, case in ipairs(list) do
      it("is written as " .. case[2], function()
        assert.equal("X " .. case[2], written(case[1], known))
        for keyword, value in case[2]:gmatch("([%w-]+)=?(%S*)") do
          assert.is_true(core.client.parameter(keyword, value), keyword)
        end
      end)
    end
  end

  local wrong <const> = {
    { ret = "all" }, { envid = ("x"):rep(101) }, { envid = "" },
    { envid = "\u{FC}" }, { deliver_by = { seconds = 0, mode = "R" } },
    { deliver_by = 1e10 }, { deliver_by = { second = 1 } },
    { deliver_by = 1.5 }, { hold_for = 0 }, { hold_until = "tomorrow" },
    { hold_until = "2026-13-01T00:00:00Z" }, { rrvs = "2026-01-01T24:00:00Z" },
    { rrvs = "2026-01-01T00:00:00+24:00" },
    { rrvs = "2026-01-01T00:00:00.Z" },
    { hold_until = "2026-02-29T00:00:00Z" }, { hold_until = 1 << 40 },
    { hold_until = math.maxinteger }, { rrvs = true },
    { hold_until = "2026-01-01T00:00:00Z;C" },
    { mt_priority = 10 }, { mt_priority = "high" }, { requiretls = "yes" },
    { notify = "NEVER,SUCCESS" }, { notify = "SUCCESS,SUCCESS" },
    { notify = {} }, { notify = "always" }, { orcpt = ("x"):rep(500) },
    { rrvs = "2014" }, { rrvs = { since = 0, mode = "X" } },
  }
  it("raises for what its RFC does not allow", function()
    for i, given in ipairs(wrong) do
      local name = next(given)
      local known = parameters.mail[name] and parameters.mail
        or parameters.rcpt
      assert.error_matches(function() parameters.typed(given, known) end, name,
        nil, nil, i)
    end
  end)

  it("raises for a message that is to be held in two ways", function()
    assert.error_matches(function()
      parameters.typed({ hold_for = 1, hold_until = 1 }, parameters.mail)
    end, "'hold_for' beside 'hold_until'")
  end)
end)

local function offering(lines, ...)
  local answers = { ... }
  return function(peer)
    peer:say("220 x")
    peer:answer("250-x\r\n250-" .. lines .. "\r\n250 HELP",
      table.unpack(answers))
  end
end

describe("parameters", function()
  it("go with an envelope, for all recipients or for one", function()
    local heard = scripted.run(function(peer)
      offering("DSN\r\n250-PIPELINING\r\n250-RRVS", "250 ok", "250 ok",
        "250 ok", "354 go")(peer)
      peer:body()
      peer:say "250 kept"
    end, function(options)
      local client = assert(smtp.open(options))
      assert(client:send({ from = "a@x", ret = "HDRS", envid = "id 1",
        notify = "FAILURE", parameters = { ["X-A"] = "b" },
        to = { { address = "b@y", notify = "NEVER", orcpt = "B@y" },
          { address = "c@y", parameters = { "XPLAIN" }, rrvs = 0 } } }, "x"))
    end)
    assert.same({ "MAIL FROM:<a@x> ENVID=id+201 RET=HDRS X-A=b",
      "RCPT TO:<b@y> NOTIFY=NEVER ORCPT=rfc822;B@y",
      "RCPT TO:<c@y> RRVS=1970-01-01T00:00:00Z NOTIFY=FAILURE XPLAIN" },
      { table.unpack(heard[1], 2, 4) })
  end)

  it("make two of a recipient that is named twice with different ones",
    function()
    local heard = scripted.run(function(peer)
      offering("DSN", "250 ok", "250 ok", "550 5.1.1 no", "354 go")(peer)
      peer:body()
      peer:say "250 kept"
    end, function(options)
      local client = assert(smtp.open(options))
      local result = assert(client:send({ from = "a@x", to = {
        { address = "b@y", notify = "NEVER" },
        { address = "<b@y>", notify = "NEVER" },
        { address = "b@y", notify = "SUCCESS", parameters = { "XA", "XB" } },
        { address = "b@y", notify = "SUCCESS", parameters = { "XB", "XA" } },
      } }, "x"))
      assert.same({ "b@y" }, result.accepted)
      assert.equal("b@y", result.rejected[1].address)
      assert.is_nil(result.rejected[2])
    end)
    assert.same({ "RCPT TO:<b@y> NOTIFY=NEVER",
      "RCPT TO:<b@y> NOTIFY=SUCCESS XA XB", "DATA" },
      { table.unpack(heard[1], 3, 5) })
  end)

  it("go with mail and rcpt", function()
    local heard = scripted.run(offering("DSN\r\n250-MT-PRIORITY", "250 ok",
      "250 ok", "250 ok"), function(options)
      local client = assert(smtp.open(options))
      assert(client:mail("a@x", { ret = "FULL", mt_priority = 3,
        SIZE = 5 }))
      assert(client:rcpt("b@y", { notify = { "SUCCESS" } }))
      assert.error_matches(function()
        client:rcpt("b@y", { notify = "SOMETIMES" })
      end, "SUCCESS or FAILURE")
      assert(client:noop())
    end)
    assert.same({ "MAIL FROM:<a@x> MT-PRIORITY=3 RET=FULL SIZE=5",
      "RCPT TO:<b@y> NOTIFY=SUCCESS", "NOOP" },
      { table.unpack(heard[1], 2) })
  end)

  it("have REQUIRETLS within TLS alone, of a server that is known", function()
    local heard = scripted.run(offering("REQUIRETLS", "250 ok"),
      function(options)
      local client = assert(smtp.open(options))
      local reply, problem = client:mail("a@x", { requiretls = true })
      assert.is_nil(reply)
      assert.matches("has no TLS", problem.text)
      assert(client:noop())
    end)
    assert.same({ "NOOP" }, { table.unpack(heard[1], 2) })
    testing.run({ tls = "test", extensions = { REQUIRETLS = true } },
      function(server)
      local function open(how)
        how.server, how.tls = server.url, "starttls"
        return assert(smtp.open(how))
      end
      local stranger <close> = open { insecure = true }
      local reply, problem = stranger:mail("a@x", { requiretls = true })
      assert.is_nil(reply)
      assert.matches("'requiretls': nothing proves who the server is",
        problem.text)
      assert(stranger:mail "a@x")
      local pin <const> = stranger.tls.certificate.pin
      local client <close> = open { pin = pin }
      assert(client:mail("a@x", { requiretls = true }))
    end)
  end)

  it("that the server does not offer are an error, and nothing is said",
    function()
    local heard = scripted.run(offering("DELIVERBY 240\r\n250-FUTURERELEASE "
      .. "3600 2026-01-01T00:00:00Z", "250 ok"), function(options)
      local client = assert(smtp.open(options))
      local function refused(given, expected)
        given.from, given.to = "a@x", { "b@y" }
        local result, problem = client:send(given, "x")
        assert.is_nil(result)
        assert.equal("syntax", problem.kind)
        assert.matches(expected, problem.text)
        assert.same({}, problem.accepted)
      end
      refused({ ret = "HDRS" }, "'ret' needs DSN, which the server does not")
      refused({ notify = "NEVER" }, "'notify' needs DSN")
      refused({ requiretls = true }, "needs REQUIRETLS")
      refused({ deliver_by = { seconds = 100, mode = "R" } }, "240 seconds")
      refused({ hold_for = 3601 }, "3600 seconds at most")
      refused({ hold_until = "2026-01-01T00:00:01Z" }, "2026%-01%-01")
      local reply, problem = client:mail("a@x", { mt_priority = 3 })
      assert.is_nil(reply)
      assert.matches("needs MT%-PRIORITY", problem.text)
      assert(client:noop())
    end)
    assert.same({ "NOOP" }, { table.unpack(heard[1], 2) })
  end)
end)

describe("an envelope", function()
  it("raises for keys that nobody knows", function()
    scripted.run(offering "DSN", function(options)
      local client = assert(smtp.open(options))
      assert.error_matches(function()
        client:send({ from = "a@x", to = "b@y", notfy = "NEVER" }, "x")
      end, "did you mean 'notify'")
      assert.error_matches(function()
        client:send({ from = "a@x",
          to = { { address = "b@y", ret = "FULL" } } }, "x")
      end, "unknown key of to%[1%] 'ret'")
    end)
  end)
end)

describe("post.send", function()
  it("takes what an envelope asks for", function()
    local post = require "lunapost"
    local heard = scripted.run(function(peer)
      offering("DSN", "250 ok", "250 ok", "354 go")(peer)
      peer:body()
      peer:say "250 kept"
      peer:answer "221 bye"
    end, function(options)
      assert(post.send { host = options.host, port = options.port,
        loop = options.loop, from = "a@x", to = "b@y", text = "t",
        ret = "HDRS", notify = { "FAILURE", "DELAY" }, timeout = 1 })
    end)
    assert.same({ "MAIL FROM:<a@x> RET=HDRS",
      "RCPT TO:<b@y> NOTIFY=FAILURE,DELAY" }, { table.unpack(heard[1], 2, 3) })
  end)
end)
