--- A whole message in one go, as most of them are sent: MAIL, RCPT and DATA
--- ahead of their replies, a short body, its reply. The machine does it; what
--- is out of the ordinary, before or after, is left to transaction.lua.

local core = require "lunapost.core"
local later = require "lunapost.smtp.transcript.later"
local replies = require "lunapost.smtp.reply"

local M = {}

local now <const> = core.loop.now

-- Octets of a body that are as well copied.
local SHORT <const> = 1 << 14

-- Extensions that change the way of a message, or its number.
local others <const> = { "BINARYMIME", "LIMITS" }

-- What a session's extensions mean for this way; false: it is not theirs.
local function way_of(client)
  local offers = client.extensions
  local way = { offers = offers, size = nil, eight_bit = false }
  way.open = offers.PIPELINING ~= nil and not client.lmtp
  for _, name in ipairs(others) do
    way.open = way.open and offers[name] == nil
  end
  if offers.SIZE then way.size = tonumber(offers.SIZE[1] or 0) or 0 end
  way.eight_bit = offers["8BITMIME"] ~= nil
  way.open = way.open and (way.size or 0) < 1 << 53
  client.way = way
  return way
end

local function any_twice(list)
  if not list[2] then return false end
  local seen = {}
  for _, to in ipairs(list) do
    if seen[to] then return true end
    seen[to] = true
  end
  return false
end

-- A plain envelope, { from =, to = } and no more: the list of recipients.
local function plain(envelope)
  if type(envelope) ~= "table" or getmetatable(envelope) then return nil end
  local from, to = envelope.from, envelope.to
  local key = next(envelope, (next(envelope)))
  if type(from) ~= "string" or not key or next(envelope, key) then
    return nil
  end
  if type(to) == "string" then return { to } end
  return type(to) == "table" and not any_twice(to) and to or nil
end

-- Whether the session is as its extensions have it, with nothing unheard.
local function ready(client)
  return client.conn and not (client.strict or client.chunking
    or client.loose or client.ahead and client.ahead[1])
end

-- The recipients where a message can go so, and how.
local function fit(client, envelope, message)
  if type(message) ~= "string" or #message > SHORT then return nil end
  local way = client.way
  if not way or way.offers ~= client.extensions then way = way_of(client) end
  return way.open and ready(client) and plain(envelope), way
end

-- How long to wait when so many replies have come, and for that to what.
local function awaited(client, came, recipients)
  if came == 0 then return client:limit("MAIL"), "MAIL" end
  if came <= recipients then return client:limit("RCPT"), "RCPT" end
  if came == recipients + 1 then return client:limit("DATA"), "DATA" end
  return client:limit("data_termination"), "the message"
end

-- Waits until the machine has an outcome: event, kind, text.
local function drive(client, heard, from, to, message, way)
  local machine, came, deadline = client.machine, -1, math.huge
  while true do
    local patient = client:patient(deadline - now())
    local event, count, text = machine:post(client.conn, heard, from, to,
      message, way.size, way.eight_bit, patient)
    if event ~= "read" and event ~= "write" then return event, count, text end
    if count ~= came then
      came = count
      deadline = now() + awaited(client, came, #to)
    end
    local again, why, words = client:await(event, deadline, patient)
    if not again then return nil, why, words end
  end
end

local function note(client, message, event)
  local said, heard = client.machine:posted()
  if event == "done" or client.machine:doubt() then
    later.message(client.transcript, client.veil, said, heard, #message)
  else
    later.message(client.transcript, client.veil, said, heard)
  end
end

-- The reply to the dot.
local function final(client)
  local reply = replies.new(client.machine:reply())
  if client.veil then replies.veil(reply, client.veil) end
  later.add(client.transcript, "S", reply.raw)
  client.last = reply
  if reply.code == 421 then client:close() end
  return reply
end

local function lost(client, heard, to, kind, text, event)
  local came = client.machine:doubt() and #to + 2 or #heard
  local seconds, what = awaited(client, came, #to)
  local _, problem = client:lost(seconds, what, event, kind, text)
  return problem
end

-- A list of those who were accepted, of its own.
local function all_of(to)
  local list = { to[1] }
  for i = 2, #to do list[i] = to[i] end
  return list
end

--- Sends a message, where it is one for this way.
---@param client lunapost.client
---@param envelope any
---@param message any
---@return table|false|nil result  false: it is not, and nothing was said; nil:
--- what came of it is for transaction.resume
---@return table? outcome  { heard =, reply =, problem = }
function M.send(client, envelope, message)
  local to, way = fit(client, envelope, message)
  if not to or not to[1] then return false end
  local ok, problem = client:glance("MAIL")
  if not ok then return nil, { heard = {}, problem = problem } end
  local heard = {}
  local event, kind, text = drive(client, heard, envelope.from, to, message,
    way)
  if event == "no" then return false end
  note(client, message, event)
  if event ~= "done" then
    return nil, { heard = heard, problem = event ~= "replies"
      and lost(client, heard, to, kind, text, event) or nil }
  end
  local reply = final(client)
  if reply.code >= 300 then return nil, { heard = heard, reply = reply } end
  client.mails = (client.mails or 0) + 1
  return { accepted = all_of(to), rejected = {}, reply = reply,
    transcript = client.transcript }
end

return M
