--- What a server does for each event of its machine: asks the handler of
--- the verb, answers, and keeps the session's fields in step.

local answer = require "lunapost.smtp.answer"
local body = require "lunapost.smtp.body"
local path = require "lunapost.smtp.path"
local verifier = require "lunapost.smtp.verifier"

local M = {}

local by_event, by_verb = {}, {}

-- The defect of 8-bit octets without BODY=8BITMIME; see core/defect.h.
local UNANNOUNCED <const> = 307

local plain <const> = { CONNECT = true, HELO = true, EHLO = true, LHLO = true }

--- True where no enhanced code belongs: the greeting, any answer to EHLO
--- and its kin, and 3yz (RFC 2034 4).
---@param verb? string
---@param code integer
---@return boolean
function M.plain(verb, code)
  return code // 100 == 3 or plain[verb] or false
end

-- What a handler may say where this is the default: one answer, and 3yz
-- only where a question is asked. Anything else is a fault of the handler.
local function checked(session, given)
  local problem
  if given.code == nil then
    problem = "a list of answers is for the body of LMTP"
  elseif given.code // 100 == 3 then
    problem = given.code .. " answers nothing here: ask with session:ask"
  else
    return given
  end
  session:report(problem)
  return answer.fault()
end

-- Answers as the handler says, else by default; the code that was sent.
local function conclude(session, given, code, enhanced, text)
  if given then
    given = checked(session, given)
    code, enhanced, text = given.code, given.enhanced, given.text
  end
  session:answer(code, enhanced, text)
  return session.last_code
end

function by_verb.CONNECT(session, _, code, enhanced, text)
  local given = session:call("connect")
  if given and given.code == 451 then given.code = 421 end
  if given and given.code < 300 then
    given.code, given.text = 220, session.server.hostname .. " " .. given.text
  end
  conclude(session, given, code, enhanced, text)
end

-- The handler sees the new name; a refusal leaves all as it was.
local function greet(session, domain, extended, ask)
  local helo, was_extended = session.helo, session.extended
  session.server:name_peer(session)
  session.helo, session.extended = domain, extended
  local given = ask()
  if given then given = checked(session, given) end
  if given and given.code >= 400 then
    session.helo, session.extended = helo, was_extended
  else
    session:forget("hello")
  end
  session:settle_protocol()
  return given
end

function by_verb.HELO(session, domain, code, enhanced, text)
  local given = greet(session, domain, false, function()
    return session:call("helo", domain)
  end)
  conclude(session, given, code, enhanced, text)
end

function by_verb.EHLO(session, domain, code, _, text)
  local keywords
  local given = greet(session, domain, true, function()
    keywords = session.server:keywords(session)
    return session:call("ehlo", domain, keywords)
  end)
  if given and given.code >= 400 then return conclude(session, given) end
  session.server:offer(session, keywords)
  table.insert(keywords, 1, given and given.text or text)
  session:answer(code, "", table.concat(keywords, "\n"))
end

by_verb.LHLO = by_verb.EHLO

function by_verb.STARTTLS(session, _, code, enhanced, text)
  session:answer(code, enhanced, text)
end

function by_event.tls(session)
  local ok, problem = session.server:handshake(session)
  if not ok then session:over("tls", problem) end
  session:secured()
end

-- Slows down who guesses, by at most a second.
local function penalty(session)
  session.auth_failures = (session.auth_failures or 0) + 1
  if session.conn then
    session.server.pause(math.min(1, 0.25 * session.auth_failures))
  end
  if session.auth_failures >= session.server.limits.auth_failures then
    session:answer(421, "4.7.0", "too many failed authentications")
  else
    session:answer(535, "5.7.8", "authentication failed")
  end
end

local function authenticate(session, mechanism, initial)
  local credentials, ok, enhanced, text = verifier.run(session, mechanism,
    initial, session.server.options.auth)
  local code = math.type(ok) == "integer" and ok or ok and 235 or 535
  if code // 100 == 2 and code ~= 235 then
    error("auth.check: 235 is what lets a client in, not " .. code)
  end
  if code == 235 then
    session.user = credentials.user
    session:settle_protocol()
    enhanced, text = enhanced or "2.7.0", text or "authenticated"
  end
  return code, enhanced, text
