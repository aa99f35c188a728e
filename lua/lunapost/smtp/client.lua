--- A session as a client: one method a command.
--
-- Every method that waits for a reply returns it when it is 2yz or 3yz, else
-- nil and an error with .reply; `command` returns the reply whatever it says.
-- Saying and waiting are in smtp/dialogue.lua, raw octets in smtp/raw.lua.

local ascii = require "lunapost.ascii"
local auth = require "lunapost.smtp.auth"
local core = require "lunapost.core"
local dialogue = require "lunapost.smtp.dialogue"
local limits = require "lunapost.smtp.limits"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local envelopes = require "lunapost.smtp.envelope"
local outgoing = require "lunapost.smtp.outgoing"
local parameters = require "lunapost.smtp.asks"
local plan = require "lunapost.smtp.plan"
local post = require "lunapost.smtp.post"
local raw = require "lunapost.smtp.raw"
local series = require "lunapost.smtp.series"
local transaction = require "lunapost.smtp.transaction"
local transcripts = require "lunapost.smtp.transcript"
local trust = require "lunapost.smtp.trust"
local upload = require "lunapost.smtp.upload"

local M = {}

---@class lunapost.client: lunapost.raw
---@field extensions table<string, string[]>  EHLO keywords and their words
---@field greeting? lunapost.reply
---@field esmtp boolean  EHLO or LHLO was accepted
---@field tls? table  { version, cipher, certificate } once TLS is on
---@field user? string  who is authenticated
---@field host string  the peer, as errors call it
---@field transcript lunapost.transcript
local Client = {}
local meta <const> = { __name = "lunapost.client", __index = Client }

-- All methods in one table, for they are called for each message.
for _, methods in ipairs { dialogue, raw } do
  for name, method in pairs(methods) do Client[name] = method end
end

local now <const> = core.loop.now

-- Fields that are there, then, without which Lua would look for a method.
local asked_often <const> = { "strict", "chunking", "loose", "ahead", "veil",
  "lmtp" }

--- Makes a session of a connection; the greeting has not been read.
---@param fields { conn: userdata, loop: table, host: string, name: string,
--- timeout: number, limits?: table, lmtp?: boolean, context?: fun(),
--- transcript?: lunapost.transcript, credentials?: fun(): table }
---@return lunapost.client
function M.new(fields)
  fields.machine = core.client.new()
  fields.extensions = {}
  fields.esmtp = false
  fields.mails, fields.way = 0, {}
  for _, name in ipairs(asked_often) do
    fields[name] = fields[name] or false
  end
  fields.transcript = fields.transcript or transcripts.new { clock = now }
  return setmetatable(fields, meta)
end

-- Raises where the method that asks was called.
local function must_be(name, value, expected)
  options_of.typed("client: the", name, value, expected, 3)
end

-- An address, or a path as handlers of a server get it.
local function address_of(name, value)
  if type(value) == "table" and value.address then value = value.address end
  if type(value) == "string" then return value end
  error(("client: the %s must be an address, not %s"):format(name,
    type(value)), 3)
end

local greets <const> = { EHLO = true, HELO = true, LHLO = true }

--- Any command: `client:command("XADR", "ana")`.
---@param verb string
---@param ... string|number  words of its argument, joined by blanks
---@return lunapost.reply? reply  whatever its code
---@return lunapost.err? error
function Client:command(verb, ...)
  must_be("verb", verb, "string")
  local words = { ... }
  for i = 1, select("#", ...) do
    if words[i] == nil and i == select("#", ...) then break end
    must_be("argument", words[i], "string|number")
  end
  local argument = #words > 0 and table.concat(words, " ") or nil
  local reply, problem = self:exchange(verb, argument)
  if reply and greets[ascii.upper(verb)] then
    self.extensions = self.machine:offers()
  end
  return reply, problem
end

-- Codes that answer something else: whatever came is out of step.
local strange <const> = { [220] = true, [221] = true }

local function greeted(client, reply, esmtp, verb)
  if strange[reply.code] then
    return client:broken("protocol", ("%d answers %s: replies are out of step")
      :format(reply.code, verb), verb)
  end
  client.esmtp = esmtp
  client.extensions = client.machine:offers()
  return reply
end

-- Of a server that does not know EHLO, as RFC 1869 4.4 has it.
local ignorant <const> = { [500] = true, [502] = true }

-- HELO, where EHLO was refused: that refusal, unless it was of the command
-- alone, stands if no answer comes.
local function fall_back(client, name, refused)
  local reply, problem = client:helo(name)
  if reply or problem.reply or problem.kind == "protocol"
    or ignorant[refused.code] then
    return reply, problem
  end
  return nil, refused
end

