--- Handlers, and what becomes of their answers: each runs within its deadline;
--- what it returns or raises becomes the reply.
---
--- A verdict is three values: a code, an enhanced code and a text; a list of
--- answers, one a recipient; nil, for the default answer; or false, where the
--- body broke in the hands of its handler. Most commands pass through here
--- without a table being made.
---
--- The handlers that are asked most have no protected call of their own: what
--- one raises leaves the dialogue, and where that runs (smtp/drive.lua),
--- recover makes a verdict of it and goes on as session.after says.

local core = require "lunapost.core"
local answer = require "lunapost.smtp.answer"
local body = require "lunapost.smtp.body"
local over = require "lunapost.smtp.over"
local raised = require "lunapost.raised"

local M = {}

local reply <const>, fitting <const> = core.server.reply, answer.fitting
local xpcall <const>, type <const> = xpcall, type

local function control(problem)
  return over.is(problem) or body.is_broken(problem)
    or answer.is_reject(problem)
end

--- The message handler of all that runs for a session: what is raised as a
--- table goes on as it is.
---@param problem any
---@return any
function M.traceback(problem)
  if type(problem) == "table" then return problem end
  local text = raised.text(problem)
  -- To look through a stack that overflowed takes seconds.
  if text:find("stack overflow", 1, true) then return text end
  return debug.traceback(text, 2)
end

local traceback <const> = M.traceback

-- What came of a handler: its answer, or the one that a fault deserves.
local function outcome(session, ok, code, enhanced, text)
  if ok then
    local fine, given = pcall(answer.returned, code, enhanced, text)
    if fine then return answer.spread(given) end
    session:report(("%s: %s"):format(session.verb or "a handler",
      (tostring(given):gsub("^[^\n]-%.lua:%d+: ", "")))) -- a place of ours
    return answer.spread(answer.fault())
  end
  local problem = code
  if answer.is_reject(problem) then return answer.spread(problem) end
  if session.in_body and body.is_broken(problem) then return false end
  if session.killed or control(problem) then error(problem, 0) end
  session:report(problem)
  return answer.spread(answer.fault())
end

--- Calls a function of the script within a handler's deadline, which is
--- session.work_due: its patience, less than 0, until the function waits for
--- the first time. Whether it raised nothing, and what it gave, or raised.
---@param session lunapost.session
---@param fn fun(session: lunapost.session, ...: any): ...
---@param a? any
---@param b? any
---@param c? any
---@return boolean ok
---@return any
---@return any
---@return any
function M.timed(session, fn, a, b, c)
  local within = session.work_due
  if not within then session.work_due = session.patience end
  local ok, first, second, third = xpcall(fn, traceback, session, a, b, c)
  if not within then session.work_due = false end
  return ok, first, second, third
end

local timed <const> = M.timed

-- What a handler has given, as a verdict.
local function sound(session, code, enhanced, text)
  if enhanced and fitting[code] == enhanced and type(text) == "string"
    and text ~= "" then
    return code, enhanced, text
  end
  return outcome(session, true, code, enhanced, text)
end

-- Runs a handler. What it raises is an answer (reject), the end of the session
-- or of the body (passed on), or a fault of the handler, which the error
-- handler gets and the client does not.
local function guard(session, fn, a, b, c)
  local ok, code, enhanced, text = timed(session, fn, a, b, c)
  if not ok then return outcome(session, false, code) end
  if code == nil then return nil end
  return sound(session, code, enhanced, text)
end

-- The report-only twin of a handler: whatever it does, returns or raises
-- changes no answer; it has a handler's time. What ended the session, or the
-- body, is no fault of it.
local function watch(session, name, a, b, c)
  local twin = session.on.observe[name]
  if not twin then return end
  local ok, problem = timed(session, twin, a, b, c)
  if ok or over.is(problem) or body.is_broken(problem) then return end
  if session.killed then error(problem, 0) end
  session:report(problem)
