--- A pool of sessions to one server, which messages share.
--
-- A session is looked at before it is used again: one that the server has
-- closed meanwhile is replaced, once and unseen, as long as MAIL was not
-- answered. Tasks of a loop send at the same time, as many as there may be
-- connections; the others wait for their turn.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local dial = require "lunapost.smtp.dial"
local envelopes = require "lunapost.smtp.envelope"
local err = require "lunapost.err"
local limits_of = require "lunapost.smtp.limits"
local options_of = require "lunapost.options"
local plan = require "lunapost.smtp.plan"
local post = require "lunapost.smtp.post"
local settings = require "lunapost.smtp.settings"
local transaction = require "lunapost.smtp.transaction"

local M = {}

local now <const> = core.loop.now

---@class lunapost.pool
---@field settings table
---@field open integer  sessions that are or come about
local Pool = {}
local meta = { __name = "lunapost.pool", __index = Pool }

-- Seconds after which a waiting task looks by itself.
local SLICE <const> = 0.25

local own <const> = {
  max_connections = "integer", -- at a time; default 5
  max_messages = "integer",    -- over one connection; default 100
  idle = "number",             -- seconds; older ones are replaced; default 60
  wait = "number",             -- seconds for a free connection; default 60
  rate = "number|table",       -- messages a second, or { messages, seconds }
}

local function positive(name, value)
  if value <= 0 or value ~= value then
    error(("option '%s' must be more than 0"):format(name), 0)
  end
end

local function rate_of(rate)
  if not rate then return nil end
  local count, seconds = rate, 1
  if type(rate) == "table" then count, seconds = rate[1], rate[2] end
  if type(count) ~= "number" or type(seconds) ~= "number" then
    error("option 'rate' is a number, or { messages, seconds }", 0)
  end
  positive("rate", count)
  positive("rate", seconds)
  return { most = math.max(count, 1), left = math.max(count, 1),
    each = seconds / count, at = now() }
end

-- Lets the task go on that has waited longest.
local function wake(pool)
  local b = table.remove(pool.waiting, 1)
  if not b then return end
  b.woken = true
  if b.fd >= 0 then pool.settings.loop.forget(b.fd) end
end

-- A bench that is left is nobody's to wake: its number may be another's soon.
-- Who was woken and did not live to see it leaves its turn to the next.
local function leave(b)
  local pool = b.pool
  for i, other in ipairs(pool.waiting) do
    if other == b then table.remove(pool.waiting, i) end
  end
  if b.fd >= 0 then pool.settings.loop.forget(b.fd) end
  b.poller:close()
  if b.woken then wake(pool) end
end

local bench_meta <const> = { __close = leave }

-- A descriptor on which nothing ever happens, to wait at.
local function bench(pool)
  local poller = core.loop.new()
  return setmetatable({ pool = pool, poller = poller, fd = poller:fd() or -1 },
    bench_meta)
end

-- Waits at a bench, a slice at most.
local function sit(pool, b, seconds)
  local loop = pool.settings.loop
  if b.fd < 0 and loop.sleep then return loop.sleep(seconds) end
  loop.wait(b.fd, "r", seconds)
  loop.forget(b.fd)
end

-- Waits until the rate allows one more message.
local function keep_rate(pool)
  local rate = pool.rate
  if not rate then return end
  local b <close> = bench(pool)
  while true do
    local time = now()
    rate.left = math.min(rate.most, rate.left + (time - rate.at) / rate.each)
    rate.at = time
    if rate.left >= 1 then break end
    sit(pool, b, (1 - rate.left) * rate.each)
  end
  rate.left = rate.left - 1
end

local function retire(pool, client, politely)
  pool.open = pool.open - 1
  if politely then client:leave() else client:close() end
  wake(pool)
end

-- A session that can be used at once, of those that wait.
local function take_idle(pool)
  while true do
    local entry = table.remove(pool.idle)
    if not entry then return nil end
    local client = entry.client
    local fresh = now() - entry.since < pool.idle_time
    if fresh and client.conn and client:glance() then return client end
    retire(pool, client, fresh == false and client.conn ~= nil)
    pool.counts.replaced = pool.counts.replaced + 1
  end
end

local function dialled(pool)
  pool.open = pool.open + 1
  local done = false
  local _ <close> = setmetatable({}, { __close = function()
    if not done then -- it failed, raised, or its task was closed
      pool.open = pool.open - 1
      wake(pool)
    end
  end })
  local client, problem = dial.open(pool.settings)
  if not client then return nil, problem end
  done = true
  pool.counts.connections = pool.counts.connections + 1
  pool.limits = limits_of.of(client.extensions.LIMITS)
  client.sent = 0
  return client
end

local function exhausted(pool, text)
  return err.new { kind = "limit", host = pool.settings.label, text = text,
    transient = true, accepted = {}, rejected = {} }
end

