--- Many messages over one session. Overlapped, where PIPELINING is offered,
--- the commands of a message go out with the end of the body before it: one
--- wait a message instead of two. What became of each is told in order, and is
--- as exact as one by one: a reply belongs to what it answers.
--
-- Plain messages go the way of post.lua, others that of transaction.lua; each
-- is announced behind either.

local options_of = require "lunapost.options"
local plan = require "lunapost.smtp.plan"
local post = require "lunapost.smtp.post"
local transaction = require "lunapost.smtp.transaction"

local M = {}

local fits <const>, ready <const> = post.fits, post.ready
local relay_post <const> = post.relay

---@class lunapost.serial: lunapost.posted  a message of a series
---@field envelope? table  nil: from and to are a copy of it
---@field message any
---@field body? string|table  nil: it does not go the way of post.lua
---@field t? lunapost.transaction  that was made for it
---@field problem? lunapost.err  it cannot be sent
---@field broken? boolean  there is none: the source raised
---@field raised any  what it raised

-- The next envelope and message: of a list of pairs, or of a function.
local function puller(messages)
  if type(messages) == "function" then return messages end
  local i = 0
  return function()
    i = i + 1
    local pair = messages[i]
    if pair then return pair[1] or pair.envelope, pair[2] or pair.message end
  end
end

-- A message as a transaction takes it.
local function job_of(series, one)
  local envelope = one.envelope
  local message = one.message or one.body
  if one.from then envelope = post.envelope(one) end
  return plan.job(envelope, message, series.options)
end

-- Makes the transaction of a message; heard: of one that was posted.
local function prepare(series, one, heard)
  local client = series.client
  local job, problem = job_of(series, one)
  if job and heard then
    one.t, problem = transaction.begun(client, job, heard)
  elseif job then
    one.t, problem = plan.transaction(client, job)
  end
  if not one.t then one.problem = problem end
  one.body = nil
end

-- The next message, ready to be said. Nothing of its envelope is looked at
-- later: whose it is may use it for another message.
local function pull(series)
  local envelope, message = series.pull()
  if envelope == nil and message == nil then
    series.ended = true
    return nil
  end
  local one = series.plain and fits(series.client, envelope, message)
  if one then return one end
  one = { envelope = envelope, message = message }
  prepare(series, one)
  return one
end

-- Pulls ahead. What that raises is raised in its turn, when all is told that
-- was sent before.
local function pull_ahead(series)
  local ok, one = pcall(pull, series)
  if ok then return one end
  series.ended = true
  return { broken = true, raised = one }
end

local function upcoming(series)
  local one = series.next
  series.next = nil
  if one or series.ended then return one end
  return pull_ahead(series)
end

-- Pulls ahead, while something is awaited.
local function foresee(series)
  if not series.ended then series.next = pull_ahead(series) end
end

-- Says the commands of the next message behind the present body.
local function announce(series)
  local one, client = upcoming(series), series.client
  if one and one.t and client.conn then
    local ok, problem = transaction.announce(client, one.t)
    if not ok then one.problem = problem end
  elseif one and one.body then
    post.announce(client, one)
  end
  series.announced = one
end

-- Sends what waits; its failure is conclude's, too. A farewell that comes
-- meanwhile is the last that is heard: it is what the message is told, too.
local function push(client)
  if not client.conn then return end
  local _, problem = client:flush()
  if problem and problem.reply then client:postpone(problem.reply) end
end

-- Sends the body, then waits for what becomes of it; what can be done
-- meanwhile is done before the wait.
local function finish(series, t)
  local client = series.client
  local ok, problem = transaction.fill(client, t)
  if not ok then return nil, problem end
  announce(series)
  push(client)
  foresee(series)
  return transaction.conclude(client, t)
end

-- Runs a transaction, some of which may have been said.
local function transact(series, t)
  local client = series.client
  local ok, problem = true, nil
  if t.group.said == 0 then ok, problem = transaction.announce(client, t) end
  if ok then ok, problem = transaction.open(client, t) end
  if ok then return finish(series, t) end
  return nil, problem
end

-- Posts a message; nil, nil: it has to go the other way.
local function relay(series, one)
  local client, behind = series.client, upcoming(series)
  if not ready(client) then -- the source may have closed it
    series.next = behind
    return nil
  end
  series.posting = true -- until it is known how that ends
  local result, outcome = relay_post(client, one, behind, foresee, series)
  series.posting = false
  if result == false then
    series.next = behind
    return nil
  end
  series.announced = behind
  if result then return result end
  return transaction.resume(client, job_of(series, one), outcome)
end

-- The way of transaction.lua.
local function run(series, one)
  if not one.t and not one.problem then
    prepare(series, one, one.said and series.client.machine:unpost())
  end
  if one.problem then return nil, one.problem end
  return transact(series, one.t)
end

local function step(series)
  local one = series.announced or upcoming(series)
  series.announced = nil
  if not one then return nil end
  if one.broken then
    series.ended = false
    error(one.raised, 0)
  end
  local count, result, problem = series.count + 1, nil, nil
  series.count = count
  if one.body then result, problem = relay(series, one) end
  if result then return count, result end
  if not problem then result, problem = run(series, one) end
  if problem and not problem.accepted then
    problem.accepted, problem.rejected = {}, {}
  end
  return count, result, problem
end

-- One by one: nothing is said of a message before the one before is settled.
local function plain_step(series)
  local envelope, message = series.pull()
  if envelope == nil and message == nil then return nil end
  series.count = series.count + 1
  local result, problem = series.client:send(envelope, message,
    series.options)
  return series.count, result, problem
end

-- A message of which something was said cannot be left half: the session ends.
local closer <const> = { __close = function(series)
  local one = series.announced
  if series.posting
    or one and (one.said or one.t and one.t.group.said > 0) then
    series.client:close()
  end
end }

local known <const> = { overlap = "boolean", strict = "boolean",
  chunking = "boolean" }

-- The options of each message; nil: there are none.
local function options_for_each(options)
  local own = options and { strict = options.strict,
    chunking = options.chunking }
  return own and next(own) and own
end

-- Whether messages overlap.
local function overlaps(client, wanted)
  if wanted == nil then wanted = client.overlap end
  return wanted and client.extensions.PIPELINING
    and not client.extensions.LIMITS
end

--- Sends messages; see client:send_all.
---@param client lunapost.client
---@param messages table|function
---@param options? table
function M.each(client, messages, options)
  options_of.check("option of send_all", options or {}, known, 0)
  local own = options_for_each(options)
  local series = setmetatable({ client = client, pull = puller(messages),
    count = 0, posting = false, options = own,
    plain = not own and post.ready(client) }, closer)
  return overlaps(client, options and options.overlap) and step or plain_step,
    series, nil, series
end

return M
