--- A server with a Lua handler for each command (API section 2).
---
--- local server = smtp.server { listen = "127.0.0.1:2525" }
--- function server.on.rcpt(session, path, parameters) ... end
--- server:run()

local core = require "lunapost.core"
local answer = require "lunapost.smtp.answer"
local default_loop = require "lunapost.loop"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local session_of = require "lunapost.smtp.session"
local transcript = require "lunapost.smtp.transcript"
local verifier = require "lunapost.smtp.verifier"
local workers = require "lunapost.smtp.workers"

local M = { reject = answer.reject }

---@class lunapost.server
local Server = {}

local meta = { __name = "lunapost.server", __index = Server }

local known <const> = {
  listen = "string|table", protocol = "string", hostname = "string",
  tls = "string|table", auth = "table", extensions = "table",
  commands = "table", limits = "table", reverse_dns = "boolean",
  on = "table|function", loop = "table", log = "function", bare = "string",
  workers = "integer",
}

local known_tls <const> = {
  certificate = "string", key = "string", mode = "string",
  minimum_version = "string", test = "boolean", sni = "function",
}

local known_auth <const> = {
  check = "function", required = "boolean", cleartext = "boolean",
  mechanisms = "table",
}

local known_command <const> = {
  syntax = "string", needs = "table", run = "function",
}

--- Limits and their defaults: octets, counts, seconds.
M.limits = {
  size = 64 << 20,       -- of a message
  recipients = 1000,     -- of a transaction, refused ones counted
  command = 4096,        -- octets of a command line with its CRLF
  line = 1 << 20,        -- octets of a line of a body
  errors = 20,           -- refused commands without a message between
  auth_failures = 3,
  timeout = 300,         -- seconds to wait for a command or more of a body
  handler = 600,         -- seconds that a handler may take
  sessions = math.maxinteger, -- as the descriptors allow
  source_sessions = math.maxinteger, -- from one address
  backlog = 1024,
  reverse_dns = 5,       -- seconds to wait for the name of a peer
}

local handler_names <const> = {
  connect = true, helo = true, ehlo = true, secured = true, mail = true,
  rcpt = true, data = true, message = true, vrfy = true, expn = true,
  help = true, noop = true, rset = true, quit = true, unknown = true,
  reply = true, disconnect = true, error = true,
}

-- Raises for a name that no handler has, or a handler that is no function.
local function check_handler(name, fn, level)
  if name == "observe" then
    for twin, report in pairs(fn) do check_handler(twin, report, level + 1) end
    return
  end
  if not handler_names[name] then
    options_of.unknown("handler", name, handler_names, level)
  end
  options_of.typed("handler", name, fn, "function|nil", level)
end

local function check_handlers(given, level)
  local handlers = {}
  for name, fn in pairs(given or {}) do
    check_handler(name, fn, level + 1)
    handlers[name] = fn
  end
  return handlers
end

-- server.on: each handler is checked when it is set.
local function handler_table(handlers)
  return setmetatable({}, {
    __index = handlers,
    __newindex = function(_, name, fn)
      check_handler(name, fn, 3)
      handlers[name] = fn
    end,
    __pairs = function() return pairs(handlers) end,
  })
end

local function one_of(what, value, words, level)
  if value and not words[value] then
    options_of.unknown(what, value, words, level + 1)
  end
end

local function check_auth(auth, level)
  options_of.check("option of auth", auth, known_auth, level)
  if not auth.check then
    error("auth needs check = function(session, credentials)", level + 1)
  end
  for _, name in ipairs(auth.mechanisms or {}) do
    if not verifier.known(name:upper()) then
      error("unknown mechanism '" .. name .. "'", level + 1)
    end
  end
end

local function check_options(options, level)
  options_of.check("option of smtp.server", options, known, level)
  one_of("protocol", options.protocol, { smtp = true, lmtp = true }, level)
  one_of("policy for bare line ends", options.bare,
    { reject = true, fix = true, keep = true }, level)
  if options.workers and options.workers < 1 then
    error("workers must be 1 or more", level + 1)
  end
  if options.auth then check_auth(options.auth, level + 1) end
  if type(options.tls) == "table" then
    options_of.check("option of tls", options.tls, known_tls, level)
    one_of("mode of tls", options.tls.mode,
      { starttls = true, implicit = true }, level)
  elseif options.tls and options.tls ~= "test" then
    error("tls is \"test\" or a table with certificate and key", level + 1)
  end
end

local function check_command(verb, command, level)
  if type(command) == "function" then command = { run = command } end
  options_of.check("option of command " .. verb, command, known_command,
    level + 1)
  if not command.run then
    error("command " .. verb .. " needs run = function", level + 1)
  end
  return command
