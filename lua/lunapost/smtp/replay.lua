--- A scripted server: it plays the server's part of a transcript, and tells
--- where a client departs from its own.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local err = require "lunapost.err"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local proof = require "lunapost.smtp.replay.proof"
local steps_of = require "lunapost.smtp.replay.steps"
local transcripts = require "lunapost.smtp.transcript"

local M = {}

local now <const> = core.loop.now

---@class lunapost.deviation
---@field line integer  of the transcript
---@field expected? string  octets
---@field got? string  octets
---@field text string  what is wrong, in words

---@class lunapost.replay
---@field deviations lunapost.deviation[]  so far
---@field bodies string[]  the messages that came, dots undone
---@field played integer  connections that were played to their end
---@field ended integer  connections that are over, one way or another
---@field port? integer
---@field addresses string[]  where it listens, "HOST:PORT"
---@field url? string  for the option `server`
---@field closed? fun(self: lunapost.replay)  is called once it is stopped
local Replay = {}

local meta <const> = { __name = "lunapost.replay", __index = Replay }

local TIMEOUT <const> = 10

-- Of octets that are kept unread: no client of a script has more to say.
local MOST <const> = 1 << 26

local known <const> = {
  listen = "string",   -- "127.0.0.1:0"
  loop = "table",
  timeout = "number",  -- seconds that the client may be silent
  tls = "table",       -- { certificate =, key = }; default: a test one
  pace = "boolean",    -- true: pauses as long as the transcript tells
  password = "string", -- that SCRAM proves
  match = "function",  -- match(expected, got): whether that will do, too
}

local function deviate(replay, step, text, expected, got)
  local line = step and step.number or replay.last
  replay.deviations[#replay.deviations + 1] = { line = line,
    expected = expected, got = got,
    text = ("line %d of the transcript: %s"):format(line, text) }
end

-- One connection: what has been read and not yet been heard.
local function more(s)
  local bytes, why = s.conn:read(65536)
  while not bytes do
    if why == "eof" or #s.unread > MOST then return nil, "closed" end
    if why ~= "read" and why ~= "write" then return nil, why end
    local ready, late = net.wait(s.conn, why, { loop = s.loop,
      deadline = now() + s.timeout })
    if not ready then return nil, late end
    bytes, why = s.conn:read(65536)
  end
  s.unread = s.unread .. bytes
  return true
end

-- Takes octets up to a position that find(unread) gives; nil and why when
-- they do not come.
local function take(s, find)
  local upto = find(s.unread)
  while not upto do
    local ok, why = more(s)
    if not ok then return nil, why end
    upto = find(s.unread)
  end
  local octets = s.unread:sub(1, upto)
  s.unread = s.unread:sub(upto + 1)
  return octets
end

local function line_end(octets)
  return octets:find("\n", 1, true)
end

local function count(n)
  return function(octets) return #octets >= n and n or nil end
end

local function body_end(octets)
  if octets:find("^%.\r\n") then return 3 end
  return (select(2, octets:find("\r\n.\r\n", 1, true)))
end

local reasons <const> = {
  closed = "the client closed the connection",
  timeout = "nothing came in time",
}

local function quoted(octets)
  return ("%q"):format(octets):gsub("\\\n", "\\n"):gsub("\\13", "\\r")
end

local function missing(s, step, why, expected)
  local what = expected and quoted(expected) or "a message"
  deviate(s.replay, step, ("%s was expected, but %s"):format(what,
    reasons[why] or why), expected)
end

local acts = {}

function acts.say(s, step)
  local at = 1
  while at <= #step.octets do
    local n, want = s.conn:write(step.octets, at)
    if n then
      at = at + n
    elseif want ~= "read" and want ~= "write" or not net.wait(s.conn, want,
      { loop = s.loop, deadline = now() + s.timeout }) then
      deviate(s.replay, step, "the client does not hear it")
      return false
    end
  end
  return true
end