end

function by_verb.AUTH(session, argument, code, enhanced, text)
  local mechanism, initial = argument:match("^(%S+)%s*(%S*)$")
  if not mechanism then
    return session:answer(501, "5.5.4",
      "syntax: AUTH mechanism [initial-response]")
  end
  mechanism = mechanism:upper()
  local auth = session.server.options.auth
  if not verifier.offered(session, auth, mechanism) then
    return session:answer(code, enhanced, text)
  end
  local given = session:guarded(authenticate, session, mechanism,
    initial ~= "" and initial or nil)
  if given.code == 535 then return penalty(session) end
  given = checked(session, given)
  if given.code ~= 235 then
    session.user = nil
    session:settle_protocol()
  end
  session:answer(given.code, given.enhanced, given.text)
end

function by_verb.MAIL(session, _, code, enhanced, text, ...)
  local from = path.new(...)
  session:new_message()
  session.envelope = { from = from, to = {}, parameters = from.parameters }
  if from.parameters.SMTPUTF8 then session:settle_protocol() end
  local given = session:call("mail", from, from.parameters)
  if conclude(session, given, code, enhanced, text) >= 400 then
    session.envelope = nil
  end
end

function by_verb.RCPT(session, _, code, enhanced, text, ...)
  local to = path.new(...)
  local given = session:call("rcpt", to, to.parameters)
  if conclude(session, given, code, enhanced, text) < 400 then
    table.insert(session.envelope.to, to)
  end
end

local function recipients_of(session)
  return session.server.options.protocol == "lmtp"
    and session.machine:body().recipients or 1
end

