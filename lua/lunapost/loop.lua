--- The built-in event loop: coroutines over the readiness poller in C.
---
--- Any loop that has the first three functions can carry lunapost:
---   loop.wait(fd, "r"|"w"|"rw", seconds) --> true | nil, "timeout"
---   loop.forget(fd)                       -- before close(fd)
---   loop.spawn(fn, ...)                   -- one coroutine
--- Inside a coroutine of the loop a wait parks it and others run; outside any
--- loop a wait blocks. The module itself is the default loop.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local failures = require "lunapost.loop.failures"
local resting_of = require "lunapost.loop.resting"

local poll <const> = core.loop
local turn_of <const>, busy <const> = poll.turn, poll.busy
local wait_for <const>, next_of <const> = poll.wait, poll.next
local now <const>, running <const> = poll.now, coroutine.running
local resume_coroutine <const> = coroutine.resume
local yield <const> = coroutine.yield
local limit_of <const>, none <const> = deadline.limit, deadline.none
local tell <const>, report <const> = failures.tell, failures.report

-- What a coroutine yields to the loop that is parked, or free again.
local PARK <const>, DONE <const> = {}, resting_of.DONE

local CLOSED <const>, NOTHING <const> = { n = 2, nil, "closed" }, { n = 0 }

-- In the place of a descriptor: the loop makes no more turns.
local OVER <const> = "over"

-- In the place of arguments: an owner is to be woken, or told of a close.
local WAKE <const>, CLOSE <const> = { woken = true },
  { woken = true, "closed" }

-- What resuming a coroutine says that somebody else has closed.
local DEAD <const> = "cannot resume dead coroutine"

---@class lunapost.loop.state
---@field poller userdata?  made by the first use
---@field tasks table<thread, true|integer|string>  what each was parked on
--- last; nested: within a task
---@field waiters table<integer, thread>  by descriptor or timer
---@field queue table  coroutines to resume, with their arguments
---@field current thread?  the task that runs now
---@field resting table<integer, table>  who waits without a task, by
--- descriptor; see lunapost.loop.resting
---@field leader lunapost.loop.place?  where the rounds run
---@field count integer  tasks not yet dead
---@field watched boolean  stopped, or to be when finished() says so

local function poller(state)
  if not state.poller then
    state.poller = poll.new(state.backend or os.getenv "LUNAPOST_POLLER")
  end
  return state.poller
end

local function enqueue(state, co, arguments)
  local queue = state.queue
  local tail = queue.tail + 1
  queue.tail = tail
  if tail == queue.head + 1 then busy(state.poller) end
  queue[tail] = co
  queue.arguments[tail] = arguments
end

local function drop(state, co)
  state.tasks[co] = nil
  state.count = state.count - 1
end

-- What came of a task that was resumed and did not park itself.
local function settle(state, co, ok, token)
  if token == DONE then return resting_of.release(state, co) end
  if coroutine.status(co) ~= "dead" then
    return enqueue(state, co) -- a bare yield gives way to the others
  end
  drop(state, co)
  if not ok and token ~= DEAD then report(state, co, token) end
end

local function after(state, co, before, ok, token)
  state.current = before
  if token ~= PARK then settle(state, co, ok, token) end
end

local function resume(state, co, ready, why)
  local before = state.current
  state.current = co
  local ok, token = resume_coroutine(co, ready, why)
  state.current = before
  if token ~= PARK then settle(state, co, ok, token) end
end

-- With the arguments of a new task, however many.
local function start(state, co, arguments)
  local before = state.current
  state.current = co
  after(state, co, before,
    resume_coroutine(co, table.unpack(arguments, 1, arguments.n)))
end

-- Parks the running task; returns what it is resumed with.
local function park(state, id)
  local co = state.current
  state.waiters[id] = co
  state.tasks[co] = id
  return yield(PARK)
end

-- The descriptor was closed by another task: who waited there learns it.
local function wake_closed(state, fd)
  local co = state.waiters[fd]
  if co then
    state.waiters[fd] = nil
    return enqueue(state, co, CLOSED)
  end
  local owner = state.resting[fd]
  if not owner then return end
  state.resting[fd] = nil
  enqueue(state, owner, CLOSE)
end

-- The running coroutine, which may wait.
local function check_parkable(state)
  local co = running()
  if state.tasks[co] then return co end
  error("a wait inside a coroutine that the loop does not know: make it "
    .. "with loop.wrap or loop.spawn", 3)
end

-- Whoever waits for the descriptor that the running task is about to wait
-- for: another task, or one whose descriptor was closed unseen.
local function check_alone(state, fd)
  if state.poller:waits(fd) then
    error(("two tasks wait for descriptor %d"):format(fd), 3)
  end
  wake_closed(state, fd)
end

