--- A server for a spec, in one line: `require "lunapost.testing"`.
---
--- local server <close> = testing.server()
--- assert(post.send { server = server.url, ... })
--- assert.equal("Hello", server.messages[1].subject)

local apart = require "lunapost.testing.apart"
local core = require "lunapost.core"
local faults = require "lunapost.testing.faults"
local inbox = require "lunapost.testing.inbox"
local loop = require "lunapost.loop"
local options_of = require "lunapost.options"
local server_options = require "lunapost.smtp.server_options"
local smtp = require "lunapost.smtp"
local spare = require "lunapost.smtp.spare"

local M = {}

-- What is not for smtp.server.
local apart_options <const> = { faults = "table|function",
  process = "boolean" }

-- Raises for a word that is no option of either.
local function check(options)
  local known = {}
  for name, kind in pairs(apart_options) do known[name] = kind end
  for name, kind in pairs(server_options.known) do known[name] = kind end
  options_of.check("option of testing.server", options, known, 0)
end

-- A function that keeps a message and its envelope, in memory.
local function in_memory(server)
  server.messages, server.envelopes = {}, {}
  return function(session, message)
    table.insert(server.messages, message)
    table.insert(server.envelopes, inbox.envelope(session))
    return 250, "2.0.0", "kept"
  end
end

-- The same, in a folder that another process reads.
local function in_folder(folder)
  local count = { n = 0 }
  return function(session, message)
    inbox.keep(folder, count, message:render(), inbox.envelope(session))
    return 250, "2.0.0", "kept"
  end
end

-- Whether its first door wants TLS at once.
local function is_implicit(server)
  local door = server.behind and server.behind[server.listeners[1]]
  return door and door.implicit
end

-- A Unix socket's address is a URL; lmtp:// is for an absolute path, too.
local function url_of(server)
  local address = server.addresses[1]
  local path = address:match "^unix:(.+)$"
  local lmtp = server.options.protocol == "lmtp" and "lmtp://"
  if path then
    return lmtp and path:find "^/" and lmtp .. path or address
  end
  local implicit = is_implicit(server) and "smtps://"
  return (implicit or lmtp or "smtp://") .. address
end

-- True where the script sees to messages itself.
local function takes_bodies(options)
  local on = options.on
  if type(on) == "table" then return on.data or on.message end
  return on ~= nil or options.session ~= nil
end

-- A server of the options that keeps what nobody else takes.
local function keeper(options, folder)
  if options.check then return options end -- a replay
  check(options)
  local complete = { listen = "127.0.0.1:0", hostname = "localhost" }
  for name, value in pairs(options) do
    if not apart_options[name] then complete[name] = value end
  end
  local server = smtp.server(complete)
  local keep = folder and in_folder(folder) or in_memory(server)
  if not takes_bodies(complete) then server.on.message = keep end
  if options.faults then faults.install(server, options.faults) end
  return server
end

-- How many servers run in the background.
local running = 0

local function in_background(server)
  running = running + 1
  loop.background(true)
  function server:closed()
    self.closed = nil
    running = running - 1
    if running == 0 then loop.background(false) end
  end
  local ok, problem = server:start()
  if not ok then
    server:closed()
    error(problem, 0)
  end
  server.url = url_of(server)
  return server
end

local function in_process(options)
  local folder = assert(core.system.temporary_folder(
    spare.folder() .. "/lunapost-test-XXXXXX"))
  local server = keeper(options, folder)
  local ok, problem = server:listen()
  if not ok then
    inbox.remove(folder)
    error(problem, 0)
  end
  local url = url_of(server)
  local one = apart.start(server, folder)
  one.url = url
  return one
end

--- A server on a free port of 127.0.0.1 that keeps what it is sent, until it is
--- closed: `local server <close> = testing.server()`. It runs whenever a
--- client of this library waits in the same process; with process = true it
--- runs in a process of its own, for any client, and handlers run there.
---@param options? table  of smtp.server, and: process; faults, a list of
--- lunapost.testing.fault, or fault(session, point) that gives one or nil
---@return lunapost.server|lunapost.testing.apart server  with url, messages,
--- envelopes
M.server = options_of.placed(function(options)
  options = options or {}
  if options.process then return in_process(options) end
  return in_background(keeper(options))
end)

-- Runs the steps; what they raise is kept with the place where they did.
local function attempt(server, steps)
  local ok, problem = xpcall(function()
    assert(server:start())
    server.url = server.url or url_of(server)
    steps(server)
    if server.check then -- a replay is played to its end, as it was
      server:settle()
      assert(server:check())
    end
  end, function(problem)
    if type(problem) ~= "string" then return problem end
    return debug.traceback(problem, 2)
  end)
  server:stop(0)
  return ok, problem
end

--- Starts a server on a free port of 127.0.0.1, runs the steps in the
--- built-in loop beside it, stops it. The server has `url`, for the option
--- of that name, `messages` (what it was sent, parsed) and `envelopes` (from,
--- to, helo, user, tls of each).
---@param options table  of smtp.server, and faults; or a smtp.replay: what
--- departs from it is raised, too; or the steps where there are none
---@param steps? fun(server: lunapost.server)
---@param seconds? number  that the steps may take, 20 unless given
---@return lunapost.server server  stopped
function M.run(options, steps, seconds)
  if type(options) == "function" then
    options, steps, seconds = {}, options, steps
  end
  local server = options_of.placed(keeper, 3)(options)
  local ok, problem = false, "the steps take too long"
  local task = loop.spawn(function()
    ok, problem = attempt(server, steps)
    loop.stop()
  end)
  local watch = loop.spawn(function()
    loop.sleep(seconds or 20)
    loop.stop()
  end)
  loop.run()
  loop.kill(watch)
  loop.kill(task)
  if not ok then error(problem, 0) end
  return server
end

return M
