--- A session as a client: one method a command.
--
-- Every method that waits for a reply returns it when it is 2yz or 3yz, else
-- nil and an error with .reply; `command` returns the reply whatever it says.
-- A peer that breaks the protocol, is gone, or does not answer in time ends
-- the session.

local auth = require "lunapost.smtp.auth"
local core = require "lunapost.core"
local err = require "lunapost.err"
local net = require "lunapost.net"
local outgoing = require "lunapost.smtp.outgoing"
local replies = require "lunapost.smtp.reply"
local transaction = require "lunapost.smtp.transaction"
local transcripts = require "lunapost.smtp.transcript"

local M = {}

---@class lunapost.client
---@field extensions table<string, string[]>  EHLO keywords and their words
---@field greeting? lunapost.reply
---@field esmtp boolean  EHLO or LHLO was accepted
---@field tls? table  { version, cipher, certificate } once TLS is on
---@field user? string  who is authenticated
---@field host string  the peer, as errors call it
---@field transcript lunapost.transcript
local Client = {}
local meta <const> = { __name = "lunapost.client", __index = Client }

local now <const> = core.loop.now

-- RFC 5321 4.5.3.2.6: a server may take its time after the final dot.
local FINAL <const> = 600

local modes <const> = { read = "r", write = "rw" }

--- Makes a session of a connection; the greeting has not been read.
---@param fields { conn: userdata, loop: table, host: string, name: string,
--- timeout: number, final?: number, lmtp?: boolean, context?: fun(),
--- transcript?: lunapost.transcript, credentials?: fun(): table }
---@return lunapost.client
function M.new(fields)
  fields.machine = core.client.new()
  fields.extensions = {}
  fields.esmtp = false
  fields.final = fields.final or FINAL
  fields.transcript = fields.transcript or transcripts.new { clock = now }
  return setmetatable(fields, meta)
end

-- An error of this session, or a reply that says no.
local function failure(client, kind, text, command)
  return err.of(kind, text, { host = client.host, command = command,
    transcript = client.transcript })
end

local function refusal(client, reply, command)
  return replies.error(reply, { host = client.host, command = command,
    transcript = client.transcript })
end

-- Ends the session with an error.
local function broken(client, kind, text, command)
  client.transcript:add("*", text)
  client:close()
  return nil, failure(client, kind, text, command)
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
  end
end

local function take_reply(client)
  local reply = replies.new(client.machine:reply())
  local raw = reply.raw
  client.transcript:add("S", raw[2] and table.concat(raw, "\n") or raw[1])
  client.last = reply
  if reply.code == 421 then client:close() end
  return reply
end

local function late(client, seconds)
  if client.greeting then
    return ("no reply within %g seconds"):format(seconds)
  end
  return ("no greeting within %g seconds"):format(client.timeout)
end

--- Waits for the next reply, whatever it says.
---@param seconds? number  default: the session's timeout
---@param command? string  what is answered, for the error
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:receive(seconds, command)
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
  local doubt = self.machine:doubt()
  if event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  elseif kind == "timeout" then
    text = late(self, seconds)
  end
  if doubt then
    kind = "unconfirmed"
    text = text .. "; whether the message was taken is not known"
  end
  return broken(self, kind, text, command)
end

