--- What a server does for each event of its machine: asks the handler of
--- the verb, answers, and keeps the session's fields in step.

local answer = require "lunapost.smtp.answer"
local ascii = require "lunapost.ascii"
local delivery = require "lunapost.smtp.delivery"
local rates = require "lunapost.smtp.rates"
require "lunapost.smtp.path" -- what paths can do
local trusted = require "lunapost.smtp.trusted"
local verdict = require "lunapost.smtp.verdict"
local verifier = require "lunapost.smtp.verifier"

local serve <const>, try <const> = verdict.serve, verdict.try
local pronounce <const> = verdict.pronounce

-- OVER is what the end of a dialogue gives in the place of a code.
local M = { OVER = "over" }

local by_event = {}

local function greeted(session, code, enhanced, text)
  local sent
  if code == nil then
    sent = session:default()
  else
    sent = pronounce(session, session:as_greeting(code, enhanced, text))
  end
  if sent ~= true and sent >= 400 then
    session:count "refused"
  elseif session.server.chatty then
    session:note { event = "connect", port = session.peer.port }
  end
  return sent
end

-- The greeting; no client can send this as a verb.
by_event["(connect)"] = function(session)
  session.verb = "CONNECT"
  return try(session, "connect", greeted)
end

-- The handlers see the new name; what it was before is for a refusal.
local function introduce(session, domain, extended)
  session.before, session.before_extended = session.helo, session.extended
  session.server:name_peer(session)
  session.helo, session.extended = domain, extended
end

-- The answer to a hello was sent: a refusal leaves all as it was.
local function introduced(session, code)
  if code == true or code < 400 then
    session:forget("hello")
  else
    session.helo, session.extended = session.before, session.before_extended
  end
  session:settle_protocol()
  return code
end

local function named(session, code, enhanced, text)
  return introduced(session, session:settle(code, enhanced, text))
end

function by_event.HELO(session, domain)
  introduce(session, domain, false)
  return serve(session, "helo", named, domain)
end

function by_event.EHLO(session, domain)
  introduce(session, domain, true)
  local keywords = session.server:keywords(session)
  local code, enhanced, text = session:consult("ehlo", domain, keywords)
  if code then code, enhanced, text = session:checked(code, enhanced, text) end
  if code and code >= 400 then
    code = session:answer(code, enhanced, text)
  else
    session.server:offer(session, keywords)
    table.insert(keywords, 1, text or select(3, session.machine:default()))
    code = session:answer(250, "", table.concat(keywords, "\n"))
  end
  introduced(session, code)
end

by_event.LHLO = by_event.EHLO

function by_event.STARTTLS(session)
  return session:serve("starttls", session.settle)
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
  local code, status, words = session:consult("auth", credentials)
  if code then return session:checked(code, status, words) end
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
  mechanism = ascii.upper(mechanism)
  if not verifier.offered(session, session.server.options.auth, mechanism) then
    return nil
  end
  return session:guarded(authenticate, mechanism,
    initial ~= "" and initial or nil)
end

local function authenticated(session, argument)
  session:count "auth_ok"
  if session.server.chatty then
    session:note { event = "auth", user = session.user,
      mechanism = ascii.upper(argument:match("^%S*")) }
  end
end

function by_event.AUTH(session, argument)
  local given = session:call("begin_auth", argument)
    or verify(session, argument)
  if given and given.code == 535 then
    penalty(session)
  else
    session:conclude(given)
  end
  if session.last_code ~= 235 then session.user = nil end
  session:settle_protocol()
  if session.last_code == 235 then authenticated(session, argument) end
end

-- A message more than the rates allow; nil where it is none.
local function too_often(session)
  local server = session.server
  local over = session.source
    and rates.message(server.rates, session.source, server.share)
  if over == "source" then
    return answer.make(450, "4.7.1", "too many messages from you; try later")
  elseif over then
    return answer.make(450, "4.3.2", "too many messages; try later")
  end
end

local function mailed(session, code, enhanced, text)
  if code == nil then return true end
  local sent = pronounce(session, code, enhanced, text)
  if sent >= 400 then session.envelope = nil end
  return sent
end

