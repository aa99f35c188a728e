--- lunapost serve: a script's server, a catcher, or a Maildir's door.

local answer = require "lunapost.smtp.answer"
local body = require "lunapost.smtp.body"
local maildir_of = require "lunapost.maildir"
local mime = require "lunapost.mime"
local server_of = require "lunapost.smtp.server"
local trace = require "lunapost.smtp.trace"

local M = {
  summary = "serves SMTP by a script, into a Maildir, or to the screen",
  usage = [[lunapost serve [FILE.lua] [options]

  --listen HOST:PORT   where to listen, or unix:PATH (127.0.0.1:2525; port 0
                       takes a free one)
  --maildir DIR        delivers into a Maildir
  --tls test|CERT:KEY  offers STARTTLS, with a throw-away certificate or files
  --auth USER:PASS     offers AUTH, inside TLS only
  --require-auth       demands it before MAIL
  --max-size N         octets of a message
  --lmtp               speaks LMTP
  --workers N          so many processes (1)

  FILE.lua returns a table of handlers (it may hold commands, extensions and
  limits, too) or a function that gets the server. Without FILE.lua and
  --maildir every message is accepted, shown and thrown away.]],
  flags = {
    listen = "value", maildir = "value", tls = "value", auth = "value",
    ["require-auth"] = "flag", ["max-size"] = "number", lmtp = "flag",
    workers = "number",
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

local function auth_of(options)
  if not options.auth then
    if options["require-auth"] then
      return nil, "--require-auth needs --auth USER:PASS"
    end
    return nil
  end
  local user, password = options.auth:match("^([^:]+):(.*)$")
  if not user then return nil, "--auth is USER:PASS" end
  return { required = options["require-auth"], secret = function(_, name)
    return name == user and password or nil
  end }
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
  if type(given) == "function" then return { configure = given } end
  if type(given) ~= "table" then
    return nil, path .. " must return a table of handlers or a function"
  end
  return given
end

local apart <const> = { commands = true, extensions = true, limits = true,
  configure = true }

local function install(server, script)
  for name, handler in pairs(script) do
    if not apart[name] then server.on[name] = handler end
  end
  if script.configure then script.configure(server) end
end

-- Runs the script's own handler, if any, over a body that is also written
-- to the delivery as it is read.
local function ask_script(on, session, tee)
  if on.data then return on.data(session, tee) end
  if on.message then return on.message(session, mime.parse(tee:read())) end
end

-- True when the script wants the message for nobody.
local function refused(verdict)
  if not verdict then return false end
  if verdict.code then return verdict.code >= 300 end
  for _, one in ipairs(verdict) do
    if one.code < 300 then return false end
  end
  return true
end

-- A data handler that delivers what the script (if any) accepts.
local function deliver_to(maildir, on)
  return function(session, reader)
    local delivery <close>, problem = maildir:begin()
    if not delivery then
      session.server.log(tostring(problem))
      return 451, "4.3.1", "cannot store the message"
    end
    delivery:write(trace.return_path(session.envelope.from))
    delivery:write(session:received())
    local tee = body.new(function()
      local chunk = reader:read_chunk()
      if chunk then delivery:write(chunk) end
      return chunk
    end)
    local verdict = answer.returned(ask_script(on, session, tee))
    if refused(verdict) then return verdict end
    body.drain(tee)
    local path, err = delivery:commit()
    if not path then
      session.server.log(tostring(err))
      return 451, "4.3.1", "cannot store the message"
    end
    return verdict or answer.make(250, "2.0.0", "kept as " .. session.id)
  end
end

local function use_maildir(server, path)
  local maildir, err = maildir_of.open(path)
  if not maildir then return nil, tostring(err) end
  local own = { data = server.on.data, message = server.on.message }
  server.on.message = nil
  server.on.data = deliver_to(maildir, own)
  return true
end

-- The catcher: shows what came.
local function show(session, message)
  local to = {}
  for i, path in ipairs(session.envelope.to) do to[i] = tostring(path) end
  io.write(("\nfrom <%s> to <%s>\n%s"):format(session.envelope.from,
    table.concat(to, ">, <"), message:tree()))
  io.flush()
  return 250, "2.0.0", "seen as " .. session.id
end

-- What smtp.server gets, or nil and what is wrong with the flags.
local function settings(options, script)
  local tls, auth, limits, problem
  tls, problem = tls_of(options.tls)
  if not problem then auth, problem = auth_of(options) end
  if not problem then limits, problem = limits_of(script.limits, options) end
  if problem then return nil, problem end
  return { listen = options.listen or "127.0.0.1:2525", tls = tls, auth = auth,
    protocol = options.lmtp and "lmtp" or "smtp", limits = limits,
    workers = options.workers and math.tointeger(options.workers),
    commands = script.commands, extensions = script.extensions }
end

local function make(options, script)
  local given, problem = settings(options, script)
  if not given then return nil, problem end
  local server = server_of.new(given)
  install(server, script)
  if options.maildir then
    local ok
    ok, problem = use_maildir(server, options.maildir)
    if not ok then return nil, problem end
  elseif not options[1] then
    server.on.message = show
  end
  return server
end

-- The words of a problem without the place of ours that raised it.
local function plain(problem)
  return (tostring(problem):gsub("^[^\n]-%.lua:%d+: ", ""))
end

---@param options table  parsed flags
---@return integer exit_code
function M.run(options)
  if #options > 1 then return usage("one FILE.lua at most") end
  local script, problem = load_script(options[1])
  if not script then return usage(problem) end
  local ok, server, wrong = pcall(make, options, script)
  if not ok then return usage(plain(server)) end
  if not server then return usage(wrong) end
  local ran, done, err = pcall(server.run, server, function()
    for _, address in ipairs(server.addresses) do
      io.write("listening on ", address, "\n")
    end
    io.flush()
  end)
  if not ran then return usage(plain(done)) end
  if done then return 0 end
  io.stderr:write("lunapost: serve: ", tostring(err), "\n")
  return 69
end

return M
