--- One mail transaction as a client: MAIL, RCPT, then DATA and the body, or
--- the body in chunks.
--
-- Where PIPELINING is offered the commands go out ahead of their replies; the
-- same lines are gone through either way. A transaction is made by plan.lua,
-- its envelope is opened, and it is ended by conclude; series.lua overlaps
-- the end of one and the opening of the next.

local pipeline = require "lunapost.smtp.pipeline"
local plan = require "lunapost.smtp.plan"
local upload = require "lunapost.smtp.upload"

local M = {}

local code_of <const>, fail <const> = pipeline.code, plan.fail

local function rejection(address, reply)
  return { address = address, code = reply.code, enhanced = reply.enhanced,
    text = (reply.text:gsub("\n", " ")) }
end

local function result_of(client, t, reply)
  return { accepted = t.accepted, rejected = t.rejected, reply = reply,
    transcript = client.transcript }
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
    local verb, argument = line:match("^([A-Za-z]+) (.*)$")
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

-- The next reply to the body. Of a session that was closed while something
-- else was done, what was heard before counts; the dot may have left.
local function final(client)
  local seconds <const> = client:limit("data_termination")
  if client.conn or client.ahead and client.ahead[1] then
    return client:receive(seconds, "the message")
  end
  return client:lost(seconds, "the message", nil, "closed",
    "the session is closed")
end

-- LMTP: one reply for each recipient that was accepted, RFC 2033 4.2.
local function conclude_each(client, t)
  local taken, reply, refused = {}, nil, nil
  for _, address in ipairs(t.accepted) do
    if not reply or reply.code ~= 421 then
      local problem
      reply, problem = final(client)
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
  local reply, problem = final(client)
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
  local t, problem = plan.transaction(client, job)
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
  local t, problem = plan.transaction(client, job)
  if not t then return nil, problem end
  return go_on(client, t, nil, M.announce, M.open, M.fill)
end

return M
