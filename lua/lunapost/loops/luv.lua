--- lunapost in libuv's loop, by luv: `loop = require "lunapost.loops.luv"`.
---
--- Sessions run in coroutines; uv.run() carries them:
---   coroutine.wrap(function() post.send { loop = luv_loop, ... } end)()
---   uv.run()

local core = require "lunapost.core"
local seam = require "lunapost.loops.seam"

local uv = seam.library("luv",
  "luarocks install luv, or Debian's package lua-luv")

-- A poller of ours watches the descriptors, and libuv the poller: luv prints
-- "EBADF" on standard error for each socket that a peer resets.
local poller = core.loop.new()
local kernel = poller:fd() or error("luv needs epoll or kqueue here", 0)
local watch = assert(uv.new_poll(kernel))

-- What is parked, by descriptor, and how much that is.
local parked, count = {}, 0

-- Goes on with a coroutine; libuv's callbacks must not raise.
local function resume(co)
  if coroutine.status(co) ~= "suspended" then return end
  local ok, problem = coroutine.resume(co)
  if not ok then
    io.stderr:write("lunapost.loops.luv: a coroutine failed: ",
      debug.traceback(co, tostring(problem)), "\n")
  end
end

local function settle(w, why)
  if w.done then return end
  w.done = why
  resume(w.task)
end

-- Hands out what has happened.
local function turn()
  poller:turn(0)
  local ready = {}
  for fd in poller.next, poller do ready[#ready + 1] = parked[fd] end
  for _, w in ipairs(ready) do settle(w, "ready") end
end

local function park(w)
  if w.fd >= 0 then
    poller:wait(w.fd, w.mode)
    parked[w.fd], count = w, count + 1
    if count == 1 then watch:start("r", turn) end
  end
  if w.seconds then
    uv.update_time() -- the loop may have been busy since
    w.timer = uv.new_timer()
    w.timer:start(math.ceil(math.max(w.seconds, 0) * 1000), 0,
      function() settle(w, "timeout") end)
  end
  coroutine.yield()
end

local function release(w)
  if w.timer and not w.timer:is_closing() then w.timer:close() end
  if w.fd < 0 or parked[w.fd] ~= w then return end
  parked[w.fd], count = nil, count - 1
  poller:cancel(w.fd)
  if count == 0 then watch:stop() end
end

local function forget(fd)
  poller:cancel(fd)
  poller:forget(fd)
end

-- In the next round: who wakes another goes on first.
local function wake(w)
  local timer = uv.new_timer()
  timer:start(0, 0, function()
    timer:close()
    resume(w.task)
  end)
end

return seam.adapt {
  inside = coroutine.isyieldable, park = park, wake = wake,
  release = release, forget = forget, start = resume,
}
