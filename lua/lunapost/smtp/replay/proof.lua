--- SCRAM in a replay: what was recorded fits the nonces of one session alone
--- (RFC 5802 5.1), so that the scripted server proves and verifies anew.

local ascii = require "lunapost.ascii"
local scram = require "lunapost.smtp.scram"
local verifier = require "lunapost.smtp.verifier"

local M = {}

-- What the client's leaving raises.
local GONE <const> = {}

--- Whether a command begins what has to be proven anew: its mechanism.
---@param octets string
---@return string? mechanism
function M.begins(octets)
  local verb, name = octets:match "^([A-Za-z]+) +([A-Za-z0-9-]+)"
  name = name and ascii.upper(name):match "^SCRAM%-SHA%-[A-Z0-9-]+$"
  return verb and ascii.upper(verb) == "AUTH" and name or nil
end

-- The verifier takes for its session what asks, and has the connection.
local function session_of(s, say, hear)
  return { conn = s.conn, tls = s.conn:tls() and {} or nil,
    ask = function(_, code, text)
      if not say(("%d %s\r\n"):format(code, text)) then error(GONE, 0) end
      local line = hear() or error(GONE, 0)
      return (line:gsub("\r?\n$", ""))
    end }
end

--- Goes through a SCRAM exchange as a server that knows the password, or that
--- does not where the recorded one ended in a refusal.
---@param s table  the connection; s.heard is the client's AUTH
---@param step lunapost.replay.step
---@param password? string  nil: it does not know it
---@param say fun(octets: string): boolean
---@param hear fun(): string?  a line
---@return boolean? proven  nil: it came to no end
---@return string? problem
function M.run(s, step, password, say, hear)
  local initial = s.heard:match "^%S+ +%S+ +(%S+)"
  local ok, problem, proven = pcall(verifier.run,
    session_of(s, say, hear), step.mechanism, initial,
    { mechanisms = { step.mechanism },
      secret = function() return password or scram.nonce() end })
  if ok then return proven == true end
  if problem == GONE then return nil, "the client left within SCRAM" end
  return nil, "SCRAM: " .. tostring(problem)
end

return M
