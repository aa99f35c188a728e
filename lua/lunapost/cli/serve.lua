--- lunapost serve: a script's server, a catcher, or a Maildir's door.

local catcher = require "lunapost.cli.catcher"
local delivery = require "lunapost.cli.delivery"
local journal = require "lunapost.cli.journal"
local maildir_of = require "lunapost.maildir"
local renewal = require "lunapost.smtp.renewal"
local server_of = require "lunapost.smtp.server"

local M = {
  summary = "serves SMTP by a script, into a Maildir, or to the screen",
  usage = [[lunapost serve [FILE.lua] [options]

  --listen HOST:PORT   where to listen, or unix:PATH, or systemd[:NAME] for
                       sockets that it passes; repeatable (127.0.0.1:2525;
                       port 0 takes a free one); behind it may stand, for that
                       place alone, ,tls=implicit (TLS at once, as on 465),
                       ,tls=starttls or ,tls=none, and for a path
                       ,permissions=660
  --maildir DIR        delivers into a Maildir
  --tls test|CERT:KEY  offers STARTTLS, with a throw-away certificate or files
  --auth USER:PASS     offers AUTH, inside TLS only
  --require-auth       demands it before MAIL
  --max-size N         octets of a message
  --lmtp               speaks LMTP
  --workers N          so many processes (1)
  --user U --group G   becomes that user once it listens, for good
  --grace S            seconds for bodies and handlers at the end (10)
  --spool DIR          where long messages wait for a script (TMPDIR)
  --log text|json      tells all that happens, on standard error
  --metrics HOST:PORT  answers Prometheus there

  FILE.lua returns a table of handlers (it may hold commands, extensions,
  limits, session, proxy, xclient and xforward, too) or a function that gets
  the server. Without FILE.lua every message is accepted, shown, and kept until
  the end or in --maildir.

  SIGTERM ends it in order; SIGHUP reads FILE.lua and certificates anew.]],
  flags = {
    listen = "list", maildir = "value", tls = "value", auth = "value",
    ["require-auth"] = "flag", ["max-size"] = "number", lmtp = "flag",
    workers = "number", user = "value", group = "value", grace = "number",
    log = "value", metrics = "value", spool = "value",
  },
}

local function usage(text)
  io.stderr:write("lunapost: serve: ", text, "\n")
  return 64
end

local function tls_of(word)
  if not word or word == "test" then return word end
  local certificate, key = word:match("^(.+):(.+)$")
  if not certificate then return nil, "--tls is test or CERT:KEY" end
  return { certificate = certificate, key = key }
end

-- All that a known password can serve.
local mechanisms <const> = { "PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS",
  "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5" }

local function auth_of(options)
  if not options.auth then
    if options["require-auth"] then
      return nil, "--require-auth needs --auth USER:PASS"
    end
    return nil
  end
  local user, password = options.auth:match("^([^:]+):(.*)$")
  if not user then return nil, "--auth is USER:PASS" end
  return { required = options["require-auth"], mechanisms = mechanisms,
    secret = function(_, name) return name == user and password or nil end }
end

local function limits_of(given, options)
  local limits = {}
  for name, value in pairs(given or {}) do limits[name] = value end
  local size = options["max-size"]
  if size then
    limits.size = math.tointeger(size)
    if not limits.size or size < 1 then
      return nil, "--max-size needs a whole number of octets"
    end
  end
  return limits
end

local function load_script(path)
  if not path then return {} end
  local chunk, problem = loadfile(path)
  if not chunk then return nil, problem end
  local ok, given = pcall(chunk)
  if not ok then return nil, tostring(given) end
  local script = renewal.script(given)
  if script then return script end
  return nil, path .. " must return a table of handlers or a function"
end

-- Handlers that deliver what the script accepts.
local function use_maildir(server, maildir, kept)
  if server.give then
    error("--maildir needs handlers for all sessions: on must be a table", 0)
  end
  local own = { data = server.on.data, message = server.on.message }
  server.on.message = nil
  server.on.data = delivery.handler(maildir, own, kept)
end

-- What a script tells of its server: its text is the whole truth.
local renewed <const> = { "session", "proxy", "xclient", "xforward" }

-- What SIGHUP asks for: the script as it is now, with the flags' limits.
local function reloader(options, state)
  return function()
    local script, problem = load_script(options[1])
    if script then
      script.limits, problem = limits_of(script.limits, options)
    end
    if problem then error(problem, 0) end
    for _, name in ipairs(renewed) do script[name] = script[name] or false end
    local configure = script.configure
    script.configure = function(server)
      if configure then configure(server) end
      if state.maildir then use_maildir(server, state.maildir, state.kept) end
    end
    return script
  end
