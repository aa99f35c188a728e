--- Many messages over one session. Overlapped, where PIPELINING is offered,
--- the commands of a message go out with the end of the body before it: one
--- wait a message instead of two. What became of each is told in order, and is
--- as exact as one by one: a reply belongs to what it answers.

local options_of = require "lunapost.options"
local transaction = require "lunapost.smtp.transaction"

local M = {}

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

-- A transaction that is ready to be said, or one that has failed before.
local function pull(series)
  local envelope, message = series.pull()
  if envelope == nil and message == nil then
    series.ended = true
    return nil
  end
  local job, problem = transaction.job(envelope, message, series.options)
  local t
  if job then t, problem = transaction.prepare(series.client, job) end
  return t or { problem = problem }
end

local function upcoming(series)
  local t = series.next
  series.next = nil
  if t or series.ended then return t end
  return pull(series)
end

-- Says the commands of the next message behind the present body.
local function announce(series)
  local t = upcoming(series)
  if t and not t.problem and series.client.conn then
    local ok, problem = transaction.announce(series.client, t)
    if not ok then t.problem = problem end
  end
  series.announced = t
end

-- Sends the body, then waits for what becomes of it; what can be done
-- meanwhile is done before the wait.
local function finish(series, t)
  local client = series.client
  local ok, problem = transaction.fill(client, t)
  if not ok then return nil, problem end
  announce(series)
  if client.conn then client:flush() end -- its failure is conclude's, too
  if not series.ended then series.next = pull(series) end
  return transaction.conclude(client, t)
end

local function step(series)
  local t = series.announced or upcoming(series)
  series.announced = nil
  if not t then return nil end
  series.count = series.count + 1
  if t.problem then return series.count, nil, t.problem end
  local ok, problem = true, nil
  if t.group.said == 0 then
    ok, problem = transaction.announce(series.client, t)
  end
  if ok then ok, problem = transaction.open(series.client, t) end
  local result
  if ok then result, problem = finish(series, t) end
  if problem and not problem.accepted then
    problem.accepted, problem.rejected = {}, {}
  end
  return series.count, result, problem
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
  local t = series.announced
  if t and t.group and t.group.said > 0 then series.client:close() end
end }

local known <const> = { overlap = "boolean", strict = "boolean",
  chunking = "boolean" }

--- Sends messages; see client:send_all.
---@param client lunapost.client
---@param messages table|function
---@param options? table
function M.each(client, messages, options)
  options_of.check("option of send_all", options or {}, known, 0)
  local overlap = options and options.overlap
  if overlap == nil then overlap = client.overlap end
  local series = setmetatable({ client = client, pull = puller(messages),
    count = 0, options = options and { strict = options.strict,
      chunking = options.chunking } }, closer)
  local overlaps = overlap and client.extensions.PIPELINING
    and not client.extensions.LIMITS
  return overlaps and step or plain_step, series, nil, series
end

return M
