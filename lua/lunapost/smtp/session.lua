--- One session of a server: what handlers see, and the way of its events
--- from the machine in core to the handlers and back as answers.
---
--- The coroutine of a session runs drive(): it waits for the machine's next
--- event and hands it to the verb's function in smtp/verbs.lua.

local core = require "lunapost.core"
local answer = require "lunapost.smtp.answer"
local body = require "lunapost.smtp.body"
local deadline = require "lunapost.deadline"
local drive = require "lunapost.smtp.drive"
local ebb = require "lunapost.smtp.ebb"
local net = require "lunapost.net"
local over = require "lunapost.smtp.over"
local options_of = require "lunapost.options"
local raised = require "lunapost.raised"
local found = require "lunapost.smtp.results"
local trace = require "lunapost.smtp.trace"
local verbs = require "lunapost.smtp.verbs"
local verdict = require "lunapost.smtp.verdict"

local M = {}

local now <const>, fd_of <const> = core.loop.now, core.net.fd
local step <const>, try <const> = core.server.step, verdict.try

---@class lunapost.envelope
---@field from lunapost.path
---@field to lunapost.path[]  accepted so far
---@field parameters table  of MAIL

---@class lunapost.peer
---@field address string  "" of a Unix socket
---@field port? integer
---@field name? string  by the DNS, before HELO is answered
---@field confirmed? boolean  whether that name has the address, too; nil where
--- nobody could say
---@field via? lunapost.peer  who speaks for it: a proxy, or who said XCLIENT
---@field destination? table  of XCLIENT: address, port
---@field proxied? table<integer, string>  values of a proxy's header, by type

---@class lunapost.session
---@field peer lunapost.peer
---@field helo? string  what the peer called itself
---@field tls? { version: string, cipher: string, certificate: string? }
---@field user? string  who authenticated
---@field protocol string  the "with" keyword of RFC 3848
---@field due number  when it must be over, on the loop's clock
---@field id string  of the session, and of a message within it
---@field envelope? lunapost.envelope
---@field forwarded? table  what XFORWARD told of the next message's client
local Session = {}

local meta = { __name = "lunapost.session", __index = Session }

function meta.__tostring(session)
  return ("session %s (%s)"):format(session.id,
    session.peer.address or "in memory")
end

-- However a session ends, its place becomes free.
function meta.__close(session)
  if not session.rests then session.server:leave(session) end
end

--- Ends the session from within: never returns. Where a handler swallows what
--- is raised, the next answer or wait raises it again.
---@param why string  closed timeout tls error stopped
---@param problem? any  kept as session.problem; the error handler gets it
--- where why is "error"
function Session:over(why, problem)
  self.gone = self.gone or over.of(why, problem)
  error(self.gone, 0)
end

-- Fields of a session that are nobody's but the server's:
--
--   machine, conn   of core; conn: none in memory
--   source          whose session it counts as (net/ranges.lua)
--   verb            the event that is at work, or the last one
--   last_code       of the last reply
--   patient         how long it rests at most
--   rests           true while it waits for the peer without a task (loop.rest)
--   idle            true while a task of its own waits for the peer
--   due             when it must be over; within a body, when that must
--   before, before_extended  helo and extended before the present hello
--   in_body         what due was before the body, which is under way
--   body_reader, body_verb  of that body, and the event that began it
--   ending          how the body ends: the code of the default answer to it, or
--                   the command that came in the place of a chunk
--   work_due        the handler's deadline (lunapost.deadline): false while
--                   none works, less than 0 until it waits for the first time
--   patience        what work_due begins with
--   after           what is done with the verdict of the handler at work; see
--                   Session:recover
--   asked_for       the recipient that is asked for
--   gone            false, or what its end raises, again and again
--   ended           why it is over, once it is
--   killed          true where its task was killed: who did it says so
--   stops           true where its handler stops the server
--   dialogue        true where one function serves all of it (linear.lua)
--   quit            true once QUIT was said
--   asking          the verb that asked, while its question is open