-- A verdict as a list: one answer, or for LMTP one a recipient.
local function verdicts(session, verdict)
  local recipients, list = recipients_of(session), {}
  if verdict.code then
    verdict = checked(session, verdict)
    for i = 1, recipients do list[i] = verdict end
    return list
  end
  for i, one in ipairs(verdict) do list[i] = checked(session, one) end
  if #list == recipients and session.server.options.protocol == "lmtp" then
    return list
  end
  session:report(("%d answers for %d recipients"):format(#list, recipients))
  return verdicts(session, answer.fault())
end

-- Answers the end of the body; true when somebody has the message now.
local function answer_body(session, verdict)
  local delivered = false
  for _, one in ipairs(verdicts(session, verdict)) do
    session:answer(one.code, one.enhanced, one.text)
    delivered = delivered or session.last_code < 300
  end
  return delivered
end

local announced <const> = { ["8BITMIME"] = true, BINARYMIME = true }

-- Octets above 127 that nobody announced are kept, and noted (RFC 6152 3).
local function note_8bit(session, message)
  local parameters = session.envelope.parameters
  local kind = (parameters.BODY or ""):upper()
  if not announced[kind] and session.machine:body().eight_bit then
    message:_note(UNANNOUNCED)
  end
  return message
end

-- The handler's verdict on a body that it has read as far as it wants.
local function ask_handler(session, reader)
  if session.on.data then return session:call("data", reader) end
  if not session.on.message then return nil end
  local message = require("lunapost.mime").parse(reader:read())
  return session:call("message", note_8bit(session, message))
end

-- The verdict, or nil and why the body counts as nothing.
local function judge(session, reader)
  local ok, verdict = pcall(ask_handler, session, reader)
  if not ok and not body.is_broken(verdict) then error(verdict, 0) end
  if not ok then return nil, verdict end
  local drained, problem = pcall(body.drain, reader)
  if drained then return verdict end
  if body.is_broken(problem) then return nil, problem end
  error(problem, 0)
end

-- Brings a broken body to its end, where its refusal is due.
local function skip(session)
  while not session.ending do
    local ok, problem = pcall(session.next_chunk, session)
    if not ok and not body.is_broken(problem) then error(problem, 0) end
  end
end

-- The body, from its first octet to the answer behind its last.
local function receive(session)
  local verb = session.verb
  session.ending, session.in_body = nil, true
  local reader = body.new(session.next_chunk, session)
  local verdict, problem = judge(session, reader)
  if problem then skip(session) end
  local ending = session.ending
  session.in_body = nil
  if ending.verb then return by_verb[ending.verb](session, ending.argument,
    ending.code, ending.enhanced, ending.text) end
  session.verb = verb -- NOOP may have come between chunks
  if ending.code >= 400 or not verdict then verdict = ending end
  local delivered = answer_body(session, verdict)
  if delivered then
    local counts = session.server.counts
    counts.messages = counts.messages + 1
  end
  session:forget(delivered and "delivered" or "failed")
end

function by_verb.DATA(session, _, code, enhanced, text)
  session:answer(code, enhanced, text)
  if session.last_code == 354 then receive(session) end
end

-- RFC 3030 2: nothing is said before the octets of the chunk are here.
by_verb.BDAT = receive

function by_verb.RSET(session, _, code, enhanced, text)
  session:forget("rset")
  session:call("rset", "rset")
  session:answer(code, enhanced, text)
end

-- Verbs whose handler takes the argument and whose answer is all.
for _, verb in ipairs { "NOOP", "VRFY", "EXPN" } do
  local name <const> = verb:lower()
  by_verb[verb] = function(session, argument, code, enhanced, text)
    conclude(session, session:call(name, argument), code, enhanced, text)
  end
end

function by_verb.HELP(session, argument, code, enhanced, text)
  local given = session:call("help", argument)
  text = session.server:help(argument) or text
  conclude(session, given, code, enhanced, text)
end

function by_verb.QUIT(session, _, code, enhanced, text)
  session.quit = true
  conclude(session, session:call("quit"), code, enhanced, text)
end

local function lacks(session, needs)
  if needs.tls and not session.tls then
    return answer.make(530, "5.7.0", "STARTTLS first")
  end
  local auth = session.server.options.auth
  local required = needs.auth
  if required == nil then required = auth and auth.required end
  if required and not session.user then
    return answer.make(530, "5.7.0", "authentication required")
  end
end

local function own_command(session, command, argument)
  return lacks(session, command.needs or {})
    or session:guarded(command.run, session, argument)
    or answer.make(250, "2.0.0", "ok")
end

-- A verb that core does not know: one of the script's own, or unknown.
local function other(session, verb, argument, code, enhanced, text)
  local command = session.server.commands[verb:upper()]
  local given
  if command then
    given = own_command(session, command, argument)
  else
    given = session:call("unknown", verb, argument)
  end
  conclude(session, given, code, enhanced, text)
end

function by_event.command(session, verb, ...)
  session.verb = verb
  local handle = by_verb[verb]
  if handle then return handle(session, ...) end
  return other(session, verb, ...)
end

function by_event.refused(session, verb, _, code, enhanced, text)
  session.verb = verb
  session:answer(code, enhanced, text)
end

function by_event.closed() end

--- What may come between the chunks of BDAT: the answer to a chunk, NOOP, a
--- command out of order; RSET and QUIT end the body, and take effect when the
--- handler is unwound (session.ending).
---@param session lunapost.session
---@param event string  chunk command refused
---@param a any
---@param ... any
function M.between(session, event, a, ...)
  if event == "chunk" then
    session.verb = "BDAT"
    return session:answer(a, ...)
  end
  if event == "command" and a == "BDAT" then return end
  if event == "command" and a ~= "NOOP" then
    local argument, code, enhanced, text = ...
    session.ending = { verb = a, argument = argument, code = code,
      enhanced = enhanced, text = text }
    session.verb = a
    return
  end
  by_event[event](session, a, ...)
end

--- Handles one event of the machine.
---@param session lunapost.session
---@param event string
---@param ... any  what the machine tells of it
function M.handle(session, event, ...)
  by_event[event](session, ...)
end

return M
