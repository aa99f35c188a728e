--- lunapost send: one message, or single commands, and the dialogue.

local asks = require "lunapost.cli.asks"
local codec = require "lunapost.codec"
local core = require "lunapost.core"
local dial = require "lunapost.smtp.dial"
local dry = require "lunapost.cli.dry"
local err = require "lunapost.err"
local message_of = require "lunapost.cli.compose"
local options_of = require "lunapost.options"
local outcome = require "lunapost.cli.outcome"
local session = require "lunapost.cli.session"
local smtp_dry = require "lunapost.smtp.dry"
local transcripts = require "lunapost.smtp.transcript"
local words_in = require "lunapost.smtp.words"

local M = {
  summary = "sends a message, and shows the dialogue",
  usage = [[lunapost send --server URL --from A --to B [options]

where to:
  --server URL         smtp://[USER[:PASSWORD]@]HOST[:PORT], smtps://,
                       lmtp://, unix:PATH
  --pipe 'PROGRAM ...' a program that speaks SMTP on its standard input and
                       output (sendmail -bs); quotes and backslashes as in a
                       shell, but none reads the words
  --sendmail 'PROGRAM ...'  a program that takes the message on its standard
                       input (sendmail -i), the envelope as -f FROM -- TO...
  --dry-run            says what would be sent, to nobody

who:
  --from A             sender; "" is the null sender
  --to B               recipient, repeatable; also --cc, --bcc
  --strict             all recipients or none

what:
]] .. message_of.usage .. [[

  --raw FILE           a message as it is ("-" is standard input)
  --command 'VRFY ana' says this instead of a message, repeatable
  --quit-after PHASE   says QUIT after connect, ehlo, tls, auth, mail or rcpt

with what in mind:
]] .. asks.usage .. [[


how:
]] .. session.usage .. [[

  --chunking           by BDAT where it is offered

  --show-message       the dialogue with the message in it
  --quiet              no dialogue
  --json               no dialogue; the last line tells the outcome

Exit code: 0 all accepted, 1 some or all refused for good, 75 temporary
failure or unknown outcome, 76 protocol or TLS failure, 64 usage.]],
  flags = {
    server = "value", pipe = "value", sendmail = "value",
    ["dry-run"] = "flag", from = "value", to = "list", cc = "list",
    bcc = "list", strict = "flag", chunking = "flag", raw = "value",
    command = "list", ["quit-after"] = "value", quiet = "flag",
    json = "flag", ["show-message"] = "flag",
  },
}

for _, flags in ipairs { message_of.flags, asks.flags, session.flags } do
  for name, kind in pairs(flags) do M.flags[name] = kind end
end

local function complain(problem)
  outcome.complain("send", problem)
end

local function raw_message(options)
  for name in pairs(message_of.flags) do
    if options[name] then error("--" .. name .. " beside --raw", 0) end
  end
  if options.raw == "-" then return io.stdin:read("a") end
  local there, problem = core.system.stat(options.raw)
  if not there then return nil, problem end
  return { path = options.raw }
end

