--- The course of a session's dialogue: event after event, with rests between
--- commands where the loop can wait without a coroutine, and its end.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local over = require "lunapost.smtp.over"
local raised = require "lunapost.raised"
local verbs = require "lunapost.smtp.verbs"
local verdict = require "lunapost.smtp.verdict"

local M = {}

local step <const>, by_event <const> = core.server.step, verbs.by_event
local OVER <const> = verbs.OVER

local traceback <const> = verdict.traceback

local function handlers_of(session)
  return session.server:handlers_for(session)
end

-- The handlers of this session: where the script makes a set for each, in a
-- handler's time.
local function choose_handlers(session)
  if not session.server.give then
    session.on = handlers_of(session)
    return
  end
  local ok, on = verdict.timed(session, handlers_of)
  if ok then
    session.on = on
    return
  end
  session:report(on)
  session.machine:close(421, "4.3.0", "local error; try again later")
  session:flush()
  session:over("error")
end

local function count_end(session)
  local kind = "ended_" .. session.ended
  session:count(session.server.counts[kind] and kind or "ended_error")
end

local function finish(session, why, problem)
  session.ended = session.ended or why
  session.problem = problem
  count_end(session)
  if problem and why == "error" then session:report(problem) end
  if session.server.chatty then
    session:note { event = "disconnect", why = session.ended,
      messages = session.messages or 0,
      text = problem and raised.text(problem) or nil }
  end
  session:farewell(session.ended)
end

-- Waits for the next command without a coroutine; Session:wake goes on. The
-- first rest: no task is the session's own any more.
local function settle_down(session, limit, seconds, fd)
  local server = session.server
  session.rests = false -- where it cannot, its place becomes free
  server.rest(fd, "r", seconds, session, limit)
  session.rests = true
  local sessions = server.sessions
  if sessions[session] then sessions[session] = true end
end

-- Hands events to the functions of their verbs, until the dialogue is over, or
-- the session must rest: until when, as loop.rest wants it. accepted: what
-- became of the event before; poller: that of the loop, where the machine may
-- rest by itself.
local function go_on(session, rests, accepted, poller)
  local machine, conn = session.machine, session.conn
  repeat
    local event, a, b = step(machine, conn, accepted, poller, session.due,
      session.patient)
    if event == "read" and rests then
      session.rests = true
      return b, nil, a
    end
    session.verb = event
    accepted = by_event[event](session, a, b)
    if session.gone then error(session.gone, 0) end -- a handler swallowed it
  until accepted == OVER
end

local function begin(session, rests)
  choose_handlers(session)
  return go_on(session, rests)
end

-- What a handler raised becomes its answer, and the dialogue goes on.
local function resume(session, rests, fault)
  if not session:trusted() then error(fault, 0) end
  return go_on(session, rests, session:recover(fault))
end

-- A rest that brought nothing: its time is over, or the server closed it.
local function give_up(session, why)
  if session.gone then error(session.gone, 0) end
  session:unready(why)
end

-- The dialogue was left, and the session does not rest: how it ended. What
-- fails from now on is told by the loop.
local function conclude(session, ok, fault)
  session.failed = false
  if session.killed then return end -- who killed it says so
  local why, problem = session.quit and "quit" or "closed", nil
  if not ok then why, problem = over.why(fault) end
  finish(session, why, problem)
end

-- A session that was woken does not rest again.
local function leave(session, ok, fault)
  conclude(session, ok, fault)
  session:depart()
end

local function wake_in_vain(session, why)
  return leave(session, xpcall(give_up, traceback, session, why))
end

--- Gives sessions the methods by which they run.
---@param Session table
function M.fill(Session)
  --- The dialogue, until it is over or the session rests; never raises.
  function Session:drive()
    local linear <close> = self.server:linear(self)
    local before, rests = deadline.own(self), self:may_rest()
    local ok, limit, seconds, fd = xpcall(begin, traceback, self, rests)
    while not ok and self:trusted() do
      ok, limit, seconds, fd = xpcall(resume, traceback, self, rests, limit)
    end
    if ok and limit then
      settle_down(self, limit, seconds, fd)
    else
      conclude(self, ok, limit)
    end
    deadline.leave(before)
    return linear
  end

  --- What the loop raises in the place of what was raised in wake or failed.
  Session.explain = traceback

  --- Goes on with the dialogue of a session that rests (loop.rest), whose time
  --- is over where it is not ready, or whose descriptor was closed. What it
  --- raises is for failed.
  ---@param ready true?
  ---@param why string?  it is not
  ---@param poller userdata?  where the machine may wait
  ---@return number? limit  nil: it is over; else it rests again until then
  ---@return number? seconds
  ---@return integer? fd
  function Session:wake(ready, why, _, poller)
    self.rests = false
    if not ready then return wake_in_vain(self, why) end
    local limit, seconds, fd = go_on(self, true, nil, poller)
    if limit then return limit, seconds, fd end
    return leave(self, true)
  end

  --- Goes on behind what wake raised, or failed itself, if a handler did; else
  --- that was the end.
  ---@param fault any
  ---@return number? limit, number? seconds, integer? fd  as wake
  function Session:failed(fault)
    if not self:trusted() then return leave(self, false, fault) end
    local due, seconds, fd = resume(self, true, fault)
    if due then return due, seconds, fd end
    return leave(self, true)
  end

  --- Gives up a dialogue whose task was killed.
  function Session:drop()
    self.server:leave(self)
  end

  --- Parts from the peer after the dialogue.
  function Session:depart()
    local server = self.server
    if server.sessions[self] and self.ended ~= "quit" then self:part() end
    server:leave(self)
  end
end

return M
