--- What a session needs to be an odd one: octets as they are, in pieces and
--- with pauses, and expectations of what comes.

local ascii = require "lunapost.ascii"
local options_of = require "lunapost.options"
local replies = require "lunapost.smtp.reply"

---@class lunapost.raw: lunapost.dialogue
---@field loose? boolean  raw octets were written: any reply may come
---@field awaited? boolean  and none has been expected since
local Raw = {}

local known_write <const> = { size = "integer", pause = "number" }

local function check_write(octets, options)
  if type(octets) ~= "string" then
    error("octets must be string, not " .. type(octets), 3)
  end
  options_of.check("option of write", options, known_write, 3)
  if options.size and options.size < 1 then
    error("option of write 'size' must be 1 or more", 3)
  end
end

local function write(client, octets)
  if not client.conn then
    return nil, client:failed("closed", "the session is closed")
  end
  local ok, kind, text = client.machine:raw(octets)
  if not ok then return nil, client:failed(kind, text) end
  local shown = client.veil and client.veil(octets) or octets
  client.transcript:octets("C", shown, client.last
    and client.last.code == 334)
  client.awaited, client.loose = true, true
  return client:flush()
end

-- Waits, without hearing what comes meanwhile.
local function rest(client, seconds)
  local loop = client.loop
  if not loop.sleep then
    error("a pause needs a loop that can sleep", 3)
  end
  loop.sleep(seconds)
end

--- Writes octets as they are: no line end is added, no dot doubled, nothing
--- is checked.
---@param octets string
---@param options? { size: integer, pause: number }  size: in pieces of so
--- many octets, each a write of its own; pause: seconds between them
---@return boolean? ok
---@return lunapost.err? error
function Raw:write(octets, options)
  options = options or {}
  check_write(octets, options)
  local size = options.size or math.max(#octets, 1)
  local at = 1
  repeat
    local ok, problem = write(self, octets:sub(at, at + size - 1))
    if not ok then return nil, problem end
    at = at + size
    if at <= #octets and options.pause then rest(self, options.pause) end
  until at > #octets
  return true
end

--- Says nothing for a while; the transcript tells.
---@param seconds number
function Raw:pause(seconds)
  options_of.typed("client: the", "seconds", seconds, "number", 2)
  self.transcript:add("*", ascii.format("a pause of %g s", seconds))
  rest(self, seconds)
end

--- Says that nothing more will come, and goes on hearing: half a close.
---@return boolean? ok
---@return lunapost.err? error
function Raw:shutdown()
  if not self.conn then
    return nil, self:failed("closed", "the session is closed")
  end
  local ok, problem = self:flush()
  if not ok then return nil, problem end
  self.conn:shutdown()
  self.transcript:add("*", "nothing more is said")
  self.awaited, self.loose = true, true
  return true
end

local words <const> = { closed = true, silence = true }

local function check_wanted(wanted)
  if words[wanted] then return end
  for _, one in ipairs(type(wanted) == "table" and wanted or { wanted }) do
    if math.type(one) ~= "integer" then
      error(("a code of 200 to 559, a class of 2 to 5, \"closed\" or "
        .. "\"silence\" is expected, not %s %q"):format(type(one),
        tostring(one)), 3)
    end
  end
end

-- What was said last, for errors: secrets are masked there.
local function last_said(client)
  for i = #client.transcript, 1, -1 do
    local line = client.transcript[i]
    if line.who == "C" and line.text ~= "" then return line.text end
  end
end

-- An error that tells what was hoped for.
local function unmet(problem, wanted)
  if wanted == nil then return problem end
  local list = type(wanted) == "table" and wanted or { wanted }
  problem.text = ("%s, where %s was expected"):format(problem.text,
    table.concat(list, " or "))
  return problem
end

local function disappointed(client, reply, wanted)
  return nil, unmet(client:refused(reply, last_said(client)), wanted)
end

local function expect_closed(client, seconds)
  if not client.conn then return true end
  local reply, problem = client:receive(seconds)
  if reply then return disappointed(client, reply, "the end") end
  if problem.kind == "closed" then return true end
  return nil, unmet(problem, "the end")
end

-- One second unless it is said.
local function expect_silence(client, seconds)
  if not client.conn then
    return nil, client:failed("closed", "the session is closed")
  end
  local silent, problem = client:silent(seconds or 1)
  if silent then return true end
  if problem then return nil, problem end
  return disappointed(client, client:receive(0), "silence")
end

--- The reply that is due after `write`; without one, the last reply again.
--- "closed": the peer closes the connection; "silence": nothing comes.
---@param wanted? integer|integer[]|"closed"|"silence"  a code, a class 2..5,
--- or a list of such; nil: any
---@param seconds? number  to wait for it, default: the timeout; of silence,
--- default: 1
---@return lunapost.reply|true|nil reply
---@return lunapost.err? error  with the reply that came instead
function Raw:expect(wanted, seconds)
  check_wanted(wanted)
  if wanted == "closed" then return expect_closed(self, seconds) end
  if wanted == "silence" then return expect_silence(self, seconds) end
  local reply, problem = self.last
  if self.awaited or not reply then
    reply, problem = self:receive(seconds, last_said(self))
    if not reply then return nil, unmet(problem, wanted) end
  end
  if wanted == nil or replies.fits(reply, wanted) then return reply end
  return disappointed(self, reply, wanted)
end

return Raw
