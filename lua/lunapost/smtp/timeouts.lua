--- How long each phase of a client's session may take.

local options_of = require "lunapost.options"

local M = {}

-- Seconds for what RFC 5321 4.5.3.2 does not name.
local OTHER <const> = 60

-- RFC 5321 4.5.3.2: the least that a client should grant. What is OTHER here
-- it does not name.
local defaults <const> = {
  connect = OTHER, greeting = 300, ehlo = 300, tls = OTHER, auth = OTHER,
  mail = 300, rcpt = 300, data_initiation = 120, data_block = 180,
  data_termination = 600, command = OTHER,
}

-- What is waited for after a verb.
local verbs <const> = {
  EHLO = "ehlo", HELO = "ehlo", LHLO = "ehlo", STARTTLS = "tls",
  AUTH = "auth", [""] = "auth", MAIL = "mail", RCPT = "rcpt",
  DATA = "data_initiation", BDAT = "data_block",
}

local known <const> = {}
for phase in pairs(defaults) do known[phase] = "number" end

--- Raises for what is no table of seconds by phase.
---@param what string
---@param timeouts table
function M.check(what, timeouts)
  options_of.check(what, timeouts, known, 0)
  for phase, seconds in pairs(timeouts) do
    if seconds <= 0 or seconds ~= seconds then
      error(("%s '%s' must be more than 0"):format(what, phase), 0)
    end
  end
end

--- The seconds of each phase, and by each verb: what is given for it, else
--- what is given for all, else what RFC 5321 has.
---@param timeouts? table<string, number>
---@param timeout? number
---@return table<string, number>
function M.complete(timeouts, timeout)
  local limits = {}
  for phase, seconds in pairs(defaults) do
    limits[phase] = timeouts and timeouts[phase] or timeout or seconds
  end
  for verb, phase in pairs(verbs) do limits[verb] = limits[phase] end
  return limits
end

return M
