--- Who sends to whom, for what hands a message over without a session.

local envelopes = require "lunapost.smtp.envelope"

local M = {}

local function checked(address)
  local line, problem = envelopes.line("", address)
  if not line then error(problem, 0) end
  return line:sub(2, -2)
end

--- The sender and the recipients of an envelope, or else of the message's
--- own; misuse raises.
---@param envelope? { from: string, to: string[] }
---@param message any
---@return string from  "": the null sender
---@return string[] to
function M.of(envelope, message)
  envelope = envelope or type(message) == "table" and message.envelope
  if not envelope then
    error("an envelope { from =, to = } is needed: the message has none", 0)
  end
  local e, to = envelopes.of(envelope), {}
  for i, one in ipairs(e.recipients) do
    to[i] = checked(one.address)
    if to[i] == "" then error("envelope: a recipient is empty", 0) end
  end
  return checked(e.from), to
end

return M