end

-- Own commands by upper-case verb; more may be added until the start.
local function command_table(given, level)
  local list = {}
  for verb, command in pairs(given or {}) do
    list[verb:upper()] = check_command(verb, command, level + 1)
  end
  return setmetatable({}, {
    __index = list,
    __newindex = function(_, verb, command)
      list[verb:upper()] = check_command(verb, command, 2)
    end,
    __pairs = function() return pairs(list) end,
  })
end

local function merge_limits(given, level)
  local types = {}
  for name in pairs(M.limits) do types[name] = "number" end
  options_of.check("limit", given or {}, types, level)
  local limits = {}
  for name, value in pairs(M.limits) do limits[name] = value end
  for name, value in pairs(given or {}) do limits[name] = value end
  return limits
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- The keywords that open parameters, as core wants them: one list a verb.
local function parameters_of(server, verb, own)
  local list = { own }
  for _, keyword in ipairs(sorted_keys(server.extensions)) do
    local extension = server.extensions[keyword]
    for _, parameter in ipairs(extension[verb] or {}) do
      list[#list + 1] = parameter:upper()
    end
  end
  return table.concat(list, " ")
end

local policies <const> = { reject = 0, fix = 1, keep = 2 }

local function configure(server)
  local options, limits = server.options, server.limits
  local auth = options.auth
  return core.server.config {
    hostname = server.hostname,
    mail_parameters = parameters_of(server, "mail",
      "SIZE BODY SMTPUTF8" .. (auth and " AUTH" or "")),
    rcpt_parameters = parameters_of(server, "rcpt", ""),
    line_limit = limits.command, body_line_limit = limits.line,
    size_limit = limits.size, recipient_limit = limits.recipients,
    error_limit = limits.errors, bare = policies[options.bare or "reject"],
    lmtp = options.protocol == "lmtp",
    tls = server.context ~= nil and not server.implicit,
    auth = auth ~= nil, auth_required = auth and auth.required or false,
    auth_cleartext = auth and auth.cleartext or false,
  }
end

local function tls_context(server)
  local tls = server.options.tls
  if not tls then return nil end
  if tls == "test" then tls = { test = true } end
  server.implicit = tls.mode == "implicit"
  return assert(net.context { server = true, test = tls.test,
    choose = tls.sni ~= nil,
    certificate = tls.certificate, key = tls.key,
    minimum_version = tls.minimum_version, hostname = server.hostname })
end

-- The context for the name that a client asks for: the script's choice of
-- { certificate =, key = }, each made once; nil keeps the server's own.
local function sni_of(server)
  local choose = type(server.options.tls) == "table" and server.options.tls.sni
  if not choose then return nil end
  local made = {}
  return function(name)
    local choice = choose(name)
    if not choice then return nil end
    local id = choice.certificate .. "\0" .. (choice.key or "")
    made[id] = made[id] or assert(net.context { server = true,
      certificate = choice.certificate, key = choice.key })
    return made[id]
  end
end

local function stderr_log(line)
  io.stderr:write("lunapost: ", line, "\n")
end

--- Makes a server; nothing is listening before start or run.
---@param options table  API section 2
---@return lunapost.server
function M.new(options)
  check_options(options, 2)
  local server = setmetatable({
    options = options,
    limits = merge_limits(options.limits, 2),
    commands = command_table(options.commands, 2),
    extensions = options.extensions or {},
    hostname = options.hostname or net.fqdn(),
    loop = options.loop or default_loop,
    log = options.log or stderr_log,
    pause = (options.loop or default_loop).sleep,
    listeners = {}, sessions = {}, sources = {}, addresses = {},
    counts = { sessions = 0, messages = 0 },
  }, meta)
  server.handlers = check_handlers(type(options.on) == "table" and options.on
    or nil, 2)
  server.on = handler_table(server.handlers)
  server.context = tls_context(server)
  server.sni = sni_of(server)
  return server
end

local function both_bodies(on)
  if on.data and on.message then
    error("a server has a handler for data or for message, not both", 3)
  end
end

-- What sessions share is settled once the script has said all.
local function prepare(server)
  both_bodies(server.handlers)
  server.config = server.config or configure(server)
end

--- The handlers of one session: the server's, or a set that the script
--- makes for it.
---@param session lunapost.session
---@return table
function Server:handlers_for(session)
  local make = self.options.on
  if type(make) ~= "function" then return self.handlers end
  local on = check_handlers(make(session), 2)
  both_bodies(on)
  return on
end

--- The keywords of EHLO, as things stand in this session (RFC 5321 4.1.1.1).
---@param session lunapost.session
---@return string[]
function Server:keywords(session)
  local list = { "PIPELINING", "SIZE " .. self.limits.size, "8BITMIME",
    "SMTPUTF8", "ENHANCEDSTATUSCODES" }
  local auth = self.options.auth
  if self.context and not self.implicit and not session.tls then
    list[#list + 1] = "STARTTLS"
  end
  if auth and (session.tls or auth.cleartext) then
    list[#list + 1] = "AUTH " .. table.concat(self:mechanisms(), " ")
  end
  for _, verb in ipairs { "vrfy", "expn" } do
    if session.on[verb] then list[#list + 1] = verb:upper() end
  end
  for _, keyword in ipairs(sorted_keys(self.extensions)) do
    list[#list + 1] = keyword
  end
  list[#list + 1] = "HELP"
  return list
end

---@return string[]
function Server:mechanisms()
  return self.options.auth.mechanisms or verifier.names
end

---@param name string
---@return boolean
function Server:offers_mechanism(name)
  for _, known_name in ipairs(self:mechanisms()) do
    if known_name:upper() == name then return true end
  end
  return false
end

local verbs <const> = "HELO EHLO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY "
  .. "EXPN HELP QUIT"

--- The default text of HELP.
---@param topic? string
---@return string?
function Server:help(topic)
  local command = topic and self.commands[topic:upper()]
  if command then return "syntax: " .. (command.syntax or topic:upper()) end
  if topic and topic ~= "" then return nil end
  local own = sorted_keys(self.commands)
  return "commands: " .. verbs
    .. (#own > 0 and " " .. table.concat(own, " ") or "")
end

--- Asks who the peer is, once a session, before HELO is answered; a slow
--- answer stops nobody else.
---@param session lunapost.session
function Server:name_peer(session)
  local peer = session.peer
  if peer.named or self.options.reverse_dns == false or not session.conn then
    return
  end
  peer.named = true
  if peer.address and not net.is_private(peer.address) then
    peer.name = net.reverse(peer.address, { loop = self.loop,
      timeout = self.limits.reverse_dns })
  end
end

--- Shakes hands with the session's peer.
---@param session lunapost.session
---@return true? ok, lunapost.err? problem
function Server:handshake(session)
  if not session.conn then return true end
  return net.handshake(session.conn, self.context, { server = true,
    sni = self.sni, timeout = self.limits.timeout, loop = self.loop })
end

local function enter(server, session)
  local address = session.peer.address or "unix"
  server.sessions[session] = coroutine.running()
  server.counts.sessions = server.counts.sessions + 1
  server.sources[address] = (server.sources[address] or 0) + 1
end

local function leave(server, session)
  local address = session.peer.address or "unix"
  if not server.sessions[session] then return end
  server.sessions[session] = nil
  server.counts.sessions = server.counts.sessions - 1
  local left = server.sources[address] - 1
  server.sources[address] = left > 0 and left or nil
  net.close(session.conn, server.loop)
end

local function refuse_crowd(server, session)
  local address = session.peer.address or "unix"
  return server.counts.sessions >= server.limits.sessions
    or (server.sources[address] or 0) >= server.limits.source_sessions
end

local function converse(server, session)
  if server.implicit then
    local ok, problem = server:handshake(session)
    if not ok then
      server.log("session " .. session.id .. ": " .. tostring(problem))
      return
    end
    session.machine:secured()
    session.tls = session.conn:tls()
  end
  session:drive()
end

-- One connection, from the greeting to the close.
local function serve(server, conn)
  local address, port = conn:peer()
  local session = session_of.new(server, conn,
    { address = address, port = port })
  if refuse_crowd(server, session) then
    session.machine:close(421, "4.3.2", server.hostname
      .. " has too many sessions; try later")
    session:flush()
    conn:close()
    return
  end
  enter(server, session)
  local guard <close> = setmetatable({}, { __close = function()
    leave(server, session)
  end })
  converse(server, session)
  if server.sessions[session] and session.ended ~= "quit" then
    session:part()
  end
  return guard
end

local function accept_loop(server, listener)
  while true do
    local conn, problem = net.accept(listener, { loop = server.loop })
    if conn then
      server.loop.spawn(serve, server, conn)
    elseif server.stopping then
      return
    else
      server.log("accept: " .. tostring(problem))
      server.pause(0.1)
    end
  end
end

local function listen(server, where)
  local listener, err = net.listen(where, { backlog = server.limits.backlog })
  if not listener then return nil, err end
  table.insert(server.listeners, listener)
  local address, port = listener:address()
  server.port = server.port or port
  table.insert(server.addresses,
    port and net.join(address, port) or "unix:" .. address)
  return listener
end

--- Opens the listeners; nobody is accepted before start.
---@return lunapost.server? server, lunapost.err? err
function Server:listen()
  prepare(self)
  local where = self.options.listen or "127.0.0.1:2525"
  core.system.raise_descriptors()
  for _, one in ipairs(type(where) == "table" and where or { where }) do
    local listener, err = listen(self, one)
    if not listener then
      self:stop(0)
      return nil, err
    end
  end
  return self
end

--- Listens and serves within the loop, which somebody else runs.
---@return lunapost.server? server, lunapost.err? err
function Server:start()
  if #self.listeners == 0 then
    local ok, err = self:listen()
    if not ok then return nil, err end
  end
  for _, listener in ipairs(self.listeners) do
    self.loop.spawn(accept_loop, self, listener)
  end
  return self
end

-- Says 421 and closes. An idle session wakes up and ends by itself; one that
-- is busy is dropped with all that it holds open.
local function hang_up(server, session, co)
  local idle, over = session.idle, session.ended ~= nil
  if not over then
    session.machine:close(421, "4.3.2", server.hostname .. " shuts down")
    session.machine:flush(session.conn)
    session.ended = "stopped"
  end
  leave(server, session)
  if not idle and co ~= coroutine.running() and server.loop.kill then
    server.loop.kill(co)
    if not over then session:call("disconnect", "stopped") end
  end
end

local function hang_up_all(server, idle_only)
  local list = {}
  for session, co in pairs(server.sessions) do
    if session.idle and not session.in_body or not idle_only then
      list[session] = co
    end
  end
  for session, co in pairs(list) do hang_up(server, session, co) end
end

--- Stops: listens no more, says 421 to sessions that wait for a command, lets
--- bodies and handlers finish for a grace period, then ends them too.
---@param grace? number  seconds; default 10
function Server:stop(grace)
  self.stopping = true
  for _, listener in ipairs(self.listeners) do
    self.loop.forget(listener:fd())
    listener:close()
  end
  self.listeners = {}
  local limit = core.loop.now() + (grace or 10)
  hang_up_all(self, true)
  while next(self.sessions) and core.loop.now() < limit do
    self.pause(0.02)
    hang_up_all(self, true)
  end
  hang_up_all(self, false)
end

--- Serves in this process until SIGTERM or SIGINT; drains before it returns.
function Server:run_alone()
  assert(self:start())
  local signals = assert(core.system.signals())
  self.loop.spawn(function()
    local guard <close> = signals
    self.loop.wait(signals:fd(), "r")
    self.loop.forget(signals:fd())
    self:stop()
    self.loop.stop()
    return guard
  end)
  self.loop.run()
end

--- Serves until SIGTERM or SIGINT; drains before it returns. With workers,
--- so many processes share the listeners.
---@param started? fun(server: lunapost.server)  called once it listens
---@return true? ok, lunapost.err? err
function Server:run(started)
  local ok, err = self:listen()
  if not ok then return nil, err end
  if started then started(self) end
  local count = self.options.workers or 1
  if count == 1 then
    self:run_alone()
  else
    workers.run(count, self.log, function() self:run_alone() end)
  end
  return true
end

---@return { sessions: integer, messages: integer }
function Server:stats()
  return { sessions = self.counts.sessions, messages = self.counts.messages }
end

-- What the machine has said so far goes into the record, line by line.
local function collect(session, record)
  for line in session.machine:output():gmatch("(.-)\r\n") do
    record:add("S", line)
  end
end

--- Runs a dialogue in memory, on the same machine and handlers, without a
--- socket: each line is sent when the server waits for one.
---@param lines string[]  what the client says; CRLF is added
---@return table transcript
function Server:script(lines)
  prepare(self)
  local session = session_of.new(self, nil, { address = "127.0.0.1", port = 0 })
  local record, at = transcript.new { limit = false }, 0
  function session:bring()
    collect(self, record)
    at = at + 1
    local line = lines[at]
    if not line then
      self.machine:finish()
      return true
    end
    record:add("C", line, self.asking == "AUTH")
    local bytes = line:find("\n$") and line or line .. "\r\n"
    self.machine:feed(bytes)
    return true
  end
  session:drive()
  collect(session, record)
  return record
end

return setmetatable(M, { __call = function(_, options)
  return M.new(options) -- a tail call: errors point to the script
end })
