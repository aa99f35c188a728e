--- lunapost in copas: `loop = require "lunapost.loops.copas"`.
---
---   copas.addthread(function() post.send { loop = copas_loop, ... } end)
---   copas.loop()
---
--- Any copas will do, those without timers, too (Debian's is 1.2): a poller of
--- ours watches the descriptors, an alarm stands for deadlines, and copas
--- watches the poller, whose descriptor is one for all tasks. So select's
--- limit of 1024 descriptors is none for sessions.

local core = require "lunapost.core"
local seam = require "lunapost.loops.seam"

local copas = seam.library("copas", "luarocks install copas, or Debian's "
  .. "package lua-copas with /usr/share/lua/5.2/?.lua on package.path")

local now <const> = core.loop.now

local poller = core.loop.new()
local alarm = assert(core.alarm.new())
local kernel = poller:fd() or error("copas needs epoll or kqueue here", 0)

poller:wait(alarm:fd(), "r")

-- What is parked, by descriptor or timer; when the alarm goes off.
local parked, rings = {}, math.huge

local function set_alarm(due)
  if due >= rings then return end
  rings = due
  alarm:set(math.max(due - now(), 0))
end

-- Hands out what has happened.
local function turn()
  poller:turn(0)
  for id, what in poller.next, poller do
    if id == alarm:fd() then
      rings = math.huge
      alarm:set(nil)
    end
    local w = parked[id]
    if w and not w.done then
      w.done = (what == "timeout" or what == "closed") and what or "ready"
    end
  end
  poller:wait(alarm:fd(), "r")
  set_alarm(poller:due() or math.huge)
end

-- What copas takes for a socket that w's task reads from. At first there is
-- nothing to read, so that others get their turn.
local function proxy(w)
  local asked = false
  return {
    close = function() end,
    getfd = function() return kernel end,
    dirty = function() return w.done ~= nil end,
    receive = function()
      if asked then turn() end
      if asked and w.done then return true end
      asked = true
      return nil, "timeout"
    end,
  }
end

local function park(w)
  if w.fd >= 0 then
    w.id = w.fd
    poller:wait(w.fd, w.mode, w.seconds)
  else
    w.id = poller:timer(w.seconds or math.huge)
  end
  parked[w.id] = w
  set_alarm(poller:due() or math.huge)
  copas.receive(proxy(w), 1)
end

local function release(w)
  if parked[w.id] ~= w then return end
  parked[w.id] = nil
  poller:cancel(w.id)
end

return seam.adapt {
  inside = coroutine.isyieldable, park = park, release = release,
  start = copas.addthread,
  -- the alarm makes copas look
  wake = function() set_alarm(0) end,
  forget = function(fd)
    poller:cancel(fd)
    poller:forget(fd)
  end,
}
