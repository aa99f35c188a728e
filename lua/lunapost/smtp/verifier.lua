--- The server's side of SASL: each mechanism asks for what it needs, and
--- whether it is right (RFC 4954, RFC 4616, RFC 2195, RFC 5802, RFC 7628).
--
-- Two ways to know who somebody is: the script's check, which gets the
-- credentials as they were told, and the script's secret, which gives the
-- password (or SCRAM's keys in its place) that a proof is held against.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local answer = require "lunapost.smtp.answer"
local scram = require "lunapost.smtp.scram"

local crypto, codec = core.crypto, core.codec

local M = {}

---@class lunapost.credentials
---@field mechanism string
---@field user string  the authentication identity
---@field password? string  PLAIN, LOGIN
---@field token? string  XOAUTH2, OAUTHBEARER
---@field certificate? table  EXTERNAL: that of the TLS session
---@field authzid? string  the authorisation identity, where one was given

local function malformed(name)
  answer.reject(501, "5.5.2", "malformed " .. name .. " response")
end

local function decode(line)
  if line == "*" then
    answer.reject(501, "5.7.0", "authentication cancelled")
  end
  local bytes = codec.base64_decode(line, true)
  if not bytes then answer.reject(501, "5.5.2", "malformed base64") end
  return bytes
end

-- Asks for one response, with a challenge that the peer sees in base64.
local function ask(session, challenge)
  return decode(session:ask(334, scram.base64(challenge)))
end

-- An initial response of "=" is an empty one (RFC 4954 4).
local function first(session, initial, challenge)
  if initial == "=" then return "" end
  if initial then return decode(initial) end
  return ask(session, challenge)
end

local function given(text)
  return text ~= "" and text or nil
end

local key_fields <const> = { "hash", "salt", "rounds", "stored", "server" }

-- Whether a secret is a table as smtp.scram_keys makes it.
local function is_keys(secret)
  if type(secret) ~= "table" then return false end
  for _, field in ipairs(key_fields) do
    if secret[field] == nil then return false end
  end
  return true
end

-- The keys that the secret of some options gave last. An unknown user gets
-- the rounds of them, and as much work, so that neither tells who exists.
local auth_keys <const> = setmetatable({}, { __mode = "k" })

-- What the script has for a user: a password, keys, or nothing.
local function secret_of(session, auth, user, mechanism)
  local secret = auth.secret and auth.secret(session, user, mechanism)
  if not secret then return nil end
  if type(secret) == "string" then return secret end
  if is_keys(secret) then
    auth_keys[auth] = secret
    return secret
  end
  error("auth.secret: a password or smtp.scram_keys(...) is expected, not "
    .. type(secret))
end

-- Where the secret decides, nobody acts as somebody else: no check says who
-- may (RFC 4422 3.4.1).
local function own_name(credentials)
  return credentials.authzid == nil or credentials.authzid == credentials.user
end

-- A password that was told, against the script's secret.
local function is_secret(session, auth, credentials)
  local secret = secret_of(session, auth, credentials.user,
    credentials.mechanism)
  if type(secret) == "string" then
    return crypto.equal(secret, credentials.password)
  end
  local kept = secret or auth_keys[auth]
  if not kept or not scram.prepared(credentials.password) then return false end
  local keys = scram.keys(credentials.password, kept.hash, kept.salt,
    kept.rounds)
  return secret ~= nil and crypto.equal(keys.stored, kept.stored)
end

-- A password that was told, by the script's check or against its secret.
local function check_password(session, auth, credentials)
  if auth.check then return auth.check(session, credentials) end
  return is_secret(session, auth, credentials) and own_name(credentials)
end

local mechanisms = {}

function mechanisms.PLAIN(session, initial, auth)
  local message = first(session, initial, "")
  local authzid, user, password =
    message:match("^([^\0]*)\0([^\0]+)\0([^\0]+)$")
  if not user then malformed "PLAIN" end
  local credentials = { mechanism = "PLAIN", user = user,
    password = password, authzid = given(authzid) }
  return credentials, check_password(session, auth, credentials)
end

function mechanisms.LOGIN(session, initial, auth)
  local user = first(session, initial, "Username:")
  local credentials = { mechanism = "LOGIN", user = user,
    password = ask(session, "Password:") }
  return credentials, check_password(session, auth, credentials)
end

mechanisms["CRAM-MD5"] = function(session, initial, auth)
  if initial then malformed "CRAM-MD5" end
  local challenge = ("<%s.%d@%s>"):format(
    scram.nonce():gsub("[+/]", "."), os.time(), session.server.hostname)
  local user, digest = ask(session, challenge):match("^(.+) (%x+)$")
  if not user then malformed "CRAM-MD5" end
  local secret = secret_of(session, auth, user, "CRAM-MD5")
  local known = type(secret) == "string"
  local expected = assert(crypto.hmac("md5", known and secret or challenge,
    challenge)):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  local same = crypto.equal(expected, ascii.lower(digest))
  return { mechanism = "CRAM-MD5", user = user }, known and same
end

-- The authorisation identity of a GS2 header, "" where there is none; nil
-- where it is malformed (RFC 5801 4).
local function authzid_of(text)
  if text == "" then return "" end
  local name = (text or ""):match("^a=(.+)$")
  return name and scram.unescaped(name)
end

-- A client's first message: RFC 5802 7.
local function client_first(message, name)
  local flag, authzid, bare = message:match("^([^,]*),([^,]*),(.*)$")
  local user, nonce, more = ((bare or "") .. ","):match(
    "^n=([^,]*),r=([\33-\43\45-\126]+),(.*)$")
  user = user and scram.unescaped(user)
  authzid = authzid_of(authzid)
  local strange = (more or ""):gsub("[A-Za-z]=[^,]+,", "") -- than extensions
  if not nonce or strange ~= "" or not user or user == "" or not authzid then
    malformed(name)
  end
  return { flag = flag, header = message:sub(1, #message - #bare),
    bare = bare, user = user, nonce = nonce, authzid = given(authzid) }
end

-- The octets that the client's channel binding has to be; refuses a flag
-- that does not fit, a downgrade among them.
local function bound(session, auth, flag, plus, name)
  if not plus then
    local offers_plus = table.concat(M.names(session, auth), " ")
      :find("-PLUS", 1, true)
    if flag == "n" or flag == "y" and not offers_plus then return "" end
    answer.reject(501, "5.7.0", "channel binding does not fit " .. name)
  end
  local kind = flag:match("^p=(.+)$")
  local octets = (kind == "tls-exporter" or kind == "tls-unique")
    and session.conn:binding(kind)
  if not octets then
    answer.reject(501, "5.7.0", "no such channel binding here")
  end
  return octets
end

-- Of a user's salt where none is kept: it stays the same, also for a user
-- that nobody knows, so that who asks does not learn who exists.
local pepper <const> = assert(crypto.random(32))

local function salt_of(user)
  return assert(crypto.hmac("sha256", pepper, user)):sub(1, 16)
end

-- The keys of a user, and whether they are any: else nothing opens them.
local function keys_of(session, auth, user, name, hash)
  local secret = secret_of(session, auth, user, name)
  if type(secret) == "string" then
    return scram.keys(secret, hash, salt_of(user)), true
  end
  if secret and secret.hash == hash then return secret, true end
  local kept = auth_keys[auth]
  if not kept then
    return scram.keys(scram.nonce(), hash, salt_of(user)), false
  end
  local size = #assert(crypto.digest(hash, ""))
  return { hash = hash, rounds = kept.rounds,
    salt = salt_of(user):sub(1, #kept.salt),
    stored = assert(crypto.random(size)),
    server = assert(crypto.random(size)) }, false
end

-- A client's last message: what is proven, binding, nonce, proof.
local function client_final(message, name)
  local without, c, r, p =
    message:match("^(c=([^,]*),r=([^,]*).*),p=([^,]*)$")
  c, p = scram.octets(c), scram.octets(p)
  if not c or not p then malformed(name) end
  return without, c, r, p
end

local function scram_run(session, initial, auth, name, plus)
  local full = plus and name .. "-PLUS" or name
  local hash = scram.hashes[name]
  local one = client_first(first(session, initial, ""), full)
  local cbind = bound(session, auth, one.flag, plus, full)
  local keys, known = keys_of(session, auth, one.user, full, hash)
  local nonce = one.nonce .. scram.nonce()
  local challenge = ("r=%s,s=%s,i=%d"):format(nonce,
    scram.base64(keys.salt), keys.rounds)
  local final = ask(session, challenge)
  local without, c, r, p = client_final(final, full)
  local signature = scram.verified(keys, p,
    one.bare .. "," .. challenge .. "," .. without)
  local credentials = { mechanism = full, user = one.user,
    authzid = one.authzid }
  local ok = known and signature and r == nonce
    and c == one.header .. cbind and own_name(credentials)
  if not ok then return credentials, false end
  if ask(session, "v=" .. scram.base64(signature)) ~= "" then
    malformed(full)
  end
  return credentials, true
end

for name in pairs(scram.hashes) do
  mechanisms[name] = function(session, initial, auth)
    return scram_run(session, initial, auth, name, false)
  end
  mechanisms[name .. "-PLUS"] = function(session, initial, auth)
    return scram_run(session, initial, auth, name, true)
  end
end

-- Says in the mechanism's own words that the token is not good; the client
-- answers, and what it says has no meaning.
local function token_verdict(session, auth, credentials)
  local ok, enhanced, text = auth.check(session, credentials)
  if ok then return credentials, ok, enhanced, text end
  ask(session, '{"status":"401","schemes":"bearer"}')
  return credentials, false
end

function mechanisms.XOAUTH2(session, initial, auth)
  local user, token = first(session, initial, ""):match(
    "^user=([^\1]+)\1auth=[Bb]earer ([^\1]+)\1\1$")
  if not user then malformed "XOAUTH2" end
  return token_verdict(session, auth, { mechanism = "XOAUTH2", user = user,
    token = token })
end

function mechanisms.OAUTHBEARER(session, initial, auth)
  local authzid, pairs_of = first(session, initial, ""):match(
    "^[ny],([^,]*),\1(.*\1)\1$")
  local token = pairs_of and ("\1" .. pairs_of):match(
    "\1auth=[Bb]earer ([^\1]+)\1")
  local user = authzid_of(authzid)
  if not token or not user then malformed "OAUTHBEARER" end
  return token_verdict(session, auth, { mechanism = "OAUTHBEARER",
    user = user, token = token })
end

function mechanisms.EXTERNAL(session, initial, auth)
  local authzid = given(first(session, initial, ""))
  local certificate = session.tls.certificate
  local credentials = { mechanism = "EXTERNAL", authzid = authzid,
    user = certificate.subject, certificate = certificate }
  return credentials, auth.check(session, credentials)
end

local by_check <const> = { "PLAIN", "LOGIN" }
local by_secret <const> = { "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS",
  "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1" }

-- Whether a mechanism can run in this session, as TLS stands.
local function able(session, name)
  local certificate = session.tls and session.tls.certificate
  if name == "EXTERNAL" then return certificate and certificate.verified end
  return not name:find("-PLUS", 1, true) or session.tls and session.conn
    and session.conn:binding("tls-exporter")
    or session.tls and session.conn and session.conn:binding("tls-unique")
end

--- The mechanisms that a session is offered.
---@param session lunapost.session
---@param auth table  the server's options
---@return string[]
function M.names(session, auth)
  local list = {}
  for _, name in ipairs(auth.mechanisms
    or (auth.secret and by_secret or by_check)) do
    name = ascii.upper(name)
    if able(session, name) then list[#list + 1] = name end
  end
  return list
end

--- Whether a session is offered a mechanism.
---@param session lunapost.session
---@param auth table
---@param wanted string
---@return boolean
function M.offered(session, auth, wanted)
  for _, name in ipairs(M.names(session, auth)) do
    if name == wanted then return true end
  end
  return false
end

-- The option that a mechanism cannot do without: what is told may be judged
-- by either, a proof by the secret alone, the rest by the script's check.
local function needed_by(name)
  if name == "PLAIN" or name == "LOGIN" then return nil end
  return (name == "CRAM-MD5" or name:find("^SCRAM")) and "secret" or "check"
end

local function check_mechanism(auth, name)
  local known = ascii.upper(name)
  if not mechanisms[known] then
    error("unknown mechanism '" .. name .. "'", 0)
  end
  local needed = needed_by(known)
  if needed and not auth[needed] then
    error(("mechanism %s: auth needs %s = function"):format(known, needed), 0)
  end
end

--- Raises where the options of auth are wrong.
---@param auth table
function M.check(auth)
  if not auth.check and not auth.secret then
    error("auth needs check = function(session, credentials), or secret = "
      .. "function(session, user, mechanism)", 0)
  end
  for _, name in ipairs(auth.mechanisms or {}) do
    check_mechanism(auth, name)
  end
end

--- Runs a mechanism; raises a reject where the peer's part is malformed or
--- cancelled.
---@param session table
---@param name string
---@param initial? string
---@param auth table
---@return lunapost.credentials credentials
---@return boolean|integer|nil ok  or a code, as check answered
---@return string? enhanced
---@return string? text
function M.run(session, name, initial, auth)
  return mechanisms[name](session, initial, auth)
end

return M
