--- Mechanisms of AUTH, the client's side (RFC 4954, RFC 4616, RFC 2195,
--- RFC 5802, RFC 7628).
--
-- A mechanism is { name, fits(credentials, channel), start(credentials,
-- channel) }. start gives a step function: step(challenge) -> response, or
-- nil, text where the challenge makes no sense. The first call has nil as
-- challenge, and may answer nil: then the server has to speak first. A second
-- function that start may give is asked at the end, with whether the server
-- accepted: it answers what is wrong, or nil. Challenges and responses are
-- octets; base64 is the caller's. `loose` mechanisms get challenges that are
-- not base64 as they came.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local err = require "lunapost.err"
local scram = require "lunapost.smtp.scram"

local M = {}

---@class lunapost.credentials
---@field user? string
---@field password? string
---@field authorization? string  whom to act as, RFC 4616
---@field token? string|fun(): string?, any  a bearer token, RFC 6750

---@class lunapost.mechanism
---@field name string
---@field fits fun(credentials: lunapost.credentials, channel: table): boolean
---@field start fun(credentials: lunapost.credentials, channel: table):
--- function?, function|string|nil
---@field loose? boolean

local function has_password(credentials)
  return credentials.user ~= nil and credentials.password ~= nil
end

local function has_token(credentials)
  return credentials.user ~= nil and credentials.token ~= nil
end

local CONTROL <const> = "[\0-\31\127]"

-- What stands between separators must not hold them (RFC 4616 2).
local function without_controls(credentials)
  for _, name in ipairs { "user", "password", "authorization" } do
    local refused = name == "password" and "\0" or CONTROL
    if (credentials[name] or ""):find(refused) then
      return nil, "the " .. name .. " has control characters"
    end
  end
  return true
end

local function hex(octets)
  return (octets:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- One response for each challenge, in order.
local function in_turn(first, ...)
  local turn, responses = 0, { ... }
  return function(challenge)
    if challenge == nil then return first end
    turn = turn + 1
    if responses[turn] then return responses[turn] end
    return nil, "the server asks for more than the mechanism has"
  end
end

local function cram_md5(credentials)
  local asked = false
  return function(challenge)
    if challenge == nil then return nil end
    if asked then return nil, "the server asks more than once" end
    asked = true
    local digest, _, text = core.crypto.hmac("md5", credentials.password,
      challenge)
    if not digest then return nil, text end
    return credentials.user .. " " .. hex(digest)
  end
end

local function plain(credentials)
  local ok, why = without_controls(credentials)
  if not ok then return nil, why end
  return in_turn(("%s\0%s\0%s"):format(credentials.authorization or "",
    credentials.user, credentials.password))
end

local function login(credentials)
  return in_turn(nil, credentials.user, credentials.password)
end

-- The client's certificate says who it is: RFC 4422, appendix A.
local function external(credentials)
  return in_turn(credentials.authorization or "")
end

local function token_of(credentials)
  local ok, why = without_controls(credentials)
  if not ok then return nil, why end
  local token, problem = credentials.token, nil
  if type(token) == "function" then token, problem = token() end
  if type(token) == "string" and not token:find "[\0-\32\127]" then
    return token
  end
  return nil, "no token: " .. (problem and (err.is(problem) and problem.text
    or tostring(problem)) or "a string without blanks is expected")
end

-- The first message has all; a challenge is the server's word of why not,
-- in JSON, and wants an answer without meaning before the refusal.
local function bearer(message, farewell)
  local told
  return function(challenge)
    if challenge == nil then return message end
    if told then return nil, "the server asks more than once" end
    told = scram.octets(challenge) or challenge
    return farewell
  end, function(ok)
    if told and not ok then return (told:gsub(CONTROL .. "+", " ")) end
  end
end

local function xoauth2(credentials)
  local token, why = token_of(credentials)
  if not token then return nil, why end
  return bearer(("user=%s\1auth=Bearer %s\1\1"):format(credentials.user,
    token), "")
end

-- RFC 7628 3.1
local function oauthbearer(credentials, channel)
  local token, why = token_of(credentials)
  if not token then return nil, why end
  local where = channel.port and ("host=%s\1port=%d\1"):format(channel.host,
    channel.port) or ""
  return bearer(("n,a=%s,\1%sauth=Bearer %s\1\1"):format(
    scram.escaped(credentials.user), where, token), "\1")
end

-- Whether the server can bind to the channel, by whatever digest: RFC 5802 6.
local function offers_plus(channel)
  for name in pairs(scram.hashes) do
    if channel.offers and channel.offers[name .. "-PLUS"] then return true end
  end
  return false
end

local function scram_mechanism(name, plus)
  local hash = scram.hashes[name]
  return { name = plus and name .. "-PLUS" or name,
    fits = function(credentials, channel)
      return has_password(credentials)
        and (not plus or channel.binding ~= nil)
    end,
    start = function(credentials, channel)
      return scram.client(hash, plus, credentials,
        { binding = channel.binding, plus_offered = offers_plus(channel) })
    end }
end

--- Strongest first.
---@type lunapost.mechanism[]
M.mechanisms = {
  { name = "EXTERNAL", start = external, fits = function(credentials, channel)
    return channel.certificate and not credentials.password
      and not credentials.token
  end },
  { name = "OAUTHBEARER", fits = has_token, start = oauthbearer,
    loose = true },
  { name = "XOAUTH2", fits = has_token, start = xoauth2, loose = true },
  scram_mechanism("SCRAM-SHA-512", true),
  scram_mechanism("SCRAM-SHA-256", true),
  scram_mechanism("SCRAM-SHA-1", true),
  scram_mechanism("SCRAM-SHA-512", false),
  scram_mechanism("SCRAM-SHA-256", false),
  scram_mechanism("SCRAM-SHA-1", false),
  { name = "CRAM-MD5", fits = has_password, start = cram_md5 },
  { name = "PLAIN", fits = has_password, start = plain, loose = true },
  { name = "LOGIN", fits = has_password, start = login, loose = true },
}

local function find(name)
  for _, mechanism in ipairs(M.mechanisms) do
    if mechanism.name == name then return mechanism end
  end
end

local function names(list)
  return #list > 0 and table.concat(list, " ") or "none"
end

-- Those that these credentials are enough for, strongest first, or the one
-- that is asked for.
local function usable(credentials, channel, wanted)
  if type(wanted) == "table" then return { wanted }, { wanted.name } end
  local list, their_names = {}, {}
  if wanted then
    return { find(ascii.upper(wanted)) }, { ascii.upper(wanted) }
  end
  for _, mechanism in ipairs(M.mechanisms) do
    if mechanism.fits(credentials, channel) then
      list[#list + 1] = mechanism
      their_names[#list] = mechanism.name
    end
  end
  return list, their_names
end

--- Chooses the strongest mechanism that is offered and that the credentials
--- are enough for, or the one asked for.
---@param channel table  { offers = { NAME = true }, binding?, certificate? }
---@param credentials lunapost.credentials
---@param wanted? string|lunapost.mechanism
---@return lunapost.mechanism?
---@return string? problem  what was wanted
function M.choose(channel, credentials, wanted)
  local list, their_names = usable(credentials, channel, wanted)
  for _, mechanism in ipairs(list) do
    if channel.offers[ascii.upper(mechanism.name)] then return mechanism end
  end
  return nil, names(their_names)
end

return M
