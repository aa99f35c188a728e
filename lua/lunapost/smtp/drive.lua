--- The course of a session's dialogue: event after event, with rests between
--- commands where the loop can wait without a coroutine, and its end.

local core = require "lunapost.core"
local deadline = require "lunapost.deadline"
local over = require "lunapost.smtp.over"
local verbs = require "lunapost.smtp.verbs"

local M = {}

local now <const>, fd_of <const> = core.loop.now, core.net.fd
local step <const>, by_event <const> = core.server.step, verbs.by_event

local waits <const> = { read = true, write = true }

-- The handlers of this session, where the script makes a set for each.
local function choose_handlers(session)
  local ok, on = xpcall(session.server.handlers_for, session.traceback,
    session.server, session)
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
  session:call("disconnect", session.ended)
end

-- Waits for the next command without a coroutine; Session:wake goes on.
local function rest(session, limit)
  local time, server = now(), session.server
  if not limit then
    limit = time + server.limits.timeout
    if limit > session.due then limit = session.due end
  end
  if limit <= time then session:expired() end
  server.rest(fd_of(session.conn), "r", limit - time, session)
  session.rests, session.idle = true, limit
  if server.sessions[session] then -- no task is its own any more
    server.sessions[session] = true
  end
end

-- The dialogue, until it is over or the session rests. The limit is of the
-- command that has begun to come.
local function converse(session, ready, limit)
  if session.ended then session:over(session.ended) end
  if not ready then session:expired() end
  local machine, conn = session.machine, session.conn
  local may_rest = session:may_rest()
  repeat
    local event, a, b, c, d = step(machine, conn)
    if event == "read" and may_rest then
      return rest(session, limit)
    elseif not event or waits[event] then
      event, a, b, c, d = session:arrive(event, a, b)
    end
    limit, session.verb = nil, event
    by_event[event](session, a, b, c, d)
  until event == "closed"
end

local function begin(session)
  choose_handlers(session)
  return converse(session, true)
end

-- Runs the dialogue, and ends it where it is over; never raises.
local function run(session, fn, ready, limit)
  local ok, fault = xpcall(fn, session.traceback, session, ready, limit)
  if session.rests or session.killed then return end -- who killed it says so
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
    run(self, begin)
    deadline.leave(before)
    return linear
  end

  --- Goes on with the dialogue of a session that rests (loop.rest).
  ---@param ready true?  nil: the time is over, or the descriptor was closed
  function Session:wake(ready)
    local limit = self.idle
    self.rests, self.idle = false, false
    run(self, converse, ready, limit)
    if not self.rests then self:depart() end
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
