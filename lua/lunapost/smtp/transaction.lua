--- One mail transaction as a client: MAIL, RCPT, then DATA and the body, or
--- the body in chunks.
--
-- Where PIPELINING is offered the commands go out ahead of their replies; the
-- same lines are gone through either way. A transaction is made by prepare,
-- its envelope is opened, and it is ended by conclude; series.lua overlaps
-- the end of one and the opening of the next.

local envelopes = require "lunapost.smtp.envelope"
local err = require "lunapost.err"
local limits = require "lunapost.smtp.limits"
local options_of = require "lunapost.options"
local outgoing = require "lunapost.smtp.outgoing"
local parameters = require "lunapost.smtp.asks"
local pipeline = require "lunapost.smtp.pipeline"
local upload = require "lunapost.smtp.upload"

local M = {}

local code_of <const> = pipeline.code

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

-- An error that also tells of the recipients; taken: those who get it all
-- the same (LMTP).
local function fail(t, problem, taken)
  problem.accepted, problem.rejected = taken or {}, t.rejected
  problem.answered = t.group ~= nil and t.group.heard[1] ~= nil
  return nil, problem
end

local function rejection(address, reply)
  return { address = address, code = reply.code, enhanced = reply.enhanced,
    text = (reply.text:gsub("\n", " ")) }
end

local function result_of(client, t, reply)
  return { accepted = t.accepted, rejected = t.rejected, reply = reply,
    transcript = client.transcript }
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
function M.prepare(client, job)
  local t = { envelope = job.envelope, content = job.content, accepted = {},
    rejected = {}, strict = option(client, job.options, "strict") }
  local ok, problem = another(client)
  if ok then ok, problem = addressable(client, t) end
  if not ok then return fail(t, problem) end
  choose_way(client, t, job)
  local size = t.content.size(t.encoding)
  problem = too_big(client, size)
  if problem then return fail(t, problem) end
  local lines
  lines, problem = commands(client, t, mail_params(client, t, size))
  if not lines then return fail(t, err.of("syntax", problem)) end
  t.group = pipeline.group(lines)
  return t
end

-- Takes what was heard to a command; false where nothing more is to be said.
local function goes_on(t, i, reply)
  if i == 1 then return reply.code < 400 end
  t.welcome = t.welcome or reply.code < 300
  return i < #t.group.lines or t.welcome
end

local function in_turn(client, t)
  local group = t.group
  for i, line in ipairs(group.lines) do
    local verb, argument = line:match("^(%a+) (.*)$")
    local reply, problem = client:exchange(verb, argument)
    if not reply then return nil, problem end
    if reply.code == 421 then return nil, client:refused(reply, line) end
    group.heard[i] = reply
    if not goes_on(t, i, reply) then break end
  end
  return true
end

--- Writes the commands of the envelope ahead, where the server allows.
---@param client lunapost.client
---@param t lunapost.transaction
---@return boolean? ok
---@return lunapost.err? error
function M.announce(client, t)
  if not client.extensions.PIPELINING then return true end
  return pipeline.say(client, t.group)
end

