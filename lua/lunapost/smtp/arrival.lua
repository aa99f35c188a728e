--- What happens to a connection before its dialogue: whose it is, whether
--- there is room for it, whether it waits for the greeting, TLS.

local core = require "lunapost.core"
local net = require "lunapost.net"
local places = require "lunapost.smtp.places"
local proxy = require "lunapost.smtp.proxy"
local ranges = require "lunapost.net.ranges"
local rates = require "lunapost.smtp.rates"
local session_of = require "lunapost.smtp.session"

local now = core.loop.now

local M = {}

-- Reads the octets that a proxy says first, and not one more.
local function read_header(server, conn)
  local octets, limit = "", now() + server.limits.handshake
  local more, problem = proxy.needs(octets)
  while more and more > 0 do
    local bytes, kind = conn:read(more)
    if bytes then
      octets = octets .. bytes
      more, problem = proxy.needs(octets)
    elseif kind == "read" and limit > now() then
      server.loop.wait(conn:fd(), "r", limit - now())
    else
      return nil, "the header of PROXY is incomplete"
    end
  end
  if not more then return nil, problem end
  return proxy.read(octets)
end

-- The peer as the proxy tells it, where a listed one speaks first.
local function behind_proxy(server, conn, peer)
  if not server.trusted.proxy or not server.trusted.proxy:has(peer.address) then
    return peer
  end
  local told, problem = read_header(server, conn)
  if not told then return nil, problem end
  if not told.address then return peer end
  return { address = told.address, port = told.port, via = peer,
    proxied = told.values }
end

-- Takes a place for a session; why there is none, as 421 says it.
local function crowded(server, source, fd)
  if not places.take(server, source, fd) then
    return "4.3.2", "has too many sessions; try later"
  end
  local over = rates.connection(server.rates, source, server.share)
  if over then places.give(server, source) end
  if over == "source" then
    return "4.7.0", "has too many connections from you; try later"
  elseif over then
    return "4.3.2", "has too many connections; try later"
  end
end

-- Turns a session away; a client that waits for TLS would not read why.
local function turn_away(session, enhanced, text)
  local server = session.server
  session:count "refused"
  if server.chatty then
    session:note { level = "warning", event = "refused", code = 421,
      enhanced = enhanced, text = text }
  end
  if not server.implicit then
    session.machine:close(421, enhanced, server.hostname .. " " .. text)
    session:flush()
  end
  net.close(session.conn, server.loop)
end

local function enter(session, source)
  local server = session.server
  session.source = source
  server.sessions[session] = coroutine.running()
  session:count "accepted"
end

-- Who talks before the greeting does not listen either: RFC 5321 3.1.
local function is_patient(session)
  local server = session.server
  local pause = server.limits.greeting_pause
  if pause == 0 or server.implicit then return true end
  session.idle = true
  local early = server.loop.wait(session.conn:fd(), "r", pause)
  session.idle = false
  if session.ended then return false end
  if not early then return true end
  session:note { level = "warning", event = "error",
    text = "talks before the greeting" }
  session.machine:close(554, "", server.hostname
    .. " greets first; who talks before is not served")
  session:part()
  return false
end

local function converse(session)
  local server = session.server
  if server.implicit then
    local ok, problem = server:handshake(session)
    if not ok then
      session:count "ended_tls"
      session:note { level = "warning", event = "error",
        text = tostring(problem) }
      return
    end
    session.machine:secured()
    session.tls = session.conn:tls()
  end
  if is_patient(session) then session:drive() end
end

--- One connection, from its first octet to the close.
---@param server lunapost.server
---@param conn userdata
function M.serve(server, conn)
  local address, port = conn:peer()
  local peer, problem = behind_proxy(server, conn,
    { address = address, port = port })
  if not peer then
    server.log { level = "warning", event = "error", peer = address,
      text = problem }
    return net.close(conn, server.loop)
  end
  local session = session_of.new(server, conn, peer)
  local source = ranges.source(peer.address)
  local enhanced, text = crowded(server, source, conn:fd())
  if enhanced then return turn_away(session, enhanced, text) end
  enter(session, source)
  local guard <close> = session
  converse(session)
  if not session.rests then session:depart() end
  return guard
end

return M