function acts.hear(s, step)
  local got, why = take(s, step.whole and line_end or count(#step.octets))
  if not got then
    missing(s, step, why, step.octets)
    return false
  end
  s.heard = got
  local match = s.replay.options.match
  if not steps_of.fits(step.octets, got)
    and not (match and match(step.octets, got)) then
    deviate(s.replay, step, ("%s was expected, not %s"):format(
      quoted(step.octets), quoted(got)), step.octets, got)
  end
  return true
end

function acts.body(s, step)
  local body, why = take(s, body_end)
  if not body then
    missing(s, step, why)
    return false
  end
  body = ("\r\n" .. body:sub(1, -4)):gsub("\r\n%.", "\r\n"):sub(3)
  table.insert(s.replay.bodies, body)
  return true
end

-- The octets that the client's own BDAT announces, RFC 3030.
function acts.chunk(s, step)
  local size = s.heard:match("^%a+ +(%d+)")
  local octets, why = take(s, count(math.tointeger(tonumber(size)) or 0))
  if not octets then
    missing(s, step, why)
    return false
  end
  s.chunks = (s.chunks or "") .. octets
  if ascii.upper(s.heard):find("LAST", 1, true) then
    table.insert(s.replay.bodies, s.chunks)
    s.chunks = nil
  end
  return true
end

-- Whether a recorded proof was accepted.
local function proven(step)
  return step.octets ~= nil and step.octets:find "^235" ~= nil
end

-- A server that refused did not know the password; a client that was refused
-- hears it at the same point.
function acts.prove(s, step)
  local wanted = proven(step)
  local good, problem = proof.run(s, step,
    wanted and s.replay.options.password or nil,
    function(octets)
      return acts.say(s, { octets = octets, number = step.number })
    end, function() return (take(s, line_end)) end)
  if wanted and not good then
    deviate(s.replay, step, problem or "the password is another one")
    return false
  end
  return step.octets == nil or acts.say(s, step)
end

function acts.secure(s, step)
  local ok, problem = net.handshake(s.conn, s.replay.context, { server = true,
    loop = s.loop, timeout = s.timeout })
  if not ok then deviate(s.replay, step, "no TLS: " .. problem.text) end
  return ok
end

function acts.close(s)
  s.closing = true
  return true
end

-- The transcript has ended: so must the client.
local function part(s)
  if not s.closing then
    local ok, why = true, nil
    if s.unread == "" then ok, why = more(s) end
    if ok then
      deviate(s.replay, nil, "its end was expected, not "
        .. quoted(s.unread), nil, s.unread)
    elseif why == "timeout" then
      deviate(s.replay, nil, "its end was expected, but the client stays")
    end
  end
end

local function pause(s, step, before)
  if not s.replay.options.pace or not before then return end
  local seconds = step.time - before.time
  if seconds > 0 and step.act == "say" then s.loop.sleep(seconds) end
end

local function play(s, steps)
  for i, step in ipairs(steps) do
    pause(s, step, steps[i - 1])
    if not acts[step.act](s, step) then return end
    if step.act == "say" and step.octets:find("^221") then
      s.conn:shutdown()
    end
  end
  part(s)
  s.replay.played = s.replay.played + 1
end

local function serve(replay, conn, steps)
  local s <close> = setmetatable({ replay = replay, conn = conn, unread = "",
    loop = replay.loop, timeout = replay.options.timeout or TIMEOUT },
    { __close = function(s)
      replay.open[conn], replay.ended = nil, replay.ended + 1
      net.close(conn, s.loop)
    end })
  replay.open[conn] = true
  play(s, steps)
end

local function accept_all(replay)
  local n = 0
  while true do
    local conn = net.accept(replay.listener, { loop = replay.loop })
    if not conn then return end
    local steps = replay.sessions[n % #replay.sessions + 1]
    n = n + 1
    replay.loop.spawn(function() serve(replay, conn, steps) end)
  end
end

--- Listens, and plays the transcript to each client that comes.
---@return true? ok
---@return lunapost.err? error  kind "connect"
function Replay:start()
  local listener, problem = net.listen(self.options.listen or "127.0.0.1:0",
    { loop = self.loop })
  if not listener then return nil, problem end
  self.listener = listener
  local host, port = listener:address()
  self.port = port
  self.addresses = { port and net.join(host, port) or "unix:" .. host }
  self.url = port and "smtp://" .. self.addresses[1] or self.addresses[1]
  self.loop.spawn(accept_all, self)
  return true
end

--- Waits until the clients that came are gone: what they do last counts.
---@param seconds? number  at most; default: 1
function Replay:settle(seconds)
  local till = now() + (seconds or 1)
  while next(self.open) and now() < till do self.loop.sleep(0.005) end
end

--- Closes the listener and what is open.
function Replay:stop()
  if self.listener then net.close(self.listener, self.loop) end
  for conn in pairs(self.open) do net.close(conn, self.loop) end
  if self.closed then self:closed() end
end

meta.__close = Replay.stop

--- Whether the client did as the transcript says, to its end.
---@return true? ok
---@return lunapost.err? error  kind "protocol", with deviations
function Replay:check()
  local words = {}
  for i, one in ipairs(self.deviations) do words[i] = one.text end
  if #words == 0 and self.played < #self.sessions then
    words[1] = ("%d of the transcript's %d connections were played to the end")
      :format(self.played, #self.sessions)
  end
  if #words == 0 then return true end
  return nil, err.new { kind = "protocol", text = table.concat(words, "; "),
    deviations = self.deviations }
end

function meta:__tostring()
  return ("replay (%s, %d played, %d deviation%s)"):format(
    self.addresses[1] or "not started", self.played, #self.deviations,
    #self.deviations == 1 and "" or "s")
end

local function context_of(options)
  local tls = options.tls or {}
  local context, problem = net.context { server = true,
    test = not tls.certificate or nil, certificate = tls.certificate,
    key = tls.key }
  return context or error(tostring(problem), 0)
end

-- What was recorded of a SCRAM that went well cannot be played as it is.
local function check_proofs(sessions, password)
  if password then return sessions end
  for _, steps in ipairs(sessions) do
    for _, step in ipairs(steps) do
      if step.act == "prove" and proven(step) then
        error(("line %d of the transcript: %s fits one session alone: the "
          .. "option 'password' lets the replay prove it anew"):format(
          step.number, step.mechanism), 0)
      end
    end
  end
  return sessions
end

--- Makes a scripted server of a recorded transcript. It says what the server
--- said, expects what the client said (a masked secret stands for any),
--- takes any body where one went, and shakes hands where TLS came about.
---@param transcript lunapost.transcript|string  or its text form
---@param options? table  listen, loop, timeout, tls, pace, match,
--- password (where the client proves one by SCRAM)
---@return lunapost.replay
M.new = options_of.placed(function(transcript, options)
  options = options_of.check("option of smtp.replay", options or {}, known, 0)
  if type(transcript) == "string" then
    local problem
    transcript, problem = transcripts.parse(transcript)
    if not transcript then error(tostring(problem), 0) end
  elseif type(transcript) ~= "table" then
    error("smtp.replay: a transcript or its text is expected, not "
      .. type(transcript), 0)
  end
  local sessions = check_proofs(steps_of.of(transcript), options.password)
  return setmetatable({ sessions = sessions, open = {},
    options = options, loop = options.loop or default_loop, deviations = {},
    bodies = {}, played = 0, ended = 0, addresses = {}, last = #transcript,
    context = context_of(options) }, meta)
end)

return M
