--- Whole messages in few calls, as most of them are sent: MAIL, RCPT and DATA
--- ahead of their replies, the body, its reply; the next message's commands
--- behind the body, if there is one. The machine does it; what is out of the
--- ordinary, before or after, is left to transaction.lua.

local built = require "lunapost.smtp.built"
local core = require "lunapost.core"
local later = require "lunapost.smtp.transcript.later"
local limits = require "lunapost.smtp.limits"
local replies = require "lunapost.smtp.reply"
local upload = require "lunapost.smtp.upload"

local M = {}

local now <const>, record <const> = core.loop.now, later.record

-- Of a session that was closed while something else was done.
local CLOSED <const> = "the session was closed here"

-- What a session may wait for while it posts; the names of errors.
local phases <const> = { MAIL = "MAIL", RCPT = "RCPT", DATA = "DATA",
  data_block = "DATA", data_termination = "the message" }

-- What a session's extensions mean for this way; mails: so many messages may go
-- it.
local function way_of(client)
  local offers = client.extensions
  local size, most = limits.size(offers.SIZE), limits.of(offers.LIMITS)
  local way = { offers = offers, mails = 0 }
  if offers.PIPELINING and not client.lmtp and (size or 0) < 1 << 53 then
    way.mails = most.mails or math.huge
    local none <const> = math.maxinteger
    client.machine:offered(size, offers["8BITMIME"] ~= nil,
      offers.BINARYMIME ~= nil,
      math.min(most.recipients or none, most.domains or none))
  end
  client.way = way
  return way
end

-- How a call of the machine may wait by itself, by the least time that a wait
-- may take.
local function settle_patience(client, way)
  way.limits, way.timeout = client.limits, client.timeout
  way.least = math.huge
  for phase in pairs(phases) do
    way.least = math.min(way.least, client:limit(phase))
  end
  way.patience = client:patience(way.least)
  way.blocks = way.patience and client.loop.blocks
end

-- Whether it may, where nothing else is to be done.
local function patience(client, way)
  if way.limits ~= client.limits or way.timeout ~= client.timeout then
    settle_patience(client, way)
  end
  local blocks = way.blocks
  return blocks and blocks() and way.patience
end

--- Whether a session can send this way, with nothing unheard, and the server
--- takes another message.
---@param client lunapost.client
---@return table|false|nil way  what its extensions mean
function M.ready(client)
  if not client.conn or client.strict or client.chunking or client.loose
    or client.ahead and client.ahead[1] then
    return nil
  end
  local way = client.way
  if way.offers ~= client.extensions then way = way_of(client) end
  return client.mails < way.mails and way
end

local ready <const> = M.ready

-- A body as the machine takes it; nil: it does not.
local function body_of(client, message)
  if type(message) == "string" then return message end
  return built.body(message, client.extensions)
end

---@class lunapost.posted  a message for this way
---@field from string
---@field to string[]
---@field body string|table
---@field message any  nil: the body is
---@field said boolean  its commands are

--- A message for this way, in a session that is ready.
---@param client lunapost.client
---@param envelope any
---@param message any
---@return lunapost.posted? mail  nil: it may not go this way
function M.fits(client, envelope, message)
  local body = body_of(client, message)
  if not body then return nil end
  local from, to = client.machine:mail(envelope, body)
  if not from then return nil end
  local one = { from = from, to = to, body = body, said = false }
  if body ~= message then one.message = message end
  return one
end

-- While an event is something to wait for: waits, then calls the machine again.
-- The outcome, and what the machine says besides.
local function wait(client, patient, flushing, body, event, a, b, c)
  local machine, way = client.machine, client.way
  while event == "read" or event == "write" do
    local phase, since = machine:under_way()
    local deadline = since + client:limit(phase)
    local again, kind, text = client:await(event, deadline, patient)
    if not again then return nil, kind, text end
    patient = patience(client, way)
      and client:patience(math.min(deadline - now(), way.least))
    if not client.conn then return nil, "closed", CLOSED end
    event, a, b = machine:go_on(client.conn, patient, flushing, body)
  end
  return event, a, b, c
end

-- Goes on with a message up to its outcome.
local function go_on(client, body)
  if not client.conn then return nil, "closed", CLOSED end
  local patient = patience(client, client.way)
  local event, a, b = client.machine:go_on(client.conn, patient, false, body)
  if event == "reply" then return event, a, b end
  return wait(client, patient, false, body, event, a, b)
end

-- Makes ready what is said behind the body of a message.
local function put_behind(machine, one, behind)
  if behind.body then
    machine:behind(one.said, behind.from, behind.to, behind.body)
  elseif behind.t then
    machine:behind(one.said, behind.t.group.lines)
  end
end