end

-- What stands behind a path and is no part of it.
local apart <const> = { tls = true, permissions = true }

-- "HOST:PORT,tls=implicit" as a place of the option listen.
local function place_of(word)
  local place = { at = word }
  while true do
    local at, key, value = place.at:match "^(.*),(%l+)=(%w*)$"
    if not at or at:find "^unix:" and not apart[key] then return place end
    if place[key] then return nil, ("%s is given twice"):format(key) end
    place.at, place[key] = at, value
  end
end

local function places_of(words)
  if not words then return nil end
  local list = {}
  for i, word in ipairs(words) do
    local place, problem = place_of(word)
    list[i] = place
    if problem then return nil, ("--listen %s: %s"):format(word, problem) end
  end
  return list
end

-- What smtp.server gets of the flags alone, or nil and what is wrong.
local function process_settings(options)
  local log = options.log and journal.writer(options.log)
  if options.log and not log then return nil, "--log is text or json" end
  local listen, problem = places_of(options.listen)
  if problem then return nil, problem end
  return { listen = listen, log = log, user = options.user,
    group = options.group, spool = options.spool, grace = options.grace,
    metrics = options.metrics,
    workers = options.workers and math.tointeger(options.workers),
    protocol = options.lmtp and "lmtp" or "smtp" }
end

-- All that smtp.server gets, or nil and what is wrong with the flags.
local function settings(options, script, state)
  local given, problem = process_settings(options)
  if problem then return nil, problem end
  given.tls, problem = tls_of(options.tls)
  if not problem then given.auth, problem = auth_of(options) end
  if not problem then
    given.limits, problem = limits_of(script.limits, options)
  end
  if problem then return nil, problem end
  given.commands, given.extensions = script.commands, script.extensions
  for _, name in ipairs(renewed) do given[name] = script[name] end
  given.on = script.on
  given.reload = reloader(options, state)
  return given
end

local function make(options, script, state)
  local given, problem = settings(options, script, state)
  if not given then return nil, problem end
  local server = server_of.new(given)
  renewal.install(server, script)
  return server
end

-- Where messages go: a Maildir, or a catcher's folder. It is made once the
-- server is who it shall be.
local function open_maildir(server, options, state)
  local folder, problem = options.maildir, nil
  if not options[1] then state.kept = catcher.shower() end
  if not folder and options[1] then return true end
  if not folder then
    folder, problem = catcher.folder()
    state.passing = folder
  end
  if folder then
    state.maildir, problem = maildir_of.open(folder, { loop = server.loop })
  end
  if problem then return nil, problem end
  use_maildir(server, state.maildir, state.kept)
  return true
end

local function announce(server, options, state)
  for _, address in ipairs(server.addresses) do
    io.write("listening on ", address, "\n")
  end
  if server.metrics_address then
    io.write("metrics on http://", server.metrics_address, "/metrics\n")
  end
  if state.passing then
    io.write("keeping what comes in ", state.passing,
      " until the end (--maildir DIR: for good)\n")
  elseif not options[1] then
    io.write("keeping what comes in ", options.maildir, "\n")
  end
  io.flush()
end

-- The words of a problem without the place of ours that raised it.
local function plain(problem)
  return (tostring(problem):gsub("^[^\n]-%.lua:%d+: ", ""))
end

local function fail(problem)
  io.stderr:write("lunapost: serve: ", tostring(problem), "\n")
  return 69
end

local function serve(server, options, state)
  local ok, problem = server:listen()
  if not ok then return fail(problem) end
  ok, problem = open_maildir(server, options, state)
  if not ok then return usage(plain(problem)) end
  ok, problem = server:run(function() announce(server, options, state) end)
  if state.passing then catcher.clear(state.passing) end
  return ok and 0 or fail(problem)
end

---@param options table  parsed flags
---@return integer exit_code
function M.run(options)
  if #options > 1 then return usage("one FILE.lua at most") end
  local script, problem = load_script(options[1])
  if not script then return usage(problem) end
  local state = {}
  local ok, server, wrong = pcall(make, options, script, state)
  if not ok then return usage(plain(server)) end
  if not server then return usage(wrong) end
  local ran, code = pcall(serve, server, options, state)
  return ran and code or usage(plain(code))
end

return M
