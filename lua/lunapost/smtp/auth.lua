--- AUTH as a client, RFC 4954.

local ascii = require "lunapost.ascii"
local codec = require "lunapost.core".codec
local options_of = require "lunapost.options"
local sasl = require "lunapost.smtp.sasl"

local M = {}

-- RFC 4954 4: where the line would be longer, the response goes by itself.
local LINE <const> = 500

local known <const> = { user = "string", password = "string",
  mechanism = "string|table", authorization = "string",
  cleartext = "boolean", token = "string|function" }

local known_mechanism <const> = { name = "string", start = "function",
  fits = "function", loose = "boolean" }

local function encode(octets)
  return (codec.base64_encode(octets, 0))
end

-- A server may say what it was told: a password, or what is made of it, is
-- shown nowhere.
local function conceal(client, ...)
  for i = 1, select("#", ...) do
    local secret = select(i, ...)
    if type(secret) == "string" and secret:find("[^\1]") then
      client:conceal { secret, encode(secret) }
    end
  end
end

-- The response to a challenge, or nil and why there is none.
local function respond(mechanism, step, challenge)
  if not mechanism.loose then
    challenge = codec.base64_decode(challenge, true)
    if not challenge then return nil, "the challenge is not base64" end
  end
  return step(challenge)
end

-- AUTH and the first response, where there is one and the line has room.
local function begin(client, mechanism, first)
  local argument = mechanism.name
  if first and #first * 4 // 3 < LINE then
    argument = argument .. " " .. (first == "" and "=" or encode(first))
    first = nil
  end
  local reply, problem = client:exchange("AUTH", argument)
  return reply, problem, first
end

-- The TLS channel's binding: RFC 9266, or RFC 5929 before TLS 1.3.
local function binder(client)
  if not client.tls then return nil end
  local kind = client.tls.version == "TLSv1.3" and "tls-exporter"
    or "tls-unique"
  return function()
    local octets, _, why = client.conn:binding(kind)
    if octets then return kind, octets end
    return nil, why
  end
end

-- What mechanisms may learn of the session.
local function channel_of(client, offered)
  local offers = {}
  for _, name in ipairs(offered) do offers[ascii.upper(name)] = true end
  return { offers = offers, binding = binder(client),
    certificate = client.certified, host = client.verify,
    port = client.port }
end

-- Answers challenges until there are no more.
local function answer_all(client, mechanism, user, step, reply, response)
  local problem, why
  while reply and reply.code == 334 do
    if not response then
      response, why = respond(mechanism, step, client.challenge)
    end
    if not response then
      client:exchange("", "*") -- RFC 4954 4: cancels
      return nil, client:failed("protocol", why, "AUTH " .. mechanism.name)
    end
    if response ~= user then conceal(client, response) end
    reply, problem = client:exchange("", encode(response))
    response = nil
  end
  return reply, problem
end

-- What the exchange came to: the reply, or why it is not to be trusted.
local function settled(client, what, reply, finished)
  local ok = reply.code // 100 == 2
  local why = finished and finished(ok)
  if ok and not why then return reply end
  if ok then return client:broken("auth", why, what) end
  local problem = client:refused(reply, what,
    reply.code == 421 and "reply" or "auth")
  if why then problem.text = problem.text .. ": " .. why end
  return nil, problem
end

local function converse(client, mechanism, credentials, channel)
  local step, finished = mechanism.start(credentials, channel)
  local what = "AUTH " .. mechanism.name
  if not step then return nil, client:failed("auth", finished, what) end
  local first = step(nil)
  conceal(client, credentials.password, credentials.token, first)
  local reply, problem, left = begin(client, mechanism, first)
  if reply then
    reply, problem = answer_all(client, mechanism, credentials.user, step,
      reply, left)
  end
  if not reply then return nil, problem end
  return settled(client, what, reply, finished)
end

local function why_not_offered(client)
  local text = "the server offers no AUTH"
  if not client.tls and client.extensions.STARTTLS then
    text = text .. " before TLS (it offers STARTTLS)"
  end
  return text
end

local function no_common(offered, wanted)
  return ("no common mechanism: the server offers %s, wanted %s"):format(
    #offered > 0 and table.concat(offered, " ") or "none", wanted)
end

-- Why no mechanism will do.
local function why_none(offered, wanted, credentials)
  if credentials.user and not (credentials.password or credentials.token
    or credentials.mechanism) then
    return ("user %s has no password, and no auth.token")
      :format(credentials.user)
  end
  return no_common(offered, wanted)
end

--- Raises where options of auth are wrong.
---@param what string
---@param options table
---@param level integer
function M.check(what, options, level)
  level = level == 0 and 0 or level + 1
  options_of.check(what, options, known, level)
  if type(options.mechanism) ~= "table" then return end
  options_of.check("field of a mechanism", options.mechanism,
    known_mechanism, level)
  for _, name in ipairs { "name", "start" } do
    if not options.mechanism[name] then
      error("a mechanism needs a name and start = function(credentials)",
        level)
    end
  end
end

-- The given credentials over those of the session.
local function gather(client, options)
  local credentials = client.credentials and client.credentials() or {}
  for name, value in pairs(options or {}) do credentials[name] = value end
  return credentials
end

--- Authenticates.
---@param client lunapost.client
---@param options? table
---@return lunapost.reply? reply
---@return lunapost.err? error  kind "auth", or "tls" where TLS is missing
function M.run(client, options)
  if options then M.check("option of auth", options, 3) end
  local credentials = gather(client, options)
  if not client.tls and not credentials.cleartext then
    return nil, client:failed("tls", "no password is sent without TLS "
      .. "(auth = { cleartext = true } allows it)", "AUTH")
  end
  local offered = client.extensions.AUTH
  if not offered then
    return nil, client:failed("auth", why_not_offered(client), "AUTH")
  end
  local channel = channel_of(client, offered)
  local mechanism, wanted = sasl.choose(channel, credentials,
    credentials.mechanism)
  if not mechanism then
    return nil, client:failed("auth", why_none(offered, wanted, credentials),
      "AUTH")
  end
  local reply, problem = converse(client, mechanism, credentials, channel)
  if not reply then return nil, problem end
  client.user = credentials.user
  return reply
end

return M
