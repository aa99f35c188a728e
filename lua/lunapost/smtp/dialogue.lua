--- What carries a session: saying, hearing, waiting, and how it ends.
--
-- The verbs of smtp/client.lua stand on these methods, and so do those for
-- odd sessions (smtp/raw.lua). A peer that breaks
-- the protocol, is gone, or does not answer in time ends the session.

local core = require "lunapost.core"
local err = require "lunapost.err"
local outgoing = require "lunapost.smtp.outgoing"
local replies = require "lunapost.smtp.reply"
local transcripts = require "lunapost.smtp.transcript"

---@class lunapost.dialogue
local Dialogue = {}

local now <const> = core.loop.now

local modes <const> = { read = "r", write = "rw" }

-- What may be shown: without what this session keeps secret.
local function veiled(client, text)
  return client.veil and text and client.veil(text) or text
end

local function note(client, who, text, secret)
  client.transcript:add(who, veiled(client, text), secret)
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
  self.veil = transcripts.veil(secrets, self.veil)
end

--- Ends the session with an error.
---@param kind string
---@param text string
---@param command? string
---@return nil
---@return lunapost.err error
function Dialogue:broken(kind, text, command)
  note(self, "*", text)
  self:close()
  return nil, failure(self, kind, text, command)
end

-- Steps the machine until it has an event, or time is up.
local function step(client, deadline, flushing)
  local conn, machine = client.conn, client.machine
  while true do
    local event, kind, text = machine:step(conn, flushing)
    local mode = modes[event]
    if not mode then return event, kind, text end
    local seconds = deadline - now()
    if seconds <= 0 then return nil, "timeout" end
    local ok, why = client.loop.wait(conn:fd(), mode, seconds)
    if not ok and why ~= "timeout" then
      return nil, "closed", "the session was closed here"
    end
    if not ok and now() >= deadline then return nil, "timeout" end
  end
end

-- Takes the machine's reply, and hides in it what is secret; a mechanism of
-- AUTH needs the challenge as it came.
local function hear(client)
  local reply = replies.new(client.machine:reply())
  client.challenge = reply.code == 334 and reply.text or nil
  if client.veil then replies.veil(reply, client.veil) end
  local raw = reply.raw
  client.transcript:add("S", raw[2] and table.concat(raw, "\n") or raw[1])
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
    return ("no reply within %g seconds"):format(seconds)
  end
  return ("no greeting within %g seconds"):format(client.timeout)
end

-- Ends a session whose reply did not come.
local function lost(client, kind, text, command)
  local _, whole = client.machine:failed()
  if whole then hear(client) end -- the transcript has to show it
  if client.machine:doubt() then
    kind = "unconfirmed"
    text = text .. "; whether the message was taken is not known"
  end
  return client:broken(kind, text, command)
end