---@param server table
---@param conn? userdata  none for a dialogue in memory
---@param peer { address: string?, port: integer?, name: string? }
---@return lunapost.session
function M.new(server, conn, peer)
  -- false where a field comes later: the table is made once, as it will be
  return setmetatable({ server = server, conn = conn, peer = peer,
    id = trace.id(), machine = core.server.new(server.config),
    rests = false, due = now() + server.limits.session_time,
    on = server.handlers, protocol = trace.first_protocol(server),
    source = false, verb = false, gone = false, in_body = false,
    ending = false, after = false, asked_for = false, body_reader = false,
    patience = -server.limits.handler, work_due = false, last_code = false,
    helo = nil, extended = false, patient = server.limits.timeout }, meta)
end

-- How ids of a session's first messages end, made once.
local marks <const> = {}

for n = 1, 100 do marks[n] = "-" .. n end

--- Each message of a session has an id of its own.
function Session:new_message()
  local n = (self.messages or 0) + 1
  self.messages = n
  if n == 1 then
    self.first_id = self.id
  else
    self.id = self.first_id .. (marks[n] or "-" .. n)
  end
end

--- Keeps session.protocol true, when what it depends on has changed.
function Session:settle_protocol()
  self.protocol = trace.protocol(self)
end

---@return string  the Received: field for this message, with its CRLF
function Session:received()
  return trace.received(self)
end

