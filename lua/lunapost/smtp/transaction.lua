--- One mail transaction as a client: MAIL, RCPT, DATA, the body.
--
-- Where PIPELINING is offered the commands go out ahead of their replies
-- (RFC 2920); the same list of steps is gone through either way.

local err = require "lunapost.err"
local idn = require "lunapost.mime.idn"
local options_of = require "lunapost.options"
local outgoing = require "lunapost.smtp.outgoing"

local M = {}

-- Commands that may be unanswered at a time.
local WINDOW <const> = 200

-- An address that keeps to its angle brackets.
local function clean_address(address)
  if not address:find('[%s<>%c"\\]') then return address end
  local bare = address:match("^<(.*)>$") or address
  local outside = bare:gsub('\\.', ""):gsub('"[^"]*"', "")
  if outside:find('[%s<>%c"]') then
    return nil, ("%q is no address of an envelope"):format(address)
  end
  return bare
end

local function parameter(name, value)
  if type(name) == "number" then return tostring(value) end
  if value == true then return name end
  return value and name .. "=" .. tostring(value)
end

local function by_name(a, b)
  return tostring(a) < tostring(b)
end

-- " NAME=value NAME", sorted by name.
local function parameters(params)
  local names, words = {}, { "" }
  for name in pairs(params) do names[#names + 1] = name end
  table.sort(names, by_name)
  for _, name in ipairs(names) do
    local word = parameter(name, params[name])
    if word and word:find("[%s%c]") then
      return nil, ("the parameter %q holds a blank or a control character")
        :format(word)
    end
    words[#words + 1] = word or nil
  end
  return table.concat(words, " ")
end

--- The argument of MAIL or RCPT.
---@param prefix "FROM:"|"TO:"
---@param address string
---@param params? table  { SIZE = 123, SMTPUTF8 = true } or a list of words
---@return string? argument
---@return string? problem
function M.path(prefix, address, params)
  local bare, problem = clean_address(address)
  if not bare then return nil, problem end
  local argument = prefix .. "<" .. bare .. ">"
  if not params or next(params) == nil then return argument end
  local words
  words, problem = parameters(params)
  if not words then return nil, problem end
  return argument .. words
end

-- An address as text: a string, or a path with its parameters.
local function path_of(what, value)
  local path = type(value) == "table" and value or { address = value }
  if type(path.address) ~= "string" then
    error(("envelope: %s must be an address, not %s"):format(what,
      type(value)), 0)
  end
  return { address = path.address, parameters = path.parameters }
end

local own <const> = { SIZE = true, BODY = true, SMTPUTF8 = true }

-- The parameters of MAIL: those given, and what this message calls for.
local function mail_params(client, t, size, class)
  local offers, params = client.extensions, {}
  for name, value in pairs(t.parameters or {}) do
    if not own[name] then params[name] = value end
  end
  if offers.SIZE then params.SIZE = size end
  if offers["8BITMIME"] and class ~= "7bit" then params.BODY = "8BITMIME" end
  if t.utf8 then params.SMTPUTF8 = true end
  return params
end

local function too_big(client, size)
  local word = (client.extensions.SIZE or {})[1] or ""
  local limit = word:find("^%d+$") and tonumber(word) or 0
  if limit > 0 and size and size > limit then
    return client:failed("limit", ("the message has %d octets, the peer takes "
      .. "%d"):format(size, limit))
  end
end

local function has_8bit(t)
  if t.from:find("[\128-\255]") then return true end
  for _, to in ipairs(t.recipients) do
    if to.address:find("[\128-\255]") then return true end
  end
end

-- The commands of a transaction, in order.
local function commands(t, params)
  local list = {}
  local function add(verb, prefix, address, given)
    local argument, problem = M.path(prefix, address, given)
    if not argument then return nil, problem end
    list[#list + 1] = { verb = verb, argument = argument }
    return true
  end
  local ok, problem = add("MAIL", "FROM:", t.wire or t.from, params)
  for _, to in ipairs(t.recipients) do
    if not ok then return nil, problem end
    ok, problem = add("RCPT", "TO:", to.wire or to.address, to.parameters)
  end
  if not ok then return nil, problem end
  list[#list + 1] = { verb = "DATA" }
  return list
end

-- Takes the reply to step i; false where nothing more is to be said.
local function judge(t, i, reply)
  local step = t.steps[i]
  if step.verb == "MAIL" then
    t.mail = reply
    return reply.code < 400
  elseif step.verb == "RCPT" then
    local to = t.recipients[i - 1]
    to.reply = reply
    if reply.code < 300 then t.accepted[#t.accepted + 1] = to.address end
    return i < #t.steps - 1 or #t.accepted > 0
  end
  t.data = reply
end

local function command_of(step)
  return step.verb .. (step.argument and " " .. step.argument or "")
end

-- Where all that was asked for is refused, what happens to the rest changes
-- nothing: true. Not so where a reply may be that to something else.
local function settled(t, problem)
  if problem.kind == "protocol" then return false, problem end
  local last = t.recipients[#t.recipients]
  return t.mail and t.mail.code >= 400
    or last.reply ~= nil and #t.accepted == 0, problem
end

local function in_turn(client, t)
  for i, step in ipairs(t.steps) do
    local reply, problem = client:exchange(step.verb, step.argument)
    if not reply then return nil, problem end
    if reply.code == 421 then
      return nil, client:refused(reply, command_of(step))
    end
    if judge(t, i, reply) == false then break end
  end
  return true
end

local function pipelined(client, t)
  local said, shown = 0, {}
  for i = 1, #t.steps do
    while said < #t.steps and said - i + 1 < WINDOW do
      said = said + 1
      local ahead = t.steps[said]
      local line, refused = client:say(ahead.verb, ahead.argument)
      if not line then return nil, refused end
      shown[said] = line
    end
    local reply, problem = client:receive(nil, shown[i])
    if reply and reply.code == 421 then
      reply, problem = nil, client:refused(reply, shown[i])
    end
    if not reply then return settled(t, problem) end
    judge(t, i, reply)
  end
  return true
end

local function rejection(address, reply)
  return { address = address, code = reply.code, enhanced = reply.enhanced,
    text = (reply.text:gsub("\n", " ")) }
end

local function result_of(client, t, reply)
  return { accepted = t.accepted, rejected = t.rejected, reply = reply,
    transcript = client.transcript }
end

-- An error that also tells of the recipients; taken: those who get it all
-- the same (LMTP).
local function fail(t, problem, taken)
  problem.accepted, problem.rejected = taken or {}, t.rejected
  return nil, problem
end

-- Nobody gets it: why, and for whom.
local function all_refused(t, problem)
  local refused = {}
  for _, one in ipairs(t.rejected) do refused[one.address] = true end
  for _, to in ipairs(t.recipients) do
    if not refused[to.address] then
      t.rejected[#t.rejected + 1] = rejection(to.address, problem.reply)
    end
  end
  return fail(t, problem)
end

-- Ends a transaction that sent no body.
local function give_up(client, t, reply, command)
  if client.conn and t.data and t.data.code == 354 then
    -- RFC 2920 3.1: DATA was taken though nobody was; only a dot ends it
    local ok = client:pump(function() end)
    if ok then client:receive() end
  end
  if client.conn and t.mail.code < 400 then
    local _, problem = client:rset()
    if problem and problem.kind == "protocol" then
      t.rejected = {} -- a reply was left over: which was whose?
      return fail(t, problem)
    end
  end
  return all_refused(t, client:refused(reply, command))
end

local function refused_recipients(t)
  local first
  for _, to in ipairs(t.recipients) do
    if to.reply and to.reply.code >= 300 then
      first = first or to
      t.rejected[#t.rejected + 1] = rejection(to.address, to.reply)
    end
  end
  return first
end

-- LMTP: one reply for each recipient that was accepted, RFC 2033 4.2.
local function conclude_each(client, t)
  local taken, reply, refused = {}, nil, nil
  for _, address in ipairs(t.accepted) do
    if not reply or reply.code ~= 421 then
      local problem
      reply, problem = client:receive(client.final, "the message")
      if not reply then return fail(t, problem, taken) end
    end
    if reply.code < 300 then
      taken[#taken + 1] = address
    else
      refused = refused or reply
      t.rejected[#t.rejected + 1] = rejection(address, reply)
    end
  end
  t.accepted = taken
  if #taken > 0 then return result_of(client, t, reply) end
  return fail(t, client:refused(refused, "the message"))
end

local function conclude(client, t)
  if client.lmtp then return conclude_each(client, t) end
  local reply, problem = client:receive(client.final, "the message")
  if not reply then return fail(t, problem) end
  if reply.code < 300 then return result_of(client, t, reply) end
  return all_refused(t, client:refused(reply, "the message"))
end

local function data_refused(client, t)
  if t.data.code >= 400 then return give_up(client, t, t.data, "DATA") end
  -- raw octets were written before: the machine no longer knows what fits
  local _, problem = client:broken("protocol", "DATA was not answered by 354",
    "DATA")
  return fail(t, problem)
end

local function deliver(client, t)
  local run = client.extensions.PIPELINING and pipelined or in_turn
  local ok, problem = run(client, t)
  if not ok then return fail(t, problem) end
  if t.mail.code >= 400 then
    return give_up(client, t, t.mail, command_of(t.steps[1]))
  end
  local first = refused_recipients(t)
  if #t.accepted == 0 then
    return give_up(client, t, first.reply, "RCPT TO:<" .. first.address .. ">")
  end
  if t.data.code ~= 354 then return data_refused(client, t) end
  ok, problem = client:pump(t.content.open(t.encoding))
  if not ok and problem.reply then return all_refused(t, problem) end
  if not ok then return fail(t, problem) end
  return conclude(client, t)
end

local envelope_keys <const> = { from = "string|table", to = "string|table",
  parameters = "table", utf8 = "boolean" }

-- What the envelope says, as one table.
local function transaction_of(envelope)
  options_of.check("key of the envelope", envelope, envelope_keys, 0)
  if envelope.from == nil then
    error("a sender is missing: from (\"\" is the null sender)", 0)
  end
  local list = envelope.to
  if type(list) == "string" then list = { list } end
  local t = { from = path_of("from", envelope.from).address, recipients = {},
    accepted = {}, rejected = {}, parameters = envelope.parameters }
  for i, to in ipairs(list or {}) do
    t.recipients[i] = path_of(("to[%d]"):format(i), to)
  end
  if #t.recipients == 0 then error("the envelope has no recipient", 0) end
  t.utf8 = has_8bit(t)
  t.declared = envelope.utf8 and not t.utf8
  t.utf8 = t.utf8 or t.declared
  return t
end

local function own_envelope(message)
  return type(message) == "table" and message.envelope
    or error("an envelope { from =, to = } is needed: the message has none", 0)
end

-- The message with ASCII addresses, or nil and why there is none.
local function ascii_content(t)
  if not (t.content.utf8 or t.declared) then return t.content end
  if t.content.ascii then return t.content.ascii() end
  return nil, "the message needs SMTPUTF8, which the server does not offer"
end

-- For a server without SMTPUTF8: domains become A-labels on the wire.
local function to_ascii(t)
  local problem
  t.content, problem = ascii_content(t)
  if not t.content then return nil, problem end
  t.wire, problem = idn.address(t.from)
  for _, to in ipairs(t.recipients) do
    if problem then return nil, problem end
    to.wire, problem = idn.address(to.address)
  end
  t.utf8 = false
  return not problem, problem
end

-- Whether the server takes addresses like these, as they are or in ASCII.
local function addressable(client, t)
  if not t.utf8 or client.extensions.SMTPUTF8 then return true end
  local ok, problem = to_ascii(t)
  if ok then return true end
  local text = type(problem) == "table" and problem.text or problem
  return nil, client:failed("syntax", text)
end

--- Makes a transaction of what client:send is given; misuse raises.
---@param client lunapost.client
---@param envelope? table
---@param message any
---@return table? transaction
---@return lunapost.err? error
function M.prepare(client, envelope, message)
  local t = transaction_of(envelope or own_envelope(message))
  local problem
  t.content, problem = outgoing.of(message)
  if not t.content then return fail(t, problem) end
  t.utf8 = t.content.utf8 or t.utf8
  t.encoding = client.extensions["8BITMIME"] and "8bit" or "7bit"
  return t
end

--- Runs one transaction; see client:send.
---@param client lunapost.client
---@param t table  of prepare
---@return table? result
---@return lunapost.err? error
function M.run(client, t)
  local ok, problem = addressable(client, t)
  if not ok then return fail(t, problem) end
  local size = t.content.size(t.encoding)
  problem = too_big(client, size)
  if problem then return fail(t, problem) end
  local params = mail_params(client, t, size, t.content.class(t.encoding))
  t.steps, problem = commands(t, params)
  if not t.steps then return fail(t, err.of("syntax", problem)) end
  return deliver(client, t)
end

return M
