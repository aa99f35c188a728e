--- Connections for client and server: dial, listen, shake hands.
---
--- Everything that waits takes loop=, and timeout= (seconds) or deadline=
--- (on core.loop.now's clock). Failures are error objects.

local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local err = require "lunapost.err"
local names = require "lunapost.net.names"
local options_of = require "lunapost.options"
local race = require "lunapost.net.race"

local now = core.loop.now

local M = {
  resolve = names.resolve, reverse = names.reverse, fqdn = names.fqdn,
  is_private = names.is_private,
}

-- Client contexts are kept: reading the system's authorities takes long.
local CONTEXT_AGE <const> = 600
local CONTEXT_COUNT <const> = 32
local contexts, context_count = {}, 0

-- How much of what a peer still says is listened to when parting.
local PART_MOST <const> = 1 << 20

local MODES <const> = { read = "r", write = "w" }

--- Waits for what a connection wants.
---@param conn userdata
---@param want "read"|"write"
---@param options lunapost.net.wait  deadline, not timeout
---@return true? ready
---@return "timeout"|"closed"|nil why
function M.wait(conn, want, options)
  return names.wait(options.loop or default_loop, conn:fd(), MODES[want],
    options.deadline)
end

--- Closes a connection or listener, once its loop has let go of it.
---@param conn userdata
---@param loop table?
function M.close(conn, loop)
  local fd = conn:fd()
  if fd < 0 then return end
  if loop then loop.forget(fd) end
  conn:close()
end

-- Closes the connection when the scope is left without keep.
local function guard(conn, loop)
  return setmetatable({}, { __close = function(g)
    if not g.keep then M.close(conn, loop) end
  end })
end

-- Calls a method of the connection until it is done.
local function finish(conn, method, options)
  while true do
    local ok, kind, text = conn[method](conn)
    if ok then return true end
    if kind == "choice" then
      conn:choose(options.sni and options.sni(conn:asked()))
      return finish(conn, method, options)
    end
    if not MODES[kind] then return nil, kind, text end
    local ready, why = M.wait(conn, kind, options)
    if not ready then return nil, why end
  end
end

--- Closes a connection so that the peer gets all that was written: says
--- that no more comes, throws away what the peer still sends, up to its end
--- or for a while. A close with bytes unread would be a reset.
---@param conn userdata
---@param options lunapost.net.wait  timeout: default 2 seconds
function M.part(conn, options)
  local _ <close> = guard(conn, options.loop)
  local waits = { loop = options.loop,
    deadline = names.deadline(options) or now() + 2 }
  local left = finish(conn, "shutdown", waits) and PART_MOST or 0
  while left > 0 do
    local bytes, kind = conn:read(65536)
    left = left - #(bytes or "")
    if not bytes and not (MODES[kind] and M.wait(conn, kind, waits)) then
      return
    end
  end
end

local function attempt(options, connect, ...)
  local conn, kind, text = connect(...)
  if not conn then return nil, kind, text end
  local g <close> = guard(conn, options.loop)
  local ok, why, words = finish(conn, "connected", options)
  if not ok then return nil, why, words or "no answer in time" end
  g.keep = true
  return conn
end

-- A full queue at a Unix listener refuses at once and soon has room again.
local function dial_path(path, options)
  local loop, pause = options.loop or default_loop, 0.005
  while true do
    local conn, kind, text = attempt(options, core.net.connect_unix, path)
    if conn then return conn end
    local left = (options.deadline or 0) - now()
    if kind ~= "limit" or left <= 0 or not loop.sleep then
      return nil, err.new { kind = kind == "limit" and "connect" or kind,
        text = text, host = path }
    end
    loop.sleep(math.min(pause, left))
    pause = math.min(2 * pause, 0.1)
  end
end

local function dial_failure(host, port, tried)
  local kind, words, seen = "timeout", {}, {}
  for _, one in ipairs(tried) do
    if one.kind ~= "timeout" then kind = one.kind end
    local text = (one.text:gsub("^cannot connect: ", ""))
    if not seen[text] then
      seen[text] = true
      words[#words + 1] = ("%s (%s)"):format(text, M.join(one.address, port))
    end
  end
  return err.new { kind = kind, host = host,
    text = "cannot connect: " .. table.concat(words, "; ") }
end

local function addresses_of(host, options)
  if options.addresses then return options.addresses end
  return names.resolve(host, options)
end

local function dial_host(host, port, options)
  local list, problem = addresses_of(host, options)
  if not list then return nil, problem end
  local conn, tried = race.connect(list, port, options)
  if conn then return conn end
  return nil, dial_failure(host, port, tried)
end

-- Literal addresses as names are resolved to.
local function as_resolved(addresses)
  if not addresses then return nil end
  local list = {}
  for i, address in ipairs(addresses) do
    if type(address) ~= "string" or not core.net.numeric(address) then
      error(("addresses[%d] must be an address, not %s"):format(i,
        tostring(address)), 3)
    end
    list[i] = { address = address }
  end
  return list[1] and list
    or error("addresses must hold one address at least", 3)
end

---@class lunapost.net.dial: lunapost.net.wait
---@field host? string  a name or an address
---@field port? integer
---@field addresses? string[]  of the host, which is then not looked up
---@field unix? string  a path, instead of host and port

local known_dial <const> = {
  host = "string", port = "integer", unix = "string", addresses = "table",
  loop = "table", timeout = "number", deadline = "number",
}

--- Connects to the first address of a host that answers (RFC 8305), or to a
--- Unix socket.
---@param options lunapost.net.dial
---@return userdata? conn
---@return lunapost.err? err  dns, connect or timeout
function M.dial(options)
  options_of.check("option of dial", options, known_dial, 2)
  local waits = { loop = options.loop, deadline = names.deadline(options),
    addresses = as_resolved(options.addresses) }
  if options.unix then return dial_path(options.unix, waits) end
  if not options.host or not options.port then
    error("dial needs host and port, or unix", 2)
  end
  return dial_host(options.host, options.port, waits)
end

---@class lunapost.net.handshake: lunapost.net.wait
---@field server? boolean
---@field host? string  a client's: the name or address to verify
---@field sni? fun(name: string): userdata?  a server's: the context for the
--- name that the client asks for ("": none); it may wait

local known_handshake <const> = {
  sni = "function",
  server = "boolean", host = "string", loop = "table",
  timeout = "number", deadline = "number",
}

--- Puts TLS under a connection and shakes hands.
---@param conn userdata
---@param context userdata  of M.context
---@param options lunapost.net.handshake
---@return true? ok
---@return lunapost.err? err  tls, closed or timeout
function M.handshake(conn, context, options)
  options_of.check("option of handshake", options, known_handshake, 2)
  local waits = { loop = options.loop, deadline = names.deadline(options),
    sni = options.sni }
  local ok, kind, text = conn:starttls(context, options.server or false,
    options.host)
  if ok then ok, kind, text = finish(conn, "handshake", waits) end
  if ok then return true end
  return nil, err.new { kind = kind, host = options.host,
    fingerprint = kind == "tls" and conn:seen() or nil,
    text = text or "the TLS handshake was not finished in time" }
end

---@class lunapost.net.context
---@field server? boolean
---@field choose? boolean  server: handshakes ask their sni function
---@field test? boolean  server: a throw-away certificate, context:pem()
---@field hostname? string  test: one more name in it
---@field certificate? string  a file or PEM text, leaf first
---@field key? string  a file or PEM text; default: beside the certificate
---@field ca? string  a file, a folder or PEM text; default: the system's
---@field pin? string|string[]  "sha256/BASE64" of the key or hexadecimal
--- sha256 of the certificate; decides alone
---@field insecure? boolean  verifies nothing
---@field tlsa? table[]  the server's TLSA records, as dns.tlsa gives them:
--- they decide alone (RFC 7672); where none can be used nothing is verified
---@field tlsa_domain? string  with tlsa: another name that the certificate may
--- have, the domain whose mail the host takes (RFC 7672 3.2.2)
---@field minimum_version? "1.0"|"1.1"|"1.2"|"1.3"  default 1.2
---@field maximum_version? "1.0"|"1.1"|"1.2"|"1.3"  default: the newest

local known_context <const> = {
  server = "boolean", choose = "boolean", test = "boolean",
  hostname = "string",
  certificate = "string", key = "string", ca = "string",
  pin = "string|table", insecure = "boolean", tlsa = "table",
  tlsa_domain = "string",
  minimum_version = "string",
  maximum_version = "string",
}

local function make_context(options)
  local context, kind, text = core.net.tls_context {
    server = options.server, choose = options.choose, test = options.test,
    hostname = options.hostname, certificate = options.certificate,
    key = options.key, ca = options.ca, pin = options.pin,
    insecure = options.insecure, tlsa = options.tlsa,
    tlsa_domain = options.tlsa_domain,
    minimum = options.minimum_version,
    maximum = options.maximum_version,
  }
  if context then return context end
  if kind == "syntax" then error(text, 0) end
  return nil, err.of(kind, text)
end

-- What a client context depends on, the age of its files included.
local function context_key(options)
  local words = {}
  for _, name in ipairs { "ca", "certificate", "key" } do
    local value = options[name] or ""
    local stat = #value < 4096 and not value:find("\0", 1, true)
      and core.system.stat(value)
    words[#words + 1] = value .. "\1" .. (stat and stat.modified or "")
  end
  local pin = options.pin
  if type(pin) == "table" then pin = table.concat(pin, "\1") end
  words[#words + 1] = tostring(pin)
  words[#words + 1] = tostring(options.insecure)
  words[#words + 1] = tostring(options.minimum_version)
  words[#words + 1] = tostring(options.maximum_version)
  return table.concat(words, "\2")
end

local function kept_context(options)
  local key = context_key(options)
  local known = contexts[key]
  if known and known.till > now() then return known.context end
  local context, problem = make_context(options)
  if not context then return nil, problem end
  if context_count >= CONTEXT_COUNT then contexts, context_count = {}, 0 end
  if not known then context_count = context_count + 1 end
  contexts[key] = { context = context, till = now() + CONTEXT_AGE }
  return context
end

--- A TLS context. A client's verifies chain and name unless told otherwise;
--- a server's needs a certificate, or test = true.
---@param options lunapost.net.context
---@return userdata? context
---@return lunapost.err? err  tls: a file that cannot be used
function M.context(options)
  options_of.check("TLS option", options, known_context, 2)
  if options.server or options.test or options.tlsa then
    return make_context(options)
  end
  return kept_context(options)
end

--- Takes "HOST:PORT", "[V6]:PORT", "*:PORT" or "unix:PATH" apart.
---@param where string
---@return string? host  nil: malformed
---@return integer? port
---@return string? path  of a Unix socket
function M.split(where)
  local path = where:match "^unix:(.+)$"
  if path then return "", nil, path end
  local host, port = where:match "^%[([%x:%.%%%w]+)%]:(%d+)$"
  if not host then host, port = where:match "^([^:%[%]]*):(%d+)$" end
  port = math.tointeger(tonumber(port))
  if not port or port > 65535 then return nil end
  return host == "" and "*" or host, port
end

--- "HOST:PORT", with brackets where the host is an IPv6 address.
---@param host string
---@param port integer
---@return string
function M.join(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

local function listen_at(where, host, port, backlog, options)
  local listener, kind, text
  if host ~= "*" and not core.net.numeric(host) then
    local list, problem = names.resolve(host, options)
    if not list then return nil, problem end
    host = list[1].address
  end
  listener, kind, text = core.net.listen(host, port, backlog)
  if listener then return listener end
  return nil, err.new { kind = kind, text = text, host = where,
    transient = false }
end

--- Raises where a server cannot listen by what is written.
---@param where string
---@param level? integer  default 2
---@return string host
---@return integer? port
---@return string? path
function M.place(where, level)
  local host, port, path = M.split(where)
  if host then return host, port, path end
  error(("'%s' is not HOST:PORT or unix:PATH"):format(where), level or 2)
end

--- Listens at "HOST:PORT", "[V6]:PORT", "*:PORT" (both families) or
--- "unix:PATH". Port 0: listener:address() tells which.
---@param where string
---@param options? { backlog: integer?, loop: table?, timeout: number?,
--- permissions: string? } permissions: of a Unix socket, octal; default: as
--- the umask has it
---@return userdata? listener
---@return lunapost.err? err
function M.listen(where, options)
  options = options or {}
  local host, port, path = M.place(where, 3)
  if not path then
    return listen_at(where, host, port, options.backlog, options)
  end
  local listener, kind, text = core.net.listen_unix(path, options.backlog,
    options.permissions and tonumber(options.permissions, 8))
  if listener then return listener end
  return nil, err.new { kind = kind, text = text, host = where,
    transient = false }
end

-- Waits where no descriptor tells: a listener is never writable.
local function pause(listener, seconds, loop)
  if loop.sleep then return loop.sleep(seconds) end
  loop.wait(listener:fd(), "w", seconds)
end

--- The next connection. When descriptors or memory run out, clients stay in
--- the kernel's queue, and it tries again ten times a second.
---@param listener userdata
---@param options? lunapost.net.wait
---@return userdata? conn
---@return lunapost.err? err  timeout, or closed: the listener was closed
function M.accept(listener, options)
  options = options or {}
  local loop = options.loop or default_loop
  local deadline = names.deadline(options)
  while true do
    local conn, kind, text = listener:accept()
    if conn then return conn end
    if kind == "limit" then
      pause(listener, 0.1, loop)
    elseif kind ~= "read" then
      return nil, err.of(kind, text)
    else
      local ready, why = names.wait(loop, listener:fd(), "r", deadline)
      if not ready then return nil, err.of(why, "no connection came") end
    end
  end
end

return M
