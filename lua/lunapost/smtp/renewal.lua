--- A server that takes on new certificates and a new script while it serves:
--- sessions under way keep the script that they began with, its commands and
--- limits too, and where anything fails, all stays as it was.

local certificates = require "lunapost.smtp.certificates"
local err = require "lunapost.err"
local server_options = require "lunapost.smtp.server_options"
local view = require "lunapost.smtp.view"

local M = {}

-- What a script may hold beside handlers.
local apart <const> = { commands = true, extensions = true, limits = true,
  configure = true, session = true, proxy = true, xclient = true,
  xforward = true, on = true }

-- What stays as the server's options have it where a script says nothing.
local options_kept <const> = { "limits", "extensions", "commands", "session",
  "proxy", "xclient", "xforward" }

-- What a script sets, and a server gives to new sessions.
local renewed <const> = { "on", "handlers", "checked_on", "commands",
  "extensions", "limits", "rates", "paced", "config", "dialogue", "give",
  "trusted" }

--- Gives a server what a script holds: handlers, commands, or configure, a
--- function that gets the server.
---@param server lunapost.server
---@param script table
function M.install(server, script)
  for name, handler in pairs(script) do
    if not apart[name] then server.on[name] = handler end
  end
  if type(script.on) == "table" then
    for name, handler in pairs(script.on) do server.on[name] = handler end
  end
  if script.configure then script.configure(server) end
end

--- What a script returned as a table to install: a function configures.
---@param given any
---@return table? script  nil: it is neither
function M.script(given)
  if type(given) == "function" then return { configure = given } end
  return type(given) == "table" and given or nil
end

-- A view of the server with parts of its own for a script to fill; all else
-- it sets or asks for is the server's.
local function draft_of(server, script)
  local given = { on = script.on }
  for _, name in ipairs(options_kept) do
    given[name] = script[name]
    if given[name] == nil then given[name] = server.options[name] end
  end
  if given.session and type(given.on) == "function" then
    error("session = function leaves no place for on = function", 0)
  end
  return view.of(server, server_options.parts(given))
end

-- The parts that the script's new text makes.
local function rewritten(server)
  local reload = server.options.reload
  if not reload then return nil end
  local script = M.script(reload())
  if not script then
    error("reload must return a table of handlers or a function", 0)
  end
  local draft = draft_of(server, script)
  M.install(draft, script)
  draft:prepare()
  return draft
end

-- A view of the server, or of a door, with the parts that it has now.
local function kept(server)
  local parts = {}
  for _, name in ipairs(renewed) do parts[name] = server[name] or false end
  return view.of(server, parts)
end

-- Sessions under way, but those that have such a view, get one: what serves
-- new sessions is not for them.
local function keep(server)
  local views = {}
  for session in pairs(server.sessions) do
    local mine = session.server
    if rawequal(mine, server) or rawget(mine, "limits") == nil then
      views[mine] = views[mine] or kept(mine)
      session.server = views[mine]
    end
  end
end

local function renew(server)
  local draft, tls = rewritten(server), certificates.read(server)
  if draft then keep(server) end
  for _, name in ipairs(draft and renewed or {}) do
    server[name] = draft[name]
  end
  certificates.put(server, tls)
  for _, door in pairs(server.doors) do door.config = false end
  server:prepare()
end

--- See Server:reload.
---@param server lunapost.server
---@return true? ok, lunapost.err? err
function M.reload(server)
  local ok, problem = pcall(renew, server)
  if ok then
    server.log { event = "reload", level = "info", text = "reloaded" }
    return true
  end
  if type(problem) ~= "table" then
    problem = err.of("file", tostring(problem))
  end
  server.log { event = "reload",
    text = "not reloaded, all stays as it was: " .. tostring(problem) }
  return nil, problem
end

return M
