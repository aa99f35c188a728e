--- Mail for Lua: `local post = require "lunapost"`.
---
--- post.send{...} sends in one call. Beside it stand, loaded at first use,
--- post.smtp, post.mime, post.codec, post.loop, and of these post.server,
--- post.parse and post.open.

local dial = require "lunapost.smtp.dial"
local lazy = require "lunapost.lazy"
local options_of = require "lunapost.options"
local parameters = require "lunapost.smtp.asks"
local settings = require "lunapost.smtp.settings"

local M = {}

local WHAT <const> = "option of send"

-- What a ready message leaves to say beside it.
local beside <const> = { from = true, to = true, cc = true, bcc = true }

-- What goes neither to the session nor into the message.
local aside <const> = { message = true, transport = true }

-- What the server is asked for by parameters of MAIL and RCPT.
local asked <const> = {}
for _, list in ipairs { parameters.mail, parameters.rcpt } do
  for name, kind in pairs(list) do asked[name] = kind end
end

-- Which option goes where: to the session, into the envelope or the message.
local function sort_options(options)
  local build = require "lunapost.mime.build"
  local known = { message = true, transport = "table" }
  for _, list in ipairs { settings.known, asked, build.options } do
    for name, kind in pairs(list) do known[name] = kind end
  end
  options_of.check(WHAT, options, known, 0)
  local session, message, envelope = {}, {}, {}
  for name, value in pairs(options) do
    local into = settings.known[name] and session
      or asked[name] and envelope or not aside[name] and message or {}
    into[name] = value
  end
  return session, message, envelope
end

-- The addresses of some options, in order; nil where none of them is given.
local function addresses(given, names)
  local address = require "lunapost.mime.address"
  local out
  for _, name in ipairs(names) do
    local value = given[name]
    if value then out = out or {} end
    local list = value and value ~= "" and address.list(value, name) or {}
    for _, one in ipairs(address.mailboxes(list)) do
      out[#out + 1] = one.address
    end
  end
  return out
end

-- The envelope of a message that is ready: what is said beside it, else
-- what it says itself.
local function envelope_of(message, given)
  local own = type(message) == "table" and message.envelope or {}
  local from = addresses(given, { "from" })
  return {
    from = from and (from[1] or "") or own.from,
    to = addresses(given, { "to", "cc", "bcc" }) or own.to,
  }
end

-- The message and its envelope, or nil and why a file cannot be read.
local function compose(options, given)
  if options.message then
    for name in pairs(given) do
      if not beside[name] then
        error(("'%s' has no place beside 'message'"):format(name), 0)
      end
    end
    return options.message, envelope_of(options.message, given)
  end
  local message, problem =
    require("lunapost.mime.build").message(given)
  if not message then return nil, problem end
  local envelope = message.envelope
  if given.from == "" then envelope.from = envelope.from or "" end
  return message, envelope
end

-- What came of the message does not depend on how the session ends.
local GOODBYE <const> = 5

local function deliver(s, message, envelope)
  local client <close>, problem = dial.open(s)
  if not client then
    problem.accepted, problem.rejected = {}, {}
    return nil, problem
  end
  local result
  result, problem = client:send(envelope, message)
  if client.conn then client:quit(math.min(s.limit, GOODBYE)) end
  return result, problem
end

-- How the message leaves: by a session, or by the script's transport.
local function way(session, transport)
  if not transport then
    local s = settings.complete(WHAT, session)
    return function(...) return deliver(s, ...) end
  end
  local name = next(session)
  if name then
    error(("'%s' has no place beside 'transport'"):format(name), 0)
  end
  if type(transport.send) ~= "function" then
    error("a transport has a method send(envelope, message)", 0)
  end
  return function(message, envelope)
    return transport:send(envelope, message)
  end
end

local function send(options)
  local session, given, wishes = sort_options(options)
  local leave = way(session, options.transport)
  local message, envelope = compose(options, given)
  if not message then return nil, envelope end
  if envelope.from == nil then
    error("a sender is missing: from (\"\" is the null sender)", 0)
  end
  if not (envelope.to and envelope.to[1]) then
    error("a recipient is missing: to, cc or bcc", 0)
  end
  for name, value in pairs(envelope) do wishes[name] = value end
  return leave(message, wishes)
end

---@class lunapost.send_options: lunapost.open_options, lunapost.message_options
---@field message? any  one that is ready, in place of what makes one: octets, a
--- mime message, { path = }, an open file, a source
---@field transport? table  has send(envelope, message); in place of a server
---@field ret? "HDRS"|"FULL"  what a failure's report holds
---@field envid? string  named in reports
---@field notify? string|string[]  SUCCESS FAILURE DELAY, or NEVER
---@field orcpt? string|table
---@field rrvs? any  only to whom had the mailbox by then
---@field requiretls? boolean
---@field deliver_by? number|table  seconds, or { seconds =, mode =, trace = }
---@field hold_for? number  seconds
---@field hold_until? any  a time
---@field mt_priority? integer  -9 to 9
---@field submitter? string  AUTH=

--- Sends a message: dials, greets, puts TLS on, authenticates, sends, quits.
---
--- The options of smtp.open (server, host, port, tls, user, password, auth,
--- timeout, ...), those of mime.message (from, to, cc, bcc, subject, text,
--- html, inline, attach, headers, ...) and those of an envelope (ret, envid,
--- notify, deliver_by, ...) in one table; or message = one that is ready
--- (octets, a mime message, { path = }, an open file, a source).
--- transport = smtp.sendmail{...}, smtp.dry{...} or anything else that has
--- send(envelope, message) takes the place of a session.
---@param options lunapost.send_options
---@return table? result  accepted = { address, ... }, rejected = { { address,
--- code, enhanced, text }, ... }, reply, transcript; nil where nobody was
--- accepted
---@return lunapost.err? error  with accepted and rejected, too
M.send = options_of.placed(send)

local parts <const> = {
  smtp = function() return require "lunapost.smtp" end,
  mime = function() return require "lunapost.mime" end,
  codec = function() return require "lunapost.codec" end,
  loop = function() return require "lunapost.loop" end,
  server = function() return require("lunapost.smtp").server end,
  parse = function() return require("lunapost.mime").parse end,
  open = function() return require("lunapost.mime").open end,
}

return lazy.of(M, parts, "lunapost")
