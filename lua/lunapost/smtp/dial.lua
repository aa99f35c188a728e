--- From settings to a session: addresses, TLS, greeting, EHLO, AUTH.

local clients = require "lunapost.smtp.client"
local core = require "lunapost.core"
local net = require "lunapost.net"
local route = require "lunapost.smtp.route"

local M = {}

-- A function that makes the TLS context when it is wanted.
local function tls_maker(s)
  return function()
    local context, problem = net.context {
      ca = s.ca, pin = s.pin, insecure = s.insecure, tlsa = s.tlsa,
      tlsa_domain = s.tlsa_domain,
      certificate = s.certificate, key = s.key,
      minimum_version = s.minimum_tls,
    }
    if problem then problem.host = s.label end
    return context, problem
  end
end

-- A function, so that no dump of a session shows a password.
local function credentials_of(s)
  local auth = s.auth or {}
  return function()
    return { user = s.user, password = s.password, token = auth.token,
      mechanism = auth.mechanism, authorization = auth.authorization,
      cleartext = auth.cleartext }
  end
end

-- RFC 5321 4.1.3
local function literal(address)
  if not address or not core.net.numeric(address) then return "[127.0.0.1]" end
  if address:find(":", 1, true) then
    return "[IPv6:" .. address:gsub("%%.*", "") .. "]"
  end
  return "[" .. address .. "]"
end

-- The host's full name, asked for once.
local full_name

-- What to call oneself: the host's full name where it has one, else the
-- address literal of this end of the connection.
local function own_name(conn, s)
  full_name = full_name or net.fqdn { loop = s.loop, timeout = 1 }
  if full_name:find(".", 1, true) then return full_name end
  return literal((conn:local_address()))
end

-- Closes what it holds, unless it is told to keep it: a session must not
-- outlive the caller that was cancelled while it came about.
local function guard()
  return setmetatable({}, { __close = function(g)
    if g.client and not g.keep then g.client:leave() end
  end })
end

-- Seconds of silence after which TLS is suspected, and to find out.
local SILENCE <const>, PROBE <const> = 0.6, 2

-- Whether the server shakes hands where its greeting should have come: seen
-- on a connection of its own, since this one may only be slow.
local function speaks_tls(s, seconds)
  local waits = { loop = s.loop, timeout = math.min(seconds, PROBE) }
  local conn = route.open(s, waits.timeout)
  if not conn then return false end
  local _ <close> = setmetatable({}, { __close = function()
    net.close(conn, s.loop)
  end })
  local context = net.context { insecure = true }
  return context and net.handshake(conn, context, waits) or false
end

-- A port that speaks TLS at once waits in silence, as we do: worth a look.
-- Not on port 25, where talking before the greeting is held against one.
local function await_greeting(client, s)
  local seconds = s.limits.greeting
  local deadline = core.loop.now() + seconds
  if s.tls ~= "implicit" and s.port ~= 25 and route.repeatable(s)
    and seconds > 2 * SILENCE
    and not s.loop.wait(client.conn:fd(), "r", SILENCE)
    and speaks_tls(s, (seconds - SILENCE) / 2) then
    return nil, client:failed("tls", "the server speaks TLS at once where "
      .. "plain SMTP was expected: use tls = \"implicit\" or smtps://")
  end
  return client:receive(math.max(deadline - core.loop.now(), 0.01),
    "the greeting")
end

local function greet(client, s)
  if s.tls == "implicit" then
    local ok, problem = client:secure()
    if not ok then return nil, problem end
  end
  if s.greeting == false then return true end
  local greeting, problem = await_greeting(client, s)
  if not greeting then return nil, problem end
  client.greeting = greeting
  if greeting.code == 220 then return true end
  return nil, client:refused(greeting, "the greeting")
end

-- STARTTLS where it is wanted and there.
local function secure(client, s)
  if client.tls or s.tls == "none" then return true end
  if client.extensions.STARTTLS then return client:starttls() end
  if s.tls == "starttls" then
    return nil, client:failed("tls", "the server offers no STARTTLS")
  end
  return true
end

-- A user, or a way without one (EXTERNAL).
local function wants_auth(s)
  return s.user or s.auth and s.auth.mechanism
end

local function hello(client, s)
  return (s.ehlo == false and client.helo or client.ehlo)(client)
end

local function log_in(client, s)
  if wants_auth(s) then return client:auth() end
  return true
end

-- Makes a session and takes it through some phases.
local function session(s, phases)
  local conn, problem, process = route.open(s, s.limits.connect)
  if not conn then return nil, problem end
  local g <close> = guard()
  local client = clients.new {
    conn = conn, loop = s.loop, host = s.label, timeout = s.limit,
    limits = s.limits, lmtp = s.protocol == "lmtp", context = tls_maker(s),
    verify = s.host or "localhost", port = s.port, strict = s.strict,
    chunking = s.chunking, overlap = s.overlap,
    certified = s.certificate ~= nil, credentials = credentials_of(s),
    process = process,
    transcript = s.transcript, name = s.helo or own_name(conn, s),
  }
  g.client = client
  client.transcript:add("*", "connected to " .. s.label)
  for _, phase in ipairs(phases) do
    local ok
    ok, problem = phase(client, s)
    if not ok then return nil, problem end
  end
  g.keep = true
  return client
end

-- What is done up to when mail can be sent, and the phases' names.
local steps <const> = { greet, hello, secure, log_in }

--- How many of the steps a session takes that goes no further than a phase.
M.phases = { connect = 1, ehlo = 2, tls = 3, auth = 4, mail = 4, rcpt = 4 }

--- Dials and hears the greeting; TLS first where it is implicit.
---@param s table  settings
---@return lunapost.client?
---@return lunapost.err?
function M.connect(s)
  return session(s, { greet })
end

--- Dials, and goes on up to a phase.
---@param s table  settings
---@param phase? string  of M.phases; default: until mail can be sent
---@return lunapost.client?
---@return lunapost.err?
function M.upto(s, phase)
  if s.greeting == false then
    error("option 'greeting' is one of smtp.connect: what follows needs it", 0)
  end
  return session(s, table.move(steps, 1, M.phases[phase or "auth"], 1, {}))
end

--- Dials, and goes on until mail can be sent.
---@param s table  settings
---@return lunapost.client?
---@return lunapost.err?
function M.open(s)
  return M.upto(s)
end

return M
