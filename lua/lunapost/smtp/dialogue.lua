--- What carries a session: saying, hearing, waiting, and how it ends.
--
-- The verbs of smtp/client.lua stand on these methods, and so do those for
-- odd sessions (smtp/raw.lua). A peer that breaks
-- the protocol, is gone, or does not answer in time ends the session.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local err = require "lunapost.err"
local replies = require "lunapost.smtp.reply"
local later = require "lunapost.smtp.transcript.later"
local transcripts = require "lunapost.smtp.transcript"

---@class lunapost.dialogue
local Dialogue = {}

local now <const> = core.loop.now

local modes <const> = { read = "r", write = "rw" }

-- Seconds that a call of the machine may block by itself, at most.
local PATIENCE <const> = 1

-- Seconds within which the end of a limit is kept exactly while it sends.
local EXACT <const> = 30

-- What may be shown: without what this session keeps secret.
local function veiled(client, text)
  return client.veil and text and client.veil(text) or text
end

local function note(client, who, text, secret)
  client.transcript:add(who, veiled(client, text), secret)
end

--- Adds to the transcript, without what this session keeps secret.
---@param who "C"|"S"|"*"
---@param text string  a line or more
function Dialogue:note(who, text)
  note(self, who, text)
end

--- As note, but the lines are made when somebody looks.
---@param who "C"|"S"|"*"
---@param text string|string[]  lines
function Dialogue:jot(who, text)
  later.add(self.transcript, who, text, self.veil)
end

--- Seconds that the reply to a command may take.
---@param phase string  a verb, or a key of `timeouts`
---@return number
function Dialogue:limit(phase)
  local limits = self.limits
  return limits and limits[phase] or self.timeout
end

-- An error of this session, or a reply that says no.
local function failure(client, kind, text, command)
  return err.of(kind, veiled(client, text), { host = client.host,
    command = veiled(client, command), transcript = client.transcript })
end

local function refusal(client, reply, command)
  return replies.error(reply, { host = client.host,
    command = veiled(client, command), transcript = client.transcript })
end

--- Keeps secrets out of transcript, replies and errors from now on, should
--- the peer say them. A function keeps them, so that no dump
--- of a session shows them.
---@param secrets string[]
function Dialogue:conceal(secrets)
  self.veil = transcripts.veil(secrets, self.veil or nil)
end

-- Lines that are shown of what came of a reply that never was one.
local SHOWN <const> = 20

local function show_rest(client)
  local lines, octets = client.machine:rest()
  octets = lines:gsub("\n", "\r\n") .. octets
  local at = 0
  for _ = 1, SHOWN do at = at and octets:find("\n", at + 1, true) end
  octets = octets:sub(1, at or -1)
  if octets ~= "" then client.transcript:octets("S", veiled(client, octets)) end
end

--- Ends the session with an error.
---@param kind string
---@param text string
---@param command? string
---@return nil
---@return lunapost.err error
function Dialogue:broken(kind, text, command)
  show_rest(self)
  note(self, "*", text)
  self:close()
  return nil, failure(self, kind, text, command)
end

--- How a call of the machine may block by itself, which saves a wait, where
--- there are so many seconds: true, or "hearing", not while it sends: who waits
--- so then learns up to two seconds late that octets went out.
---@param seconds number
---@return boolean|"hearing"
function Dialogue:patience(seconds)
  return seconds > EXACT or seconds > PATIENCE and "hearing"
end

--- Whether it may do so: where no loop has anything else to do.
---@param seconds number  that are left
---@param sending? boolean
---@return boolean
function Dialogue:patient(seconds, sending)
  local blocks = self.loop.blocks
  local how = blocks ~= nil and self:patience(seconds)
  return how and (how == true or not sending) and blocks()
end

--- Waits for what the machine wants.
---@param event string  "read" or "write", else there is nothing to wait for
---@param deadline number
---@param patient boolean  it has waited by itself
---@return boolean? again  nil: what is returned besides is the outcome
---@return string? kind
---@return string? text
function Dialogue:await(event, deadline, patient)
  local mode = modes[event]
  if not mode then return nil end
  local seconds = deadline - now()
  if seconds <= 0 then return nil, "timeout" end
  if patient and event == "read" then return true end
  local ok, why = self.loop.wait(self.conn:fd(), mode, seconds)
  if not ok and why ~= "timeout" then
    return nil, "closed", "the session was closed here"
  end
  if not ok and now() >= deadline then return nil, "timeout" end
  return true
end

