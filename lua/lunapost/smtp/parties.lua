--- Who sends to whom, for what hands a message over without a session.

local options_of = require "lunapost.options"

local M = {}

local known <const> = { from = "string|table", to = "string|table",
  parameters = "table", utf8 = "boolean" }

local function address_of(what, value)
  if type(value) == "table" then value = value.address end
  if type(value) ~= "string" then
    error(("envelope: %s must be an address, not %s"):format(what,
      type(value)), 0)
  end
  local bare = value:match("^<(.*)>$") or value
  if bare:find("[%c<>]") then
    error(("%q is no address of an envelope"):format(value), 0)
  end
  return bare
end

local function recipients_of(to)
  local list = {}
  for i, one in ipairs(type(to) == "string" and { to } or to or {}) do
    list[i] = address_of(("to[%d]"):format(i), one)
    if list[i] == "" then error("envelope: a recipient is empty", 0) end
  end
  if not list[1] then error("the envelope has no recipient", 0) end
  return list
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
  options_of.check("key of the envelope", envelope, known, 0)
  if envelope.from == nil then
    error("a sender is missing: from (\"\" is the null sender)", 0)
  end
  return address_of("from", envelope.from), recipients_of(envelope.to)
end

return M
