--- The options of a server: what may be given, and the defaults. Whatever is
--- wrong raises without a position; the public functions add the script's.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local extensions = require "lunapost.smtp.extensions"
local options_of = require "lunapost.options"
local ranges = require "lunapost.net.ranges"
local rates = require "lunapost.smtp.rates"
local verifier = require "lunapost.smtp.verifier"

local M = {}

local function misuse(text)
  error(text, 0)
end

---@class lunapost.server_tls
---@field certificate? string  a file, or PEM text: the chain
---@field key? string  its key
---@field mode? "starttls"|"implicit"
---@field minimum_version? "1.0"|"1.1"|"1.2"|"1.3"  default "1.2"
---@field test? boolean  a throw-away certificate, as tls = "test"
---@field sni? fun(name: string): table?  another pair for a name
---@field ca? string  clients are asked for certificates, verified by it

---@class lunapost.server_auth
---@field check? fun(session: lunapost.session,
--- credentials: lunapost.credentials): boolean?  of PLAIN and LOGIN
---@field secret? fun(session: lunapost.session, user: string,
--- mechanism: string): string|lunapost.scram_keys|nil  what SCRAM proves
---@field required? boolean  before MAIL
---@field cleartext? boolean  true: offered without TLS
---@field mechanisms? string[]  what is offered, in this order

---@class lunapost.server_options
---@field listen? string|table  "HOST:PORT" "*:PORT" "unix:PATH" "systemd", a
--- place { at =, tls =, permissions = }, or a list of these
---@field protocol? "smtp"|"lmtp"
---@field hostname? string  default: the machine's
---@field tls? "test"|lunapost.server_tls
---@field auth? lunapost.server_auth
---@field extensions? table<string, true|table>
---@field commands? table<string, table|function>  { syntax =, needs =, run = }
---@field limits? table<string, number>  see smtp.server.limits
---@field reverse_dns? boolean  false: no peer's name is asked for
---@field on? lunapost.handlers|fun(session: lunapost.session): table
---@field loop? table  default: lunapost.loop
---@field log? fun(record: lunapost.log.record)
---@field bare? "reject"|"fix"|"keep"  line ends in bodies that lack CR or LF
---@field workers? integer  processes that share the listeners
---@field session? fun(s: lunapost.linear)  the whole dialogue, without `on`
---@field early_pipelining? boolean  true: before EHLO has allowed it
---@field xclient? string[]  peers that may speak for others
---@field xforward? string[]
---@field proxy? string[]  peers that send a PROXY header
---@field spool? string  a folder for long messages
---@field grace? number  seconds for bodies and handlers at the end; 10
---@field reload? fun(): table|fun(server: lunapost.server)  at SIGHUP
---@field metrics? string  HOST:PORT that answers Prometheus
---@field user? string|integer  who the server becomes once it listens
---@field group? string|integer
local known <const> = {
  listen = "string|table", protocol = "string", hostname = "string",
  tls = "string|table", auth = "table", extensions = "table",
  commands = "table", limits = "table", reverse_dns = "boolean",
  on = "table|function", loop = "table", log = "function", bare = "string",
  workers = "integer", session = "function", early_pipelining = "boolean",
  xclient = "table", xforward = "table", proxy = "table",
  spool = "string", grace = "number", reload = "function", metrics = "string",
  user = "string|integer", group = "string|integer",
}

local known_tls <const> = {
  certificate = "string", key = "string", mode = "string",
  minimum_version = "string", test = "boolean", sni = "function",
  ca = "string",
}

local known_auth <const> = {
  check = "function", secret = "function", required = "boolean",
  cleartext = "boolean", mechanisms = "table",
}

local known_command <const> = {
  syntax = "string", needs = "table", run = "function",
}

local known_needs <const> = { tls = "boolean", auth = "boolean" }

--- The verbs that a server serves by itself, each with its syntax.
---@type table<string, string>
M.built_in = core.server.verbs

