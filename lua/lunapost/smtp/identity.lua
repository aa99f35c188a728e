--- Who a peer is by the DNS: its name (PTR), and whether that name has the
--- peer's address in turn. Both are asked for once, with one deadline; what
--- others say slowly stops nobody else.

local core = require "lunapost.core"
local net = require "lunapost.net"
local ranges = require "lunapost.net.ranges"

local now = core.loop.now

local M = {}

-- Whether names have addresses: how many answers are kept, for how long.
local CACHE_SIZE <const>, CACHE_AGE <const> = 1024, 300

local cache, cache_count = {}, 0

local function has(list, address)
  local octets = ranges.octets(address)
  for _, one in ipairs(list or {}) do
    if ranges.octets(one.address) == octets then return true end
  end
  return false
end

-- Nil where nobody could say for now.
local function confirmed(name, address, waits)
  local key = address .. " " .. name
  local known = cache[key]
  if known and known.till > now() then return known.answer end
  local list, problem = net.resolve(name, waits)
  if not list and problem.transient then return nil end
  if cache_count >= CACHE_SIZE then cache, cache_count = {}, 0 end
  if not cache[key] then cache_count = cache_count + 1 end
  cache[key] = { answer = has(list, address), till = now() + CACHE_AGE }
  return cache[key].answer
end

--- Names the session's peer, once.
---@param session lunapost.session
function M.name(session)
  local peer, server = session.peer, session.server
  if peer.named then return end
  peer.named = true
  if not peer.address or net.is_private(peer.address) then return end
  local waits = { loop = server.loop,
    deadline = now() + server.limits.reverse_dns }
  peer.name = net.reverse(peer.address, waits)
  if peer.name then
    peer.confirmed = confirmed(peer.name, peer.address, waits)
  end
end

return M