--- EHLO, and HELO where the peer does not know it (a 5yz).
---@param name? string  default: the session's HELO name
function Client:ehlo(name)
  must_be("name", name, "string|nil")
  if self.lmtp then return self:lhlo(name) end
  local reply, problem = self:ask("EHLO", name or self.name)
  if reply then return greeted(self, reply, true, "EHLO") end
  if problem.code and problem.code >= 500 then
    return fall_back(self, name, problem)
  end
  return nil, problem
end

---@param name? string
function Client:helo(name)
  must_be("name", name, "string|nil")
  local reply, problem = self:ask("HELO", name or self.name)
  if reply then return greeted(self, reply, false, "HELO") end
  return nil, problem
end

--- LMTP's greeting, RFC 2033 4.1.
---@param name? string
function Client:lhlo(name)
  must_be("name", name, "string|nil")
  local reply, problem = self:ask("LHLO", name or self.name)
  if reply then
    self.lmtp = true
    return greeted(self, reply, true, "LHLO")
  end
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
      loop = self.loop, timeout = self:limit("tls") })
  end
  if not ok then
    local _, failure = self:broken(problem.kind, problem.text)
    failure.fingerprint = problem.fingerprint
    return nil, failure
  end
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
  ok, problem = self:glance("STARTTLS")
  if not ok then return nil, problem end
  ok, kind, text = self.machine:starttls()
  if not ok then return self:broken(kind, text, "STARTTLS") end
  self.extensions, self.esmtp = {}, false
  ok, problem = self:secure()
  if ok then ok, problem = self:ehlo() end
  if not ok then return nil, problem end
  return reply
end

--- AUTH by the strongest mechanism that both sides have.
--- token: a bearer token, or a function that gives one, for XOAUTH2 and
--- OAUTHBEARER. mechanism: a name, or a mechanism of one's own,
--- { name =, start = function(credentials) -> step }, where step(challenge)
--- gives the response (the first challenge is nil, and so may be its
--- response), or nil and why there is none.
---@param options? { user: string, password: string, token: string|function,
--- mechanism: string|table, authorization: string, cleartext: boolean }
--- default: those of smtp.open
function Client:auth(options)
  local reply, problem = auth.run(self, options) -- no tail call: see misuse
  return reply, problem
end

-- They raise where the method that asks was called.
local each <const> = options_of.placed(series.each, 3)
local content_of <const> = options_of.placed(outgoing.of, 3)
local job_of <const> = options_of.placed(plan.job, 3)
local sorted <const> = options_of.placed(parameters.sorted, 3)

-- The argument of MAIL or RCPT.
local function argument_of(client, prefix, address, asked, others)
  local line, text = envelopes.line(prefix, address)
  if line then
    line, text = parameters.append(client, line, asked, others)
  end
  if line then return line end
  return nil, client:failed("syntax", text, prefix == "FROM:" and "MAIL"
    or "RCPT")
end

--- MAIL FROM.
---@param from string|table  an address; "" or "<>": the null path
---@param params? table  by name, as they are: { SIZE = 123, SMTPUTF8 = true }
--- or a list of words; and understood, checked and encoded: ret, envid,
--- requiretls, deliver_by, hold_for, hold_until, mt_priority, submitter
function Client:mail(from, params)
  from = address_of("sender", from)
  must_be("parameters", params, "table|nil")
  local asked, others = sorted(params or {}, parameters.mail)
  local argument, problem = argument_of(self, "FROM:", from, asked, others)
  if not argument then return nil, problem end
  return self:ask("MAIL", argument)
end

--- RCPT TO.
---@param to string|table  an address
---@param params? table  as for mail; understood: notify, orcpt, rrvs
function Client:rcpt(to, params)
  to = address_of("recipient", to)
  must_be("parameters", params, "table|nil")
  local asked, others = sorted(params or {}, parameters.rcpt)
  local argument, problem = argument_of(self, "TO:", to, asked, others)
  if not argument then return nil, problem end
  return self:ask("RCPT", argument)
end

-- The replies to a body: one, or in LMTP one a recipient.
local function finals(client)
  local list, last = {}, nil
  for i = 1, client:unanswered() do
    local problem
    last, problem = client:receive(client:limit("data_termination"),
      "the message")
    if not last then return nil, problem end
    list[i] = last
  end
  if last.code >= 400 then return nil, client:refused(last, "the message") end
  return last, list
end

--- DATA, the body, the final dot.
---@param body string|table|file*|function  a string, a message, { path = },
--- an open file, an LTN12 source
---@return lunapost.reply? reply  to the final dot; the last one in LMTP
---@return lunapost.err|lunapost.reply[] all  an error, or all replies
function Client:data(body)
  local content, problem = content_of(body)
  if not content then return nil, problem end
  local reply
  reply, problem = self:ask("DATA")
  if not reply then return nil, problem end
  if reply.code ~= 354 then return nil, self:refused(reply, "DATA") end
  local ok
  ok, problem = upload.body(self, content, "7bit")
  if not ok then return nil, problem end
  return finals(self)
