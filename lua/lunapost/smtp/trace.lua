--- Trace fields: Received: and Return-Path: (RFC 5321 4.4, RFC 3848).

local core = require "lunapost.core"

local M = {}

--- The "with" keyword before any hello.
---@param server lunapost.server
---@return "SMTP"|"LMTP"
function M.first_protocol(server)
  return server.options.protocol == "lmtp" and "LMTP" or "SMTP"
end

-- The name without its marks: UTF8 goes before it, S and A behind it.
local function base(session, utf8)
  local first = M.first_protocol(session.server)
  if first == "LMTP" then return first end
  if not session.extended then return first, true end
  return utf8 and "SMTP" or "ESMTP"
end

--- The "with" keyword of RFC 3848 and RFC 6531 4.3, from what the session
--- really is.
---@param session table
---@return string  SMTP, ESMTP[S][A], UTF8SMTP[S][A], LMTP[S][A] ...
function M.protocol(session)
  local utf8 = session.envelope and session.envelope.parameters.SMTPUTF8
  local name, bare = base(session, utf8)
  if bare then return name end
  return (utf8 and "UTF8" or "") .. name .. (session.tls and "S" or "")
    .. (session.user and "A" or "")
end

-- Only what a comment or an atom of a field may hold: the rest was chosen
-- by the peer.
local function clean(text)
  return (text:gsub("[^A-Za-z0-9%.%-_:%[%]@+=]", "?"))
end

local function literal(address)
  if address:find(":", 1, true) then return "[IPv6:" .. address .. "]" end
  if address:find("^%d+%.%d+%.%d+%.%d+$") then return "[" .. address .. "]" end
  return "[local]"
end

-- A name that its owner has not confirmed is nobody's.
local function named(peer)
  return clean(peer.confirmed ~= false and peer.name or "unknown")
end

-- One recipient may be named; of several none, lest a Bcc be told.
local function recipient(envelope)
  local to = envelope and envelope.to or {}
  if #to == 1 and not to[1].address:find("[^\33-\126]") then
    return ("for <%s>"):format(to[1].address)
  end
end

--- The Received: field for the session's present message, folded, with its
--- CRLF.
---@param session table
---@return string
function M.received(session)
  local peer, tls = session.peer, session.tls
  local lines = {
    ("Received: from %s (%s %s)"):format(clean(session.helo or "unknown"),
      named(peer), literal(peer.address or "")),
    ("by %s (lunapost) with %s id %s"):format(clean(session.server.hostname),
      session.protocol, session.id),
  }
  if tls and tls.cipher then
    lines[#lines + 1] = ("(%s %s)"):format(clean(tls.version),
      clean(tls.cipher))
  end
  lines[#lines + 1] = recipient(session.envelope)
  return table.concat(lines, "\r\n\t") .. ";\r\n\t"
    .. core.mime.format_date(os.time(), 0) .. "\r\n"
end

--- The Return-Path: field of final delivery, with its CRLF.
---@param path lunapost.path
---@return string
function M.return_path(path)
  return "Return-Path: <" .. path.address .. ">\r\n"
end

local time <const> = os.time

-- What ids of this second begin with, and those of this process end with.
local counter, second, head, tail = 0, nil, nil, nil

--- In a forked child: ids are its own from now on.
function M.reopen()
  tail = nil
end

--- A fresh id: time, a count and the process, in hexadecimal.
---@return string
function M.id()
  local present = time()
  if present ~= second then
    second, head = present, ("%08x"):format(present)
  end
  tail = tail or ("%x"):format(core.system.pid())
  counter = (counter + 1) % 4096
  return head .. ("%03x"):format(counter) .. tail
end

return M
