--- How a message is sent to a server, before anything is said: what the
--- envelope and the message call for, what the server offers for it, and the
--- command lines that follow from both.

local envelopes = require "lunapost.smtp.envelope"
local err = require "lunapost.err"
local limits = require "lunapost.smtp.limits"
local options_of = require "lunapost.options"
local outgoing = require "lunapost.smtp.outgoing"
local parameters = require "lunapost.smtp.asks"
local pipeline = require "lunapost.smtp.pipeline"

local M = {}

---@class lunapost.transaction
---@field envelope lunapost.envelope
---@field content lunapost.outgoing
---@field encoding "7bit"|"8bit"|"binary"
---@field chunked boolean  BDAT
---@field strict boolean  all recipients or none
---@field group lunapost.group  MAIL, each RCPT, and DATA where it is pipelined
---@field data? integer|lunapost.reply
---@field accepted string[]
---@field rejected table[]

local option_kinds <const> = { strict = "boolean", chunking = "boolean" }

local function option(client, options, name)
  local value = options and options[name]
  if value == nil then value = client[name] end
  return value or false
end

-- How the body goes: what of it stays unencoded, and whether in chunks; one
-- whose DATA was said does not.
local function choose_way(client, t, job)
  local offers, options = client.extensions, job.options
  local chunks = offers.CHUNKING ~= nil and not job.posted
  t.encoding = offers["8BITMIME"] and "8bit" or "7bit"
  t.chunked = chunks and option(client, options, "chunking")
  if chunks and offers.BINARYMIME
    and t.content.class("binary") == "binary" then
    t.encoding, t.chunked = "binary", true
  end
end

local body_words <const> = { ["8bit"] = "8BITMIME", binary = "BINARYMIME" }

local own <const> = { SIZE = true, BODY = true, SMTPUTF8 = true }

-- The parameters of MAIL by name: those given, and what this message calls
-- for.
local function mail_params(client, t, size)
  local e, offers, params = t.envelope, client.extensions, {}
  for name, value in pairs(e.parameters or {}) do
    if not own[name] then params[name] = value end
  end
  if offers.SIZE then params.SIZE = size end
  if offers["8BITMIME"] then
    local class = t.content.class(t.encoding) or "8bit"
    params.BODY = body_words[class]
  end
  if e.utf8 then params.SMTPUTF8 = true end
  return params
end

local function too_big(client, size)
  local limit = limits.size(client.extensions.SIZE) or 0
  if limit > 0 and size and size > limit then
    return client:failed("limit", ("the message has %d octets, the peer takes "
      .. "%d"):format(size, limit))
  end
end

-- Adds a command's line to a list.
local function add(client, list, verb, address, asked, params)
  local line, problem = envelopes.line(verb, address)
  if line then
    line, problem = parameters.append(client, line, asked, params)
  end
  list[#list + 1] = line
  return line, problem
end

-- What a recipient asks for, over what all ask for.
local function asked_of(e, to)
  if not (to.asks and e.each) then return to.asks or e.each end
  local list, own_names = { table.unpack(to.asks) }, {}
  for _, one in ipairs(to.asks) do own_names[one.name] = true end
  for _, one in ipairs(e.each) do
    if not own_names[one.name] then list[#list + 1] = one end
  end
  return list
end

-- The commands of a transaction, in order. DATA goes out ahead only where
-- nothing may keep it back: once it is answered by 354 there is no way back.
local function commands(client, t, params)
  local e, lines = t.envelope, {}
  local ok, problem = add(client, lines, "MAIL FROM:", e.wire or e.from,
    e.asks, params)
  for _, to in ipairs(e.recipients) do
    if not ok then return nil, problem end
    ok, problem = add(client, lines, "RCPT TO:", to.wire or to.address,
      asked_of(e, to), to.parameters)
  end
  if not ok then return nil, problem end
  if client.extensions.PIPELINING and not (t.chunked or t.strict) then
    lines[#lines + 1] = "DATA"
    t.ahead = true
  end
  return lines
end

--- An error that also tells of the recipients.
---@param t lunapost.transaction
---@param problem lunapost.err
---@param taken? string[]  those who get it all the same (LMTP)
---@return nil
---@return lunapost.err error
function M.fail(t, problem, taken)
  problem.accepted, problem.rejected = taken or {}, t.rejected
  problem.answered = t.group ~= nil and t.group.heard[1] ~= nil
  return nil, problem
end

-- The message with ASCII addresses, or nil and why there is none.
local function ascii_content(t)
  if not (t.content.utf8 or t.envelope.declared) then return t.content end
  if t.content.ascii then return t.content.ascii() end
  return nil, "the message needs SMTPUTF8, which the server does not offer"
end

-- Whether the server takes addresses like these, as they are or in ASCII.
local function addressable(client, t)
  if not t.envelope.utf8 or client.extensions.SMTPUTF8 then return true end
  local content, problem = ascii_content(t)
  local ok
  if content then
    t.content = content
    ok, problem = envelopes.to_ascii(t.envelope)
  end
  if ok then return true end
  local text = type(problem) == "table" and problem.text or problem
  return nil, client:failed("syntax", text)
end

local function own_envelope(message)
  return type(message) == "table" and message.envelope
    or error("an envelope { from =, to = } is needed: the message has none", 0)
end

--- Understands what client:send is given; misuse raises.
---@param envelope? table
---@param message any
---@param options? { strict: boolean, chunking: boolean }
---@return { envelope: lunapost.envelope, content: lunapost.outgoing }? job
---@return lunapost.err? error
function M.job(envelope, message, options)
  if options then
    options_of.check("option of send", options, option_kinds, 0)
  end
  local e = envelopes.of(envelope or own_envelope(message))
  local content, problem = outgoing.of(message)
  if not content then
    problem.accepted, problem.rejected = {}, {}
    return nil, problem
  end
  e.utf8 = content.utf8 or e.utf8
  return { envelope = e, content = content, options = options }
end

-- Whether the server takes another message in this session.
local function another(client)
  local most = limits.of(client.extensions.LIMITS).mails
  client.mails = client.mails + 1
  if not most or client.mails <= most then return true end
  local problem = client:failed("limit", ("the server takes %d message%s a "
    .. "session (MAILMAX): open another, or use a pool"):format(most,
    most == 1 and "" or "s"))
  problem.transient = true
  return nil, problem
end

--- Makes a transaction for what a server offers.
---@param client lunapost.client
---@param job table  of job; what it says of recipients may be a part of them
---@return lunapost.transaction? transaction
---@return lunapost.err? error
function M.transaction(client, job)
  local t = { envelope = job.envelope, content = job.content, accepted = {},
    rejected = {}, strict = option(client, job.options, "strict") }
  local ok, problem = another(client)
  if ok then ok, problem = addressable(client, t) end
  if not ok then return M.fail(t, problem) end
  choose_way(client, t, job)
  local size = t.content.size(t.encoding)
  problem = too_big(client, size)
  if problem then return M.fail(t, problem) end
  local lines
  lines, problem = commands(client, t, mail_params(client, t, size))
  if not lines then return M.fail(t, err.of("syntax", problem)) end
  t.group = pipeline.group(lines)
  return t
end

return M
