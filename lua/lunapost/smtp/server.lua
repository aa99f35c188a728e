--- A server with a Lua handler for each command (API section 2).
---
--- local server = smtp.server { listen = "127.0.0.1:2525" }
--- function server.on.rcpt(session, path, parameters) ... end
--- server:run()

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local answer = require "lunapost.smtp.answer"
local certificates = require "lunapost.smtp.certificates"
local default_loop = require "lunapost.loop"
local counters = require "lunapost.smtp.counters"
local extensions = require "lunapost.smtp.extensions"
local identity = require "lunapost.smtp.identity"
local lifecycle = require "lunapost.smtp.lifecycle"
local linear = require "lunapost.smtp.linear"
local log = require "lunapost.smtp.log"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local places = require "lunapost.smtp.places"
local renewal = require "lunapost.smtp.renewal"
local server_options = require "lunapost.smtp.server_options"
local session_of = require "lunapost.smtp.session"
local trusted = require "lunapost.smtp.trusted"
local transcript = require "lunapost.smtp.transcript"
local verifier = require "lunapost.smtp.verifier"

local M = { reject = answer.reject, limits = server_options.limits }

---@class lunapost.server
---@field on lunapost.handlers
---@field port? integer  once it listens
---@field addresses string[]
---@field hostname string
local Server = {}

local meta = { __name = "lunapost.server", __index = Server }

function meta.__close(server)
  server:stop(0)
  if server.closed then server:closed() end
end

function meta.__tostring(server)
  local where = table.concat(server.addresses or {}, ", ")
  return ("server (%s)"):format(where ~= "" and where or "does not listen")
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local policies <const> = { reject = 0, fix = 1, keep = 2 }

local function configure(server)
  local options, limits = server.options, server.limits
  local auth = options.auth
  return core.server.config {
    counts = server.answered,
    hostname = server.hostname,
    mail_parameters = "", rcpt_parameters = "", -- opened by EHLO: see offer
    line_limit = limits.command, body_line_limit = limits.line,
    size_limit = limits.size, recipient_limit = limits.recipients,
    header_limit = limits.header, error_limit = limits.errors,
    unknown_limit = limits.unknown, command_limit = limits.commands,
    mail_limit = limits.messages, in_step = not options.early_pipelining,
    bare = policies[options.bare or "reject"],
    lmtp = options.protocol == "lmtp",
    tls = server.starttls or false,
    auth = auth ~= nil, auth_required = auth and auth.required or false,
    auth_cleartext = auth and auth.cleartext or false,
  }
end

-- Errors point nowhere here: M.new gives them the script's place.
local function make(options)
  server_options.check(options)
  server_options.check_hostname(options.hostname)
  local server = setmetatable(server_options.parts(options), meta)
  server.options = options
  server.hostname = options.hostname or net.fqdn()
  server.lmtp = options.protocol == "lmtp"
  server.loop = options.loop or default_loop
  server.pause = server.loop.sleep
  server.rest = server.loop.rest
  server.log, server.chatty = log.new(options.log), options.log ~= nil
  server.grace = options.grace or 10
  server.listeners, server.addresses, server.doors = {}, {}, {}
  server.behind = setmetatable({}, { __mode = "k" }) -- listeners: the doors
  server.sessions, server.sources = {}, {}
  server.counts, server.answered = counters.new(), core.server.counts()
  server.spooled = 0 -- octets in files
  server.tide = { most = 0, out = false, kib = 0 } -- see ebb
  certificates.put(server, certificates.read(server))
  return server
end

--- Makes a server; nothing is listening before start or run.
---@param options lunapost.server_options
---@return lunapost.server
M.new = options_of.placed(make)

local function both_bodies(on)
  if on.data and on.message then
    error("a server has a handler for data or for message, not both", 0)
  end
end

--- What sessions share is settled once the script has said all.
function Server:prepare()
  if self.on ~= self.checked_on then
    server_options.take_handlers(self, self.on) -- a table of the script's own
  end
  both_bodies(self.handlers)
  server_options.check_linear(self.dialogue, self.handlers)
  self.config = self.config or configure(self)
  for _, door in pairs(self.doors) do
    door.config = door.config or configure(door)
  end
end

--- Where the script serves a whole dialogue by one function: gives the
--- session the handlers that call it.
---@param session lunapost.session
---@return table? closer  a to-be-closed value
function Server:linear(session)
  local fn = self.dialogue
  if not fn then return nil end
  session.dialogue = true
  local closer
  session.on, closer = linear.handlers(session, fn, self.handlers)
  return closer
end

--- The handlers of one session: the server's, or a set that the script
--- makes for it.
---@param session lunapost.session
---@return table
function Server:handlers_for(session)
  if session.dialogue then return session.on end
  if not self.give then return self.handlers end
  local on = server_options.handlers(self.give(session))
  both_bodies(on)
  return on
end