--- Limits and their defaults: octets, counts, seconds.
M.limits = {
  size = 64 << 20,       -- of a message
  header = 1 << 20,      -- of its header
  memory = 1 << 20,      -- of a message for its handler that is in no file
  spool = math.maxinteger, -- of all messages in files
  recipients = 1000,     -- of a transaction, refused ones counted
  command = 4096,        -- octets of a command line with its CRLF
  line = 1 << 20,        -- octets of a line of a body
  errors = 20,           -- refused commands without a message between
  unknown = 20,          -- unknown commands of a session
  commands = math.maxinteger, -- of a session, refused ones counted
  messages = math.maxinteger, -- of a session: MAIL commands
  auth_failures = 3,
  timeout = 300,         -- seconds to wait for a command or more of a body
  handshake = 60,        -- seconds for TLS, and for a proxy's header
  body_time = 3600,      -- seconds for a whole body
  session_time = 86400,  -- seconds for a whole session
  handler = 600,         -- seconds that a handler may take
  sessions = math.maxinteger, -- as the descriptors allow
  source_sessions = math.maxinteger, -- from one address
  connection_rate = math.maxinteger, -- a minute, as the other rates
  source_connection_rate = math.maxinteger,
  message_rate = math.maxinteger,
  source_message_rate = math.maxinteger,
  greeting_pause = 0,    -- seconds in which a client must not talk
  tarpit = 0,            -- seconds before each refusal
  backlog = 1024,
  reverse_dns = 5,       -- seconds to wait for the name of a peer
}

-- Each returns code, enhanced, text; or code, text; or nothing.
---@class lunapost.handlers
---@field connect? fun(session: lunapost.session): ...
---@field helo? fun(session: lunapost.session, domain: string): ...
---@field ehlo? fun(session: lunapost.session, domain: string,
--- keywords: string[]): ...
---@field secured? fun(session: lunapost.session): ...
---@field auth? fun(session: lunapost.session,
--- credentials: lunapost.credentials): ...
---@field mail? fun(session: lunapost.session, path: lunapost.path,
--- parameters: table): ...
---@field rcpt? fun(session: lunapost.session, path: lunapost.path,
--- parameters: table): ...
---@field data? fun(session: lunapost.session, body: lunapost.body): ...
---@field message? fun(session: lunapost.session,
--- message: lunapost.mime.part): ...
---@field vrfy? fun(session: lunapost.session, text: string): ...
---@field expn? fun(session: lunapost.session, text: string): ...
---@field etrn? fun(session: lunapost.session, text: string): ...
---@field help? fun(session: lunapost.session, text?: string): ...
---@field noop? fun(session: lunapost.session, text?: string): ...
---@field rset? fun(session: lunapost.session, reason: string): ...
---@field quit? fun(session: lunapost.session): ...
---@field unknown? fun(session: lunapost.session, verb: string,
--- argument: string): ...
---@field reply? fun(session: lunapost.session, code: integer,
--- enhanced: string, text: string): ...
---@field disconnect? fun(session: lunapost.session, why: string)
---@field error? fun(session: lunapost.session, problem: any)
---@field observe? lunapost.handlers  twins that report and change nothing
local handler_names <const> = {
  connect = true, helo = true, ehlo = true, secured = true, auth = true,
  mail = true, rcpt = true, data = true, message = true, vrfy = true,
  expn = true, etrn = true, help = true, noop = true, rset = true,
  quit = true, unknown = true, reply = true, disconnect = true, error = true,
}

-- Raises for a name that no handler has, or a handler that is no function.
local function check_handler(name, fn)
  if name == "observe" then
    for twin, report in pairs(fn) do check_handler(twin, report) end
    return
  end
  if not handler_names[name] then
    options_of.unknown("handler", name, handler_names, 0)
  end
  options_of.typed("handler", name, fn, "function|nil", 0)
end

--- Handlers by name, each checked.
---@param given? table
---@return table
function M.handlers(given)
  local handlers = {}
  for name, fn in pairs(given or {}) do
    check_handler(name, fn)
    handlers[name] = fn
  end
  return handlers
end

-- The handlers that a dialogue by one function may have beside it.
local reporters <const> = { error = true, observe = true, reply = true,
  disconnect = true }

--- Raises for handlers that a function for the whole dialogue leaves no
--- place for.
---@param session? function
---@param handlers table
function M.check_linear(session, handlers)
  for name in pairs(session and handlers or {}) do
    if not reporters[name] then
      misuse(("with session = function, 'on' may hold error, observe, reply "
        .. "and disconnect, not %s"):format(name))
    end
  end
end

--- server.on: each handler is checked when it is set.
---@param handlers table
---@return table
function M.handler_table(handlers)
  return setmetatable({}, {
    __index = handlers,
    __newindex = options_of.placed(function(_, name, fn)
      check_handler(name, fn)
      handlers[name] = fn
    end),
    __pairs = function() return pairs(handlers) end,
  })
end

--- Gives a server handlers, and its `on`.
---@param server table
---@param given? table
function M.take_handlers(server, given)
  server.handlers = M.handlers(given)
  server.on = M.handler_table(server.handlers)
  server.checked_on = server.on
end

-- Who may say whom it speaks for.
local trusted <const> = { "xclient", "xforward", "proxy" }

