--- lunapost talk: a session by hand.

local acts = require "lunapost.cli.talk.acts"
local complete = require "lunapost.cli.talk.complete"
local dial = require "lunapost.smtp.dial"
local inputs = require "lunapost.cli.talk.input"
local loop = require "lunapost.loop"
local outcome = require "lunapost.cli.outcome"
local session = require "lunapost.cli.session"

local M = {
  summary = "a session by hand, with completion of verbs",
  usage = [[lunapost talk SERVER [options]

  SERVER               HOST[:PORT], smtp://, smtps://, lmtp://, unix:PATH,
                       exec:WORDS (a program that speaks SMTP)
  --hello              says EHLO, puts TLS on where it is offered; so do
                       --user (which then authenticates) and --tls starttls
]] .. session.usage .. [[


Each line is a command; /help tells what else there is. From a pipe, lines
are said one by one, each after the reply to the one before.

Exit code: 0, or as for send when there is no session.]],
  flags = { hello = "flag" },
}

for name, kind in pairs(session.flags) do M.flags[name] = kind end

-- Shows what comes while nothing is asked.
local function watch(t)
  return function()
    local client = t.client
    while client.conn do
      loop.wait(client.conn:fd(), "r", 3600)
      if not client.conn then break end
      if client:silent(0) == false then client:receive(0) end
    end
    t.input:stop()
  end
end

local function next_line(t)
  return t.input:ask {
    prompt = "> ",
    complete = function(before)
      return complete.at(before, t.client.extensions)
    end,
    beside = watch(t),
  }
end

local function converse(t)
  while t.client.conn do
    local line = next_line(t)
    if not line then
      if t.client.conn then t.client:quit(5) end
      return
    end
    if line ~= "" then acts.run(t, line) end
  end
end

local function wants_hello(options)
  return options.hello or options.user or options["token-env"]
    or options.auth or options.tls == "starttls"
end

local function hold(t, s)
  local open = wants_hello(t.options) and dial.open or dial.connect
  local client <close>, problem = open(s)
  if not client then
    t.failure = problem
    return outcome.complain("talk", problem)
  end
  t.client = client
  if t.input.terminal then t.show("-- /help tells what there is") end
  converse(t)
end

local function understand(options)
  if not options[1] then error("which server?", 0) end
  if options[2] then error("unexpected word '" .. options[2] .. "'", 0) end
  options.server = options[1]
  return session.settings(options, true)
end

---@param options table  flags
---@return integer code
function M.run(options)
  local ok, s = pcall(understand, options)
  if not ok then
    outcome.complain("talk", s)
    return outcome.USAGE
  end
  local t = { input = inputs.new(), options = options, quiet = false }
  function t.show(text) t.input:print(text) end
  s.transcript = session.transcript(function(text, line)
    if not (t.quiet and line.who == "C") then t.show(text) end
  end)
  loop.spawn(hold, t, s)
  loop.run()
  local copied, problem = session.copies(s.transcript, options.copy)
  if not copied then
    outcome.complain("talk", problem)
    return outcome.USAGE
  end
  return t.failure and outcome.code(nil, t.failure) or outcome.OK
end

return M
