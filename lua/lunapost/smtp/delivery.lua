--- A body on its way from the machine to the script, and the verdict back.

local answer = require "lunapost.smtp.answer"
local body = require "lunapost.smtp.body"
local core = require "lunapost.core"
local spool = require "lunapost.smtp.spool"

local now = core.loop.now

local M = {}

-- The defect of 8-bit octets without BODY=8BITMIME; see core/defect.h.
local UNANNOUNCED <const> = 307

--- What a handler may say where this is the default: one answer, and 3yz
--- only where a question is asked. Anything else is a fault of the handler.
---@param session lunapost.session
---@param given lunapost.answer|lunapost.answer[]
---@return lunapost.answer
function M.checked(session, given)
  local problem
  if given.code == nil then
    problem = "a list of answers is for the body of LMTP and PRDR"
  elseif given.code // 100 == 3 then
    problem = given.code .. " answers nothing here: ask with session:ask"
  else
    return given
  end
  session:report(problem)
  return answer.fault()
end

local function say(session, verdict)
  verdict = M.checked(session, verdict)
  session:answer(verdict.code, verdict.enhanced, verdict.text)
  return session.last_code < 300
end

-- An answer a recipient; true when one of them has the message now.
local function say_each(session, list, recipients)
  local delivered = false
  for i = 1, recipients do
    delivered = say(session, list[i]) or delivered
  end
  return delivered
end

-- What is said of the whole message, where the handler does not say it.
local function summary(session, list, recipients, delivered)
  if list[recipients + 1] then return list[recipients + 1] end
  if not delivered then return list[1] end
  local code, enhanced, text = session.machine:default()
  return { code = code, enhanced = enhanced, text = text }
end

-- PRDR: 353, an answer a recipient, one for all (draft-hall-prdr 4.5).
local function say_prdr(session, list, recipients)
  session.machine:each("an answer a recipient follows")
  local delivered = say_each(session, list, recipients)
  return say(session, summary(session, list, recipients, delivered))
    and delivered
end

-- Whether answers agree so that one of them can stand for all.
local function agree(list)
  for _, one in ipairs(list) do
    if one.code // 100 ~= list[1].code // 100 then return false end
  end
  return true
end

-- A list of answers, for who takes one a recipient, or one for all.
local function say_list(session, list, facts)
  local lmtp = session.server.options.protocol == "lmtp"
  local recipients = facts.recipients
  if #list == recipients or facts.prdr and #list == recipients + 1 then
    if lmtp then return say_each(session, list, recipients) end
    if facts.prdr and recipients > 1 then
      return say_prdr(session, list, recipients)
    end
    if agree(list) then return say(session, list[1]) end
  end
  session:report(("%d answers for %d recipients"):format(#list,
    lmtp and recipients or 1))
  return M.answer(session, answer.fault())
end

--- Answers the end of the body: for LMTP once a recipient.
---@param session lunapost.session
---@param verdict lunapost.answer|lunapost.answer[]
---@return boolean delivered  somebody has the message now
function M.answer(session, verdict)
  if verdict.code and session.server.options.protocol ~= "lmtp" then
    return say(session, verdict)
  end
  local facts = session.machine:body()
  if not verdict.code then return say_list(session, verdict, facts) end
  verdict = M.checked(session, verdict)
  local list = {}
  for i = 1, facts.recipients do list[i] = verdict end
  return say_each(session, list, facts.recipients)
end

local announced <const> = { ["8BITMIME"] = true, BINARYMIME = true }

--- The body as a message. Octets above 127 that nobody announced are kept,
--- and noted (RFC 6152 3).
---@param session lunapost.session
---@param reader lunapost.body
---@return lunapost.mime.part
function M.message(session, reader)
  local message = spool.message(session, reader)
  local kind = (session.envelope.parameters.BODY or ""):upper()
  if not announced[kind] and session.machine:body().eight_bit then
    message:_note(UNANNOUNCED)
  end
  return message
end

-- The handler's verdict on a body that it has read as far as it wants.
local function ask_handler(session, reader)
  if session.on.data then return session:call("data", reader) end
  if not session.on.message then return nil end
  return session:call("message", M.message(session, reader))
end

-- The verdict, or nil and why the body counts as nothing.
local function judge(session, reader)
  local ok, verdict = pcall(ask_handler, session, reader)
  if not ok and body.is_broken(verdict) then return nil, verdict end
  if not ok and not answer.is_reject(verdict) then error(verdict, 0) end
  if body.is_drained(reader) then return verdict end
  local drained, problem = pcall(body.drain, reader)
  if drained then return verdict end
  if body.is_broken(problem) then return nil, problem end
  error(problem, 0)
end

-- Brings a broken body to its end, where its refusal is due.
local function skip(session)
  while not session.ending do session:next_chunk() end
end

local function default_of(session)
  local code, enhanced, text = session.machine:default()
  return { code = code, enhanced = enhanced, text = text }
end

local function note(session, size)
  local to = {}
  for i, path in ipairs(session.envelope.to) do to[i] = path.address end
  session:note { event = "message", from = session.envelope.from.address,
    to = to, size = size, code = session.last_code, user = session.user }
end

local function count(session, delivered)
  local size = session.machine:body().size
  if delivered then
    session:count "messages"
    session:count("octets", size)
  else
    session:count "messages_refused"
  end
  if session.server.chatty then note(session, size) end
end

--- The body, from its first octet to the answer behind its last.
---@param session lunapost.session
---@return table ending  with a verb: the command that came in the place of
--- a chunk, which is still to be handled
function M.receive(session)
  local verb, due = session.verb, session.due
  session.ending, session.in_body = nil, true
  session.due = math.min(due, now() + session.server.limits.body_time)
  local reader = body.new(session.next_chunk, session)
  local verdict, problem = judge(session, reader)
  if problem then skip(session) end
  local ending = session.ending
  session.in_body, session.due = nil, due
  if ending.verb then return ending end
  session.verb = verb -- NOOP may have come between chunks
  if ending.code >= 400 or not verdict then
    verdict = default_of(session)
  end
  local delivered = M.answer(session, verdict)
  count(session, delivered)
  session:forget(delivered and "delivered" or "failed")
  return ending
end

return M