-- Steps the machine until it has an event, or time is up.
local function step(client, deadline, flushing)
  local machine = client.machine
  while true do
    local patient = client:patient(deadline - now(), flushing)
    local event, kind, text = machine:step(client.conn, flushing, patient)
    local again, why, words = client:await(event, deadline, patient)
    if why then return nil, why, words end
    if not again then return event, kind, text end
  end
end

-- Takes the machine's reply, and hides in it what is secret; a mechanism of
-- AUTH needs the challenge as it came.
local function hear(client)
  local reply = client.machine:reply()
  client.challenge = reply.code == 334 and reply.text or nil
  if client.veil then replies.veil(reply, client.veil) end
  later.add(client.transcript, "S", reply.raw)
  return reply
end

local function take_reply(client)
  local reply = hear(client)
  client.last = reply
  client.greeting = client.greeting or reply
  if reply.code == 421 then client:close() end
  return reply
end

local function late(client, seconds)
  if client.greeting then
    return ascii.format("no reply within %g seconds", seconds)
  end
  return ascii.format("no greeting within %g seconds", client:limit("greeting"))
end

-- Why a reply did not come.
local function why_lost(client, event, kind, text, seconds)
  if event == "closed" then
    return "closed", "the peer closed the connection"
  elseif kind == "timeout" then
    return kind, late(client, seconds)
  end
  return kind, text
end

-- What the peer said in place of a reply, its beginning.
local function quoted(client)
  local _, octets = client.machine:rest()
  local line = veiled(client, octets):match("^%C[^\r\n]*")
  return line and (': "%s"'):format(err.printable(line:sub(1, 60))) or ""
end

--- Ends a session whose reply did not come.
---@param seconds number  that it had
---@param command? string  what would have been answered
---@param event? string  of the machine, and what it said besides
---@param kind? string
---@param text? string
---@return nil
---@return lunapost.err error
function Dialogue:lost(seconds, command, event, kind, text)
  kind, text = why_lost(self, event, kind, text, seconds)
  local failed, whole = self.machine:failed()
  if whole then
    hear(self) -- the transcript has to show it
  elseif failed then
    text = text .. quoted(self)
  end
  if self.machine:doubt() then
    kind = "unconfirmed"
    text = text .. "; whether the message was taken is not known"
  end
  return self:broken(kind, text, command)
end

--- Waits for the next reply, whatever it says.
---@param seconds? number  default: the session's timeout
---@param command? string  what is answered, for the error
---@return lunapost.reply? reply
---@return lunapost.err? error
function Dialogue:receive(seconds, command)
  if self.ahead and self.ahead[1] then -- also of a session that has ended
    self.last = table.remove(self.ahead, 1)
    return self.last
  end
  if not self.conn then
    return nil, failure(self, "closed", "the session is closed", command)
  end
  seconds = seconds or self.timeout
  local event, kind, text = step(self, now() + seconds)
  if event == "reply" then return take_reply(self) end
  return self:lost(seconds, command, event, kind, text)
end

--- Takes the machine's reply.
---@return lunapost.reply
function Dialogue:heard()
  return take_reply(self)
end

--- Takes a reply that was collected: hides what is secret in it.
---@param reply lunapost.reply
---@return lunapost.reply
function Dialogue:collected(reply)
  if self.veil then replies.veil(reply, self.veil) end
  return reply
end

--- The reply that came while something was sent: the error that it is.
---@param command? string
---@return lunapost.err
function Dialogue:interrupted(command)
  return refusal(self, take_reply(self), command)
end