-- Outside any loop; a signal lets Lua's own hooks run in between.
local function block(fd, mode, seconds)
  local limit = seconds and now() + seconds
  repeat
    local left = limit and limit - now()
    local ready, why = poll.block(fd, mode, left)
    if ready then return true end
  until why == "timeout"
  return nil, "timeout"
end

local function wait_outside(fd, mode, seconds)
  local limit, cut = limit_of(seconds)
  local ok, why = block(fd, mode, limit)
  deadline.check(cut, why)
  return ok, why
end

-- loop.wait, which is called more often than anything else here.
local function waiter(state)
  local waiters, tasks, resting = state.waiters, state.tasks, state.resting
  return function(fd, mode, seconds)
    if state.closing or fd < 0 then return nil, "closed" end
    local co = state.current
    if not co then
      local way = state.background or wait_outside
      return way(fd, mode, seconds)
    end
    local limit, cut = limit_of(seconds, check_parkable(state))
    if waiters[fd] or resting[fd] then check_alone(state, fd) end
    wait_for(state.poller, fd, mode, limit)
    waiters[fd], tasks[co] = co, fd
    local ok, why = yield(PARK)
    if cut then deadline.check(cut, why) end
    return ok, why
  end
end

local function sleep(state, seconds)
  if state.closing then return end
  local limit, cut = limit_of(seconds or error("sleep needs seconds", 2))
  if state.current then
    check_parkable(state)
    park(state, state.poller:timer(limit))
  elseif state.background then
    state.background(-1, nil, limit)
  else
    block(-1, "r", limit)
  end
  deadline.check(cut, "timeout")
end

local function forget(state, fd)
  if not state.poller or fd < 0 then return end
  wake_closed(state, fd)
  state.poller:cancel(fd)
  state.poller:forget(fd)
end

local function spawn(state, fn, ...)
  poller(state)
  local co = coroutine.create(fn)
  state.tasks[co] = true
  state.count = state.count + 1
  enqueue(state, co, select("#", ...) > 0 and table.pack(...) or nil)
  return co
end

-- Runs what was queued when the round began: who is queued meanwhile waits
-- for the next one, so that descriptors get their turn. False when the leader
-- has another in its place.
local function run_queue(state, me)
  local queue = state.queue
  local last = queue.tail
  while queue.head < last and not state.stopped do
    local head = queue.head + 1
    queue.head = head
    local co, arguments = queue[head], queue.arguments[head]
    queue[head], queue.arguments[head] = nil, nil
    if arguments and arguments.woken then
      if not resting_of.awake(state, me, co, nil, arguments[1]) then
        return false
      end
    elseif state.tasks[co] then -- else killed meanwhile
      start(state, co, arguments or NOTHING)
    end
  end
  if queue.head == queue.tail then queue.head, queue.tail = 0, 0 end
  return true
end

local function wake_waiter(state, id, ready, why)
  local co = state.waiters[id]
  if not co then return end
  state.waiters[id] = nil
  resume(state, co, ready, why)
end

local function is_empty(state)
  return state.count == 0 and next(state.resting) == nil
    and state.queue.head == state.queue.tail
end

-- What comes between two turns of the poller: whether the next one must not
-- block, or nil when the loop is over, or another leads it.
local function go_on(state, me)
  local queue, finished = state.queue, state.finished
  if queue.head < queue.tail and not run_queue(state, me) then return nil end
  if state.stopped or state.count == 0 and is_empty(state)
    or finished and finished() then
    state.leader = nil
    return nil
  end
  return queue.head < queue.tail
end

-- Whoever rests again waits; then what go_on wants, and a turn of the poller,
-- as next_of gives its events: OVER in the place of an id where none is made.
local function turn(state, me, fd, seconds, limit)
  if limit then
    wait_for(state.poller, fd, "r", seconds, limit)
    me.at_work = false
  end
  local at_once = go_on(state, me)
  if at_once == nil then return OVER end
  return turn_of(state.poller, at_once, not (at_once or state.watched))
end

-- Round after round, until the loop is over or another leads it: then the
-- poller keeps the events that it has. Where somebody rests, and nothing else
-- is to be done (calm), one call waits for him and gives the next event. Until
-- he waits, he is at work: where that fails, he is told.
local function lead(state, me)
  local p, resting, queue, co = state.poller, state.resting, state.queue, me.co
  local more, limit, seconds, fd
  repeat
    local id, ready, why, due
    local calm = limit and queue.tail == 0 and not state.watched
    if calm or more and not state.stopped then
      id, ready, why, more, due = next_of(p, calm, fd, seconds, limit)
    else
      id, ready, why, more, due = turn(state, me, fd, seconds, limit)
      if id == OVER then return end
    end
    local owner = resting[id]
    if owner then -- as resting_of.awake does, without a call
      resting[id], me.at_work, state.current = nil, owner, co
      limit, seconds, fd = owner:wake(ready, why, due, p)
      state.current = nil
      if limit then
        resting[fd], me.fd = owner, fd -- the next turn waits
      else
        me.at_work = false
      end
    else -- or nobody, where the turn was over in vain
      limit, fd, me.at_work = nil, nil, false
      wake_waiter(state, id, ready, why)
    end
  until state.leader ~= me
  resting_of.follow(state, me, fd, seconds, limit)
