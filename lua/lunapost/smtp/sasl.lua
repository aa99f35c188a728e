--- Mechanisms of AUTH, the client's side (RFC 4954, RFC 4616, RFC 2195).
--
-- A mechanism is { name, fits(credentials), start(credentials) }. start
-- gives a step function: step(challenge) -> response, or nil, text where the
-- challenge makes no sense. The first call has nil as challenge, and may
-- answer nil: then the server has to speak first. Challenges and responses
-- are octets; base64 is the caller's. `loose` mechanisms get challenges that
-- are not base64 as they came.

local core = require "lunapost.core"

local M = {}

---@class lunapost.credentials
---@field user? string
---@field password? string
---@field authorization? string  whom to act as, RFC 4616

---@class lunapost.mechanism
---@field name string
---@field fits fun(credentials: lunapost.credentials): boolean
---@field start fun(credentials: lunapost.credentials): function
---@field loose? boolean

local function has_password(credentials)
  return credentials.user ~= nil and credentials.password ~= nil
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
  return in_turn(("%s\0%s\0%s"):format(credentials.authorization or "",
    credentials.user, credentials.password))
end

local function login(credentials)
  return in_turn(nil, credentials.user, credentials.password)
end

--- Strongest first.
---@type lunapost.mechanism[]
M.mechanisms = {
  { name = "CRAM-MD5", fits = has_password, start = cram_md5 },
  { name = "PLAIN", fits = has_password, start = plain, loose = true },
  { name = "LOGIN", fits = has_password, start = login, loose = true },
}

local function find(name)
  for _, mechanism in ipairs(M.mechanisms) do
    if mechanism.name == name:upper() then return mechanism end
  end
end

local function names(list)
  return #list > 0 and table.concat(list, " ") or "none"
end

-- The names of those that these credentials are enough for.
local function usable(credentials)
  local list = {}
  for _, mechanism in ipairs(M.mechanisms) do
    if mechanism.fits(credentials) then list[#list + 1] = mechanism.name end
  end
  return list
end

--- Chooses the strongest mechanism that is offered and that the credentials
--- are enough for, or the one asked for by name.
---@param offered string[]  words of the AUTH keyword
---@param credentials lunapost.credentials
---@param wanted? string
---@return lunapost.mechanism?
---@return string? problem  what was offered and what was wanted
function M.choose(offered, credentials, wanted)
  local has = {}
  for _, name in ipairs(offered) do has[name:upper()] = true end
  local list = wanted and { wanted:upper() } or usable(credentials)
  for _, name in ipairs(list) do
    local mechanism = find(name)
    if mechanism and has[name] then return mechanism end
  end
  return nil, ("no common mechanism: the server offers %s, wanted %s")
    :format(names(offered), names(list))
end

return M
