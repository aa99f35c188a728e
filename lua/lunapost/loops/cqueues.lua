--- lunapost in a cqueues controller: `loop = require
--- "lunapost.loops.cqueues"`.
---
---   local queue = cqueues.new()
---   queue:wrap(function() post.send { loop = cqueues_loop, ... } end)
---   assert(queue:loop())

local seam = require "lunapost.loops.seam"

local cqueues = seam.library("cqueues",
  "luarocks install cqueues, or Debian's package lua-cqueues")
local condition = require "cqueues.condition"

local function inside()
  return cqueues.running() ~= nil and coroutine.isyieldable()
end

local function park(w)
  w.bell = condition.new()
  local object = w.fd >= 0 and { pollfd = w.fd, events = w.mode } or w.seconds
  for _, what in ipairs { cqueues.poll(w.bell, object, w.seconds) } do
    if what ~= w.bell and not w.done then
      w.done = what == w.seconds and "timeout" or "ready"
    end
  end
end

local function start(co)
  local queue = cqueues.running()
  if not queue then
    error("spawn, and so server:start, within cqueues: use queue:wrap", 0)
  end
  queue:attach(co)
end

return seam.adapt {
  inside = inside, park = park, start = start,
  wake = function(w) w.bell:signal() end,
  release = function() end,
  -- a descriptor that is closed unseen would end the whole controller
  forget = cqueues.cancel,
}