-- Waits until a session is free or may be opened.
local function queue(pool)
  local blocks = pool.settings.loop.blocks
  if blocks and blocks() then
    return nil, exhausted(pool, "all connections of the pool are in use")
  end
  local b <close> = bench(pool)
  local due = now() + pool.patience
  pool.waiting[#pool.waiting + 1] = b
  while pool.open >= pool.most and not pool.idle[1] and not pool.closed do
    if now() >= due then
      return nil, exhausted(pool, ascii.format(
        "no connection of the pool was free within %g seconds", pool.patience))
    end
    if b.woken then -- somebody else was quicker
      b.woken = false
      table.insert(pool.waiting, 1, b)
    end
    sit(pool, b, math.min(SLICE, due - now()))
  end
  b.woken = false
  return true
end

local function acquire(pool)
  while true do
    if pool.closed then error("the pool is closed", 0) end
    local client = take_idle(pool)
    if client then return client, nil, true end
    if pool.open < pool.most then return dialled(pool) end
    local ok, problem = queue(pool)
    if not ok then return nil, problem end
  end
end

local function spent(pool, client)
  local most = limits_of.of(client.extensions.LIMITS).mails
  return client.sent >= math.min(pool.max_messages, most or math.huge)
end

local function keep(pool, client)
  pool.idle[#pool.idle + 1] = { client = client, since = now() }
  wake(pool)
end

local function release(pool, client)
  client.sent = client.sent + 1
  if not client.conn or pool.closed or client:unanswered() > 0 then
    return retire(pool, client)
  end
  if spent(pool, client) then return retire(pool, client, true) end
  keep(pool, client)
end

-- Gives a session back however its use ends: one whose use raised, or whose
-- task was killed, is in the middle of something.
local function borrowed(pool, client)
  return setmetatable({ sound = false }, { __close = function(loan)
    if not loan.sound then client:close() end
    release(pool, client)
  end })
end

-- Nothing was said to the message, by a session that had waited: it was dead.
local function untouched(problem, used)
  local gone = problem.kind == "closed" or problem.code == 421
  return used and gone and not problem.answered
end

-- Sends by a session, at once where it can.
local function converse(client, job)
  local outcome
  if job.plain then
    local result
    result, outcome = post.send(client, job.plain, job.message)
    if result then return result end
  end
  if outcome then return transaction.resume(client, job, outcome) end
  return transaction.run(client, job)
end

local function attempt(pool, job)
  local client, problem, used = acquire(pool)
  if not client then return nil, problem end
  local loan <close> = borrowed(pool, client)
  local result
  result, problem = converse(client, job)
  loan.sound = result ~= nil or problem.kind ~= "protocol"
  if result then return result end
  return nil, problem, untouched(problem, used)
end

local function run(pool, job)
  local result, problem, dead = attempt(pool, job)
  if dead and job.content.again ~= false then
    pool.counts.replaced = pool.counts.replaced + 1
    for _, entry in ipairs(pool.idle) do entry.since = -math.huge end
    result, problem = attempt(pool, job)
  end
  pool.counts.messages = pool.counts.messages + (result and 1 or 0)
  return result, problem
end

-- What the server limits, as its last session has it. At the pool's first use
-- one is opened to know.
local function limits_now(pool, job)
  if pool.limits or not job.envelope.recipients[2] then
    return pool.limits or {}
  end
  local client, problem = acquire(pool)
  if not client then return nil, problem end
  if pool.closed then
    retire(pool, client, true)
    error("the pool is closed", 0)
  end
  keep(pool, client)
  return pool.limits
end

local function send(pool, envelope, message, options)
  if pool.closed then error("the pool is closed", 0) end
  local job, problem = plan.job(envelope, message, options)
  if not job then return nil, problem end
  job.plain = not options and envelopes.plain(job.envelope)
  job.message = message
  keep_rate(pool)
  local limits
  limits, problem = limits_now(pool, job)
  if not limits then
    problem.accepted, problem.rejected = {}, {}
    return nil, problem
  end
  return limits_of.deliver(job, limits, function(part)
    local result, why = run(pool, part)
    if why and not why.accepted then why.accepted, why.rejected = {}, {} end
    return result, why
  end)
end

local placed_send <const> = options_of.placed(send)

--- Sends a message by a session of the pool; as client:send.
---@param envelope? table
---@param message any
---@param options? table
---@return table? result
---@return lunapost.err? error  "limit": no session was free in time
function Pool:send(envelope, message, options)
  return placed_send(self, envelope, message, options)
end

--- What it has done: connections opened, of these replaced, messages sent,
--- and how many connections there are now.
---@return { connections: integer, replaced: integer, messages: integer,
--- open: integer, idle: integer }
function Pool:stats()
  local counts = self.counts
  return { connections = counts.connections, replaced = counts.replaced,
    messages = counts.messages, open = self.open, idle = #self.idle }
end

--- Parts from the server: sessions that are in use go when they are done.
function Pool:close()
  self.closed = true
  local idle = self.idle
  self.idle = {}
  for _, entry in ipairs(idle) do retire(self, entry.client, true) end
  while self.waiting[1] do wake(self) end
end

meta.__close = Pool.close
meta.__gc = Pool.close

function meta:__tostring()
  return ("pool (%s, %d open, %d idle)"):format(self.settings.label, self.open,
    #self.idle)
end

-- The options of the pool, and those of its sessions.
local function sort(options)
  local known, session = {}, {}
  for _, list in ipairs { settings.known, own } do
    for name, kind in pairs(list) do known[name] = kind end
  end
  options_of.check("option of smtp.pool", options, known, 0)
  for name, value in pairs(options) do
    if not own[name] then
      session[name] = value
    elseif type(value) == "number" then
      positive(name, value)
    end
  end
  return settings.complete("option of smtp.pool", session)
end

---@class lunapost.pool_options: lunapost.open_options
---@field max_connections? integer  5
---@field max_messages? integer  of a connection, which then ends; 100
---@field idle? number  seconds until a session without work ends; 60
---@field wait? number  seconds that a message waits for a session; 60
---@field rate? number|table  messages a second, or { messages, seconds }

--- Makes a pool; it dials when a message is sent.
---@param options lunapost.pool_options
---@return lunapost.pool
function M.new(options)
  return setmetatable({ settings = sort(options), open = 0, idle = {},
    waiting = {}, most = options.max_connections or 5,
    max_messages = options.max_messages or 100,
    idle_time = options.idle or 60, patience = options.wait or 60,
    rate = rate_of(options.rate),
    counts = { connections = 0, replaced = 0, messages = 0 } }, meta)
end

return M