--- Sends what waits to be sent.
---@return boolean? ok
---@return lunapost.err? error
function Client:flush()
  local deadline = now() + self.timeout
  local event, kind, text = step(self, deadline, true)
  while event == "reply" and self.loose and self.machine:reply().code ~= 421 do
    self.ahead = self.ahead or {} -- to octets written before
    self.ahead[#self.ahead + 1] = take_reply(self)
    event, kind, text = step(self, deadline, true)
  end
  if event == "done" then return true end
  if event == "reply" then return nil, refusal(self, take_reply(self)) end
  if event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  elseif kind == "timeout" then
    text = ("nothing could be sent for %g seconds"):format(self.timeout)
  end
  return broken(self, kind, text)
end

-- Hears what came unasked: a 421, or the end of the connection.
local function glance(client, command)
  if client.loose or client.machine:due() > 0 then return true end
  local event, kind, text = client.machine:step(client.conn)
  if modes[event] then return true end
  if event == "reply" then
    return nil, refusal(client, take_reply(client), command)
  elseif event == "closed" then
    kind, text = "closed", "the peer closed the connection"
  end
  return broken(client, kind, text, command)
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
  local ok, problem = glance(client, shown)
  if not ok then return nil, problem end
  local kind, text
  ok, kind, text = client.machine:command(verb, argument)
  if ok then
    client.transcript:add("C", line, secret)
    client.awaited = false
    return shown
  end
  if client.machine:failed() then return broken(client, kind, text, shown) end
  return nil, failure(client, kind, text, shown)
end

--- Writes a command without waiting; `receive` gives its reply, in order.
---@param verb string
---@param argument? string
---@return string? command  as errors name it
---@return lunapost.err? error
function Client:say(verb, argument)
  return say(self, verb, argument)
end

--- Says a command and returns the reply whatever it is.
---@param verb string  "": the argument alone, an answer to a 334
---@param argument? string
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:exchange(verb, argument)
  local shown, problem = say(self, verb, argument, verb == "")
  if not shown then return nil, problem end
  return self:receive(nil, shown)
end

--- Says a command; an error unless the reply is 2yz or 3yz.
---@param verb string
---@param argument? string
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:ask(verb, argument)
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
function Client:refused(reply, command, kind)
  local e = refusal(self, reply, command)
  e.kind = kind or e.kind
  return e
end

--- Makes an error of this session that no reply is behind.
---@param kind string
---@param text string
---@param command? string
---@return lunapost.err
function Client:failed(kind, text, command)
  return failure(self, kind, text, command)
end

local greets <const> = { EHLO = true, HELO = true, LHLO = true }

--- Any command: `client:command("XADR", "ana")`.
---@param verb string
---@param ... string|number  words of its argument, joined by blanks
---@return lunapost.reply? reply  whatever its code
---@return lunapost.err? error
function Client:command(verb, ...)
  local words = { ... }
  local argument = #words > 0 and table.concat(words, " ") or nil
  local reply, problem = self:exchange(verb, argument)
  if reply and greets[verb:upper()] then
    self.extensions = self.machine:offers()
  end
  return reply, problem
end

local function greeted(client, reply, esmtp)
  client.esmtp = esmtp
  client.extensions = client.machine:offers()
  return reply
end

--- EHLO, and HELO where the peer does not know it (a 5yz).
---@param name? string  default: the session's HELO name
function Client:ehlo(name)
  if self.lmtp then return self:lhlo(name) end
  local reply, problem = self:ask("EHLO", name or self.name)
  if reply then return greeted(self, reply, true) end
  if problem.code and problem.code >= 500 then return self:helo(name) end
  return nil, problem
end

---@param name? string
function Client:helo(name)
  local reply, problem = self:ask("HELO", name or self.name)
  if reply then return greeted(self, reply, false) end
  return nil, problem
end

--- LMTP's greeting, RFC 2033 4.1.
---@param name? string
function Client:lhlo(name)
  local reply, problem = self:ask("LHLO", name or self.name)
  if reply then return greeted(self, reply, true) end
  return nil, problem
end

--- Puts TLS under the session: the handshake and the checks, no command.
---@return boolean? ok
---@return lunapost.err? error
function Client:secure()
  local context, problem = self.context()
  local ok = context
  if context then
    ok, problem = net.handshake(self.conn, context, { host = self.verify,
      loop = self.loop, timeout = self.timeout })
  end
  if not ok then return broken(self, problem.kind, problem.text) end
  self.tls = self.conn:tls()
  self.transcript:add("*", ("%s, %s"):format(self.tls.version,
    self.tls.cipher))
  return true
end

--- STARTTLS, the handshake, and EHLO again: what was said before is
--- forgotten (RFC 3207 4.2).
---@return lunapost.reply? reply  that to STARTTLS
---@return lunapost.err? error
function Client:starttls()
  local reply, problem = self:ask("STARTTLS")
  if not reply then return nil, problem end
  local ok, kind, text
  ok, problem = glance(self, "STARTTLS")
  if not ok then return nil, problem end
  ok, kind, text = self.machine:starttls()
  if not ok then return broken(self, kind, text, "STARTTLS") end
  self.extensions, self.esmtp = {}, false
  ok, problem = self:secure()
  if ok then ok, problem = self:ehlo() end
  if not ok then return nil, problem end
  return reply
end

--- AUTH by the strongest mechanism that both sides have.
---@param options? { user: string, password: string, mechanism: string,
--- authorization: string, cleartext: boolean }  default: those of smtp.open
function Client:auth(options)
  return auth.run(self, options)
end

--- MAIL FROM.
---@param from string  an address; "" or "<>": the null path
---@param params? table  { SIZE = 123, BODY = "8BITMIME", SMTPUTF8 = true }
--- or a list of words
function Client:mail(from, params)
  local argument, text = transaction.path("FROM:", from, params)
  if not argument then return nil, failure(self, "syntax", text, "MAIL") end
  return self:ask("MAIL", argument)
end

--- RCPT TO.
---@param to string  an address
---@param params? table  as for mail
function Client:rcpt(to, params)
  local argument, text = transaction.path("TO:", to, params)
  if not argument then return nil, failure(self, "syntax", text, "RCPT") end
  return self:ask("RCPT", argument)
end

-- Hands the body to the machine, chunk by chunk, sending in between.
local function pump(client, reader)
  local machine, total = client.machine, 0
  while true do
    local chunk, problem = reader()
    if problem then
      -- half a message must not be taken for a whole one
      client:close()
      return nil, outgoing.failed(problem, client.host)
    end
    local at, length = 1, #(chunk or "")
    repeat
      local kind, text
      at, kind, text = machine:body(chunk or "", at, not chunk)
      if not at then return broken(client, kind, text, "DATA") end
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
function Client:pump(reader)
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

--- DATA, the body, the final dot.
---@param body string|table|file*|function  a string, a message, { path = },
--- an open file, an LTN12 source
---@return lunapost.reply? reply  to the final dot; the last one in LMTP
---@return lunapost.err|lunapost.reply[] all  an error, or all replies
function Client:data(body)
  local content, problem = outgoing.of(body)
  if not content then return nil, problem end
  local reply
  reply, problem = self:ask("DATA")
  if not reply then return nil, problem end
  if reply.code ~= 354 then return nil, refusal(self, reply, "DATA") end
  local ok
  ok, problem = self:pump(content.open("7bit"))
  if not ok then return nil, problem end
  local list, last = {}, nil
  for i = 1, (self.machine:due()) do
    last, problem = self:receive(self.final, "the message")
    if not last then return nil, problem end
    list[i] = last
  end
  if last.code >= 400 then return nil, refusal(self, last, "the message") end
  return last, list
end

--- One transaction: MAIL, each RCPT, DATA, the body. Commands are pipelined
--- where that is offered.
---@param envelope? { from: string, to: string[], parameters: table }
--- nil: that of the mime message
---@param message string|table|file*|function  as for data
---@return table? result  { accepted, rejected, reply, transcript }
---@return lunapost.err? error  has accepted and rejected, too
function Client:send(envelope, message)
  return transaction.run(self, envelope, message)
end

--- RSET: the transaction is dropped.
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:rset()
  return self:ask("RSET")
end

---@param text? string
function Client:noop(text)
  return self:ask("NOOP", text)
end

---@param text string
function Client:vrfy(text)
  return self:ask("VRFY", text)
end

---@param text string
function Client:expn(text)
  return self:ask("EXPN", text)
end

---@param text? string
function Client:help(text)
  return self:ask("HELP", text)
end

--- QUIT, then closes, whatever the reply.
---@param seconds? number  to wait for it at most; default: the timeout
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:quit(seconds)
  local shown, problem = say(self, "QUIT")
  local reply
  if shown then reply, problem = self:receive(seconds, shown) end
  if self.conn then self.conn:shutdown() end
  self:close()
  if reply and reply.code >= 400 then return nil, self:refused(reply, shown) end
  return reply, problem
end

--- Writes octets as they are.
---@param octets string
---@return boolean? ok
---@return lunapost.err? error
function Client:write(octets)
  if not self.conn then
    return nil, failure(self, "closed", "the session is closed")
  end
  local ok, kind, text = self.machine:raw(octets)
  if not ok then return nil, failure(self, kind, text) end
  self.transcript:add("C", octets, self.last and self.last.code == 334)
  self.awaited, self.loose = true, true
  return self:flush()
end

--- The reply that is due after `write`; without one, the last reply again.
---@param wanted? integer|integer[]  a code, a class 2..5, or a list of such;
--- nil: any
---@param seconds? number
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:expect(wanted, seconds)
  local reply, problem = self.last
  if self.awaited or not reply then
    reply, problem = self:receive(seconds)
    if not reply then return nil, problem end
  end
  if wanted == nil or replies.fits(reply, wanted) then return reply end
  local e = refusal(self, reply)
  local list = type(wanted) == "table" and wanted or { wanted }
  e.text = ("%s, where %s was expected"):format(e.text,
    table.concat(list, " or "))
  return nil, e
end

--- Closes at once, without a word.
function Client:close()
  local conn = self.conn
  if not conn then return end
  self.conn = nil
  if self.loop.forget then self.loop.forget(conn:fd()) end
  conn:close()
end

--- Says QUIT where that needs no waiting, and closes.
function Client:leave()
  if self.conn and self.machine:command("QUIT") then
    self.machine:step(self.conn, true)
  end
  self:close()
end

meta.__close = Client.leave
meta.__gc = Client.close

function meta:__tostring()
  return ("client (%s%s%s)"):format(self.host or "?",
    self.tls and ", TLS" or "", self.conn and "" or ", closed")
end

return M
