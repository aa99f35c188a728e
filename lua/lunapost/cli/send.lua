--- lunapost send: one message, or single commands, and the dialogue.

local core = require "lunapost.core"
local dial = require "lunapost.smtp.dial"
local err = require "lunapost.err"
local json = require "lunapost.json"
local message_of = require "lunapost.cli.compose"
local options_of = require "lunapost.options"
local settings = require "lunapost.smtp.settings"
local transcripts = require "lunapost.smtp.transcript"

local M = {
  summary = "sends a message, and shows the dialogue",
  usage = [[lunapost send --server URL --from A --to B [options]

  --server URL         smtp://HOST[:PORT], smtps://, lmtp://, unix:PATH
  --from A             sender; "" is the null sender
  --to B               recipient, repeatable; also --cc, --bcc
]] .. message_of.usage .. [[

  --raw FILE           a message as it is ("-" is standard input)
  --command 'VRFY ana' says this instead of a message, repeatable

  --user U             authenticates; the password is in the environment
  --password-env V     variable that V names, or in the URL
  --auth MECH          by this mechanism
  --tls MODE           auto, starttls, implicit, none (which with --user
                       allows the password in cleartext)
  --ca FILE            whom to trust;  --insecure trusts anyone
  --helo NAME          what to call oneself;  --no-ehlo says HELO
  --timeout S          seconds for one whole reply
  --json               no dialogue; the last line tells the outcome

Exit code: 0 all accepted, 1 some or all refused for good, 75 temporary
failure or unknown outcome, 76 protocol or TLS failure, 64 usage.]],
  flags = {
    server = "value", from = "value", to = "list", cc = "list", bcc = "list",
    raw = "value", command = "list", user = "value",
    ["password-env"] = "value", auth = "value", tls = "value", ca = "value",
    insecure = "flag", helo = "value", ["no-ehlo"] = "flag",
    timeout = "number", json = "flag",
  },
}

for name, kind in pairs(message_of.flags) do M.flags[name] = kind end

local OK <const>, REFUSED <const>, USAGE <const> = 0, 1, 64
local LATER <const>, PROTOCOL <const> = 75, 76

local kinds <const> = { protocol = PROTOCOL, tls = PROTOCOL, file = USAGE,
  unconfirmed = LATER }

local function complain(problem)
  io.stderr:write("lunapost: send: ", err.printable(tostring(problem)), "\n")
end

local function password_of(options)
  local name = options["password-env"]
  if not name then return nil end
  return os.getenv(name) or error("the environment has no " .. name, 0)
end

-- Said to whom, and how: settings of a session.
local function session_of(options)
  if not options.server then error("--server is missing", 0) end
  local given = {
    server = options.server, user = options.user,
    password = password_of(options), tls = options.tls, ca = options.ca,
    insecure = options.insecure, helo = options.helo,
    timeout = options.timeout, ehlo = not options["no-ehlo"],
  }
  given.auth = { mechanism = options.auth,
    cleartext = options.tls == "none" or nil }
  local s = settings.complete("option of send", given)
  if s.user and not s.password then
    error("a user needs a password: --password-env, or in the URL", 0)
  end
  return s
end

local function raw_message(options)
  for name in pairs(message_of.flags) do
    if options[name] then error("--" .. name .. " beside --raw", 0) end
  end
  if options.raw == "-" then return io.stdin:read("a") end
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
  if options.raw then return raw_message(options), raw_envelope(options) end
  local message, problem = message_of.message(options)
  if not message then return nil, problem end
  return message, message.envelope
end

local function fields_of(reply)
  if not reply then return json.null end
  return json.ordered { { "code", reply.code },
    { "enhanced", reply.enhanced or json.null }, { "text", reply.text } }
end

local function rejected_of(list)
  local out = {}
  for i, one in ipairs(list or {}) do
    out[i] = json.ordered { { "address", one.address }, { "code", one.code },
      { "enhanced", one.enhanced or json.null }, { "text", one.text } }
  end
  return json.list(out)
end

local function error_of(problem)
  if not problem then return json.null end
  local fields = {}
  for i, name in ipairs { "kind", "code", "enhanced", "text", "command" } do
    fields[i] = { name, problem[name] or json.null }
  end
  return json.ordered(fields)
end

-- The one object that --json promises.
local function print_outcome(result, problem, replies)
  local told = result or problem
  local rejected = told.rejected or {}
  local fields = {
    { "ok", not problem and #rejected == 0 },
    { "accepted", json.list(told.accepted or {}) },
    { "rejected", rejected_of(rejected) },
    { "reply", fields_of(told.reply) },
    { "error", error_of(problem) },
  }
  if replies then
    local list = {}
    for i, reply in ipairs(replies) do list[i] = fields_of(reply) end
    fields[#fields + 1] = { "replies", json.list(list) }
  end
  io.stdout:write(json.encode(json.ordered(fields)), "\n")
end

local function refusal_code(rejected)
  for _, one in ipairs(rejected) do
    if one.code >= 500 then return REFUSED end
  end
  return LATER
end

local function exit_code(result, problem)
  local rejected = (result or problem).rejected or {}
  if not problem then
    return #rejected == 0 and OK or refusal_code(rejected)
  end
  if kinds[problem.kind] then return kinds[problem.kind] end
  if #rejected > 0 then return refusal_code(rejected) end
  return problem.transient and LATER or REFUSED
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

local function talk(client, options, message, envelope)
  if not options.command then return client:send(envelope, message) end
  local replies, problem = converse(client, options.command)
  return not problem and { reply = replies[#replies] } or nil, problem, replies
end

local function terminal()
  return core.system.is_terminal(1) and not os.getenv "NO_COLOR"
end

-- Prints lines as they come.
local function dialogue()
  local transcript = transcripts.new { limit = false, clock = core.loop.now }
  local colour = terminal()
  function transcript.on_line(line)
    io.stdout:write(transcripts.format(line, colour), "\n")
    io.stdout:flush()
  end
  return transcript
end

local function session(s, options, message, envelope)
  local client <close>, problem = dial.open(s)
  if not client then return nil, problem end
  local result, replies
  result, problem, replies = talk(client, options, message, envelope)
  if client.conn then client:quit() end
  return result, problem, replies
end

-- What the flags ask for: settings, message, envelope.
local understand = options_of.placed(function(options)
  if options[1] then error("unexpected word '" .. options[1] .. "'", 0) end
  local s = session_of(options)
  if options.command then return s end
  local message, envelope = compose(options)
  if not message then error(envelope, 0) end
  if not (envelope.to and envelope.to[1]) then error("--to is missing", 0) end
  return s, message, envelope
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
    print_outcome(nil, problem)
  end
  return USAGE
end

---@param options table  flags
---@return integer code
function M.run(options)
  local ok, s, message, envelope = pcall(understand, options)
  if not ok then return M.misused(s, options.json) end
  if not options.json then s.transcript = dialogue() end
  local result, problem, replies = session(s, options, message, envelope)
  if problem then complain(problem) end
  if options.json then print_outcome(result, problem, replies) end
  return exit_code(result, problem)
end

return M
