--- A whole dialogue as one function: session = function(s) ... end.
---
--- The function runs in a coroutine of its own within the session's. The
--- handlers of such a session are made here: each hands the function one
--- command and takes its answer back, so that order, limits and default
--- answers are the same as for any other session.

local answer = require "lunapost.smtp.answer"
local ascii = require "lunapost.ascii"
local body = require "lunapost.smtp.body"
local deadline = require "lunapost.deadline"

local M = {}

---@class lunapost.linear.command
---@field verb string  HELO EHLO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT
--- RSET NOOP VRFY EXPN HELP QUIT, or one that is unknown
---@field argument? string  what follows the verb
---@field path? lunapost.path  of MAIL and RCPT
---@field parameters? table  of MAIL and RCPT
---@field keywords? string[]  of EHLO: may be edited before the answer

---@class lunapost.linear: lunapost.session
local Linear = {}

-- What the coroutine gives at its end; M is for the next command.
local OVER <const> = {}

local STRAY <const> = "session = function: a yield that is no wait of the "
  .. "loop; to let others run, wait for 0 seconds"

local own <const> = { present = true, given = true, done = true,
  queued = true, opened = true, reader = true, why = true, lost = true }

-- The session's fields and methods are the function's to see and to set.
local meta = { __name = "lunapost.linear" }

function meta.__index(s, name)
  return Linear[name] or rawget(s, "session")[name]
end

function meta.__newindex(s, name, value)
  if own[name] then return rawset(s, name, value) end
  s.session[name] = value
end

function meta.__tostring(s)
  return tostring(s.session)
end

--- The next command of the peer; the one before it, at first the greeting, is
--- answered by default where the function has not answered it.
---@return lunapost.linear.command? command  nil: the dialogue is over
---@return string? why  as the disconnect handler is told
function Linear:next()
  local command = self.queued
  if not command and not self.why then command = coroutine.yield(M) end
  self.queued, self.present = nil, command
  if command then return command end
  return nil, self.why
end

local function check_open(s, what)
  if not s.present then error(what .. ": no command waits", 3) end
  if s.given then error(what .. ": the command has its answer", 3) end
end

--- Answers the present command; what handlers return. It leaves when the
--- function asks for more: by next, expect, ask or the body.
---@param code integer|table  for LMTP and PRDR a list, one answer a recipient
---@param enhanced? string
---@param text? string
function Linear:answer(code, enhanced, text)
  if self.why then return end -- nobody is there to hear it
  check_open(self, "answer")
  self.given = answer.returned(code, enhanced, text)
    or error("answer: a code is expected", 2)
end

local function listed(verbs)
  local set = {}
  for _, verb in ipairs(verbs) do set[ascii.upper(verb)] = true end
  return set
end

-- Commands that any server answers by itself, whatever it waits for.
local harmless <const> = { NOOP = true, HELP = true, VRFY = true,
  EXPN = true }

-- Those that take a dialogue back to where it began, if only for a part.
local turning <const> = { RSET = true, HELO = true, EHLO = true, LHLO = true,
  STARTTLS = true, XCLIENT = true }

--- The next command that is one of these. NOOP, HELP, VRFY, EXPN are answered
--- by default on the way, QUIT as well, anything else by 503.
---@param ... string  verbs
---@return lunapost.linear.command? command
---@return lunapost.linear.command|string|nil back  the command that took the
--- dialogue back (RSET, a hello, STARTTLS within a transaction; QUIT), or why
--- it is over
function Linear:expect(...)
  local wanted = listed { ... }
  local within = self.session.envelope ~= nil
  while true do
    local command, why = self:next()
    if not command then return nil, why end
    local verb = command.verb
    if wanted[verb] then return command end
    if verb == "QUIT" or turning[verb] and within then return nil, command end
    if not harmless[verb] and not turning[verb] then
      self:answer(503, "5.5.1", table.concat({ ... }, " or ")
        .. " is expected")
    end
  end
end

--- The body that DATA or BDAT brings; DATA gets its 354 by this.
---@return lunapost.body
function Linear:body()
  check_open(self, "body")
  local command = self.present
  if command.verb == "DATA" and not self.reader then
    self.opened = true
    local event = coroutine.yield(M)
    if not self.reader then -- the reply handler said something else
      self.queued = event
      error(body.broken("refused"), 0)
    end
    self.present = command
  end
  if not self.reader then error("body: DATA or BDAT brings one", 2) end
  return self.reader
end

--- The whole body as a string.
---@return string? octets  nil: it was cut off, too big or refused
---@return string? why  "closed" where the peer is gone
function Linear:receive()
  local reader = self:body()
  local ok, octets = pcall(reader.read, reader)
  if ok then return octets end
  if not self.session.control(octets) then error(octets, 0) end
  if not body.is_broken(octets) then -- the session is over, and next says so
    self.lost, self.why, self.present = octets, octets.why, nil
  end
  return nil, octets.why
end