end

--- The body by BDAT, in as many chunks as it takes (RFC 3030).
---@param body string|table|file*|function  as for data
---@param options? { binary: boolean }  line ends stay as they are, for
--- BODY=BINARYMIME
---@return lunapost.reply? reply  to the last chunk; the last one in LMTP
---@return lunapost.err|lunapost.reply[] all  an error, or all replies
function Client:bdat(body, options)
  options_of.check("option of bdat", options or {}, { binary = "boolean" }, 2)
  local binary = options and options.binary or false
  local content, problem = content_of(body)
  if not content then return nil, problem end
  local ok
  ok, problem = upload.chunks(self, content.open(binary and "binary" or "8bit"),
    binary)
  if not ok then return nil, problem end
  return finals(self)
end

--- One message: MAIL, each RCPT, DATA, the body. Commands are pipelined
--- where that is offered.
---@param envelope? { from: string, to: (string|table)[], parameters: table,
--- utf8: boolean } from = "": the null path; nil: that of the mime message
---@param message string|table|file*|function  as for data
---@param options? { strict: boolean, chunking: boolean }  strict: one refused
--- recipient refuses all; chunking: by BDAT where that is offered
---@return table? result  { accepted, rejected, reply, transcript }
---@return lunapost.err? error  has accepted and rejected, too
function Client:send(envelope, message, options)
  local result, outcome
  if not options then
    result, outcome = post.send(self, envelope, message)
    if result then return result end
  end
  local job, problem = job_of(outcome and outcome.envelope or envelope,
    message, options)
  if not job then return nil, problem end
  result, problem = limits.deliver(job, limits.of(self.extensions.LIMITS),
    function(part)
      local begun = outcome
      outcome = nil
      if begun then return transaction.resume(self, part, begun) end
      return transaction.run(self, part)
    end)
  return result, problem
end

--- Many messages, one after the other:
--- `for i, result, err in client:send_all(messages, { overlap = true }) do`.
--- Overlapped, where PIPELINING is offered, the commands of the next message
--- go out with the end of the body before it. Who leaves the loop early may
--- find the session closed.
---@param messages table|function  a list of { envelope, message }, or a
--- function that gives them one by one, and nil at the end
---@param options? { overlap: boolean, strict: boolean, chunking: boolean }
---@return fun(): integer?, table?, lunapost.err?
function Client:send_all(messages, options)
  must_be("messages", messages, "table|function")
  return each(self, messages, options)
end

--- XCLIENT, as Postfix has it: the server takes what is said for the client's.
--- The session starts anew, with EHLO.
---@param attributes table<string, string|number>  { NAME =, ADDR =, PORT = }
---@return lunapost.reply? reply
---@return lunapost.err? error  "syntax": one that the server does not take
function Client:xclient(attributes)
  must_be("attributes", attributes, "table")
  local reply, problem = trust.xclient(self, attributes)
  return reply, problem
end

--- XFORWARD, as Postfix has it: what the next message's client was.
---@param attributes table<string, string|number>
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:xforward(attributes)
  must_be("attributes", attributes, "table")
  local reply, problem = trust.xforward(self, attributes)
  return reply, problem
end

--- ETRN, RFC 1985.
---@param node string  a domain, "@domain" or "#queue"
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:etrn(node)
  must_be("node", node, "string")
  return trust.etrn(self, node)
end

--- RSET: the transaction is dropped.
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:rset()
  return self:ask("RSET")
end

---@param text? string
function Client:noop(text)
  must_be("argument", text, "string|nil")
  return self:ask("NOOP", text)
end

---@param text string
function Client:vrfy(text)
  must_be("argument", text, "string")
  return self:ask("VRFY", text)
end

---@param text string
function Client:expn(text)
  must_be("argument", text, "string")
  return self:ask("EXPN", text)
end

---@param text? string
function Client:help(text)
  must_be("argument", text, "string|nil")
  return self:ask("HELP", text)
end

--- QUIT, then closes, whatever the reply.
---@param seconds? number  to wait for it at most; default: the timeout
---@return lunapost.reply? reply
---@return lunapost.err? error
function Client:quit(seconds)
  local shown, problem = self:say("QUIT")
  local reply
  if shown then reply, problem = self:receive(seconds, shown) end
  if self.conn then self.conn:shutdown() end
  self:close()
  if self.process then self.process:settle(seconds or self.timeout) end
  if reply and reply.code >= 400 then return nil, self:refused(reply, shown) end
  return reply, problem
end

meta.__close = Client.leave
meta.__gc = Client.close

function meta:__tostring()
  return ("client (%s%s%s)"):format(self.host or "?",
    self.tls and ", TLS" or "", self.conn and "" or ", closed")
end

return M