end

-- How it rests whose failure is only told.
local function persist(owner)
  if owner.persist then return owner:persist() end
end

-- Whoever was woken raised this, and may go on all the same; what fails is
-- told, and the leader goes on.
local function fail(state, me, problem)
  local owner, trace = me.at_work, me.trace
  state.current, me.trace = me.co, nil
  resting_of.rouse(state, owner, me.fd)
  local leads
  if owner.failed then
    leads = resting_of.asleep(state, me, owner, owner:failed(problem))
  else
    leads = resting_of.asleep(state, me, owner, persist(owner))
    if owner.drop then owner:drop() end
    tell(state, me.co, problem, trace or problem)
  end
  me.tries = 0
  if leads then return lead(state, me) end
end

-- The rounds run in a coroutine, the leader. Whoever is woken from a rest runs
-- in it; when that waits for something else, it keeps the coroutine, as a task,
-- and another leads.
local function run_led(state)
  repeat
    local place = resting_of.leader(state, lead, fail)
    local co = place.co
    state.leader = place
    local ok, token = resume_coroutine(co)
    local works = place.at_work
    state.current = nil
    if works then state.count = state.count + 1 end
    if token == DONE then
      resting_of.release(state, co)
    elseif not ok and not works then
      state.tasks[co] = nil
      error(token, 0) -- of finished(), or of the loop itself
    elseif token ~= PARK then
      settle(state, co, ok, token)
    end
  until not state.leader
end

local function run(state, finished)
  if state.running then error("the loop runs already", 2) end
  poller(state)
  state.running, state.stopped, state.finished = true, false, finished
  state.watched = finished ~= nil
  local leader <const> = state.leader
  local _ <close> = setmetatable({}, { __close = function()
    state.running, state.leader, state.finished = false, leader, nil
  end })
  run_led(state)
end

-- Waits outside of tasks let the tasks run meanwhile: each is a task, too.
local function background(state)
  return function(fd, mode, seconds)
    local results
    spawn(state, function()
      if fd < 0 then
        results = { sleep(state, seconds) }
      else
        results = table.pack(state.public.wait(fd, mode, seconds))
      end
    end)
    repeat
      run(state, function() return results ~= nil end)
    until results -- else a task stopped the loop
    return table.unpack(results, 1, results.n)
  end
end

-- Closes a coroutine: what it holds must not wait any more.
local function close_coroutine(state, co)
  state.tasks[co] = nil
  local closing, current = state.closing, state.current
  state.closing, state.current = true, nil
  local ok, problem = coroutine.close(co)
  state.closing, state.current = closing, current
  if not ok then report(state, co, problem) end
end

local function kill(state, co)
  local parked = state.tasks[co]
  if not parked then return end
  if co == state.current then error("a task cannot kill itself", 2) end
  if state.waiters[parked] == co then
    state.waiters[parked] = nil
    state.poller:cancel(parked)
  end
  drop(state, co)
  close_coroutine(state, co)
end