--- The whole body as a message of lunapost.mime.
---@return lunapost.mime.part
function Linear:message()
  local reader = self:body()
  return require("lunapost.smtp.delivery").message(self.session, reader)
end

--- Within AUTH and commands that the server does not know: sends a 3yz and
--- gives the peer's line.
---@param code integer  300..399
---@param text string
---@return string line
function Linear:ask(code, text)
  check_open(self, "ask")
  return self.session:ask(code, text)
end

local function last_word(s, text)
  local session = s.session
  session.machine:close(421, "4.3.0", text)
  session:flush()
end

-- The function is over: what it answered is sent, and the peer is left.
local function finish(s)
  local session, given = s.session, s.given
  if session.quit then return given end
  if given and given.code then
    session:answer(given.code, given.enhanced, given.text)
  end
  session:flush()
  session:over("closed")
end

-- Lets the function run on. True where it wants the next command; else it is
-- over, and of what it failed.
local function advance(s, value)
  local token, problem = s.step(value)
  if token == M then return true end
  s.done = true
  return false, token == OVER and problem or token ~= OVER and STRAY or nil
end

-- Lets the function run until it wants the next command. Its answer to the
-- one that it was given, nil for the default.
local function resume(s, value)
  local session = s.session
  if s.done then
    last_word(s, session.server.hostname .. " closes the connection")
    session:over("closed")
  end
  s.given, s.present = nil, nil
  local waits, problem = advance(s, value)
  if waits then return s.given end
  problem = problem or s.lost
  if problem == nil then return finish(s) end
  if session.control(problem) then error(problem, 0) end
  last_word(s, "local error; try again later")
  session:over("error", problem)
end

-- The dialogue ended, not by the function: next gives nil from now on.
local function tell(s, why)
  s.why = why
  if s.done then return end
  s.given, s.present, s.done = nil, nil, true
  local _, problem = advance(s, nil)
  if problem ~= nil and not s.session.control(problem) then
    s.session:report(problem)
  end
end

local function commands(s, on)
  -- a handler whose arguments behind the session have these names
  local function hand(name, verb, first, second)
    on[name] = function(session, a, b)
      local command = { verb = verb or session.verb }
      if first then command[first] = a end
      if second then command[second] = b end
      if command.path then command.argument = tostring(a) end
      return resume(s, command)
    end
  end
  hand("connect")
  hand("helo", "HELO", "argument")
  hand("ehlo", nil, "argument", "keywords")
  hand("starttls")
  hand("begin_auth", "AUTH", "argument")
  hand("mail", "MAIL", "path", "parameters")
  hand("rcpt", "RCPT", "path", "parameters")
  hand("begin_data", "DATA")
  for _, name in ipairs { "vrfy", "expn", "help", "noop", "quit" } do
    hand(name, ascii.upper(name), "argument")
  end
end

-- What is no plain command.
local function others(s, on, given)
  function on.unknown(_, verb, argument)
    return resume(s, { verb = ascii.upper(verb), argument = argument })
  end
  function on.rset(_, reason)
    if reason == "rset" then resume(s, { verb = "RSET" }) end
  end
  function on.data(session, reader)
    local opened, data = s.opened, session.verb == "DATA"
    if data and not opened then return nil end -- the function let it pass
    s.reader, s.opened = reader, nil
    local verdict = resume(s, data and reader or { verb = "BDAT" })
    s.reader = nil
    return verdict
  end
  function on.disconnect(session, why)
    tell(s, why)
    if given.disconnect then return given.disconnect(session, why) end
  end
end

-- As loop.wrap, for a loop that has none: what is not the function's own
-- yield is the loop's.
local function wrap(fn)
  local co = coroutine.create(fn)
  local function pass(ok, token, ...)
    if not ok then error(token, 0) end
    if token == M or coroutine.status(co) == "dead" then return token, ... end
    return pass(coroutine.resume(co, coroutine.yield(token, ...)))
  end
  local function step(...)
    deadline.inherit(coroutine.running(), co)
    return pass(coroutine.resume(co, ...))
  end
  return step, nil, nil, setmetatable({}, { __close = function()
    coroutine.close(co)
  end })
end

--- The function's side of a session: its handlers, to be closed with it.
---@param session lunapost.session
---@param fn fun(s: lunapost.linear)
---@param given table  handlers that report: error, observe, reply, disconnect
---@return table on
---@return table closer  a to-be-closed value
function M.handlers(session, fn, given)
  local s = setmetatable({ session = session }, meta)
  local within = session.server.loop.wrap or wrap
  local step, _, _, inner = within(function(greeting)
    s.present = greeting
    local ok, problem = xpcall(fn, session.traceback, s)
    return OVER, not ok and problem or nil
  end)
  rawset(s, "step", step)
  local closer = setmetatable({}, { __close = function()
    s.done = true
    local _ <close> = inner
  end })
  local on = { error = given.error, observe = given.observe,
    reply = given.reply }
  commands(s, on)
  others(s, on, given)
  return on, closer
end

return M
