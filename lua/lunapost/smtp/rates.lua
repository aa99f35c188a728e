--- How often something may happen: events of the last minute, of each source
--- and of all. Two tables of counts, the older of which fades out, are enough,
--- and forget who stays away.

local core = require "lunapost.core"

local now = core.loop.now

local M = {}

local MINUTE <const> = 60

---@class lunapost.rate
local Rate = {}

local meta = { __name = "lunapost.rate", __index = Rate }

--- A rate of at most so many events a minute of each key.
---@param most integer
---@return lunapost.rate
function M.new(most)
  return setmetatable({ most = most, began = now(), present = {}, past = {} },
    meta)
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
---@return boolean within
function Rate:take(key)
  local age = turn(self, now())
  local count = self.present[key] or 0
  local before = (self.past[key] or 0) * (1 - age / MINUTE)
  if count + before >= self.most then return false end
  self.present[key] = count + 1
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
    if limits[name] < math.maxinteger then rates[name] = M.new(limits[name]) end
  end
  return rates
end

-- A source has its own rate first: who is refused takes nothing from others.
local function take(rates, what, source)
  local own, all = rates["source_" .. what], rates[what]
  if own and not own:take(source) then return "source" end
  if all and not all:take "" then return "server" end
end

--- Counts a connection.
---@param rates table
---@param source string
---@return "source"|"server"|nil over  whose rate is exceeded
function M.connection(rates, source)
  return take(rates, "connection_rate", source)
end

--- Counts a message.
---@param rates table
---@param source string
---@return "source"|"server"|nil over
function M.message(rates, source)
  return take(rates, "message_rate", source)
end

return M