function by_event.MAIL(session, from)
  local refusal = session.server.paced and too_often(session)
  if refusal then return session:conclude(refusal) end
  session:new_message()
  local parameters = from.parameters -- most messages have one recipient
  session.envelope = { from = from, to = { nil }, parameters = parameters }
  if parameters.SMTPUTF8 then session:settle_protocol() end
  return serve(session, "mail", mailed, from, parameters)
end

local function addressed(session, code, enhanced, text)
  local sent = true
  if code ~= nil then
    sent = pronounce(session, code, enhanced, text)
    if sent >= 400 then return sent end
  end
  local list = session.envelope.to
  list[#list + 1] = session.asked_for
  return sent
end

function by_event.RCPT(session, to)
  session.asked_for = to
  return serve(session, "rcpt", addressed, to, to.parameters)
end

-- The rest of a body; RSET and QUIT may come in the place of a chunk.
local function judged(session, code, enhanced, text)
  local command = delivery.judged(session, code, enhanced, text)
  if command then return by_event[command](session) end
end

local function receive(session, octets, ending, broken)
  return delivery.receive(session, judged, octets, ending, broken)
end

function by_event.DATA(session)
  local on = session.on
  if not (on.begin_data or on.reply or on.observe) and session:may_rest() then
    delivery.open(session)
    return true -- 354
  end
  if pronounce(session, session:consult "begin_data") ~= 354 then return end
  delivery.open(session)
  if not session:may_rest() then return receive(session) end
end

-- What a body begins with that came while the session rested: most bodies are
-- whole then, and their handler need not wait.
function by_event.body(session, octets, ending)
  session.verb = "DATA"
  return delivery.receive(session, judged, octets, ending)
end

function by_event.message(session, ending)
  session.verb = "DATA"
  return receive(session, nil, ending)
end

function by_event.broken(session)
  session.verb = "DATA"
  return receive(session, nil, nil, session:broken())
end

-- RFC 3030 2: nothing is said before the octets of the chunk are here.
function by_event.BDAT(session)
  delivery.open(session)
  return receive(session)
end

function by_event.RSET(session)
  session:forget("rset")
  return session:try("rset", session.default, "rset")
end

-- Verbs whose handler takes the argument and whose answer is all.
for _, verb in ipairs { "NOOP", "VRFY", "EXPN" } do
  local name <const> = ascii.lower(verb)
  by_event[verb] = function(session, argument)
    return session:serve(name, session.settle, argument)
  end
end

function by_event.HELP(session, argument)
  local given = session:call("help", argument)
  local text = not given and session.server:help(argument)
  if text then given = answer.make(214, "2.0.0", text) end
  session:conclude(given)
end

function by_event.QUIT(session)
  session.quit = true
  return session:serve("quit", session.settle)
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
    or session:guarded(command.run, argument)
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
function by_event.other(session, verb, argument)
  session.verb = verb
  local known = ascii.upper(verb)
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
  session:conclude(given)
end

function by_event.refused(session, verb)
  session.verb = verb
  session:accept()
end

function by_event.chunk(session)
  session.verb = "BDAT"
  session:accept()
end

function by_event.closed() return M.OVER end

local function handle(session, event, a, b, c, d)
  session.verb = event
  return by_event[event](session, a, b, c, d)
end

-- Not there yet.
function by_event.read(session)
  return handle(session, session:arrive "read")
end

function by_event.write(session)
  return handle(session, session:arrive "write")
end

function by_event.failed(session, kind, text)
  session:over(kind == "closed" and kind or "error", kind .. ": " .. text)
end

--- What may come between the chunks of BDAT: the answer to a chunk, NOOP, a
--- command out of order; RSET and QUIT end the body, and take effect when the
--- handler is unwound (session.ending). The machine refuses any other verb, so
--- that no event here tells of more than one thing that is needed; what it
--- refuses is answered by default.
---@param session lunapost.session
---@param event string  chunk, refused, or a verb
---@param a any  as the machine tells of it
function M.between(session, event, a)
  if event == "BDAT" then return end
  session.verb = event
  if event == "RSET" or event == "QUIT" then
    session.ending = event
  elseif event == "NOOP" then -- perhaps within the handler of the body
    session:pronounce(session:consult("noop", a))
  else
    by_event[event](session, a)
  end
end

--- What is done for each event of the machine: fn(session, what the machine
--- tells of it). True: the machine's next step is to give the default answer.
---@type table<string, fun(session: lunapost.session, ...): any>
M.by_event = by_event

return M
