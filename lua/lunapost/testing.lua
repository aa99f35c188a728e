--- A server for a spec, in one line: `require "lunapost.testing"`.
---
--- testing.run(function(server)
---   assert(post.send { server = server.url, ... })
---   assert.equal("Hello", server.messages[1].subject)
--- end)

local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local M = {}

---@class lunapost.testing.envelope
---@field from string
---@field to string[]
---@field helo string
---@field user? string  who authenticated
---@field tls boolean

local function envelope_of(session)
  local to = {}
  for i, path in ipairs(session.envelope.to) do to[i] = path.address end
  return {
    from = session.envelope.from.address, to = to, helo = session.helo,
    user = session.user, tls = session.tls ~= nil,
  }
end

-- A server of the options that keeps what nobody else takes.
local function keeper(options)
  if options.check then return options end -- a replay
  local complete = { listen = "127.0.0.1:0", hostname = "localhost" }
  for name, value in pairs(options) do complete[name] = value end
  local server = smtp.server(complete)
  server.messages, server.envelopes = {}, {}
  local on = complete.on
  if not on or type(on) == "table" and not (on.data or on.message) then
    function server.on.message(session, message)
      table.insert(server.messages, message)
      table.insert(server.envelopes, envelope_of(session))
      return 250, "2.0.0", "kept"
    end
  end
  return server
end

-- How long a replay has to hear the client's end, at most.
local END <const> = 1

-- A replay is played to its end, and nobody departed from it.
local function settle(server)
  if not server.check then return end
  local till = loop.now() + END
  while next(server.open) and loop.now() < till do loop.sleep(0.005) end
  assert(server:check())
end

-- Runs the steps; what they raise is kept with the place where they did.
local function attempt(server, steps)
  local ok, problem = xpcall(function()
    assert(server:start())
    server.url = "smtp://" .. server.addresses[1]
    steps(server)
    settle(server)
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
---@param options table  of smtp.server; or a smtp.replay: what departs from
--- it is raised, too; or the steps where there are none
---@param steps? fun(server: lunapost.server)
---@param seconds? number  that the steps may take, 20 unless given
---@return lunapost.server server  stopped
function M.run(options, steps, seconds)
  if type(options) == "function" then
    options, steps, seconds = {}, options, steps
  end
  local server = keeper(options)
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
