--- From settings to a session: addresses, TLS, greeting, EHLO, AUTH.

local clients = require "lunapost.smtp.client"
local core = require "lunapost.core"
local err = require "lunapost.err"
local names = require "lunapost.smtp.names"

local M = {}

-- A function that makes the TLS context at its first call.
local function tls_maker(s)
  local context
  return function()
    if context then return context end
    local kind, text
    context, kind, text = core.net.tls_context {
      ca = s.ca, pin = s.pin, insecure = s.insecure,
      certificate = s.certificate, key = s.key,
    }
    if context then return context end
    return nil, err.of(kind, text, { host = s.label })
  end
end

-- Waits for a connection to come about.
local function await(s, conn, deadline)
  while true do
    local ok, kind, text = conn:connected()
    if ok then return conn end
    if kind ~= "write" then return nil, kind, text end
    local seconds = deadline - core.loop.now()
    if seconds <= 0 or not s.loop.wait(conn:fd(), "w", seconds) then
      return nil, "timeout"
    end
  end
end

local function give_up(s, conn)
  if s.loop.forget then s.loop.forget(conn:fd()) end
  conn:close()
end

local function attempt(s, address, deadline)
  local conn, kind, text
  if s.path then
    conn, kind, text = core.net.connect_unix(s.path)
  else
    conn, kind, text = core.net.connect(address, s.port)
  end
  if not conn then return nil, kind, text end
  local ok
  ok, kind, text = await(s, conn, deadline)
  if ok then return conn end
  give_up(s, conn)
  return nil, kind, text
end

local function connect_error(s, kind, text)
  if kind == "timeout" then
    text = ("no connection within %g seconds"):format(s.limit)
  end
  return err.of(kind, text, { host = s.label })
end

-- Each address gets its share of the time that is left.
local function connect(s)
  local list, problem = names.addresses(s)
  if not list then return nil, problem end
  local deadline, kind, text = core.loop.now() + s.limit, nil, nil
  for i, address in ipairs(list) do
    local left = deadline - core.loop.now()
    local share = core.loop.now() + left / (#list - i + 1)
    local conn
    conn, kind, text = attempt(s, address, share)
    if conn then return conn end
  end
  return nil, connect_error(s, kind, text)
end

local function credentials_of(s)
  local auth = s.auth or {}
  return { user = s.user, password = s.password, mechanism = auth.mechanism,
    authorization = auth.authorization, cleartext = auth.cleartext }
end

--- Dials and hears the greeting; TLS first where it is implicit.
---@param s table  settings
---@return lunapost.client?
---@return lunapost.err?
function M.connect(s)
  local conn, problem = connect(s)
  if not conn then return nil, problem end
  local client = clients.new {
    conn = conn, loop = s.loop, host = s.label, timeout = s.limit,
    final = s.timeout, lmtp = s.protocol == "lmtp", context = tls_maker(s),
    verify = s.host or "localhost", credentials = credentials_of(s),
    transcript = s.transcript, name = s.helo or names.helo(conn),
  }
  client.transcript:add("*", "connected to " .. s.label)
  if s.tls == "implicit" then
    local ok
    ok, problem = client:secure()
    if not ok then return nil, problem end
  end
  client.greeting, problem = client:receive(nil, "the greeting")
  if not client.greeting then return nil, problem end
  if client.greeting.code ~= 220 then
    problem = client:refused(client.greeting, "the greeting")
    client:close()
    return nil, problem
  end
  return client
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

local function prepare(client, s)
  local ok, problem = client:ehlo()
  if ok then ok, problem = secure(client, s) end
  if ok and s.user then ok, problem = client:auth() end
  return ok, problem
end

--- Dials, and goes on until mail can be sent.
---@param s table  settings
---@return lunapost.client?
---@return lunapost.err?
function M.open(s)
  local client, problem = M.connect(s)
  if not client then return nil, problem end
  local ok
  ok, problem = prepare(client, s)
  if ok then return client end
  client:leave()
  return nil, problem
end

return M