end

-- What the reply handler puts in the place of an answer; its twin sees what
-- is sent.
local function rewritten(session, code, enhanced, text)
  local on = session.on
  if on.reply then
    local new, new_enhanced, new_text = guard(session, on.reply, code, enhanced,
      text)
    if math.type(new) == "integer" then
      code, enhanced, text = new, new_enhanced, new_text
    end
  end
  if on.observe then watch(session, "reply", code, enhanced, text) end
  return code, enhanced, text
end

-- A refusal was said; who is refused waits a little for it, if so wanted.
local function refused(session, code, enhanced, text)
  local server = session.server
  if server.chatty then
    if not text then code, enhanced, text = session.machine:default() end
    session:note { event = "refused", verb = session.verb, code = code,
      enhanced = enhanced, text = text }
  end
  local seconds = server.limits.tarpit
  if seconds > 0 and session.conn then server.pause(seconds) end
end

-- Says an answer, or by default.
local function say(session, code, enhanced, text)
  local sent, kind, why = reply(session.machine, code, enhanced, text)
  if not sent then session:over("error", kind .. ": " .. why) end
  session.last_code = sent
  if sent >= 400 then refused(session, sent, enhanced, text) end
  return sent
end

-- What a handler may say where this is the default: one answer, and 3yz only
-- where a question is asked. Anything else is a fault of the handler.
local function checked(session, code, enhanced, text)
  if fitting[code] then return code, enhanced, text end
  local problem
  if math.type(code) ~= "integer" then
    problem = "a list of answers is for the body of LMTP and PRDR"
  elseif code // 100 == 3 then
    problem = code .. " answers nothing here: ask with session:ask"
  else
    return code, enhanced, text
  end
  session:report(problem)
  return answer.spread(answer.fault())
end

-- The methods of sessions by which handlers are asked and answers given. For
-- what runs a script's functions by itself (smtp/linear.lua): control and
-- traceback.
---@class lunapost.session
local Session = { control = control, traceback = traceback }

--- Asks a handler, then its report-only twin.
---@param name string
---@param a? any  what the handler gets behind the session
---@param b? any
---@param c? any
---@return integer|lunapost.answer[]|false|nil code  of the verdict
---@return string? enhanced
---@return string? text
function Session:consult(name, a, b, c)
  local on = self.on
  local handler = on[name]
  if not on.observe then
    if handler then return guard(self, handler, a, b, c) end
    return nil
  end
  local code, enhanced, text
  if handler then code, enhanced, text = guard(self, handler, a, b, c) end
  watch(self, name, a, b, c)
  return code, enhanced, text
end

local consult <const> = Session.consult

--- The same; the verdict is one value.
---@param name string
---@param a? any
---@param b? any
---@param c? any
---@return lunapost.answer|lunapost.answer[]|nil
function Session:call(name, a, b, c)
  return answer.gathered(consult(self, name, a, b, c))
end

--- Tells the disconnect handler; never raises. What ended the session ends
--- nothing any more, and is no fault of the handler.
---@param why string
function Session:farewell(why)
  local ok, problem = pcall(consult, self, "disconnect", why)
  if not ok and not control(problem) then self:report(problem) end
end

--- Runs a function of the script as a handler.
---@param fn function
---@param a? any  what it gets behind the session
---@param b? any
---@return lunapost.answer|lunapost.answer[]|nil
function Session:guarded(fn, a, b)
  return answer.gathered(guard(self, fn, a, b))
end

--- Answers the present event. The reply handler may put another answer in
--- its place.
---@param code integer
---@param enhanced string
---@param text string
---@return integer code  that was sent
function Session:answer(code, enhanced, text)
  if self.gone then error(self.gone, 0) end
  local on = self.on
  if on.reply or on.observe then
    code, enhanced, text = rewritten(self, code, enhanced, text)
  end
  return say(self, code, enhanced, text)
end

