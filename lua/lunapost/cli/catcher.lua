--- `lunapost serve` without a script: a catcher for development. It accepts
--- everything, relays nothing, shows the tree of each message and what an MTA
--- or a reader would object to, and keeps the messages while it runs.

local core = require "lunapost.core"
local ebb = require "lunapost.smtp.ebb"
local err = require "lunapost.err"
local mime = require "lunapost.mime"
local outlet = require "lunapost.outlet"
local picture_of = require "lunapost.mime.picture"
local spare = require "lunapost.smtp.spare"

local M = {}

local FINDINGS <const>, RECIPIENTS <const> = 5, 10

-- Columns of what a peer may make as long as it likes.
local COLUMNS <const> = 120

-- Octets of a message from which on nobody looks for faults in it, and its
-- memory is given back at once.
local LONG <const> = 1 << 20

-- Octets from which on what its picture took is given back to the system.
local BULKY <const> = 1 << 16

local colours <const> = { dim = "2", bold = "1", blue = "34", amber = "33",
  red = "31", green = "32" }

-- Paints where a terminal looks on; else leaves the text as it is.
local function painter()
  local vivid = core.system.is_terminal(1) and not os.getenv "NO_COLOR"
    and os.getenv "TERM" ~= "dumb"
  return function(colour, text)
    if not vivid then return text end
    return ("\27[%sm%s\27[0m"):format(colours[colour], text)
  end
end

local function recipients_of(session, paint)
  local list, to = {}, session.envelope.to
  for i = 1, math.min(#to, RECIPIENTS) do
    list[i] = paint("bold", "<" .. err.printable(to[i].address) .. ">")
  end
  if #to > RECIPIENTS then
    list[#list + 1] = ("and %d more"):format(#to - RECIPIENTS)
  end
  return table.concat(list, ", ")
end

-- How it came: "ESMTPSA from client.example.org [127.0.0.1], as ana".
local function way_of(session)
  local literal = "[" .. (session.peer.address or "unix") .. "]"
  local words = session.protocol .. " from " .. session.helo
  if session.helo ~= literal then words = words .. " " .. literal end
  if session.tls and session.tls.version then
    words = words .. ", " .. session.tls.version
  end
  if session.user then words = words .. ", as " .. session.user end
  return picture_of.clip(words, COLUMNS)
end

local severities <const> = { harmless = "dim", interoperability = "amber",
  attack = "red" }

local function findings_of(message, paint)
  local lines, list = {}, message:check()
  for i = 1, math.min(#list, FINDINGS) do
    lines[i] = "  " .. paint(severities[list[i].severity] or "amber",
      "! " .. list[i].text) .. "\n"
  end
  if #list > FINDINGS then
    lines[#lines + 1] = ("  ! and %d more, by lunapost check\n"):format(
      #list - FINDINGS)
  end
  return table.concat(lines)
end

-- The tree of a single part does not tell its subject.
local function subject_of(message)
  if message.parts or not message.subject then return "" end
  return '  "' .. picture_of.clip(message.subject, COLUMNS) .. '"\n'
end

local function picture(session, message, path, paint, long)
  local tree = message:tree():gsub("([^\n]+\n)", "  %1")
  return ("\n%s  from %s to %s\n  %s\n%s%s%s  %s\n"):format(
    paint("dim", os.date "%H:%M:%S"),
    paint("bold", "<" .. err.printable(session.envelope.from.address) .. ">"),
    recipients_of(session, paint), paint("dim", way_of(session)),
    subject_of(message), tree,
    long and "" or findings_of(message, paint), paint("blue", path))
end

local function look(session, path, paint, long)
  local message <const>, problem = mime.open(path, { map = long })
  if not message then return nil, problem end
  return picture(session, message, path, paint, long)
end

-- Seconds that a session waits for who looks on.
local PATIENCE <const> = 1

--- What a server does with each message that it has kept: shows it, whoever
--- looks on. What fails here is no fault of the message.
---@return fun(session: lunapost.session, path: string)
function M.shower()
  local paint, patience = painter(), PATIENCE
  local function show(session, text)
    local whole, problem = outlet.write(io.stdout, 1, text,
      session.server.pause, patience)
    if whole == false and patience > 0 then
      problem = "nobody reads standard output: what comes is kept, not shown"
    end
    patience = whole and PATIENCE or 0
    if problem then session.server.log("cannot write: " .. problem) end
  end
  return function(session, path)
    local stat = core.system.stat(path)
    local size = stat and stat.size or 0
    local long = size > LONG
    local ok, text, problem = pcall(look, session, path, paint, long)
    if ok and text then
      show(session, text)
    else
      session.server.log(tostring(problem or text))
    end
    if long then collectgarbage() end
    if size > BULKY then ebb.tidy(session.server) end
  end
end

--- A folder for the time that the catcher runs.
---@return string? path, string? problem
function M.folder()
  return core.system.temporary_folder(spare.folder()
    .. "/lunapost-caught-XXXXXX")
end

--- Removes what is left of such a folder.
---@param path string
function M.clear(path)
  for _, name in ipairs { "tmp", "new", "cur" } do
    local folder = path .. "/" .. name
    for _, file in ipairs(core.system.list(folder) or {}) do
      core.system.remove(folder .. "/" .. file)
    end
    core.system.remove_folder(folder)
  end
  core.system.remove_folder(path)
end

return M