--- The Authentication-Results: field for this message (RFC 8601): what the
--- session knows, and what the script found out.
---@param results? lunapost.result[]  { method =, result =, reason =,
--- properties = { ["smtp.mailfrom"] = "a@b.example" } } each
---@return string  with its CRLF
Session.authentication_results = options_of.placed(function(self, results)
  local list = found.of_session(self)
  for _, one in ipairs(results or {}) do list[#list + 1] = one end
  return found.field(self.server.hostname, list)
end)

local modes <const> = { read = "r", write = "w" }

--- Ends a session that waited too long: never returns.
function Session:expired()
  self.machine:close(421, "4.4.2", self.server.hostname
    .. (now() < self.due and " waited too long" or " has no more time"))
  self:flush()
  self:over("timeout")
end

--- Ends a session whose wait brought nothing: never returns.
---@param why string?  "closed": the script closed its connection
function Session:unready(why)
  if why == "closed" then self:over "closed" end
  self:expired()
end

-- Waits for what the machine needs; ends the session where nothing comes. A
-- handler that waits for it waits for the peer: its own clock stands still.
local function await(session, mode, seconds)
  local conn, ready, why = session.conn, seconds > 0, nil
  local left = session.work_due and deadline.pause(session)
  if not ready then
    session:expired()
  elseif conn then
    session.idle = true
    ready, why = session.server.loop.wait(fd_of(conn), mode, seconds)
    session.idle = false
  else -- a session in memory
    ready = session:bring()
  end
  if session.gone then error(session.gone, 0) end
  if not ready then session:unready(why) end
  if left then session.work_due = left end
end

--- Waits until the machine has an event, which is not there yet.
---@param event string  read, write, or failed
---@param a any
---@param b any
---@return string event
---@return any ...  as next_event
function Session:arrive(event, a, b)
  local machine, conn, limit, c, d = self.machine, self.conn, nil, nil, nil
  local mode = modes[event]
  while mode do
    local time = now()
    if not limit then
      limit = time + self.server.limits.timeout
      if limit > self.due then limit = self.due end
    end
    await(self, mode, limit - time)
    event, a, b, c, d = step(machine, conn)
    mode = modes[event]
  end
  if event == "failed" then
    self:over(a == "closed" and a or "error", a .. ": " .. b)
  end
  return event, a, b, c, d
end

--- The machine's next event; never returns when the session ended.
---@return string event
---@return any a  what the machine tells of it, as b and c
---@return any b
---@return any c
---@return any d
function Session:next_event()
  if self.gone then error(self.gone, 0) end
  local event, a, b, c, d = step(self.machine, self.conn)
  if modes[event] or event == "failed" then return self:arrive(event, a, b) end
  return event, a, b, c, d
end

--- Sends what is to be sent, for at most a few seconds.
function Session:flush()
  if not self.conn then return end
  local limit = now() + 5
  repeat
    local state = self.machine:flush(self.conn)
    local left = limit - now()
    local again = state == "write" and left > 0
      and self.server.loop.wait(self.conn:fd(), "w", left)
  until not again
end

--- Closes after the last word so that the peer gets to see it.
function Session:part()
  self:flush()
  net.part(self.conn, { loop = self.server.loop, timeout = 1 })
end

--- Reports an error of a handler; the error handler has a handler's time, and
--- is not asked again where it fails.
---@param problem any
function Session:report(problem)
  local handler = self.on.error
  self:count "faults"
  ebb.fault(self.server, raised.text(problem))
  if handler then
    local ok, second = verdict.timed(self, handler, problem)
    if ok then return end
    problem = raised.text(problem) .. "\nerror handler: "
      .. raised.text(second)
  end
  self.server.log { event = "error", session = self.id,
    peer = self.peer.address, text = raised.text(problem) }
end

--- What a connect handler gave, as a greeting.
---@param code any
---@param enhanced? string
---@param text? string
---@return integer code
---@return string enhanced
---@return string text
function Session:as_greeting(code, enhanced, text)
  code, enhanced, text = self:checked(code, enhanced, text)
  if code == 451 then -- a fault, say: no greeting can have that code
    code = 421
  elseif code < 300 then
    code, text = 220, self.server.hostname .. " " .. text
  end
  return code, enhanced, text
end

--- Asks the connect handler for a greeting.
---@return lunapost.answer? given
function Session:greeting()
  local code, enhanced, text = self:consult "connect"
  if code == nil then return nil end
  return answer.gathered(self:as_greeting(code, enhanced, text))
end

--- Counts one more of a kind; see smtp/counters.lua.
---@param kind string
---@param n? integer
function Session:count(kind, n)
  local counts = self.server.counts
  counts[kind] = counts[kind] + (n or 1)
end

--- Tells the log of what happened in this session; called only where somebody
--- listens (server.chatty).
---@param record table
function Session:note(record)
  record.level = record.level or "info"
  record.session, record.peer = self.id, self.peer.address
  self.server.log(record)
end

--- Queues a question; ask waits for its answer, too.
---@param code integer
---@param text string
function Session:pose(code, text)
  if self.gone then error(self.gone, 0) end
  self.machine:ask(code, text)
end

--- Within AUTH and own commands: sends a 3yz and gives the peer's line.
---@param code integer  300..399
---@param text string
---@return string line
function Session:ask(code, text)
  self:pose(code, text)
  self.asking = self.verb
  local event, line = self:next_event()
  self.asking = nil
  if event == "line" then return line end
  if event == "refused" then answer.reject(self.machine:default()) end
  return self:over("closed")
end

--- Whether it can wait without a coroutine (loop.rest): a function that serves
--- a whole dialogue has one all the time.
---@return boolean
function Session:may_rest()
  return self.conn and self.server.rest ~= nil and not self.dialogue
end

--- What is raised where the body counts as nothing, as the machine says.
---@return table
function Session:broken()
  return body.broken(select(3, self.machine:default()))
end

--- The next octets of the body, nil at its end. What ends it is kept as
--- session.ending: the code of the default answer, or the command that took
--- the place of a chunk. Raises where the session is over.
---@return string?
---@return table? broken  the body fails of this
---@return any last  no other chunk follows
function Session:next_chunk()
  while not self.ending do
    local event, a, b = self:next_event()
    if event == "body" then
      self.ending = b
      return a, nil, b
    end
    if event == "message" then
      self.ending = a
      return nil
    end
    if event == "broken" then return nil, self:broken() end
    if event == "closed" then return self:over("closed") end
    verbs.between(self, event, a)
    if self.ending then return nil, body.broken(self.ending) end
  end
end

-- The transaction is over; whether there was one.
local function close_transaction(session)
  local open = session.envelope
  session.envelope, session.forwarded = nil, nil
  if not open then return false end
  if open.parameters.SMTPUTF8 then session:settle_protocol() end
  return true
end

---@param reason string  rset hello starttls
function Session:forget(reason)
  if close_transaction(self) and reason ~= "rset" then
    self:consult("rset", reason)
  end
end

local function nothing() end

--- The last of a transaction: its message was answered.
---@param reason string  delivered failed
function Session:finish_transaction(reason)
  if close_transaction(self) then try(self, "rset", nothing, reason) end
end

--- TLS came up: what was learnt before counts no more (RFC 3207 4.2).
function Session:secured()
  self.machine:secured()
  self.tls = self.conn and self.conn:tls()
    or { version = "in memory" }
  self.helo, self.extended, self.user = nil, false, nil
  self:settle_protocol()
  self:forget("starttls")
  self:call("secured")
end

verdict.fill(Session)
drive.fill(Session)

return M
