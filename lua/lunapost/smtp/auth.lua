--- AUTH as a client, RFC 4954.

local codec = require "lunapost.core".codec
local options_of = require "lunapost.options"
local sasl = require "lunapost.smtp.sasl"

local M = {}

-- RFC 4954 4: where the line would be longer, the response goes by itself.
local LINE <const> = 500

local known <const> = { user = "string", password = "string",
  mechanism = "string", authorization = "string", cleartext = "boolean" }

local function encode(octets)
  return (codec.base64_encode(octets, 0))
end

-- A server may say what it was told: a password, or what is made of it, is
-- shown nowhere.
local function conceal(client, secret)
  client:conceal { secret, encode(secret) }
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

local function converse(client, mechanism, credentials)
  local step = mechanism.start(credentials)
  local response, why = step(nil), nil
  if credentials.password then conceal(client, credentials.password) end
  if response then conceal(client, response) end
  local reply, problem
  reply, problem, response = begin(client, mechanism, response)
  while reply and reply.code == 334 do
    if not response then
      response, why = respond(mechanism, step, client.challenge)
    end
    if not response then
      client:exchange("", "*") -- RFC 4954 4: cancels
      return nil, client:failed("protocol", why, "AUTH " .. mechanism.name)
    end
    if response ~= credentials.user then conceal(client, response) end
    reply, problem = client:exchange("", encode(response))
    response = nil
  end
  return reply, problem
end

local function why_not_offered(client)
  local text = "the server offers no AUTH"
  if not client.tls and client.extensions.STARTTLS then
    text = text .. " before TLS (it offers STARTTLS)"
  end
  return text
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
  if options then options_of.check("option of auth", options, known, 3) end
  local credentials = gather(client, options)
  if not client.tls and not credentials.cleartext then
    return nil, client:failed("tls", "no password is sent without TLS "
      .. "(auth = { cleartext = true } allows it)", "AUTH")
  end
  local offered = client.extensions.AUTH
  if not offered then
    return nil, client:failed("auth", why_not_offered(client), "AUTH")
  end
  local mechanism, problem = sasl.choose(offered, credentials,
    credentials.mechanism)
  if not mechanism then
    return nil, client:failed("auth", problem, "AUTH")
  end
  local reply
  reply, problem = converse(client, mechanism, credentials)
  if not reply then return nil, problem end
  if reply.code // 100 ~= 2 then
    local kind = reply.code == 421 and "reply" or "auth"
    return nil, client:refused(reply, "AUTH " .. mechanism.name, kind)
  end
  client.user = credentials.user
  return reply
end

return M
