--- What a server does for each event of its machine: asks the handler of
--- the verb, answers, and keeps the session's fields in step.

local core = require "lunapost.core"
local answer = require "lunapost.smtp.answer"
local delivery = require "lunapost.smtp.delivery"
local rates = require "lunapost.smtp.rates"
local path = require "lunapost.smtp.path"
local trusted = require "lunapost.smtp.trusted"
local verifier = require "lunapost.smtp.verifier"

local M = {}

local path_of <const> = core.server.path

local by_event, by_verb = {}, {}

-- The greeting; no client can send this as a verb.
by_verb["(connect)"] = function(session, _, code)
  session.verb = "CONNECT"
  if session:conclude(session:greeting(), code) >= 400 then
    session:count "refused"
  elseif session.server.chatty then
    session:note { event = "connect", port = session.peer.port }
  end
end

-- The handlers see the new name; what it was before is for a refusal.
local function introduce(session, domain, extended)
  local helo, was_extended = session.helo, session.extended
  session.server:name_peer(session)
  session.helo, session.extended = domain, extended
  return helo, was_extended
end

-- The answer to a hello was sent: a refusal leaves all as it was.
local function introduced(session, helo, extended)
  if session.last_code < 400 then
    session:forget("hello")
  else
    session.helo, session.extended = helo, extended
  end
  session:settle_protocol()
end

function by_verb.HELO(session, domain, code)
  local helo, extended = introduce(session, domain, false)
  session:serve("helo", code, domain)
  introduced(session, helo, extended)
end

function by_verb.EHLO(session, domain, code)
  local helo, extended = introduce(session, domain, true)
  local keywords = session.server:keywords(session)
  local given = session:call("ehlo", domain, keywords)
  if given then given = delivery.checked(session, given) end
  if given and given.code >= 400 then
    session:conclude(given)
  else
    session.server:offer(session, keywords)
    table.insert(keywords, 1, given and given.text
      or select(3, session.machine:default()))
    session:answer(code, "", table.concat(keywords, "\n"))
  end
  introduced(session, helo, extended)
end

by_verb.LHLO = by_verb.EHLO

function by_verb.STARTTLS(session, _, code)
  session:serve("starttls", code)
end

function by_event.tls(session)
  local ok, problem = session.server:handshake(session)
  if not ok then session:over("tls", problem) end
  session:secured()
end

-- Slows down who guesses, by at most a second.
local function penalty(session)
  session.auth_failures = (session.auth_failures or 0) + 1
  session:count "auth_failed"
  if session.conn then
    session.server.pause(math.min(1, 0.25 * session.auth_failures))
  end
  if session.auth_failures >= session.server.limits.auth_failures then
    session:answer(421, "4.7.0", "too many failed authentications")
  else
    session:answer(535, "5.7.8", "authentication failed")
  end
end

-- Credentials that are right, after the auth handler has seen them.
local function admit(session, credentials, enhanced, text)
  session.user = credentials.user
  session:settle_protocol()
  local given = session:call("auth", credentials)
  if given then return given.code, given.enhanced, given.text end
  return 235, enhanced or "2.7.0", text or "authenticated"
end

local function authenticate(session, mechanism, initial)
  local credentials, ok, enhanced, text = verifier.run(session, mechanism,
    initial, session.server.options.auth)
  local code = math.type(ok) == "integer" and ok or ok and 235 or 535
  if code // 100 == 2 and code ~= 235 then
    error("auth.check: 235 is what lets a client in, not " .. code)
  end
  if code == 235 then return admit(session, credentials, enhanced, text) end
  return code, enhanced, text
end

-- What the server itself makes of AUTH; nil where it has no such mechanism.
local function verify(session, argument)
  local mechanism, initial = argument:match("^(%S+)%s*(%S*)$")
  if not mechanism then
    return answer.make(501, "5.5.4", "syntax: AUTH mechanism "
      .. "[initial-response]")
  end
  mechanism = mechanism:upper()
  if not verifier.offered(session, session.server.options.auth, mechanism) then
    return nil
  end
  return session:guarded(authenticate, session, mechanism,
    initial ~= "" and initial or nil)
end

local function authenticated(session, argument)
  session:count "auth_ok"
  if session.server.chatty then
    session:note { event = "auth", user = session.user,
      mechanism = argument:match("^%S*"):upper() }
  end
end

function by_verb.AUTH(session, argument, code)
  local given = session:call("begin_auth", argument)
    or verify(session, argument)
  if given and given.code == 535 then
    penalty(session)
  else
    session:conclude(given, code)
  end
  if session.last_code ~= 235 then session.user = nil end
  session:settle_protocol()
  if session.last_code == 235 then authenticated(session, argument) end