-- What a client should know beforehand (RFC 9422).
local function limits_of(limits)
  local words = {}
  if limits.messages < math.maxinteger then
    words[1] = " MAILMAX=" .. limits.messages
  end
  if limits.recipients < math.maxinteger then
    words[#words + 1] = " RCPTMAX=" .. limits.recipients
  end
  return words[1] and "LIMITS" .. table.concat(words)
end

--- The keywords of EHLO, as things stand in this session (RFC 5321 4.1.1.1).
---@param session lunapost.session
---@return string[]
function Server:keywords(session)
  local list = { "PIPELINING", "SIZE " .. self.limits.size, "8BITMIME",
    "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING" }
  local auth = self.options.auth
  if self.starttls and not session.tls then
    list[#list + 1] = "STARTTLS"
  end
  if auth and (session.tls or auth.cleartext) then
    list[#list + 1] = "AUTH " .. table.concat(verifier.names(session, auth),
      " ")
  end
  for _, verb in ipairs { "vrfy", "expn", "etrn" } do
    if session.on[verb] and not self.extensions[ascii.upper(verb)] then
      list[#list + 1] = ascii.upper(verb)
    end
  end
  list[#list + 1] = limits_of(self.limits)
  extensions.announce(list, self.extensions, session.tls ~= nil)
  trusted.announce(list, session)
  list[#list + 1] = "HELP"
  return list
end

--- Opens the parameters of the keywords that EHLO is answered with, and no
--- others.
---@param session lunapost.session
---@param lines string[]
function Server:offer(session, lines)
  session.machine:offer(extensions.parameters(self.extensions, lines))
end

-- The verbs that this server answers, for HELP.
local function verbs_of(server)
  local list = { server.options.protocol == "lmtp" and "LHLO" or "HELO EHLO" }
  if server.starttls then list[#list + 1] = "STARTTLS" end
  if server.options.auth then list[#list + 1] = "AUTH" end
  list[#list + 1] = "MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT"
  table.move(sorted_keys(server.commands), 1, 1000, #list + 1, list)
  return table.concat(list, " ")
end

--- The default text of HELP.
---@param topic? string
---@return string?
function Server:help(topic)
  local command = topic and self.commands[ascii.upper(topic)]
  if command then
    return "syntax: " .. (command.syntax or ascii.upper(topic))
  end
  local syntax = topic and core.server.verbs[ascii.upper(topic)]
  if syntax then return "syntax: " .. syntax end
  if topic and topic ~= "" then return nil end
  return "commands: " .. verbs_of(self)
end

--- Asks who the peer is, once a session, before HELO is answered; a slow
--- answer stops nobody else.
---@param session lunapost.session
function Server:name_peer(session)
  if self.options.reverse_dns ~= false and session.conn then
    identity.name(session)
  end
end

--- Shakes hands with the session's peer.
---@param session lunapost.session
---@return true? ok, lunapost.err? problem
function Server:handshake(session)
  if not session.conn then return true end
  local ok, problem = net.handshake(session.conn, self.context, {
    server = true, sni = self.sni, timeout = self.limits.handshake,
    loop = self.loop })
  if not ok then return nil, problem end
  session:count "secured"
  if self.chatty then
    local tls = session.conn:tls()
    session:note { event = "secured", version = tls.version,
      cipher = tls.cipher }
  end
  return true
end

--- Forgets a session and closes its connection; may run twice.
---@param session lunapost.session
function Server:leave(session)
  if not self.sessions[session] then return end
  self.sessions[session] = nil
  places.give(self, session.source)
  net.close(session.conn, self.loop)
end

--- Opens the listeners; nobody is accepted before start.
---@return lunapost.server? server, lunapost.err? err
function Server:listen() return lifecycle.listen(self) end

--- Listens and serves within the loop, which somebody else runs.
---@return lunapost.server? server, lunapost.err? err
function Server:start() return lifecycle.start(self) end

--- Stops: listens no more, says 421 to sessions that wait for a command, lets
--- bodies and handlers finish for a grace period, then ends them too. A handler
--- that stops its server does not wait for itself: its session ends when it has
--- answered. Where the server runs, run returns then; a worker's handler stops
--- all workers.
---@param grace? number  seconds; default: the option's, 10
function Server:stop(grace) return lifecycle.stop(self, grace) end

--- Serves until SIGTERM or SIGINT; drains before it returns. With workers,
--- so many processes share the listeners.
---@param started? fun(server: lunapost.server)  called once it listens
---@return true? ok, lunapost.err? err
function Server:run(started) return lifecycle.run(self, started) end

--- What the server tells of itself when a service manager or a script asks
--- for news: SIGHUP does the same. Certificates are read anew, and what the
--- option `reload` returns serves new sessions; those under way go on as they
--- began. Where anything fails, all stays as it was.
---@return true? ok, lunapost.err? err
function Server:reload() return lifecycle.reload(self, renewal.reload) end

--- What was counted since the start, by all workers: sessions (open now),
--- accepted, refused (connections), secured, auth { ok, failed }, messages,
--- messages_refused, octets, recipients, recipients_refused, replies { [2] =
--- ... [5] = }, ended { quit, closed, timeout, tls, error, stopped },
--- timeouts, faults (of handlers).
---@return table
function Server:stats() return counters.stats(self:all_counts()) end

--- The same in Prometheus' text format.
---@return string
function Server:metrics()
  return counters.metrics(self:all_counts(), self.options.workers or 1)
end

--- The counts of all workers, others' as of a second ago at most.
---@return table<string, integer>
function Server:all_counts()
  self.answered:take(self.counts)
  if not self.board then return self.counts end
  if self.slot then self.board:publish(self.slot, self.counts) end
  return self.board:sum()
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
  self:prepare()
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

for _, name in ipairs { "listen", "start", "run", "script" } do
  Server[name] = options_of.placed(Server[name])
end

return setmetatable(M, { __call = function(_, options)
  return M.new(options) -- a tail call: errors point to the script
end })
