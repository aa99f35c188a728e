--- Several addresses of one host, RFC 8305: attempts begin a quarter of a
--- second apart, the next at once where one fails, and the first that
--- connects wins; the others are closed.

local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local names = require "lunapost.net.names"

local now = core.loop.now

local M = {}

-- Seconds from one attempt to the next, RFC 8305 5.
local DELAY <const> = 0.25

local function is_v6(one)
  return one.address:find(":", 1, true) ~= nil
end

--- The same addresses, in which the families take turns, the first one's
--- first (RFC 8305 4).
---@param list { address: string }[]
---@return { address: string }[]
function M.interleave(list)
  local mine, others, out = {}, {}, {}
  for _, one in ipairs(list) do
    local same = is_v6(one) == is_v6(list[1])
    table.insert(same and mine or others, one)
  end
  for i = 1, math.max(#mine, #others) do
    out[#out + 1] = mine[i]
    out[#out + 1] = others[i]
  end
  return out
end

local function drop(race, runner)
  race.loop.forget(runner.conn:fd())
  runner.conn:close()
end

-- However the race ends, nothing is left but the winner.
local over = { __close = function(race)
  for _, runner in ipairs(race.running) do
    if runner.conn ~= race.winner then drop(race, runner) end
  end
  if race.poller then
    race.loop.forget(race.poller:fd() or -1)
    race.poller:close()
  end
end }

local function lost(race, address, kind, text)
  race.tried[#race.tried + 1] = { address = address, kind = kind,
    text = text or kind }
  race.due = now() -- no reason to let the next one wait
end

-- Begins the next attempt.
local function start(race)
  local address = race.list[race.next].address
  race.next = race.next + 1
  race.due = now() + DELAY
  local conn, kind, text = core.net.connect(address, race.port)
  if conn then
    table.insert(race.running, { conn = conn, address = address })
  else
    lost(race, address, kind, text)
  end
end

-- Looks how each attempt stands: true where one has won.
local function look(race)
  for i = #race.running, 1, -1 do
    local runner = race.running[i]
    local ok, kind, text = runner.conn:connected()
    if ok then
      race.winner = runner.conn
      return true
    elseif kind ~= "write" then
      table.remove(race.running, i)
      drop(race, runner)
      lost(race, runner.address, kind, text)
    end
  end
end

-- Waits for any of several descriptors, by a poller of the race's own, whose
-- descriptor any loop can wait for.
local function wait_any(race, till)
  race.poller = race.poller or core.loop.new()
  for _, runner in ipairs(race.running) do
    race.poller:wait(runner.conn:fd(), "w")
  end
  local fd = race.poller:fd()
  if fd then
    names.wait(race.loop, fd, "r", till)
  else -- poll has none: a short look at one, then at all
    names.wait(race.loop, race.running[1].conn:fd(), "w",
      math.min(till or math.huge, now() + 0.02))
  end
  race.poller:turn(0)
  for _ in race.poller.next, race.poller do end
end

local function wait(race)
  local till = race.deadline
  if race.next <= #race.list then
    till = math.min(till or math.huge, race.due)
  end
  if race.running[2] then return wait_any(race, till) end
  names.wait(race.loop, race.running[1].conn:fd(), "w", till)
end

local function expired(race)
  return race.deadline and now() >= race.deadline
end

-- The time is over: nobody answered.
local function give_up(race)
  for _, runner in ipairs(race.running) do
    lost(race, runner.address, "timeout", "no answer in time")
  end
  return nil, race.tried
end

--- Connects to the first address that answers.
---@param list { address: string }[]  one at least, in the order to try them
---@param port integer
---@param options lunapost.net.wait
---@return userdata? conn
---@return { address: string, kind: string, text: string }[]? tried
function M.connect(list, port, options)
  local race <close> = setmetatable({ list = M.interleave(list), port = port,
    loop = options.loop or default_loop, deadline = names.deadline(options),
    next = 1, due = now(), running = {}, tried = {} }, over)
  repeat
    if race.next <= #race.list and now() >= race.due then
      start(race)
    elseif race.running[1] then
      wait(race)
    else
      return nil, race.tried
    end
    if look(race) then return race.winner end
  until expired(race)
  return give_up(race)
end

return M