--- Answers the present event by default.
---@return integer code  that was sent
function Session:accept()
  if self.gone then error(self.gone, 0) end
  local on = self.on
  if on.reply or on.observe then
    return self:answer(self.machine:default())
  end
  return say(self)
end

local accept <const> = Session.accept

--- Answers as a verdict says, else by default.
---@param code integer|lunapost.answer[]|nil
---@param enhanced? string
---@param text? string
---@return integer code  that was sent
function Session:pronounce(code, enhanced, text)
  if code == nil then return accept(self) end
  if not fitting[code] then
    code, enhanced, text = checked(self, code, enhanced, text)
  end
  local on = self.on
  if on.reply or on.observe then return self:answer(code, enhanced, text) end
  if self.gone then error(self.gone, 0) end
  return say(self, code, enhanced, text)
end

local pronounce <const> = Session.pronounce

--- The same, of one value.
---@param given lunapost.answer|lunapost.answer[]|nil
---@return integer code  that was sent
function Session:conclude(given)
  return self:pronounce(answer.spread(given))
end

--- The default answer, which the machine's next step gives by itself unless
--- somebody watches replies.
---@return true|integer code  true: the next step does; else what was sent
function Session:default()
  local on = self.on
  if on.reply or on.observe then return accept(self) end
  return true
end

--- Says a verdict of serve.
---@param code? integer|lunapost.answer[]
---@param enhanced? string
---@param text? string
---@return true|integer code  as default returns it
function Session:settle(code, enhanced, text)
  if code == nil then return true end
  return pronounce(self, code, enhanced, text)
end

--- Asks a handler, and goes on with its verdict. Not within another handler,
--- nor where anything is to be done behind it but by `after`: what it raises
--- leaves the dialogue, and recover goes on.
---@param name string
---@param after fun(session: lunapost.session, code: any, enhanced: any,
--- text: any): any  with the verdict
---@param a? any  what the handler gets behind the session
---@return any ...  what after returns
function Session:try(name, after, a)
  local on = self.on
  if on.observe then return after(self, consult(self, name, a)) end
  local handler = on[name]
  if not handler then return after(self) end
  self.after, self.work_due = after, self.patience
  local code, enhanced, text = handler(self, a)
  self.work_due = false
  if code == nil then return after(self) end
  return after(self, sound(self, code, enhanced, text))
end

--- The same of a command; nil, for the default answer, is given to `after` only
--- where the machine's next step may say it: see settle.
---@param name string
---@param after fun(session: lunapost.session, code: any, enhanced: any,
--- text: any): any
---@param a? any  what the handler gets behind the session
---@param b? any
---@return any ...  what after returns
function Session:serve(name, after, a, b)
  local on = self.on
  if on.observe or on.reply then
    local code, enhanced, text = consult(self, name, a, b)
    if code == nil then code, enhanced, text = self.machine:default() end
    return after(self, code, enhanced, text)
  end
  local handler = on[name]
  if not handler then return after(self) end
  self.after, self.work_due = after, self.patience -- as try, without a call
  local code, enhanced, text = handler(self, a, b)
  self.work_due = false
  if code == nil then return after(self) end
  return after(self, sound(self, code, enhanced, text))
end

--- Whether a fault is what a handler of try or serve raised.
---@return boolean
function Session:trusted()
  return self.work_due ~= false and not self.killed
end

--- Goes on behind such a handler. Raises again what is no fault of it.
---@param fault any
---@return any ...  what its `after` returns
function Session:recover(fault)
  self.work_due = false
  return self.after(self, outcome(self, false, fault))
end

--- A verdict as it may be said; what is none is a fault, and reported.
Session.checked = checked

-- For who asks so often that the search for a method would be felt.
M.serve, M.try, M.pronounce = Session.serve, Session.try, pronounce

--- Gives sessions these methods.
---@param class table
function M.fill(class)
  for name, method in pairs(Session) do class[name] = method end
end

return M
