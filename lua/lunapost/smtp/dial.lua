--- From options to a session: addresses, TLS, greeting, EHLO, AUTH.

local clients = require "lunapost.smtp.client"
local core = require "lunapost.core"
local err = require "lunapost.err"
local names = require "lunapost.smtp.names"
local options_of = require "lunapost.options"

local M = {}

local TIMEOUT <const> = 60

--- Options of smtp.open and smtp.connect.
M.known = {
  server = "string",       -- smtp:// smtps:// lmtp:// unix:PATH
  host = "string",
  port = "integer",
  protocol = "string",     -- "smtp", "lmtp"
  tls = "string",          -- "auto", "starttls", "implicit", "none"
  user = "string",
  password = "string",
  auth = "table",          -- { mechanism =, authorization =, cleartext = }
  timeout = "number",      -- seconds for one whole reply
  helo = "string",
  ca = "string",           -- a file, a folder or PEM text
  pin = "string|table",    -- "sha256/BASE64" of the key, or a fingerprint
  insecure = "boolean",    -- verifies nothing
  certificate = "string",  -- of the client
  key = "string",
  loop = "table",
  transcript = "table",
}

local auth_known <const> = { mechanism = "string", authorization = "string",
  cleartext = "boolean" }

local tls_modes <const> = { auto = true, starttls = true, implicit = true,
  none = true }

local protocols <const> = { smtp = true, lmtp = true }

local schemes <const> = {
  smtp = { protocol = "smtp" },
  smtps = { protocol = "smtp", tls = "implicit" },
  lmtp = { protocol = "lmtp" },
}

local function percent_decoded(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function misuse(text, ...)
  error(text:format(...), 0)
end

local function number_of_port(text, url)
  local port = tonumber(text)
  if not port or not text:find("^%d+$") or port < 1 or port > 65535 then
    misuse("server %q: the port must be a number of 1 to 65535", url)
  end
  return math.tointeger(port)
end

-- "host", "host:port", "[address]:port"
local function authority(url, text, into)
  local host, rest = text:match("^%[([^%]]*)%](.*)$")
  if not host then host, rest = text:match("^([^:]*)(.*)$") end
  if host == "" or not (rest == "" or rest:find("^:%d+$")) then
    misuse("server %q: smtp://[USER[:PASSWORD]@]HOST[:PORT] is expected", url)
  end
  into.host = host
  if rest ~= "" then into.port = number_of_port(rest:sub(2), url) end
end

--- Takes a server's URL apart.
---@param url string
---@return table  { host | path, port, protocol, tls, user, password }
function M.url(url)
  local path = url:match("^unix:(.+)$")
  if path then return { path = path, protocol = "smtp" } end
  local scheme, rest = url:match("^(%a+)://(.*)$")
  local known = scheme and schemes[scheme:lower()]
  if scheme and not known then
    misuse("server %q: the scheme must be smtp, smtps or lmtp", url)
  end
  local into = { protocol = "smtp" }
  for name, value in pairs(known or {}) do into[name] = value end
  rest = rest or url
  if into.protocol == "lmtp" and rest:find("^/") then
    into.path = rest
    return into
  end
  rest = rest:gsub("/+$", "")
  local user, behind = rest:match("^(.*)@([^@]*)$")
  if user then
    local name, password = user:match("^([^:]*):(.*)$")
    into.user = percent_decoded(name or user)
    into.password = password and percent_decoded(password)
  end
  authority(url, behind or rest, into)
  return into
end

local function default_port(s)
  if s.tls == "implicit" then return 465 end
  if s.protocol == "lmtp" then return 24 end
  return s.user and 587 or 25
end

local function check_word(name, value, words)
  if value ~= nil and not words[value] then
    options_of.unknown("value of '" .. name .. "'", value, words, 0)
  end
end

local function check(what, options)
  options_of.check(what, options, M.known, 0)
  if options.auth then
    options_of.check("option of auth", options.auth, auth_known, 0)
  end
  check_word("tls", options.tls, tls_modes)
  check_word("protocol", options.protocol, protocols)
  local port = options.port
  if port and (port < 1 or port > 65535) then
    misuse("option 'port' must be 1 to 65535, not %d", port)
  end
  if options.timeout and options.timeout <= 0 then
    misuse("option 'timeout' must be more than 0")
  end
end

--- Options made complete: the URL's parts, then the options over them, then
--- defaults.
---@param what string  "option of smtp.open"
---@param options table
---@return table settings
function M.settings(what, options)
  check(what, options)
  local s = options.server and M.url(options.server) or {}
  for name, value in pairs(options) do s[name] = value end
  if s.host and s.host:find("^unix:") then
    s.path, s.host = s.host:sub(6), nil
  end
  if not (s.host or s.path) then
    misuse("a server is missing: server = \"smtp://...\" or host = ")
  end
  s.protocol = s.protocol or "smtp"
  s.tls = s.tls or (s.path and "none") or "auto"
  s.port = s.port or default_port(s)
  if s.tls == "auto" and s.port == 465 then s.tls = "implicit" end
  s.limit = s.timeout or TIMEOUT
  s.loop = s.loop or require "lunapost.loop"
  s.label = s.path or ("%s:%d"):format(s.host, s.port)
  return s
end

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
  local list, problem = { s.path }, nil
  if not s.path then
    list, problem = names.addresses(s)
    if not list then return nil, problem end
  end
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