--- Keeps a reply for `receive`.
---@param reply lunapost.reply
function Dialogue:postpone(reply)
  self.ahead = self.ahead or {}
  self.ahead[#self.ahead + 1] = reply
end

-- Sends, and keeps the replies that come meanwhile to what was said before.
local function push(client, deadline)
  while true do
    local awaited = client.loose or client.machine:due() > 0
    local event, kind, text = step(client, deadline, true)
    if event ~= "reply" or not awaited
      or client.machine:reply().code == 421 then
      return event, kind, text
    end
    client:postpone(take_reply(client))
  end
end

--- How many replies have not been received.
---@return integer
function Dialogue:unanswered()
  return self.machine:due() + #(self.ahead or {})
end

--- Sends what waits to be sent.
---@return boolean? ok
---@return lunapost.err? error
function Dialogue:flush()
  if not self.conn then
    return nil, failure(self, "closed", "the session is closed")
  end
  local seconds = self:limit("data_block")
  local event, kind, text = push(self, now() + seconds)
  if event == "done" then return true end
  if event == "reply" then return nil, refusal(self, take_reply(self)) end
  if event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  elseif kind == "timeout" then
    text = ascii.format("nothing could be sent for %g seconds", seconds)
  end
  return self:broken(kind, text)
end

--- Judges what came unasked.
---@param command? string  what is about to be said
---@param event? string  of the machine, and what it said besides
---@param kind? string
---@param text? string
---@return boolean? ok
---@return lunapost.err? error
function Dialogue:unasked(command, event, kind, text)
  if modes[event] then return true end
  if event == "reply" then
    return nil, refusal(self, take_reply(self), command)
  elseif event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  end
  return self:broken(kind, text, command)
end

--- Hears what came unasked: a 421, or the end of the connection.
---@param command? string  what is about to be said
---@return boolean? ok
---@return lunapost.err? error
function Dialogue:glance(command)
  if self.loose or self.machine:due() > 0 then return true end
  return self:unasked(command, self.machine:peek(self.conn))
end

local function line_of(verb, argument)
  if not argument then return verb end
  return verb == "" and argument or verb .. " " .. argument
end

local function shown_of(line)
  line = transcripts.masked(line)
  return line:find("%c") and line:gsub("%c", "?") or line
end

-- Is what is said next an answer to a challenge of AUTH?
local function is_proof(client)
  return client.proving and client.last and client.last.code == 334
end

local function is_auth(line)
  return line:find "^%s*[Aa][Uu][Tt][Hh]" ~= nil
end

-- Writes a command; its reply is due. Returns it as errors name it.
local function say(client, verb, argument, secret)
  local line = line_of(verb, argument)
  secret = secret or is_proof(client)
  local shown = secret and "AUTH" or shown_of(line)
  if not client.conn then
    return nil, failure(client, "closed", "the session is closed", shown)
  end
  local ok, problem = client:glance(shown)
  if not ok then return nil, problem end
  local kind, text
  ok, kind, text = client.machine:command(verb, argument)
  if ok then
    note(client, "C", line, secret)
    client.awaited = false
    client.proving = secret or is_auth(line)
    return shown
  end
  if client.machine:failed() then return client:broken(kind, text, shown) end
  return nil, failure(client, kind, text, shown)
end

--- Writes a command without waiting; `receive` gives its reply, in order.
---@param verb string
---@param argument? string
---@return string? command  as errors name it
---@return lunapost.err? error
function Dialogue:say(verb, argument)
  return say(self, verb, argument)
end

--- Says a command and returns the reply whatever it is.
---@param verb string  "": the argument alone, an answer to a 334
---@param argument? string
---@return lunapost.reply? reply
---@return lunapost.err? error
function Dialogue:exchange(verb, argument)
  local shown, problem = say(self, verb, argument, verb == "")
  if not shown then return nil, problem end
  return self:receive(self:limit(verb), shown)
end

--- Says a command; an error unless the reply is 2yz or 3yz.
---@param verb string
---@param argument? string
---@return lunapost.reply? reply
---@return lunapost.err? error
function Dialogue:ask(verb, argument)
  local shown, problem = say(self, verb, argument)
  if not shown then return nil, problem end
  local reply
  reply, problem = self:receive(self:limit(verb), shown)
  if not reply then return nil, problem end
  if reply.code >= 400 then return nil, refusal(self, reply, shown) end
  return reply
end

--- Makes an error of a reply of this session.
---@param reply lunapost.reply
---@param command? string
---@param kind? string  default "reply"
---@return lunapost.err
function Dialogue:refused(reply, command, kind)
  local e = refusal(self, reply, command)
  e.kind = kind or e.kind
  return e
end

--- Makes an error of this session that no reply is behind.
---@param kind string
---@param text string
---@param command? string
---@return lunapost.err
function Dialogue:failed(kind, text, command)
  return failure(self, kind, text, command)
end

--- Whether nothing comes for a while; what comes is kept for `receive`.
---@param seconds number
---@return boolean? silent
---@return lunapost.err? error  kind "closed", "protocol" ...
function Dialogue:silent(seconds)
  if self.ahead and self.ahead[1] then return false end
  local event, kind, text = step(self, now() + seconds)
  if event == "reply" then
    self:postpone(take_reply(self))
    return false
  end
  if kind == "timeout" then return true end
  if event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  end
  return self:broken(kind, text)
end

--- Closes at once, without a word.
function Dialogue:close()
  local conn = self.conn
  if not conn then return end
  self.conn = nil
  if self.loop.forget then self.loop.forget(conn:fd()) end
  conn:close()
  if self.process then self.process:release() end
end

--- Says QUIT where that needs no waiting, and closes.
function Dialogue:leave()
  if self.conn and self.machine:command("QUIT") then
    note(self, "C", "QUIT")
    self.machine:step(self.conn, true)
  end
  self:close()
end

return Dialogue
