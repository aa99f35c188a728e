--- The course of a session's dialogue: event after event, with rests between
--- commands where the loop can wait without a coroutine, and its end.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local over = require "lunapost.smtp.over"
local verbs = require "lunapost.smtp.verbs"
local verdict = require "lunapost.smtp.verdict"

local M = {}

local step <const>, by_event <const> = core.server.step, verbs.by_event
local OVER <const> = verbs.OVER

local traceback <const> = verdict.traceback

local function handlers_of(session)
  return session.server:handlers_for(session)
end

-- The handlers of this session, where the script makes a set for each, in a
-- handler's time.
local function choose_handlers(session)
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
      text = problem and tostring(problem) or nil }
  end
  session:farewell(session.ended)
end

-- Waits for the next command without a coroutine; Session:wake goes on. The
-- limit is of the command that has begun to come.
local function rest(session, fd, limit)
  local server = session.server
  session.rests = server.rest(fd, "r", not limit and server.limits.timeout
    or nil, session, limit or session.due)
end

-- The first rest: no task is the session's own any more.
local function settle_down(session, fd, limit)
  rest(session, fd, limit)
  local sessions = session.server.sessions
  if sessions[session] then sessions[session] = true end
end

-- The dialogue, until it is over or the session rests, by pause.
local function converse(session, pause, limit)
  local machine, conn, accepted = session.machine, session.conn, nil
  repeat
    local event, a, b, c, d = step(machine, conn, accepted)
    if event == "read" and pause then return pause(session, a, limit) end
    limit, session.verb = nil, event
    accepted = by_event[event](session, a, b, c, d)
    if session.gone then error(session.gone, 0) end -- a handler swallowed it
  until accepted == OVER
end

local function begin(session)
  choose_handlers(session)
  return converse(session, session:may_rest() and settle_down or nil)
end

-- A rest that brought nothing: its time is over, or the server closed it.
local function give_up(session)
  if session.gone then error(session.gone, 0) end
  session:expired()
end

-- The dialogue was left, and the session does not rest: how it ended.
local function conclude(session, ok, fault)
  if session.killed then return end -- who killed it says so
  local why, problem = session.quit and "quit" or "closed", nil
  if not ok then why, problem = over.why(fault) end
  finish(session, why, problem)
end

--- Gives sessions the methods by which they run.
---@param Session table
function M.fill(Session)
  --- The dialogue, until it is over or the session rests; never raises.
  function Session:drive()
    local linear <close> = self.server:linear(self)
    local before = deadline.own(self)
    local ok, fault = xpcall(begin, traceback, self)
    if not self.rests then conclude(self, ok, fault) end
    deadline.leave(before)
    return linear
  end

  --- Goes on with the dialogue of a session that rests (loop.rest).
  ---@param ready true?  nil: the time is over, or the descriptor was closed
  function Session:wake(ready)
    local limit = self.rests
    self.rests = false
    local ok, fault = xpcall(ready and not self.ended and converse or give_up,
      traceback, self, rest, limit)
    if self.rests then return end
    conclude(self, ok, fault)
    self:depart()
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