end

-- A message more than the rates allow; nil where it is none.
local function too_often(session)
  local server = session.server
  local over = next(server.rates) and session.source
    and rates.message(server.rates, session.source)
  if over == "source" then
    return answer.make(450, "4.7.1", "too many messages from you; try later")
  elseif over then
    return answer.make(450, "4.3.2", "too many messages; try later")
  end
end

function by_verb.MAIL(session, _, code)
  local refusal = too_often(session)
  if refusal then return session:conclude(refusal) end
  local from = path.new(path_of(session.machine))
  session:new_message()
  session.envelope = { from = from, to = {}, parameters = from.parameters }
  if from.parameters.SMTPUTF8 then session:settle_protocol() end
  if session:serve("mail", code, from, from.parameters) >= 400 then
    session.envelope = nil
  end
end

function by_verb.RCPT(session, _, code)
  local to = path.new(path_of(session.machine))
  if session:serve("rcpt", code, to, to.parameters) < 400 then
    session:count "recipients"
    local list = session.envelope.to
    list[#list + 1] = to
  else
    session:count "recipients_refused"
  end
end

-- A body; RSET and QUIT may come in the place of a chunk.
local function receive(session)
  local ending = delivery.receive(session)
  if ending.verb then
    return by_verb[ending.verb](session, ending.argument, ending.code)
  end
end

function by_verb.DATA(session, _, code)
  local given = session:call("begin_data")
  if given then return session:conclude(given) end
  if session:accept(code) == 354 then receive(session) end
end

-- RFC 3030 2: nothing is said before the octets of the chunk are here.
by_verb.BDAT = receive

function by_verb.RSET(session, _, code)
  session:forget("rset")
  session:call("rset", "rset")
  session:accept(code)
end

-- Verbs whose handler takes the argument and whose answer is all.
for _, verb in ipairs { "NOOP", "VRFY", "EXPN" } do
  local name <const> = verb:lower()
  by_verb[verb] = function(session, argument, code)
    session:serve(name, code, argument)
  end
end

function by_verb.HELP(session, argument, code)
  local given = session:call("help", argument)
  local text = not given and session.server:help(argument)
  if text then given = answer.make(code, "2.0.0", text) end
  session:conclude(given, code)
end

function by_verb.QUIT(session, _, code)
  session.quit = true
  session:serve("quit", code)
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

-- RFC 1985
local function etrn(session, argument)
  if argument == "" then
    return answer.make(501, "5.5.4", "syntax: ETRN domain")
  end
  return lacks(session, {}) or session:call("etrn", argument)
    or answer.make(250, "2.0.0", "queuing started")
end

-- A verb that core does not know: one of the script's own, of peers that speak
-- for others, or unknown.
local function other(session, argument, code, verb)
  local known = verb:upper()
  local command = session.server.commands[known]
  local given
  if command then
    given = own_command(session, command, argument)
  elseif known == "ETRN" and session.on.etrn then
    given = etrn(session, argument)
  else
    given = trusted.command(session, known, argument)
      or session:call("unknown", verb, argument)
  end
  session:conclude(given, code)
end

function by_event.refused(session, verb, _, code)
  session.verb = verb
  session:accept(code)
end

function by_event.closed() end

--- What may come between the chunks of BDAT: the answer to a chunk, NOOP, a
--- command out of order; RSET and QUIT end the body, and take effect when the
--- handler is unwound (session.ending).
---@param session lunapost.session
---@param event string  chunk command refused
---@param a any  as the machine tells of it
---@param argument? string
---@param code? integer
function M.between(session, event, a, argument, code)
  if event == "chunk" then
    session.verb = "BDAT"
    return session:accept(a)
  end
  if event == "command" and a == "BDAT" then return end
  if event == "command" and a ~= "NOOP" then
    session.ending = { verb = a, argument = argument, code = code }
    session.verb = a
    return
  end
  M.handle(session, event, a, argument, code)
end

--- What is done for each command, by verb: fn(session, argument, code of the
--- default answer, verb).
M.of = setmetatable(by_verb, { __index = function() return other end })

--- Handles one event of the machine.
---@param session lunapost.session
---@param event string
---@param verb? string
---@param argument? string
---@param code? integer  of the default answer
function M.handle(session, event, verb, argument, code)
  if event ~= "command" then
    return by_event[event](session, verb, argument, code)
  end
  session.verb = verb
  return by_verb[verb](session, argument, code, verb)
end

return M
