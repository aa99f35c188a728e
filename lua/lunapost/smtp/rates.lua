--- How often something may happen: events of the last minute, of each source
--- and of all. Two tables of counts, the older of which fades out, are enough,
--- and forget who stays away.

local core = require "lunapost.core"

local now = core.loop.now

local M = {}

local MINUTE <const> = 60

-- What workers tell each other of a key, in one number: a minute, and the
-- counts of the one before and of itself, 20 bits each.
local BITS <const> = 20
local MASK <const> = (1 << BITS) - 1

---@class lunapost.rate
---@field most integer
---@field name string  under which workers share it
local Rate = {}

local meta = { __name = "lunapost.rate", __index = Rate }

--- A rate of at most so many events a minute of each key.
---@param most integer
---@param name? string
---@return lunapost.rate
function M.new(most, name)
  return setmetatable({ most = most, name = name or "", began = now(),
    present = {}, past = {} }, meta)
end

-- The counts of the minute before and of this one.
local function unpacked(value, minute)
  local age = minute - (value >> 2 * BITS)
  if age == 0 then return value >> BITS & MASK, value & MASK end
  return age == 1 and value & MASK or 0, 0
end

-- What a number that workers tell each other comes to at a time.
local function faded(value, time)
  local past, present = unpacked(value, time // MINUTE | 0)
  return present + past * (1 - time % MINUTE / MINUTE)
end

-- How many events of a key the other workers have told of, and this one, or
-- the one that died in its place.
local function told(key, events)
  local time, sum = now(), 0
  for _, value in ipairs(events:others(key)) do
    sum = sum + faded(value, time)
  end
  return sum, faded(events:own(key), time)
end

-- Tells the others of one more event.
local function tell(key, events)
  local minute <const> = now() // MINUTE | 0
  local past, present = unpacked(events:own(key), minute)
  events:put(key, minute << 2 * BITS | past << BITS
    | math.min(present + 1, MASK), minute - 1 << 2 * BITS)
end

local function turn(rate, time)
  local age = time - rate.began
  if age < MINUTE then return age end
  rate.past = age < 2 * MINUTE and rate.present or {}
  rate.present = {}
  rate.began = rate.began + age // MINUTE * MINUTE
  return time - rate.began
end

--- Counts an event, unless it is one too many.
---@param key string
---@param events? lunapost.tally  where workers share what they count
---@return boolean within
function Rate:take(key, events)
  local age = turn(self, now())
  local count = self.present[key] or 0
  local here = count + (self.past[key] or 0) * (1 - age / MINUTE)
  local others, own, name = 0, 0, events and self.name .. key
  if events then others, own = told(name, events) end
  if math.max(here, own) + others >= self.most then return false end
  self.present[key] = count + 1
  if events then tell(name, events) end
  return true
end

local names <const> = { "connection_rate", "source_connection_rate",
  "message_rate", "source_message_rate" }

--- The rates of a server; those that are unlimited are not counted.
---@param limits table
---@return table<string, lunapost.rate>
function M.of(limits)
  local rates = {}
  for _, name in ipairs(names) do
    if limits[name] < math.maxinteger then
      rates[name] = M.new(limits[name], name)
    end
  end
  return rates
end

-- A source has its own rate first: who is refused takes nothing from others.
local function take(rates, what, source, share)
  local own, all = rates["source_" .. what], rates[what]
  if not (own or all) then return nil end
  local events = share and share.events
  local _ <close> = share and share:alone()
  if own and not own:take(source, events) then return "source" end
  if all and not all:take("", events) then return "server" end
end

--- Counts a connection.
---@param rates table
---@param source string
---@param share? lunapost.share  of workers
---@return "source"|"server"|nil over  whose rate is exceeded
function M.connection(rates, source, share)
  return take(rates, "connection_rate", source, share)
end

--- Counts a message.
---@param rates table
---@param source string
---@param share? lunapost.share
---@return "source"|"server"|nil over
function M.message(rates, source, share)
  return take(rates, "message_rate", source, share)
end

return M