-- Sends one, or what is left of it, up to its dot, and what is said behind
-- that: "done", if all is as it should be. What is heard before has most often
-- come, and what is sent has room: no call waits by itself.
local function send_out(client, one, behind)
  local machine, body, event, a, b, c = client.machine, one.body
  if one.said and behind and behind.body then -- as most
    event, a, b = machine:go_on(client.conn, false, true, body, behind.from,
      behind.to, behind.body)
  else
    if behind then put_behind(machine, one, behind) end
    if one.said then
      event, a, b = machine:go_on(client.conn, false, true, body)
    else
      event, a, b, c = machine:post(client.conn, false, true, one.from, one.to,
        body)
    end
  end
  if event == "done" then return event end
  return wait(client, false, true, body, event, a, b, c)
end

-- The error of a session that failed in a phase.
local function failed(client, phase, event, kind, text)
  local seconds = client:limit(phase)
  if phase ~= "data_block" or client.machine:failed() then
    return select(2, client:lost(seconds, phases[phase], event, kind, text))
  end
  if event == "odd" then event = "reply" end
  return select(2, upload.stuck(client, event, kind, text, seconds))
end

-- What came of a message that has no reply to its dot; whether the next one's
-- commands were said.
local function outcome_of(client, event, kind, text)
  local machine = client.machine
  local phase, _, said = machine:under_way()
  local outcome = { filling = phase == "data_block" }
  if event ~= "odd" or outcome.filling then
    outcome.problem = failed(client, phase, event, kind, text)
  end
  outcome.heard = machine:unpost()
  return nil, outcome, said
end

-- The same where it is not the reply that was hoped for.
local function odd(client, event, a, said, text)
  if event == "no" then return false end
  if event == "unasked" then
    local _, problem = client:unasked("MAIL", a, said, text)
    return nil, { heard = {}, problem = problem }
  end
  record(client.transcript, client.veil, client.machine)
  return outcome_of(client, event, a, said)
end

-- The result of a message whose event this is, or what came of it; whether
-- the next one's commands were said.
local function conclude(client, to, event, reply, said, text)
  if event ~= "reply" then return odd(client, event, reply, said, text) end
  local transcript, veil = client.transcript, client.veil
  record(transcript, veil, client.machine)
  if veil then replies.veil(reply, veil) end
  client.last = reply
  if reply.code >= 300 then
    if reply.code == 421 then client:close() end
    return nil, { heard = {}, reply = reply }, said
  end
  client.mails = client.mails + 1
  return { accepted = to, rejected = {}, reply = reply,
    transcript = transcript }, nil, said
end

--- The envelope of a message for this way, as others take it.
---@param one lunapost.posted
---@return table envelope
function M.envelope(one)
  return { from = one.from, to = one.to }
end

--- Sends a message, where it is one for this way.
---@param client lunapost.client
---@param envelope any
---@param message any
---@return table|false|nil result  false: it is not, and nothing was said; nil:
--- what came of it is for transaction.resume
---@return table? outcome  { heard =, reply =, problem =, filling =,
--- envelope = }: the envelope that was said
function M.send(client, envelope, message)
  local way, body = ready(client), message
  if way and type(message) ~= "string" then body = body_of(client, message) end
  if not (way and body and client.conn) then return false end
  local from, to = client.machine:mail(envelope)
  if not from then return false end
  local patient = patience(client, way)
  local event, a, b, c = client.machine:post(client.conn, patient, false,
    from, to, body)
  if event ~= "reply" then
    event, a, b, c = wait(client, patient, false, body, event, a, b, c)
  end
  local result, outcome = conclude(client, to, event, a, b, c)
  if outcome then outcome.envelope = { from = from, to = to } end
  return result, outcome
end

--- Says the commands of a message behind a body that is not posted, where that
--- can be; it is told.
---@param client lunapost.client
---@param one lunapost.posted
function M.announce(client, one)
  if not M.ready(client) then return end
  one.said = client.machine:say(one.from, one.to, one.body)
  if one.said then
    record(client.transcript, client.veil, client.machine)
  end
end

-- Tells a message whether its commands were said.
local function tell(one, said)
  if one.body then
    one.said = said
  elseif one.t and said then
    one.t.group.said = #one.t.group.lines
  end
end

--- The same for one of several messages: the commands of the one behind it,
--- whichever way that goes, are said behind its body; it is told.
---@param client lunapost.client
---@param one lunapost.posted
---@param behind? lunapost.serial
---@param meanwhile fun(series: table)  is called while the reply is awaited
---@param series table
---@return table|false|nil result
---@return table? outcome
function M.relay(client, one, behind, meanwhile, series)
  local event, a, b, c = send_out(client, one, behind)
  if event == "done" then
    meanwhile(series)
    event, a, b = go_on(client, one.body)
  end
  local result, outcome, said = conclude(client, one.to, event, a, b, c)
  if behind then tell(behind, said or false) end
  return result, outcome
end

return M
