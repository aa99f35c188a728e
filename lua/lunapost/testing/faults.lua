--- Faults of a server, at any point of a dialogue, for specs of clients.
---
--- A fault is a table: where it strikes, and what it does to the reply there.
---
---   { at = "RCPT", nth = 2, reply = { 451, "4.2.0", "busy" } }

local err = require "lunapost.err"
local options_of = require "lunapost.options"
local server_options = require "lunapost.smtp.server_options"

local M = {}

---@class lunapost.testing.fault
---@field at? string  "greeting", a verb, "challenge" (a 3yz within AUTH or
--- a command of the script's), "message" (the answer to a body), "body", "tls"
--- (the handshake); default: any reply
---@field nth? integer  only the nth time that this point is reached, by any
--- session
---@field delay? number  seconds of silence before all else
---@field reply? table  code, enhanced, text in place of the server's own
---@field say? string  octets in place of the reply
---@field drop? boolean  the reply is not said
---@field split? integer  the reply comes in pieces of so many octets
---@field pause? number  seconds between them, 0.01 unless given
---@field after? integer  close, reset, stall: after so many octets of the
--- reply or the body (0 unless given; all of a reply or say)
---@field close? boolean  the connection is closed
---@field reset? boolean  it is reset
---@field stall? boolean  nothing is said or heard any more

local known <const> = {
  at = "string", nth = "integer", delay = "number", reply = "table",
  say = "string", drop = "boolean", split = "integer", pause = "number",
  after = "integer", close = "boolean", reset = "boolean", stall = "boolean",
}

-- What is no verb, and the verbs that everybody means.
local points <const> = { greeting = true, challenge = true, message = true,
  body = true, tls = true, unknown = true, ETRN = true }

for verb in pairs(server_options.built_in) do points[verb] = true end

-- Any other verb is the script's own, or one that nobody serves: "X...".
local function is_point(at, commands)
  return at == nil or points[at] or commands[at] or at:find "^X[%u%d]*$"
end

local function check_reply(reply)
  local code = reply[1]
  if math.type(code) ~= "integer" or code < 100 or code > 999 then
    error("the reply of a fault is { code, enhanced, text }", 0)
  end
end

local function check(list, commands)
  if next(list) ~= nil and list[1] == nil then
    error("faults is a list: { { at = \"RCPT\", ... }, ... }", 0)
  end
  for _, fault in ipairs(list) do
    options_of.check("field of a fault", fault, known, 0)
    if not is_point(fault.at, commands) then
      options_of.unknown("point of a fault", fault.at, points, 0)
    end
    if fault.reply then check_reply(fault.reply) end
  end
end

-- The code, enhanced code and text of a reply, which may lack the second.
local function spread(reply)
  local enhanced, text = reply[2] or "", reply[3]
  if not text and not enhanced:find "^%d%.%d+%.%d+$" then
    return reply[1], "", enhanced
  end
  return reply[1], enhanced, text or ""
end

-- Which fault strikes at a point, of a list: choose(session, point, is_reply).
local function chooser(list, commands)
  check(list, commands)
  local counts = {}
  local function reached(name)
    counts[name] = (counts[name] or 0) + 1
  end
  return function(_, point, is_reply)
    reached(point)
    if is_reply then reached "any reply" end
    for _, fault in ipairs(list) do
      local name = fault.at or is_reply and "any reply"
      if (fault.at == point or not fault.at and is_reply)
        and (not fault.nth or fault.nth == counts[name]) then
        return fault
      end
    end
  end
end

-- Which point of the dialogue an answer is at.
local function point_of(session)
  local verb = session.verb
  if not session.last_point then return "greeting" end
  local behind = verb == "DATA" and (session.last_code == 354
    or session.last_point == "message")
  if behind or verb == "BDAT" and session.ending then return "message" end
  return verb ~= "" and verb or "unknown"
end

local function send(session, octets)
  local from = 1
  while from <= #octets do
    local n, want = session.conn:write(octets, from)
    if n then
      from = from + n
    elseif want ~= "write"
      or not session.server.loop.wait(session.conn:fd(), "w", 10) then
      return
    end
  end
end

local function send_split(session, octets, fault)
  for from = 1, #octets, fault.split do
    send(session, octets:sub(from, from + fault.split - 1))
    session.server.pause(fault.pause or 0.01)
  end
end

-- The end of a connection, as the fault wants it.
local function hang_up(session, fault)
  while fault.stall do session.server.pause(3600) end
  session.server.loop.forget(session.conn:fd())
  if fault.reset then session.conn:reset() else session.conn:close() end
end

local function finish(session, fault)
  hang_up(session, fault)
  session:over("closed")
end

local function is_end(fault)
  return fault.close or fault.reset or fault.stall
end

-- Says what the fault makes of the reply that the machine holds.
local function spoil(session, fault)
  local octets = session.machine:output()
  if fault.say then octets = fault.say end
  if fault.drop then octets = "" end
  local said = fault.reply or fault.say -- whole, unless cut
  if is_end(fault) then
    octets = octets:sub(1, fault.after or said and #octets or 0)
  end
  if fault.split then
    send_split(session, octets, fault)
  else
    send(session, octets)
  end
  if is_end(fault) then finish(session, fault) end
end

-- Says something through a fault, if one strikes here. say is the session's
-- own way to say it; reply, a way to say what the fault wants instead.
local function strike(session, choose, point, say, reply)
  if session.striking or not session.conn then return say() end
  session.striking = true
  session.last_point = point
  local fault = choose(session, point, true)
  if fault then
    session:flush() -- earlier replies of a pipelined group are whole
    if fault.delay then session.server.pause(fault.delay) end
  end
  local code
  if fault and fault.reply then code = reply(fault.reply) else code = say() end
  session.striking = false
  if fault then spoil(session, fault) end
  return code
end

-- Lets a fault strike once a body is so long.
local function through_body(session, choose)
  local next_chunk, fault, size = session.next_chunk, nil, nil
  function session.next_chunk(s)
    if not s.body_fault then
      s.body_fault, size = true, 0
      fault = choose(s, "body")
    end
    local chunk = next_chunk(s)
    size = size + #(chunk or "")
    if not chunk then s.body_fault = nil end
    if fault and (size >= (fault.after or 0) or not chunk) then
      local due = fault
      fault = nil
      if due.delay then s.server.pause(due.delay) end
      if is_end(due) then finish(s, due) end
    end
    return chunk
  end
end

local function through_replies(session, choose)
  local answer, pose = session.answer, session.pose
  function session.answer(s, code, enhanced, text)
    return strike(s, choose, point_of(s), function()
      return answer(s, code, enhanced, text)
    end, function(reply)
      return answer(s, spread(reply))
    end)
  end
  function session.pose(s, code, text)
    strike(s, choose, "challenge", function() pose(s, code, text) end,
      function(reply) pose(s, reply[1], reply[3] or reply[2]) end)
  end
end

-- Handlers that have one for replies, so that no default answer goes past
-- session.answer.
local function with_reply(on)
  if on.reply then return on end
  return setmetatable({ reply = function() end }, { __index = on })
end

--- Lets faults strike the sessions of a server.
---@param server lunapost.server  not yet started
---@param faults lunapost.testing.fault[]|fun(session: lunapost.session,
--- point: string): lunapost.testing.fault?
function M.install(server, faults)
  local choose = type(faults) == "function" and faults
    or chooser(faults, server.commands)
  local handlers_for, handshake = server.handlers_for, server.handshake
  server.rest = nil -- every octet of a body comes by next_chunk
  function server.handlers_for(self, session)
    through_replies(session, choose)
    through_body(session, choose)
    return with_reply(handlers_for(self, session))
  end
  function server.handshake(self, session)
    local fault = choose(session, "tls")
    if fault and fault.delay then self.pause(fault.delay) end
    if fault and is_end(fault) then
      hang_up(session, fault)
      return nil, err.of("closed", "a fault of the test")
    end
    return handshake(self, session)
  end
end

return M