--- Waits for the next reply, whatever it says.
---@param seconds? number  default: the session's timeout
---@param command? string  what is answered, for the error
---@return lunapost.reply? reply
---@return lunapost.err? error
function Dialogue:receive(seconds, command)
  if not self.conn then
    return nil, failure(self, "closed", "the session is closed", command)
  end
  if self.ahead and self.ahead[1] then
    self.last = table.remove(self.ahead, 1)
    return self.last
  end
  seconds = seconds or self.timeout
  local event, kind, text = step(self, now() + seconds)
  if event == "reply" then return take_reply(self) end
  if event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  elseif kind == "timeout" then
    text = late(self, seconds)
  end
  return lost(self, kind, text, command)
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
    client.ahead = client.ahead or {}
    client.ahead[#client.ahead + 1] = take_reply(client)
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
  local event, kind, text = push(self, now() + self.timeout)
  if event == "done" then return true end
  if event == "reply" then return nil, refusal(self, take_reply(self)) end
  if event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  elseif kind == "timeout" then
    text = ("nothing could be sent for %g seconds"):format(self.timeout)
  end
  return self:broken(kind, text)
end

--- Hears what came unasked: a 421, or the end of the connection.
---@param command? string  what is about to be said
---@return boolean? ok
---@return lunapost.err? error
function Dialogue:glance(command)
  if self.loose or self.machine:due() > 0 then return true end
  local event, kind, text = self.machine:peek(self.conn)
  if modes[event] then return true end
  if event == "reply" then
    return nil, refusal(self, take_reply(self), command)
  elseif event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  end
  return self:broken(kind, text, command)
end

local function line_of(verb, argument)
  if not argument then return verb end
  return verb == "" and argument or verb .. " " .. argument
end

local function shown_of(line)
  line = transcripts.masked(line)
  return line:find("%c") and line:gsub("%c", "?") or line
end

-- Writes a command; its reply is due. Returns it as errors name it.
local function say(client, verb, argument, secret)
  local line = line_of(verb, argument)
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
  return self:receive(nil, shown)
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
  reply, problem = self:receive(nil, shown)
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

-- The next chunk of a body; nil, nil at its end, if nothing came meanwhile:
-- what is said before the dot is no reply to it.
local function next_piece(client, reader)
  local chunk, problem = reader()
  if problem then
    -- half a message must not be taken for a whole one
    client:close()
    return nil, outgoing.failed(problem, client.host)
  end
  if not chunk then
    local quiet, unasked = client:glance("DATA")
    if not quiet then return nil, unasked end
  end
  return chunk
end

-- Hands the body to the machine, chunk by chunk, sending in between.
local function pump(client, reader)
  local machine, total = client.machine, 0
  while true do
    local chunk, problem = next_piece(client, reader)
    if problem then return nil, problem end
    local at, length = 1, #(chunk or "")
    repeat
      local kind, text
      at, kind, text = machine:body(chunk or "", at, not chunk)
      if not at then return client:broken(kind, text, "DATA") end
      if at <= length then
        local ok, stuck = client:flush()
        if not ok then
          client:close()
          return nil, stuck
        end
      end
    until at > length
    total = total + length
    if not chunk then return total end
  end
end

--- Sends a body and its final dot; the peer has said 354.
---@param reader fun(): string?, any
---@return boolean? ok
---@return lunapost.err? error
function Dialogue:pump(reader)
  local ok, total, problem = pcall(pump, self, reader)
  if not ok then
    self:close()
    error(total, 0)
  end
  if not total then return nil, problem end
  self.transcript:add("*", ("%d octets of message, then the dot")
    :format(total))
  return true
end

-- Octets of a chunk of BDAT, and how many chunks may be unanswered.
local CHUNK <const>, WINDOW <const> = 1 << 17, 2

-- Cuts what a reader gives into chunks: chunk() -> octets, whether they are
-- the last | nil, error.
local function chunker(reader)
  local piece, at, ended, problem = "", 1, false, nil
  local function refill()
    while not ended and not problem and at > #piece do
      piece, problem = reader()
      ended, piece, at = piece == nil, piece or "", 1
    end
    return at <= #piece
  end
  return function()
    local octets, size = {}, 0
    while size < CHUNK and refill() do
      octets[#octets + 1] = piece:sub(at, at + CHUNK - size - 1)
      size = size + #octets[#octets]
      at = at + #octets[#octets]
    end
    local more = refill() -- a look ahead: is this one the last?
    if problem then return nil, problem end
    return table.concat(octets), not more
  end
end

-- Hears the replies to chunks until as few as that are left to come; the
-- first one that refuses is an error.
local function settle_chunks(client, left)
  local refused
  while client:unanswered() > left do
    local reply, problem = client:receive(nil, "BDAT")
    if not reply then return nil, problem end
    if reply.code >= 400 then
      refused, left = refused or client:refused(reply, "BDAT"), 0
    end
  end
  if refused then return nil, refused end
  return true
end

local function say_chunk(client, octets, binary, last)
  local ok, kind, text = client.machine:chunk(octets, binary, last)
  if not ok then return client:broken(kind, text, "BDAT") end
  note(client, "C", ("BDAT %d%s"):format(#octets, last and " LAST" or ""))
  return client:flush()
end

local function send_chunks(client, reader, binary)
  local next_chunk, total = chunker(reader), 0
  -- LMTP does not say how many replies a last chunk gets behind a refused one
  local window = client.extensions.PIPELINING and not client.lmtp and WINDOW
    or 1
  while true do
    local octets, last = next_chunk()
    if not octets then
      client:close() -- half a message must not be taken for a whole one
      return nil, outgoing.failed(last, client.host)
    end
    local ok, problem = settle_chunks(client, window - 1)
    if not ok then return nil, problem end
    ok, problem = say_chunk(client, octets, binary, last)
    if not ok then return nil, problem end
    total = total + #octets
    if last then return total end
  end
end

--- Sends a body in chunks, RFC 3030; the replies to the last one are due.
---@param reader fun(): string?, any
---@param binary? boolean  line ends stay as they are
---@return boolean? ok
---@return lunapost.err? error  a chunk that was refused: .reply
function Dialogue:chunks(reader, binary)
  local quiet, unasked = self:glance("BDAT")
  if not quiet then return nil, unasked end
  local ok, total, problem = pcall(send_chunks, self, reader, binary)
  if not ok then
    self:close()
    error(total, 0)
  end
  if not total then return nil, problem end
  self.transcript:add("*", ("%d octets of message in chunks"):format(total))
  return settle_chunks(self, self.machine:finals())
end

--- Whether nothing comes for a while; what comes is kept for `receive`.
---@param seconds number
---@return boolean? silent
---@return lunapost.err? error  kind "closed", "protocol" ...
function Dialogue:silent(seconds)
  if self.ahead and self.ahead[1] then return false end
  local event, kind, text = step(self, now() + seconds)
  if event == "reply" then
    self.ahead = self.ahead or {}
    self.ahead[#self.ahead + 1] = take_reply(self)
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
    self.machine:step(self.conn, true)
  end
  self:close()
end

return Dialogue
