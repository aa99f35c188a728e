--- SCRAM, RFC 5802 and RFC 7677: what both sides of it say and compute.

local core = require "lunapost.core"
local saslprep = require "lunapost.smtp.saslprep"

local crypto, codec = core.crypto, core.codec

local M = {}

---@class lunapost.scram_keys  what a server may keep instead of a password
---@field hash "sha1"|"sha256"|"sha512"
---@field salt string  octets
---@field rounds integer
---@field stored string  StoredKey, octets
---@field server string  ServerKey, octets

--- The digest of each mechanism, by its name without -PLUS.
M.hashes = { ["SCRAM-SHA-1"] = "sha1", ["SCRAM-SHA-256"] = "sha256",
  ["SCRAM-SHA-512"] = "sha512" }

local sizes <const> = { sha1 = 20, sha256 = 32, sha512 = 64 }

--- What RFC 5802 5.1 asks for at least, and what a peer may ask at most: so
--- many rounds hold up everything else for a second.
M.LEAST, M.MOST = 4096, 1000000

--- Base64 without line ends.
---@param octets string
---@return string
function M.base64(octets)
  return (codec.base64_encode(octets, 0))
end

--- Octets of canonical base64, or nil.
---@param text? string
---@return string?
function M.octets(text)
  return text and (codec.base64_decode(text, true)) or nil
end

--- A fresh nonce of printable characters.
---@return string
function M.nonce()
  return M.base64(assert(crypto.random(18)))
end

--- A name or a password made ready (RFC 4013), or nil and why it cannot be.
---@type fun(text: string): string?, string?
M.prepared = saslprep.prepared

--- A name as an attribute's value: RFC 5802 5.1.
---@param name string
---@return string
function M.escaped(name)
  return (name:gsub("[=,]", { ["="] = "=3D", [","] = "=2C" }))
end

--- The name of an attribute's value, or nil where it is malformed.
---@param value string
---@return string?
function M.unescaped(value)
  local bad = false
  local name = value:gsub("=(.?.?)", function(code)
    local c = code == "3D" and "=" or code == "2C" and ","
    bad = bad or not c
    return c or nil
  end)
  return not bad and name or nil
end

local function xor(a, b)
  local octets = {}
  for i = 1, #a do octets[i] = string.char(a:byte(i) ~ b:byte(i)) end
  return table.concat(octets)
end

local function hmac(hash, key, text)
  return assert(crypto.hmac(hash, key, text))
end

local function salted(hash, password, salt, rounds)
  return assert(crypto.pbkdf2(hash, password, salt, rounds, sizes[hash]))
end

--- The keys of a password, for a server to keep in its place.
---@param password string
---@param hash? "sha1"|"sha256"|"sha512"  default "sha256"
---@param salt? string  default: 16 random octets
---@param rounds? integer  default 4096
---@return lunapost.scram_keys
function M.keys(password, hash, salt, rounds)
  hash, rounds = hash or "sha256", rounds or M.LEAST
  salt = salt or assert(crypto.random(16))
  local prepared, why = M.prepared(password)
  if not prepared then error("scram_keys: the password " .. why, 2) end
  local secret = salted(hash, prepared, salt, rounds)
  local client = hmac(hash, secret, "Client Key")
  return { hash = hash, salt = salt, rounds = rounds,
    stored = assert(crypto.digest(hash, client)),
    server = hmac(hash, secret, "Server Key") }
end

--- The client's proof, and the server's signature that it may expect.
---@param hash string
---@param password string  prepared
---@param salt string
---@param rounds integer
---@param transcript string  AuthMessage
---@return string proof
---@return string signature
function M.proof(hash, password, salt, rounds, transcript)
  local secret = salted(hash, password, salt, rounds)
  local client = hmac(hash, secret, "Client Key")
  local stored = assert(crypto.digest(hash, client))
  local server = hmac(hash, secret, "Server Key")
  return xor(client, hmac(hash, stored, transcript)),
    hmac(hash, server, transcript)
