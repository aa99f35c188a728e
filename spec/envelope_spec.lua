-- What comes with an envelope: an answer a recipient (PRDR), parameters and
-- what they mean, ETRN.
local dialogue = require "spec.support.dialogue"
local server_of = require "lunapost.smtp.server"
local transcript = require "spec.support.transcript"

local cases = {}

local function prdr(verdict)
  return function(note)
    return { extensions = { PRDR = true }, on = {
      rcpt = function(_, path)
        if path.localpart == "nobody" then return 550, "5.1.1", "who?" end
      end,
      data = function(session)
        note("data for " .. #session.envelope.to)
        return verdict(session)
      end,
      rset = function(_, reason) note("rset " .. reason) end,
    } }
  end
end

-- Each recipient by its name.
cases.prdr = prdr(function(session)
  local list = {}
  for i, path in ipairs(session.envelope.to) do
    list[i] = path.localpart == "full" and { 452, "4.2.2", "mailbox full" }
      or path.localpart == "spam" and { 550, "5.7.1", "not for me" }
      or { 250, "2.1.5", path.localpart .. " has it" }
  end
  return list
end)

cases.prdr_final = prdr(function()
  return { { 250 }, { 250 }, { 554, "5.6.0", "not after all" } }
end)

cases.prdr_one_for_all = prdr(function() return 250, "2.0.0", "all of you" end)

describe("an answer a recipient", function()
  local drivers = dialogue.drivers(cases)

  for _, path in ipairs(transcript.files("prdr")) do
    it("answers " .. path .. " in every chunk size", function()
      transcript.run_split(transcript.load(path), drivers)
    end)
  end

  it("counts as delivered if one of them is", function()
    local function messages(parameter, ...)
      local list = { ... }
      local server = server_of.new { hostname = "mx.test",
        extensions = { PRDR = true }, log = function() end,
        on = { data = function() return list end } }
      server:script { "EHLO me", "MAIL FROM:<a@b>" .. parameter,
        "RCPT TO:<c@d>", "RCPT TO:<e@f>", "DATA", "." }
      return server:stats().messages
    end
    assert.equal(1, messages(" PRDR", 550, 250))
    assert.equal(0, messages(" PRDR", 550, 450))
    assert.equal(0, messages(" PRDR", 250, 250, 554))
    assert.equal(1, messages("", 250, 250))
    assert.equal(0, messages("", 550, 250)) -- nobody can say that: 451
  end)
end)

-- The paths that handlers see for a MAIL and a RCPT.
local function paths(extensions, mail, rcpt)
  local seen = {}
  local server = server_of.new { hostname = "mx.test",
    auth = { cleartext = true, check = print }, extensions = extensions,
    on = { mail = function(_, path) seen[1] = path end,
      rcpt = function(_, path) seen[2] = path end } }
  local text = tostring(server:script { "EHLO me", "MAIL FROM:<a@b> " .. mail,
    "RCPT TO:<c@d> " .. (rcpt or "") })
  return seen[1], seen[2], text
end

describe("parameters", function()
  it("reach handlers as they are, and as what they mean", function()
    local from, to = paths({ DSN = true, DELIVERBY = true, RRVS = true,
      FUTURERELEASE = true, ["MT-PRIORITY"] = true,
      XFOO = { mail = { "XFOO" } } },
      "SIZE=12 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb AUTH=ana+3Db "
      .. "BY=-60;NT HOLDFOR=90 MT-PRIORITY=-3 XFOO=a+2Bb",
      "NOTIFY=success,Delay ORCPT=rfc822;c+2Bx@d "
      .. "RRVS=2026-01-02T03:04:05Z;r")
    assert.same({ SIZE = 12, BODY = "8bitmime", SMTPUTF8 = true, RET = "hdrs",
      ENVID = "a+2Bb", AUTH = "ana+3Db", BY = "-60;NT", HOLDFOR = "90",
      ["MT-PRIORITY"] = "-3", XFOO = "a+2Bb" }, from.parameters)
    assert.same({ SIZE = 12, BODY = "8BITMIME", SMTPUTF8 = true, RET = "HDRS",
      ENVID = "a+b", AUTH = "ana=b",
      BY = { seconds = -60, mode = "N", trace = true }, HOLDFOR = 90,
      ["MT-PRIORITY"] = -3, XFOO = "a+2Bb" }, from.typed)
    assert.same({ NOTIFY = { SUCCESS = true, DELAY = true },
      ORCPT = { type = "rfc822", address = "c+x@d" },
      RRVS = { since = 1767323045, action = "R" } }, to.typed)
    assert.equal(from.typed, from.typed)
  end)

  it("mean nothing where there are none", function()
    local from, to = paths({}, "")
    assert.same({}, from.typed)
    assert.same({}, to.typed)
    assert.is_nil(to.typo)
  end)

  it("in other forms", function()
    local from, to = paths({ DSN = true, FUTURERELEASE = true, RRVS = true,
      DELIVERBY = true }, "HOLDUNTIL=2026-01-02T03:04:05+01:00 AUTH=<> "
      .. "BY=3600;N", "NOTIFY=NEVER RRVS=2026-01-02T03:04:05Z")
    assert.same({ HOLDUNTIL = 1767319445, AUTH = "",
      BY = { seconds = 3600, mode = "N", trace = false } }, from.typed)
    assert.same({ NOTIFY = { NEVER = true }, RRVS = { since = 1767323045 } },
      to.typed)
  end)

  it("of RFC 4141 and 4405 are open where the script serves them", function()
    local all <const> = { CONPERM = true, CONNEG = true, SUBMITTER = true }
    local from, to, text = paths(all,
      "CONPERM SUBMITTER=ana+2Bx@example.org", "CONNEG")
    assert.same({ CONPERM = true, SUBMITTER = "ana+x@example.org" },
      from.typed)
    assert.same({ CONNEG = true }, to.typed)
    assert.matches("250-CONNEG\nS: 250-CONPERM\nS: 250-SUBMITTER\n", text, 1,
      true)
    assert.is_nil(paths(all, "CONPERM=1"))
    assert.is_nil(paths(all, "SUBMITTER"))
    assert.is_nil((paths({}, "SUBMITTER=a@b")))
  end)

  it("of REQUIRETLS are for TLS alone", function()
    local _, _, text = paths({ REQUIRETLS = true }, "REQUIRETLS")
    assert.is_nil(text:find("250-REQUIRETLS", 1, true))
    assert.matches("555 5.5.4", text, 1, true)
  end)
end)

describe("ETRN", function()
  local function said(options, line)
    options.hostname = "mx.test"
    return tostring(server_of.new(options):script { "EHLO me", line })
  end

  it("is offered where a handler serves it, and asks that", function()
    local asked
    local on = { etrn = function(_, text)
      asked = text
      if text == "@busy.example" then
        return 458, "4.3.0", "unable to queue"
      elseif text ~= "quiet.example" then
        return 253, "2.0.0", "2 messages for " .. text
      end
    end }
    local text = said({ on = on }, "ETRN example.org")
    assert.matches("S: 250-ETRN\n", text, 1, true)
    assert.matches("253 2.0.0 2 messages for example.org", text, 1, true)
    assert.equal("example.org", asked)
    assert.matches("458 4.3.0 unable", said({ on = on }, "etrn @busy.example"),
      1, true)
    assert.matches("250 2.0.0 queuing started", said({ on = on },
      "ETRN quiet.example"), 1, true)
    assert.matches("501 5.5.4 syntax: ETRN domain", said({ on = on }, "ETRN"),
      1, true)
    assert.matches("530 5.7.0", said({ on = on, auth = { required = true,
      check = print } }, "ETRN x"), 1, true)
  end)

  it("is unknown where no handler serves it", function()
    local text = said({}, "ETRN example.org")
    assert.is_nil(text:find("250-ETRN", 1, true))
    assert.matches("502 5.5.1 command not implemented", text, 1, true)
  end)
end)

describe("HELP", function()
  it("knows the syntax of every command", function()
    local server = server_of.new { hostname = "mx.test", commands = {
      XADR = { syntax = "XADR person", run = print } } }
    local text = tostring(server:script { "HELP mail", "HELP xadr",
      "HELP moon", "HELP" })
    assert.matches("214 2.0.0 syntax: MAIL FROM:<address> [parameters]", text,
      1, true)
    assert.matches("214 2.0.0 syntax: XADR person", text, 1, true)
    assert.matches("214 2.0.0 no help on that", text, 1, true)
    assert.matches("QUIT XADR", text, 1, true)
  end)
end)