--- The peers that may speak for others, as ranges; raises where a list holds
--- what is no address.
---@param options table
---@return table<string, lunapost.net.ranges>
function M.trusted(options)
  local list = {}
  for _, name in ipairs(trusted) do
    if options[name] then
      local ok, given = pcall(ranges.new, options[name])
      if not ok then misuse(("option '%s': %s"):format(name, given)) end
      list[name] = given
    end
  end
  return list
end

--- The parts of a server that a script decides, of its options.
---@param given table  limits commands extensions on session proxy xclient
--- xforward
---@return table parts
function M.parts(given)
  local parts = {
    limits = M.all_limits(given.limits),
    commands = M.commands(given.commands),
    extensions = extensions.complete(given.extensions),
    config = false, -- made of all these before the first session
    dialogue = given.session or false,
    give = type(given.on) == "function" and given.on,
    trusted = M.trusted(given),
  }
  parts.rates = rates.of(parts.limits)
  parts.paced = next(parts.rates) ~= nil
  M.take_handlers(parts, type(given.on) == "table" and given.on or nil)
  return parts
end

--- The options of smtp.server and their types.
M.known = known

local function one_of(what, value, words)
  if value and not words[value] then
    options_of.unknown(what, value, words, 0)
  end
end

-- A function for the whole dialogue may judge what it asks for by itself.
local function check_auth(auth, session)
  options_of.check("option of auth", auth, known_auth, 0)
  if auth.check or auth.secret or not session then verifier.check(auth) end
end

local function check_process(options)
  if options.workers and options.workers < 1 then
    misuse("workers must be 1 or more")
  end
  if options.group and not options.user then
    misuse("group needs user: who the server becomes")
  end
end

--- Raises where an option is unknown or of the wrong kind.
---@param options table
function M.check(options)
  options_of.check("option of smtp.server", options, known, 0)
  one_of("protocol", options.protocol, { smtp = true, lmtp = true }, 0)
  one_of("policy for bare line ends", options.bare,
    { reject = true, fix = true, keep = true }, 0)
  check_process(options)
  if options.auth then check_auth(options.auth, options.session) end
  if options.session and type(options.on) == "function" then
    misuse("session = function leaves no place for on = function")
  end
  if type(options.tls) == "table" then
    options_of.check("option of tls", options.tls, known_tls, 0)
    one_of("mode of tls", options.tls.mode,
      { starttls = true, implicit = true }, 0)
  elseif options.tls and options.tls ~= "test" then
    misuse("tls is \"test\" or a table with certificate and key")
  end
end

local function check_command(verb, command)
  extensions.check_word("command", verb)
  if M.built_in[ascii.upper(verb)] then
    misuse(("%s has a handler: server.on.%s"):format(verb, ascii.lower(verb)))
  end
  if type(command) == "function" then command = { run = command } end
  options_of.check("option of command " .. verb, command, known_command, 0)
  if not command.run then
    misuse("command " .. verb .. " needs run = function")
  end
  options_of.check("need of command " .. verb, command.needs or {},
    known_needs, 0)
  return command
end

--- Own commands by upper-case verb; more may be added until the start.
---@param given? table
---@return table
function M.commands(given)
  local list = {}
  for verb, command in pairs(given or {}) do
    list[ascii.upper(verb)] = check_command(verb, command)
  end
  return setmetatable({}, {
    __index = list,
    __newindex = options_of.placed(function(_, verb, command)
      list[ascii.upper(verb)] = check_command(verb, command)
    end),
    __pairs = function() return pairs(list) end,
  })
end

local seconds <const> = { timeout = true, handler = true,
  reverse_dns = true, handshake = true, body_time = true, session_time = true,
  greeting_pause = true, tarpit = true }

--- All limits, the given ones in place of the defaults.
---@param given? table
---@return table
function M.all_limits(given)
  local types, limits = {}, {}
  for name, value in pairs(M.limits) do
    types[name] = seconds[name] and "number" or "integer"
    limits[name] = value
  end
  options_of.check("limit", given or {}, types, 0)
  for name, value in pairs(given or {}) do
    if value < 0 then
      misuse(("limit '%s' must not be negative"):format(name))
    end
    limits[name] = value
  end
  if not (given or {}).handshake then -- is a wait for the client, too
    limits.handshake = math.min(limits.handshake, limits.timeout)
  end
  return limits
end

--- Raises for what cannot be the name of a host.
---@param name? string
function M.check_hostname(name)
  if name and not name:find("^[%w%.%-_:%[%]]+$") then
    misuse(("hostname '%s' is no name of a host"):format(
      (name:gsub("%c", "?"))))
  end
end

return M