-- Nobody gets it: why, and for whom.
local function all_refused(t, problem)
  local refused = {}
  for _, one in ipairs(t.rejected) do refused[one.address] = true end
  for _, to in ipairs(t.envelope.recipients) do
    if not refused[to.address] then
      t.rejected[#t.rejected + 1] = rejection(to.address, problem.reply)
    end
  end
  return fail(t, problem)
end

-- Drops a transaction that has sent no body; an error where replies do not
-- fit any more.
local function drop(client, t)
  if client.conn and t.data and code_of(t.data) == 354 then
    -- RFC 2920 3.1: DATA was taken though nobody was; only a dot ends it
    local ok = upload.pump(client, function() end)
    if ok then client:receive(client:limit("data_termination")) end
  end
  if client.conn and code_of(t.group.heard[1]) < 400 then
    local _, problem = client:rset()
    if problem and problem.kind == "protocol" then return problem end
  end
end

-- Ends a transaction that sent no body.
local function give_up(client, t, reply, command)
  local problem = drop(client, t)
  if problem then
    t.rejected = {} -- a reply was left over: which was whose?
    return fail(t, problem)
  end
  return all_refused(t, client:refused(reply, command))
end

-- Sorts the recipients by what was said to them; the first that was refused.
local function sort_recipients(t)
  local first
  for i, to in ipairs(t.envelope.recipients) do
    local reply = t.group.heard[i + 1]
    if reply and code_of(reply) < 300 then
      t.accepted[#t.accepted + 1] = to.address
    elseif reply then
      first = first or { reply = reply, line = t.group.lines[i + 1] }
      t.rejected[#t.rejected + 1] = rejection(to.address, reply)
    end
  end
  return first
end

local function data_refused(client, t)
  if code_of(t.data) >= 400 then return give_up(client, t, t.data, "DATA") end
  -- raw octets were written before: the machine no longer knows what fits
  local _, problem = client:broken("protocol", "DATA was not answered by 354",
    "DATA")
  return fail(t, problem)
end

-- Whether the transaction goes on after its envelope.
local function judge(client, t)
  local heard, lines = t.group.heard, t.group.lines
  if code_of(heard[1]) >= 400 then
    return give_up(client, t, heard[1], lines[1])
  end
  local first = sort_recipients(t)
  if #t.accepted == 0 then
    return give_up(client, t, first.reply, first.line)
  end
  if first and t.strict then
    local problem = drop(client, t) or client:refused(first.reply, first.line)
    t.accepted = {}
    return fail(t, problem)
  end
  return true
end

-- DATA where it was not said ahead.
local function ask_data(client, t)
  if t.ahead or t.chunked then return true end
  local reply, problem = client:exchange("DATA")
  if not reply then return fail(t, problem) end
  if reply.code == 421 then
    return fail(t, client:refused(reply, "DATA"))
  end
  t.data = reply
  return true
end

-- Where all that was asked for is refused, what happens to the rest changes
-- nothing. Not so where a reply may be that to something else.
local function settled(t, problem)
  local heard = t.group.heard
  if problem.kind == "protocol" or not heard[1] then return false end
  if code_of(heard[1]) >= 400 then return true end
  for i in ipairs(t.envelope.recipients) do
    local reply = heard[i + 1]
    if not reply or code_of(reply) < 300 then return false end
  end
  return true
end

--- Hears the replies to the envelope, up to where the body may be sent.
---@param client lunapost.client
---@param t lunapost.transaction
---@return boolean? ok
---@return lunapost.err? error
function M.open(client, t)
  local ok, problem
  if client.extensions.PIPELINING then
    ok, problem = pipeline.hear(client, t.group)
  else
    ok, problem = in_turn(client, t)
  end
  if not (ok or settled(t, problem)) then return fail(t, problem) end
  if t.ahead then t.data = t.group.heard[#t.group.lines] end
  ok, problem = judge(client, t)
  if ok then ok, problem = ask_data(client, t) end
  if not ok then return nil, problem end
  if not t.chunked and code_of(t.data) ~= 354 then
    return data_refused(client, t)
  end
  return true
end

-- A body that did not go out.
local function unfilled(t, problem)
  if problem.reply then return all_refused(t, problem) end
  return fail(t, problem)
end

--- Sends the body, but for what may still wait to be sent.
---@param client lunapost.client
---@param t lunapost.transaction
---@return boolean? ok
---@return lunapost.err? error
function M.fill(client, t)
  local content = t.content
  local ok, problem
  if t.chunked then
    ok, problem = upload.chunks(client, content.open(t.encoding),
      t.encoding == "binary")
    if not ok and problem.reply and client.conn then client:rset() end
  else
    ok, problem = upload.body(client, content, t.encoding)
  end
  if ok then return true end
  return unfilled(t, problem)
end

-- LMTP: one reply for each recipient that was accepted, RFC 2033 4.2.
local function conclude_each(client, t)
  local taken, reply, refused = {}, nil, nil
  for _, address in ipairs(t.accepted) do
    if not reply or reply.code ~= 421 then
      local problem
      reply, problem = client:receive(client:limit("data_termination"),
        "the message")
      if not reply then return fail(t, problem, taken) end
    end
    if reply.code < 300 then
      taken[#taken + 1] = address
    else
      refused = refused or reply
      t.rejected[#t.rejected + 1] = rejection(address, reply)
    end
  end
  t.accepted = taken
  if #taken > 0 then return result_of(client, t, reply) end
  return fail(t, client:refused(refused, "the message"))
end

local function judge_final(client, t, reply)
  if reply.code < 300 then return result_of(client, t, reply) end
  return all_refused(t, client:refused(reply, "the message"))
end

--- Hears what became of the message.
---@param client lunapost.client
---@param t lunapost.transaction
---@return table? result
---@return lunapost.err? error
function M.conclude(client, t)
  if client.lmtp then return conclude_each(client, t) end
  local seconds <const> = client:limit("data_termination")
  local reply, problem
  if client.conn then
    reply, problem = client:receive(seconds, "the message")
  else -- closed while something else was done: the dot may have left
    reply, problem = client:lost(seconds, "the message", nil, "closed",
      "the session is closed")
  end
  if not reply then return fail(t, problem) end
  return judge_final(client, t, reply)
end

-- Goes through the rest of a transaction; problem: of what was said before.
local function go_on(client, t, problem, ...)
  local ok = not problem
  for _, step in ipairs { ... } do
    if ok then ok, problem = step(client, t) end
  end
  if ok then return M.conclude(client, t) end
  if not problem.accepted then return fail(t, problem) end
  return nil, problem
end

--- A transaction that post.lua has begun.
---@param client lunapost.client
---@param job table  of job
---@param heard table  of the machine's unpost
---@return lunapost.transaction? transaction
---@return lunapost.err? error
function M.begun(client, job, heard)
  job.posted = true
  local t, problem = M.prepare(client, job)
  if t then t.group.heard, t.group.said = heard, #t.group.lines end
  return t, problem
end

-- A posted message that was taken by all recipients, and what came of it.
local function judge_posted(client, t, outcome)
  for i, to in ipairs(t.envelope.recipients) do t.accepted[i] = to.address end
  if outcome.reply then return judge_final(client, t, outcome.reply) end
  return unfilled(t, outcome.problem)
end

--- Goes on where post.lua stopped.
---@param client lunapost.client
---@param job table  of job
---@param outcome table  of post.send
---@return table? result
---@return lunapost.err? error
function M.resume(client, job, outcome)
  local t, problem = M.begun(client, job, outcome.heard)
  if not t then return nil, problem end
  if outcome.reply or outcome.filling then
    return judge_posted(client, t, outcome)
  end
  local ok
  ok, problem = pipeline.take(client, t.group, 1)
  if ok and not outcome.problem then
    return go_on(client, t, nil, M.open, M.fill)
  end
  problem = outcome.problem or problem
  if settled(t, problem) then return judge(client, t) end
  return fail(t, problem)
end

--- Runs one transaction.
---@param client lunapost.client
---@param job table  of job
---@return table? result  { accepted, rejected, reply, transcript }
---@return lunapost.err? error  has accepted and rejected, too
function M.run(client, job)
  local t, problem = M.prepare(client, job)
  if not t then return nil, problem end
  return go_on(client, t, nil, M.announce, M.open, M.fill)
end

return M
