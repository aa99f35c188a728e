--- The server's side of SASL: each mechanism asks for what it needs and
--- gives the credentials for the script's check (RFC 4954, RFC 4616).

local codec = require("lunapost.core").codec
local answer = require "lunapost.smtp.answer"

local M = {}

---@class lunapost.credentials
---@field mechanism string
---@field user string  the authentication identity
---@field password string
---@field authzid? string  the authorisation identity, where one was given

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
  return decode(session:ask(334, codec.base64_encode(challenge, 0)))
end

-- An initial response of "=" is an empty one (RFC 4954 4).
local function first(session, initial, challenge)
  if initial == "=" then return "" end
  if initial then return decode(initial) end
  return ask(session, challenge)
end

local mechanisms = {}

function mechanisms.PLAIN(session, initial)
  local message = first(session, initial, "")
  local authzid, user, password =
    message:match("^([^\0]*)\0([^\0]+)\0([^\0]+)$")
  if not user then answer.reject(501, "5.5.2", "malformed PLAIN response") end
  return { user = user, password = password,
    authzid = authzid ~= "" and authzid or nil }
end

function mechanisms.LOGIN(session, initial)
  local user = first(session, initial, "Username:")
  return { user = user, password = ask(session, "Password:") }
end

--- Mechanisms that a server can offer, strongest first.
M.names = { "PLAIN", "LOGIN" }

---@param name string
---@return boolean
function M.known(name)
  return mechanisms[name] ~= nil
end

--- Runs a mechanism to its credentials; raises a reject where the peer's
--- part is malformed or cancelled.
---@param session table
---@param name string
---@param initial? string
---@return lunapost.credentials
function M.run(session, name, initial)
  local credentials = mechanisms[name](session, initial)
  credentials.mechanism = name
  return credentials
end

return M
