--- What a transaction is told beside the message: who sends to whom, and
--- what the server is asked for.

local core = require "lunapost.core"
local idn = require "lunapost.mime.idn"
local options_of = require "lunapost.options"
local parameters = require "lunapost.smtp.asks"

local M = {}

local bare <const> = core.client.bare

---@class lunapost.recipient
---@field address string
---@field asks? table  typed parameters of its own
---@field parameters? table  others, by name
---@field wire? string  the address in ASCII, where it differs
---@field given any  as the envelope has it

---@class lunapost.envelope
---@field from string
---@field recipients lunapost.recipient[]
---@field asks? table  typed parameters
---@field parameters? table  others of MAIL, by name
---@field utf8 boolean  SMTPUTF8 is needed
---@field declared boolean  only because it was said so
---@field wire? string  the sender in ASCII

-- An address that keeps to its angle brackets.
local function clean_address(address)
  if bare(address) then return address end
  local within = address:match("^<(.*)>$") or address
  local outside = within:gsub('\\.', ""):gsub('"[^"]*"', "")
  if within:find "[\0-\31\127]" or outside:find '[ <>"]' then
    return nil, ("%q is no address of an envelope"):format(address)
  end
  return within
end

--- The line of MAIL or RCPT up to its parameters.
---@param verb "MAIL FROM:"|"RCPT TO:"
---@param address string
---@return string? line
---@return string? problem
function M.line(verb, address)
  local clean, problem = clean_address(address)
  if not clean then return nil, problem end
  return verb .. "<" .. clean .. ">"
end

-- Whoever gave it may use it for another message.
local function copy_of(given)
  local copy = given and {}
  for name, value in pairs(given or {}) do copy[name] = value end
  return copy
end

local recipient_keys <const> = { address = "string", parameters = "table" }
for name, kind in pairs(parameters.rcpt) do recipient_keys[name] = kind end

-- An address as text, or a path as handlers of a server get it.
local function address_of(what, value)
  if type(value) == "table" then value = value.address end
  if type(value) == "string" then return value end
  error(("envelope: %s must be an address, not %s"):format(what,
    type(value)), 0)
end

-- A recipient: a string, or a table that may ask for something. Paths of a
-- server's handlers have more in them, which is not asked about.
local function recipient_of(i, value)
  local to = { address = address_of(("to[%d]"):format(i), value),
    given = value }
  if type(value) ~= "table" then return to end
  to.parameters = copy_of(value.parameters)
  if getmetatable(value) == nil then
    options_of.check(("key of to[%d]"):format(i), value, recipient_keys, 0)
    to.asks = parameters.typed(value, parameters.rcpt)
  end
  return to
end

local envelope_keys <const> = { from = "string|table", to = "string|table",
  parameters = "table", utf8 = "boolean" }
for name, kind in pairs(parameters.mail) do envelope_keys[name] = kind end
for name, kind in pairs(parameters.rcpt) do envelope_keys[name] = kind end

-- Who is named twice gets the message once, unless it is to be delivered in
-- two ways: then there are two recipients, as other MTAs have it (Postfix's
-- duplicate filter goes by the address, NOTIFY and ORCPT, too).
local function same(to)
  local clean = clean_address(to.address) or to.address
  if not (to.asks or to.parameters) then return clean end
  return (clean .. " " .. parameters.digest(to.asks, to.parameters))
    :gsub(" $", "")
end

local function recipients_of(list)
  if type(list) == "string" or type(list) == "table" and list.address then
    list = { list }
  end
  local recipients, seen = {}, {}
  for i, value in ipairs(list or {}) do
    local to = recipient_of(i, value)
    local key = same(to)
    if not seen[key] then recipients[#recipients + 1] = to end
    seen[key] = true
  end
  if #recipients == 0 then error("the envelope has no recipient", 0) end
  return recipients
end

local function eight_bit(from, list)
  if from:find("[\128-\255]") then return true end
  for _, to in ipairs(list) do
    if to.address:find("[\128-\255]") then return true end
  end
  return false
end

-- What is given in place of an envelope.
local function misplaced(given)
  if type(given) ~= "string" and getmetatable(given) and given.render then
    error("the envelope comes first, or nil for what the message says; then "
      .. "the message", 0)
  end
  if type(given) ~= "table" then
    error(("the envelope is { from =, to = }, or nil for what the message says,"
      .. " not %s"):format(type(given)), 0)
  end
end

--- Understands an envelope; misuse raises.
---@param given table  { from =, to =, parameters =, utf8 =, and what
--- asks.lua knows }
---@return lunapost.envelope
function M.of(given)
  misplaced(given)
  options_of.check("key of the envelope", given, envelope_keys, 0)
  if given.from == nil then
    error("a sender is missing: from (\"\" is the null sender)", 0)
  end
  local recipients = recipients_of(given.to)
  local from = address_of("from", given.from)
  local utf8 = eight_bit(from, recipients)
  return { from = from, recipients = recipients,
    parameters = copy_of(given.parameters),
    asks = parameters.typed(given, parameters.mail),
    each = parameters.typed(given, parameters.rcpt),
    utf8 = utf8 or given.utf8 or false,
    declared = not utf8 and given.utf8 or false }
end

--- One that asks for nothing, as it may be posted (post.lua).
---@param e lunapost.envelope
---@return { from: string, to: string[] }? envelope  nil: it asks for something
function M.plain(e)
  if e.utf8 or e.asks or e.each or e.parameters then return nil end
  local addresses = {}
  for i, to in ipairs(e.recipients) do
    if to.asks or to.parameters then return nil end
    addresses[i] = to.address
  end
  return { from = e.from, to = addresses }
end

--- For a server without SMTPUTF8: domains become A-labels on the wire.
---@param e lunapost.envelope
---@return boolean? ok
---@return any problem
function M.to_ascii(e)
  local problem
  e.wire, problem = idn.address(e.from)
  for _, to in ipairs(e.recipients) do
    if problem then return nil, problem end
    to.wire, problem = idn.address(to.address)
  end
  e.utf8 = false
  return not problem, problem
end

return M
