--- Peers that may say whom they speak for: XCLIENT, which puts another client
--- in a session's place, and XFORWARD, which tells of one, as Postfix has
--- them. Who may is a list of addresses in the server's options.

local answer = require "lunapost.smtp.answer"
local ascii = require "lunapost.ascii"
local ranges = require "lunapost.net.ranges"

local M = {}

local LONGEST <const> = 255

local attributes <const> = {
  XCLIENT = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR",
    "DESTPORT" },
  XFORWARD = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE" },
}

local known = {}
for verb, list in pairs(attributes) do
  known[verb] = {}
  for _, name in ipairs(list) do known[verb][name] = true end
end

-- Whom the connection comes from, whoever it speaks for by now.
local function may(session, verb)
  local list = session.server.trusted[ascii.lower(verb)]
  local peer = session.connected or session.peer
  return list and list:has(peer.address)
end

--- Adds the keywords that this peer may use to those of EHLO.
---@param list string[]
---@param session lunapost.session
function M.announce(list, session)
  for _, verb in ipairs { "XCLIENT", "XFORWARD" } do
    if may(session, verb) then
      list[#list + 1] = verb .. " " .. table.concat(attributes[verb], " ")
    end
  end
end

local function reject(text)
  answer.reject(501, "5.5.4", text)
end

local absent <const> = { ["[UNAVAILABLE]"] = true, ["[TEMPUNAVAIL]"] = true }

-- xtext, RFC 3461 4; false where the peer has no value.
local function value_of(text)
  if absent[ascii.upper(text)] then return false end
  local value = text:gsub("%+(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
  if value == "" or #value > LONGEST or value:find "[\0-\31\127]" then
    reject "malformed value"
  end
  return value
end

local function address_of(value)
  if not value then return nil end
  local octets = ranges.octets((value:gsub("^[Ii][Pp][Vv]6:", "")))
  return octets and ranges.text(octets) or reject "malformed address"
end

local function port_of(value)
  local port = value and value:find "^%d%d?%d?%d?%d?$" and tonumber(value)
  if value and (not port or port > 65535) then reject "malformed port" end
  return port or nil
end

local function one_of(...)
  local words = {}
  for _, word in ipairs { ... } do words[word] = word end
  return function(value)
    if not value then return nil end
    return words[ascii.upper(value)] or reject "unknown value"
  end
end

local function name_of(value)
  if value and value:find "[^A-Za-z0-9%.%-_:%[%]]" then
    reject "malformed name"
  end
  return value or nil
end

local readers <const> = {
  ADDR = address_of, DESTADDR = address_of, PORT = port_of,
  DESTPORT = port_of, PROTO = one_of("SMTP", "ESMTP"),
  SOURCE = one_of("LOCAL", "REMOTE"), NAME = name_of, HELO = name_of,
}

local function read_one(verb, word)
  local name, text = word:match "^([A-Za-z0-9]+)=(%S+)$"
  name = name and ascii.upper(name)
  if not name or not known[verb][name] then
    reject(("syntax: %s %s=value ..."):format(verb,
      table.concat(attributes[verb], "|")))
  end
  local value, reader = value_of(text), readers[name]
  if reader then return name, reader(value) end
  return name, value or nil
end

-- "NAME=value NAME=value": a set of what was told, and the values.
local function read(verb, argument)
  local told, values = {}, {}
  for word in argument:gmatch "%S+" do
    local name, value = read_one(verb, word)
    if told[name] then reject(name .. " stands twice") end
    told[name], values[name] = true, value
  end
  if next(told) then return told, values end
  return reject("syntax: " .. verb .. " attribute=value ...")
end

-- The peer that the session has from now on.
local function replaced(session, told, values)
  local before, destination = session.peer, session.peer.destination
  if told.DESTADDR or told.DESTPORT then
    destination = { address = values.DESTADDR, port = values.DESTPORT }
  end
  local function chosen(name, old)
    if told[name] then return values[name] end
    return old
  end
  return {
    address = chosen("ADDR", before.address),
    port = chosen("PORT", before.port),
    name = chosen("NAME", not told.ADDR and before.name or nil),
    named = told.NAME or not told.ADDR and before.named,
    destination = destination, via = session.connected or before,
  }
end

local function become(session, told, values)
  local peer = replaced(session, told, values)
  session.connected = session.connected or session.peer
  session.peer = peer
  session.helo = values.HELO
  session.extended = values.PROTO == "ESMTP"
  session.user = told.LOGIN and values.LOGIN or nil -- not the proxy's own
  session:forget "hello"
  session:settle_protocol()
end

local function forward(session, told, values)
  local names <const> = { ADDR = "address" }
  local forwarded = session.forwarded or {}
  for name in pairs(told) do
    forwarded[names[name] or ascii.lower(name)] = values[name]
  end
  session.forwarded = forwarded
end

-- What stands against a command of these; nil where nothing does.
local function objection(session, verb)
  if not may(session, verb) then
    return answer.make(550, "5.7.0", verb .. " is not for you")
  end
  if session.envelope then
    return answer.make(503, "5.5.1", "not within a transaction")
  end
end

local commands = {}

-- The answer is a greeting: the connect handler sees the new client.
function commands.XCLIENT(session, told, values)
  become(session, told, values)
  local given = session:greeting()
    or answer.make(220, "", session.server.hostname .. " ESMTP")
  given.enhanced = ""
  session.machine:restart(given.code >= 400, session.user ~= nil)
  return given
end

function commands.XFORWARD(session, told, values)
  forward(session, told, values)
  return answer.make(250, "2.0.0", "ok")
end

local function run(session, verb, argument)
  return objection(session, verb)
    or commands[verb](session, read(verb, argument))
end

--- Runs XCLIENT or XFORWARD where the server has a list for it.
---@param session lunapost.session
---@param verb string  upper case
---@param argument string
---@return lunapost.answer? given  nil: it is no command here
function M.command(session, verb, argument)
  if not commands[verb] or not session.server.trusted[ascii.lower(verb)] then
    return nil
  end
  return session:guarded(run, verb, argument)
end

return M
