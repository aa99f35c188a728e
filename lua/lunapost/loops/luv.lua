--- lunapost in libuv's loop, by luv: `loop = require "lunapost.loops.luv"`.
---
--- Sessions run in coroutines; uv.run() carries them:
---   coroutine.wrap(function() post.send { loop = luv_loop, ... } end)()
---   uv.run()

local seam = require "lunapost.loops.seam"

local uv = seam.library("luv",
  "luarocks install luv, or Debian's package lua-luv")

-- A handle for each descriptor that was waited for, until it is forgotten:
-- libuv has room for one.
local polls = {}

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

local function park(w)
  if w.fd >= 0 then
    polls[w.fd] = polls[w.fd] or assert(uv.new_poll(w.fd))
    w.poll = polls[w.fd]
    w.poll:start(w.mode, function() settle(w, "ready") end)
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
  if w.poll and not w.poll:is_closing() then w.poll:stop() end
end

local function forget(fd)
  local poll = polls[fd]
  polls[fd] = nil
  if poll and not poll:is_closing() then poll:close() end
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
