-- Handlers beside each other: their twins that report, the one that rewrites
-- replies, the one that sees credentials, sets of them for each connection.
local server_of = require "lunapost.smtp.server"
local smtp = require "lunapost.smtp"

-- What a server of the options says to the lines, as one string.
local function said(options, ...)
  options.hostname = "mx.test"
  local server = server_of.new(options)
  return tostring(server:script { ... }), server
end

local MESSAGE <const> = { "EHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>",
  "DATA", "hi", ".", "QUIT" }

describe("an observer", function()
  it("changes no answer, whatever it does", function()
    local errors = {}
    local function nasty(_, a, b)
      if type(b) == "table" then b.SIZE = 5 end
      if a == 1 then return 550, "5.7.1", "no" end
      smtp.reject(550, "5.7.1", "no")
    end
    local twins = {}
    for name in ("connect helo ehlo mail rcpt data quit reply disconnect")
      :gmatch "%a+" do
      twins[name] = nasty
    end
    local bodies = 0
    local on = { observe = twins, data = function(_, body)
      bodies = bodies + #body:read()
    end, error = function(_, problem)
      errors[#errors + 1] = tostring(problem)
    end }
    local text = said({ on = on }, table.unpack(MESSAGE))
    local plain = said({ on = { data = on.data } }, table.unpack(MESSAGE))
    assert.equal(plain, text)
    assert.equal(8, bodies)
    assert.is_true(#errors >= 8)
    assert.equal("550 5.7.1 no", errors[1])
  end)

  it("sees what the handler saw, and the replies as they are sent",
    function()
    local seen = {}
    said({ on = {
      reply = function(_, code) if code == 250 then return 251, "yes" end end,
      noop = function(_, text) seen[#seen + 1] = "handler " .. text end,
      observe = {
        noop = function(_, text) seen[#seen + 1] = "observer " .. text end,
        reply = function(_, code, enhanced, text)
          seen[#seen + 1] = table.concat({ code, enhanced, text }, " ")
        end,
      },
    } }, "NOOP x")
    assert.same({ "220  mx.test ESMTP", "handler x", "observer x",
      "251 2.0.0 yes" }, seen)
  end)

  it("is never lent a body that is still to come", function()
    local errors = {}
    local text = said({ on = {
      observe = { data = function(_, body) return body:read() end },
      error = function(_, problem) errors[#errors + 1] = problem end,
      data = function(_, body) return 250, "kept " .. body:read(2) end,
    } }, table.unpack(MESSAGE))
    assert.matches("250 2.0.0 kept hi", text, 1, true)
    assert.same({}, errors)
  end)
end)

describe("an observer of a body", function()
  -- What is reported where it reads what the client does not finish.
  local function faults(...)
    local list = {}
    local _, server = said({ on = {
      data = function() return 250 end,
      observe = { data = function(_, body) body:read() end },
      error = function(_, problem) list[#list + 1] = tostring(problem) end,
    } }, "EHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", ...)
    assert.equal(0, server:stats().messages)
    return list
  end

  it("has no fault where that is cut off, or taken back", function()
    assert.same({}, faults("DATA", "cut off"))
    assert.same({}, faults("BDAT 3\r\nabc", "RSET"))
  end)
end)

describe("the error handler", function()
  it("hears where a fault is, but of a stack that overflowed", function()
    local list = {}
    local function deeper() return deeper() + 1 end
    local text = said({ on = {
      noop = deeper,
      help = function() error "boom" end,
      error = function(_, problem) list[#list + 1] = problem end,
    } }, "EHLO me", "HELP", "NOOP", "QUIT")
    assert.matches("451 4.3.0.*451 4.3.0.*221", text)
    assert.matches("boom.*traceback", list[1])
    assert.matches("stack overflow", list[2])
    assert.is_nil(list[2]:find "traceback")
  end)
end)

describe("the reply handler", function()
  it("takes a hello back", function()
    local helo
    local text = said({ on = {
      reply = function(session, code)
        if session.verb == "EHLO" and code == 250 then return 550, "no" end
      end,
      noop = function(session) helo = session.helo end,
    } }, "HELO old", "EHLO new", "NOOP", "MAIL FROM:<a@b>")
    assert.matches("C: EHLO new\nS: 550 no", text, 1, true)
    assert.equal("old", helo)
    assert.matches("250 2.1.0", text, 1, true)
  end)

  it("takes a login back", function()
    local user = "nobody asked"
    local text = said({
      auth = { cleartext = true, check = function() return true end },
      on = {
        reply = function(_, code)
          if code == 235 then return 454, "4.7.0", "not now" end
        end,
        noop = function(session) user = session.user end,
      },
    }, "EHLO me", "AUTH PLAIN AGEAYg==", "NOOP", "AUTH PLAIN AGEAYg==")
    assert.matches("454 4.7.0 not now\nC: NOOP", text, 1, true)
    assert.is_nil(user)
    assert.is_nil(text:find("503", 1, true))
  end)
end)

describe("the auth handler", function()
  local function with(handler)
    return said({
      auth = { cleartext = true, check = function(_, credentials)
        return credentials.password == "b"
      end },
      on = { auth = handler, error = function() end },
    }, "EHLO me", "AUTH PLAIN AGEAYw==", "AUTH PLAIN AGEAYg==",
      "MAIL FROM:<a@b>")
  end

  it("sees credentials that are right, and those alone", function()
    local seen = {}
    local text = with(function(session, credentials)
      seen[#seen + 1] = session.user .. " by " .. credentials.mechanism
    end)
    assert.same({ "a by PLAIN" }, seen)
    assert.matches("235 2.7.0 authenticated", text, 1, true)
  end)

  it("may still refuse", function()
    local text = with(function() return 535, "5.7.8", "locked" end)
    assert.is_nil(text:find("235", 1, true))
    text = with(function() return 454, "4.7.0", "come back" end)
    assert.matches("454 4.7.0 come back", text, 1, true)
  end)

  it("gives one answer, not a list", function()
    local text = with(function() return { 250, 250 } end)
    assert.matches("C: AUTH PLAIN %*+\nS: 451 4%.3%.0 local error", text)
    assert.is_nil(text:find("235", 1, true))
  end)
end)

describe("the connect handler", function()
  it("gives one answer, and nothing that asks", function()
    local fault <const> = "421 local error; try again later"
    for _, given in ipairs { { { 250, "one" }, { 250, "two" } },
      { code = 334, text = "who?" } } do
      local faults = {}
      local text, server = said({ on = {
        connect = function() return given end,
        error = function(_, problem) faults[#faults + 1] = problem end,
      } }, "EHLO me")
      assert.equal("S: " .. fault .. "\n", text)
      assert.equal(1, #faults)
      assert.matches(given.code and "^334 answers nothing here"
        or "^a list of answers", faults[1])
      assert.equal(1, server:stats().refused)
    end
  end)
end)

describe("an answer that is none", function()
  it("is told by its command, and is a fault to the client", function()
    local faults = {}
    local on = { error = function(_, problem) faults[#faults + 1] = problem end,
      mail = function() return 999, "ok" end,
      vrfy = function() return 250, "5.1.1", "no" end }
    local text = tostring(server_of.new { hostname = "mx.test", on = on }
      :script { "EHLO me", "MAIL FROM:<a@b>", "VRFY ana" })
    assert.equal(2, select(2, text:gsub("451 4.3.0 local error", "")))
    assert.same({ "MAIL: an answer is code, enhanced, text, and its code "
      .. "within 200..559, not 999",
      "VRFY: the enhanced status code 5.1.1 does not fit 250" }, faults)
  end)
end)

describe("handlers of one connection", function()
  it("are made for each", function()
    local made = 0
    local server = server_of.new { hostname = "mx.test",
      on = function(session)
        made = made + 1
        local count = 0
        return { noop = function()
          count = count + 1
          return 250, ("%d of %d at %s"):format(count, made,
            session.peer.address)
        end }
      end }
    for i = 1, 2 do
      local text = tostring(server:script { "NOOP", "NOOP" })
      assert.matches(("250 2.0.0 1 of %d at 127.0.0.1"):format(i), text, 1,
        true)
      assert.matches(("250 2.0.0 2 of %d at 127.0.0.1"):format(i), text, 1,
        true)
    end
  end)
end)