local function close(state)
  local all, leader = {}, state.leader and state.leader.co
  for co, parked in pairs(state.tasks) do
    if parked ~= "nested" and co ~= state.current and co ~= leader then
      all[#all + 1] = co
    end
  end
  for _, co in ipairs(all) do kill(state, co) end
  local closing <const> = state.closing
  state.closing = true
  resting_of.close(state, function(problem) report(state, nil, problem) end)
  state.closing = closing
  if state.poller and not state.current then
    state.poller:close()
    state.poller = nil
  end
end

-- A coroutine within a task: its waits pass through to the loop.
local function wrap(state, fn)
  local co = coroutine.create(fn)
  local pass
  function pass(ok, token, ...)
    if ok and token == PARK then
      return pass(resume_coroutine(co, yield(PARK)))
    end
    if coroutine.status(co) == "dead" then state.tasks[co] = nil end
    if not ok then
      coroutine.close(co)
      error(token, 0)
    end
    return token, ...
  end
  local function step(...)
    state.tasks[co] = "nested"
    deadline.inherit(running(), co)
    return pass(resume_coroutine(co, ...))
  end
  return step, nil, nil, setmetatable({}, { __close = function()
    close_coroutine(state, co)
  end })
end

local M = {}

-- What every loop can do: the seam, and running it.
local function fill_seam(public, state)
  --- Waits until a descriptor is ready.
  ---@param fd integer
  ---@param mode "r"|"w"|"rw"
  ---@param seconds number?  nil: for ever
  ---@return true? ready
  ---@return "timeout"|"closed"|nil why  closed: forgotten by another task
  public.wait = waiter(state)

  --- Whether a wait would block: no task runs, and no deadline is set.
  ---@return boolean
  function public.blocks()
    return not (state.current or state.closing or state.background)
      and (none() or not limit_of())
  end

  --- Before a descriptor is closed. Connections do it by themselves.
  ---@param fd integer
  function public.forget(fd) return forget(state, fd) end

  --- Starts a task in the next round. Its errors go to on_error(problem,
  --- traceback, task), or else to stderr.
  ---@param fn function  called with the arguments that follow
  ---@return thread task
  function public.spawn(fn, ...) return spawn(state, fn, ...) end

  --- Runs until no task is left, stop() is called or finished() is true.
  ---@param finished (fun(): boolean)?
  function public.run(finished) return run(state, finished) end

  ---@param seconds number
  function public.sleep(seconds) return sleep(state, seconds) end

  --- Ends run() after the present task; run() may go on later.
  function public.stop()
    state.stopped, state.watched = true, true
    if state.poller then busy(state.poller) end
  end

  --- Seconds on the monotonic clock.
  ---@return number
  public.now = poll.now
end

-- Waiting without a task; see lunapost.loop.resting.
local function fill_rest(public, state)
  local waiters <const>, resting <const> = state.waiters, state.resting

  --- Waits without a task, which costs less memory than a coroutine does:
  --- owner:wake(true, nil, due), or as wait owner:wake(nil, why), is called in
  --- a task; due: when it would have ended; behind it: the poller, for machines
  --- that wait by themselves (core.server.step). What wake returns lets it rest
  --- again, for reading: a limit on now's clock, seconds or nil, a descriptor.
  --- What it raises goes to owner:failed(problem), which may do the same, or
  --- else to on_error, where owner:persist() may do it; owner.explain(problem)
  --- is what is raised in its place, while the stack can still be seen.
  ---@param fd integer
  ---@param mode "r"|"w"|"rw"
  ---@param seconds number?  nil: for ever
  ---@param owner table
  ---@param limit number?  on now's clock, beside the seconds
  ---@return number due  on now's clock: when it ends at the latest
  function public.rest(fd, mode, seconds, owner, limit)
    if waiters[fd] or resting[fd] then check_alone(state, fd) end
    poller(state)
    return resting_of.rest(state, fd, mode, seconds, owner, limit)
  end

  --- Calls owner:wake() in a task, in the next round.
  ---@param owner table
  function public.rouse(owner)
    poller(state)
    enqueue(state, owner, WAKE)
  end

  --- The task in which an owner is awake.
  ---@param owner table
  ---@return thread? task
  function public.task_of(owner) return resting_of.task_of(state, owner) end
end

-- Care of the tasks and of the loop itself.
local function fill_care(public, state)
  --- Drops a task: its to-be-closed variables are closed at once.
  ---@param task thread
  function public.kill(task) return kill(state, task) end

  --- Drops every task, and the poller.
  function public.close() return close(state) end

  --- Lets tasks run while somebody waits outside of them, or no longer: a
  --- client of a spec and the server in the same process, say.
  ---@param on boolean
  function public.background(on)
    state.background = on and background(state) or nil
  end

  --- As coroutine.wrap, for use within a task: waits pass through. A for
  --- loop over it closes the coroutine at its end.
  ---@param fn function
  ---@return function
  function public.wrap(fn) return wrap(state, fn) end

  --- Whether a task of the loop runs now: its waits stop no other.
  ---@return boolean
  function public.inside() return state.current ~= nil end

  --- The task that runs now, whatever coroutine it runs at the moment.
  ---@return thread? task
  function public.task() return state.current end

  ---@return integer tasks  not yet dead, and who rests
  function public.count() return state.count + resting_of.count(state) end

  ---@return string name  epoll, kqueue or poll
  function public.backend() return poller(state):name() end

  --- In a forked child: parts from the parent's poller.
  function public.reopen()
    if state.poller then state.poller:reopen() end
  end
end

local function fill(public, backend)
  local state = {
    public = public, backend = backend, count = 0, waiters = {},
    queue = { head = 0, tail = 0, arguments = {} },
    tasks = setmetatable({}, { __mode = "k" }),
  }
  resting_of.prepare(state)
  fill_seam(public, state)
  fill_rest(public, state)
  fill_care(public, state)
  return setmetatable(public, {
    __name = "lunapost.loop",
    __close = public.close,
  })
end

--- A loop of its own.
---@param backend? "epoll"|"kqueue"|"poll"  default: the best here, or what
--- the environment's LUNAPOST_POLLER says
function M.new(backend)
  return fill({}, backend)
end

return fill(M)
