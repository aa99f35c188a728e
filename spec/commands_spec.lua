-- A server's own words: keywords that the ehlo handler edits, commands of the
-- script's, with needs and questions.
local dialogue = require "spec.support.dialogue"
local server_of = require "lunapost.smtp.server"
local transcript = require "spec.support.transcript"

local cases = {}

function cases.keywords()
  return { extensions = { XFOO = { words = "a b", mail = { "XFOO" },
    rcpt = { "XBAR" } } }, on = { ehlo = function(session, domain, keywords)
    if domain == "plain" then
      for i = #keywords, 1, -1 do keywords[i] = nil end
    elseif domain == "more" then
      table.insert(keywords, 1, "XFIRST of all")
      return 250, "hello " .. session.helo
    elseif domain == "none" then
      return 550, "5.7.1", "nobody of that name"
    end
  end } }
end

-- An address book that asks before it tells, and a survey of many steps.
function cases.asking(note)
  return { commands = {
    XADR = { syntax = "XADR person", run = function(session, argument)
      if argument == "" then return 501, "5.5.4", "syntax: XADR person" end
      local word = session:ask(334, "what is the magic word?")
      if word ~= "please" then return 550, "5.7.1", "not like that" end
      return 250, "2.1.5", argument .. "@example.org"
    end },
    XSURVEY = function(session)
      local answers = {}
      for i = 1, 3 do answers[i] = session:ask(350, "question " .. i) end
      note("answers " .. table.concat(answers, ","))
      return 250, "2.0.0", "thank you"
    end,
    XBROKEN = function() error "secret" end,
    XQUIET = function() end,
  }, on = { error = function(_, problem)
    note("error " .. tostring(problem):match "%d: (%a+)")
  end, disconnect = function(_, why) note("gone " .. why) end } }
end

function cases.needs()
  return { auth = { cleartext = true, required = true, check = function(_, c)
    return c.user == "ana"
  end }, tls = "test", commands = {
    XTLS = { needs = { tls = true }, run = function() return 250, "tls" end },
    XOPEN = { needs = { auth = false }, run = function()
      return 250, "open"
    end },
    XMINE = { run = function(session) return 250, "of " .. session.user end },
  } }
end

describe("a server's own words", function()
  local drivers = dialogue.drivers(cases)

  for _, path in ipairs(transcript.files("commands")) do
    it("are answered as in " .. path .. " in every chunk size", function()
      transcript.run_split(transcript.load(path), drivers)
    end)
  end

  it("may be added until the start", function()
    local server = server_of.new { hostname = "mx.test" }
    server.commands.XLATE = function() return 250, "in time" end
    assert.matches("250 2.0.0 in time", tostring(server:script { "XLATE" }), 1,
      true)
    assert.error_matches(function() server.commands.MAIL = print end,
      "server.on.mail")
    assert.error_matches(function() server.commands.XBAD = {} end,
      "needs run = function")
  end)
end)