end

--- Whether a proof is one of these keys; gives the server's signature.
---@param keys lunapost.scram_keys
---@param proof string
---@param transcript string  AuthMessage
---@return string? signature  nil: the proof is wrong
function M.verified(keys, proof, transcript)
  if #proof ~= sizes[keys.hash] then return nil end
  local client = xor(proof, hmac(keys.hash, keys.stored, transcript))
  local stored = assert(crypto.digest(keys.hash, client))
  if not crypto.equal(stored, keys.stored) then return nil end
  return hmac(keys.hash, keys.server, transcript)
end

-- Reads the server's first message; nil and why where it makes no sense.
local function server_first(message, nonce)
  local whole, salt, rounds = (message .. ","):match(
    "^r=([\33-\43\45-\126]+),s=([^,]+),i=(%d+),")
  salt, rounds = M.octets(salt), math.tointeger(tonumber(rounds))
  if not salt or not rounds then return nil, "SCRAM: malformed challenge" end
  if #whole <= #nonce or whole:sub(1, #nonce) ~= nonce then
    return nil, "SCRAM: the challenge is not to this session's nonce"
  end
  if rounds < M.LEAST or rounds > M.MOST then
    return nil, ("SCRAM: %d rounds asked for, %d to %d are allowed")
      :format(rounds, M.LEAST, M.MOST)
  end
  return { nonce = whole, salt = salt, rounds = rounds }
end

-- The gs2 header and the channel's binding: RFC 5802 7.
local function binding_of(plus, channel)
  if plus then
    local kind, octets = channel.binding()
    if not kind then return nil, octets end
    return "p=" .. kind .. ",", octets
  end
  return channel.binding and not channel.plus_offered and "y," or "n,", ""
end

--- A client's side as a step function, and the check of its end.
---@param hash string
---@param plus boolean  -PLUS: bound to the TLS channel
---@param credentials lunapost.credentials
---@param channel table  { binding?: fun(): type, octets, plus_offered }
---@param nonce? string
---@return (fun(challenge: string?): string?, string?)?
---@return (fun(ok: boolean): string?)|string
function M.client(hash, plus, credentials, channel, nonce)
  local user, password, flag, bound, why
  user, why = M.prepared(credentials.user)
  if not user then return nil, "SCRAM: the user " .. why end
  password, why = M.prepared(credentials.password)
  if not password then return nil, "SCRAM: the password " .. why end
  flag, bound = binding_of(plus, channel)
  if not flag then return nil, bound end
  nonce = nonce or M.nonce()
  local authorization = credentials.authorization
  local header = flag .. (authorization and "a="
    .. M.escaped(authorization) or "") .. ","
  local bare = "n=" .. M.escaped(user) .. ",r=" .. nonce
  local signature, proved

  local function answer(challenge)
    local first, problem = server_first(challenge, nonce)
    if not first then return nil, problem end
    local final = "c=" .. M.base64(header .. bound) .. ",r=" .. first.nonce
    local proof
    proof, signature = M.proof(hash, password, first.salt, first.rounds,
      bare .. "," .. challenge .. "," .. final)
    return final .. ",p=" .. M.base64(proof)
  end

  local function step(challenge)
    if not challenge then return header .. bare end
    if not signature then return answer(challenge) end
    local why_not = challenge:match("^e=([^,]*)") -- RFC 5802 7, server-error
    if why_not then return nil, "SCRAM: the server says: " .. why_not end
    local given = M.octets(challenge:match("^v=([^,]*)"))
    if not given or proved or not crypto.equal(given, signature) then
      return nil, "SCRAM: the server's proof is wrong"
    end
    proved = true
    return ""
  end

  return step, function(ok)
    if ok and not proved then
      return "SCRAM: the server did not prove that it knows the password"
    end
  end
end

return M