local function addresses(lists)
  local address = require "lunapost.mime.address"
  local out = {}
  for _, list in ipairs(lists) do
    for _, one in ipairs(address.mailboxes(address.list(list))) do
      out[#out + 1] = one.address
    end
  end
  return out
end

local function raw_envelope(options)
  return {
    from = message_of.is_null(options.from) and ""
      or addresses { options.from }[1],
    to = addresses { options.to or {}, options.cc or {}, options.bcc or {} },
  }
end

-- The message and its envelope; or nil, and why a file cannot be read.
local function compose(options)
  if not options.from then error("--from is missing", 0) end
  local make = options.raw and raw_message or message_of.message
  local message, problem = make(options)
  if not message then return nil, problem end
  local envelope = options.raw and raw_envelope(options) or message.envelope
  if not (envelope.to and envelope.to[1]) then error("--to is missing", 0) end
  return message, asks.add(envelope, options)
end

-- Says the commands of --command; the error is that of the first refusal.
local function converse(client, commands)
  local replies, problem = {}, nil
  for i, line in ipairs(commands) do
    local verb, argument = line:match("^(%S+)%s*(.-)%s*$")
    local reply, failure = client:command(verb or "",
      argument ~= "" and argument or nil)
    if not reply then return replies, failure end
    replies[i] = reply
    if reply.code >= 400 and not problem then
      problem = client:refused(reply, verb)
    end
  end
  return replies, problem
end

local function by_command(client, job)
  local replies, problem = converse(client, job.commands)
  return not problem and { reply = replies[#replies] } or nil, problem, replies
end

local function rejection(address, reply)
  return { address = address, code = reply.code, enhanced = reply.enhanced,
    text = (reply.text:gsub("\n", " ")) }
end

-- RCPT for each; nil and why where the session does not go on.
local function try_recipients(client, list, of, result)
  for _, to in ipairs(list) do
    local address, params = of(to)
    local reply, problem = client:rcpt(address, params)
    if reply then
      table.insert(result.accepted, address)
    elseif problem.reply then
      table.insert(result.rejected, rejection(address, problem.reply))
    else
      return nil, problem
    end
    result.reply = reply or problem.reply
  end
  return result
end

-- MAIL alone, or with each RCPT, and no message.
local function probe(client, job)
  local envelope = job.envelope
  local params, of = asks.split(envelope)
  local reply, problem = client:mail(envelope.from, params)
  if not reply then return nil, problem end
  local result = { accepted = {}, rejected = {}, reply = reply }
  if job.phase == "mail" then return result end
  return try_recipients(client, envelope.to, of, result)
end

local function by_phase(client, job)
  if job.phase == "mail" or job.phase == "rcpt" then
    return probe(client, job)
  end
  return { reply = client.last }
end

local function by_message(client, job)
  return client:send(job.envelope, job.message)
end

local function way_of(job)
  return job.commands and by_command or job.phase and by_phase or by_message
end

local function by_session(job)
  local client <close>, problem = dial.upto(job.settings, job.phase)
  if not client then return nil, problem end
  job.client = client
  local result, replies
  result, problem, replies = way_of(job)(client, job)
  if client.conn then client:quit() end
  return result, problem, replies
end

local function by_transport(job)
  return job.transport:send(job.envelope, job.message)
end

local function words_of(flag, text)
  local words, problem = words_in.split(text)
  return words or error(("--%s %q: %s"):format(flag, text, problem), 0)
end

local ways <const> = { "server", "pipe", "sendmail", "dry-run" }

-- The one way that the flags name.
local function named_way(options)
  local given = {}
  for _, name in ipairs(ways) do
    if options[name] then given[#given + 1] = name end
  end
  if given[2] then
    error(("--%s beside --%s"):format(given[1], given[2]), 0)
  end
  return given[1] or error("--server is missing", 0)
end

local transports <const> = {
  sendmail = function(options)
    return require("lunapost.smtp.sendmail").new {
      command = words_of("sendmail", options.sendmail),
      timeout = options.timeout }
  end,
  ["dry-run"] = function(options) return dry.new(options) end,
}

local function check_phase(options)
  local phase = options["quit-after"]
  if phase and not dial.phases[phase] then
    options_of.unknown("phase", phase, dial.phases, 0)
  end
  if phase and options.command then
    error("--command beside --quit-after", 0)
  end
  return phase
end

-- Whether a message, or at least its envelope, is wanted.
local function wants_message(job)
  return not job.commands
    and (not job.phase or job.phase == "mail" or job.phase == "rcpt")
end

-- What the flags ask for.
local understand = options_of.placed(function(options)
  if options[1] then error("unexpected word '" .. options[1] .. "'", 0) end
  local way = named_way(options)
  local job = { commands = options.command, phase = check_phase(options) }
  if transports[way] then
    if job.commands or job.phase then
      error(("--%s holds no session"):format(way), 0)
    end
    job.transport = transports[way](options)
  else
    if way == "pipe" then options.server = "exec:" .. options.pipe end
    job.settings = session.settings(options, not options.json)
    job.settings.strict = options.strict
    job.settings.chunking = options.chunking
  end
  if wants_message(job) then
    job.message, job.envelope = compose(options)
    if not job.message then error(job.envelope, 0) end
  end
  return job
end)

--- Says what was not understood; --json has its object all the same.
---@param problem string|lunapost.err
---@param as_json? boolean
---@return integer code
function M.misused(problem, as_json)
  complain(problem)
  if as_json then
    if not err.is(problem) then
      problem = err.of("usage", tostring(problem))
    end
    io.stdout:write(outcome.json(nil, problem), "\n")
  end
  return outcome.USAGE
end

local function print_line(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

-- The lines of the message as this server took them, dots doubled.
local function show_message(job)
  local eight = job.client.extensions["8BITMIME"]
  local result = smtp_dry.new { encoding = eight and "8bit" or "7bit" }
    :send(job.envelope, job.message)
  if not result then return end -- a source that has been read
  local colour = session.coloured()
  local octets = codec.dot.encode(result.message)
  for line in octets:gmatch("(.-)\r\n") do
    print_line(transcripts.format({ who = "C", text = line }, colour))
  end
end

-- What shows each line of the dialogue, or nil.
local function shower(job, options)
  if options.json or options.quiet then return nil end
  if not options["show-message"] then return print_line end
  return function(text, line)
    if line.who == "*" and line.text:find("^%d+ octets of message") then
      show_message(job)
    end
    print_line(text)
  end
end

-- One who was refused while others were not.
local function told_of(one)
  return err.new { code = one.code, enhanced = one.enhanced, text = one.text,
    host = one.address, kind = "reply" }
end

-- Says on standard error what went wrong, and for whom.
local function tell(result, problem)
  local rejected = result and result.rejected or {}
  local failure = problem or not rejected[1] and result.error
  if failure then return complain(failure) end
  for _, one in ipairs(rejected) do complain(told_of(one)) end
end

-- Runs the job, and tells.
local function perform(job, options)
  local transcript = session.transcript(shower(job, options))
  if job.settings then job.settings.transcript = transcript end
  local result, problem, replies =
    (job.settings and by_session or by_transport)(job)
  tell(result, problem)
  if options.json then
    print_line(outcome.json(result, problem, replies))
  end
  local copied, why = session.copies(transcript, options.copy)
  if not copied then complain(why) end
  return outcome.code(result, problem), copied
end

---@param options table  flags
---@return integer code
function M.run(options)
  local ok, job = pcall(understand, options)
  if not ok then return M.misused(job, options.json) end
  local code, copied = perform(job, options)
  if code == outcome.OK and not copied then return outcome.USAGE end
  return code
end

return M
