--- A body on its way from the machine to the script, and the verdict back.

local answer = require "lunapost.smtp.answer"
local ascii = require "lunapost.ascii"
local body = require "lunapost.smtp.body"
local core = require "lunapost.core"
local spool = require "lunapost.smtp.spool"
local verdict = require "lunapost.smtp.verdict"

local now <const>, new_body <const> = core.loop.now, body.new
local pronounce <const>, try <const> = verdict.pronounce, verdict.try

local M = {}

-- The defect of 8-bit octets without BODY=8BITMIME; see core/defect.h.
local UNANNOUNCED <const> = 307

local function say(session, code, enhanced, text)
  return pronounce(session, code, enhanced, text) < 300
end

-- An answer a recipient: whether one of them has the message now, and whether
-- all were said. 421 is the last word to a client (RFC 5321 3.8).
local function say_each(session, list, recipients)
  local delivered = false
  for i = 1, recipients do
    delivered = say(session, answer.spread(list[i])) or delivered
    if session.last_code == 421 then return delivered, false end
  end
  return delivered, true
end

-- What is said of the whole message, where the handler does not say it.
local function summary(session, list, recipients, delivered)
  if list[recipients + 1] then return answer.spread(list[recipients + 1]) end
  if not delivered then return answer.spread(list[1]) end
  return session.machine:default()
end

-- PRDR: 353, an answer a recipient, one for all (draft-hall-prdr 4.5).
local function say_prdr(session, list, recipients)
  session.machine:each("an answer a recipient follows")
  local delivered, whole = say_each(session, list, recipients)
  if not whole then return false end -- nobody was told of the whole
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
  local lmtp = session.server.lmtp
  local recipients = facts.recipients
  if #list == recipients or facts.prdr and #list == recipients + 1 then
    if lmtp then return (say_each(session, list, recipients)) end
    if facts.prdr and recipients > 1 then
      return say_prdr(session, list, recipients)
    end
    if agree(list) then return say(session, answer.spread(list[1])) end
  end
  session:report(("%d answers for %d recipients"):format(#list,
    lmtp and recipients or 1))
  return M.answer(session, answer.spread(answer.fault()))
end

--- Answers the end of the body: for LMTP once a recipient.
---@param session lunapost.session
---@param code integer|lunapost.answer[]|nil  a verdict
---@param enhanced? string
---@param text? string
---@return boolean delivered  somebody has the message now
function M.answer(session, code, enhanced, text)
  if not session.server.lmtp and (enhanced or code == nil) then
    return pronounce(session, code, enhanced, text) < 300
  end
  local facts, list = session.machine:body(), code
  if code and not enhanced then return say_list(session, list, facts) end
  if code == nil then code, enhanced, text = session.machine:default() end
  local one = answer.gathered(session:checked(code, enhanced, text))
  list = {}
  for i = 1, facts.recipients do list[i] = one end
  return (say_each(session, list, facts.recipients))
end

local announced <const> = { ["8BITMIME"] = true, BINARYMIME = true }

--- The body as a message. Octets above 127 that nobody announced are kept,
--- and noted (RFC 6152 3).
---@param session lunapost.session
---@param reader lunapost.body
---@return lunapost.mime.part
function M.message(session, reader)
  local message = spool.message(session, reader)
  local kind = ascii.upper(session.envelope.parameters.BODY or "")
  if not announced[kind] and session.machine:body().eight_bit then
    message:_note(UNANNOUNCED)
  end
  return message
end

-- Brings a broken body to its end, where its refusal is due.
local function skip(session)
  while not session.ending do session:next_chunk() end
end

-- The body as a message, for its handler; else a verdict: false where it broke.
local function message_of(session, reader)
  local ok, message = pcall(M.message, session, reader)
  if ok then return message end
  if answer.is_reject(message) then return nil, answer.spread(message) end
  if body.is_broken(message) then return nil, false end
  error(message, 0)
end

-- Reads what the handler left unread; a body that breaks then is no longer its.
local function drained(reader)
  if reader.ended and not reader.failure then return true end
  local ok, problem = pcall(body.drain, reader)
  if ok then return true end
  if not body.is_broken(problem) then error(problem, 0) end
end

local function note(session)
  local to = {}
  for i, path in ipairs(session.envelope.to) do to[i] = path.address end
  session:note { event = "message", from = session.envelope.from.address,
    to = to, size = session.machine:body().size, code = session.last_code,
    user = session.user }
end

--- A body is due: it has its own time from now on.
---@param session lunapost.session
function M.open(session)
  local due, limit = session.due, now() + session.server.limits.body_time
  session.ending, session.in_body = false, due
  if limit < due then session.due = limit end
end

-- What may come in the place of a chunk, and ends a body.
local commands <const> = { RSET = true, QUIT = true }

--- What is done with the verdict on the body: it becomes the answer, once the
--- handler has left nothing of the body unread.
---@param session lunapost.session
---@param code integer|lunapost.answer[]|false|nil  false: the body broke
---@param enhanced? string
---@param text? string
---@return string? verb  of the command that came in the place of a chunk, and
--- is still to be handled
function M.judged(session, code, enhanced, text)
  if code == false or not drained(session.body_reader) then
    skip(session)
    code = nil
  end
  local ending = session.ending
  session.due, session.in_body = session.in_body, false
  session.body_reader = false
  if commands[ending] then return ending end
  session.verb = session.body_verb -- NOOP may have come between chunks
  if ending >= 400 then code = nil end
  local delivered = M.answer(session, code, enhanced, text)
  if session.server.chatty then note(session) end
  return session:finish_transaction(delivered and "delivered" or "failed")
end

--- The body, from its first octet to the answer behind its last.
---@param session lunapost.session
---@param after fun(session: lunapost.session, code: any, enhanced: any,
--- text: any): any  what is done with the verdict: judged
---@param octets? string  that are here already
---@param ending? integer  the code of the default answer, where those are all
---@param broken? table  why it counts as nothing, where that is known
---@return any ...  what after returns
function M.receive(session, after, octets, ending, broken)
  local reader = new_body(session.next_chunk, session, octets or false,
    ending ~= nil or broken ~= nil, broken)
  local on = session.on
  session.body_verb, session.ending = session.verb, ending or false
  session.body_reader = reader
  if on.data then return try(session, "data", after, reader) end
  if not on.message then return after(session) end
  local message, code, enhanced, text = message_of(session, reader)
  if message then return try(session, "message", after, message) end
  return after(session, code, enhanced, text)
end

return M
