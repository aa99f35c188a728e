--- Delivery by a local program that takes a message on its standard input:
--- sendmail, or any other.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local err = require "lunapost.err"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local outgoing = require "lunapost.smtp.outgoing"
local parties = require "lunapost.smtp.parties"
local process = require "lunapost.smtp.process"

local M = {}

local now <const> = core.loop.now

---@class lunapost.sendmail
local Sendmail = {}
local meta <const> = { __name = "lunapost.sendmail", __index = Sendmail }

-- Octets of what the program says that are kept.
local KEPT <const> = 4096

local TIMEOUT <const> = 60

local known <const> = {
  command = "table",              -- { "sendmail", "-i" }
  arguments = "boolean|function", -- false: none are added; arguments(from,
                                  -- to) -> words; default: -f FROM -- TO...
  line_end = "string",            -- "\n"
  timeout = "number",             -- seconds for the whole delivery
  loop = "table",
}

-- Exit codes after which trying later may help: sysexits.h.
local transient <const> = { [69] = true, [71] = true, [73] = true,
  [74] = true, [75] = true }

local meanings <const> = {
  [64] = "wrong usage", [65] = "the message is wrong", [67] = "no such user",
  [68] = "no such host", [69] = "unavailable", [71] = "the system failed",
  [73] = "a file cannot be made", [74] = "input or output failed",
  [75] = "try again later", [77] = "not permitted",
  [78] = "it is set up wrongly",
}

local function arguments_of(from, to)
  local words = { "-f", from == "" and "<>" or from, "--" }
  return table.move(to, 1, #to, #words + 1, words)
end

-- The words of the command for an envelope.
local function command_of(self, from, to)
  local words = table.move(self.command, 1, #self.command, 1, {})
  if self.arguments == false then return words end
  local more = (self.arguments or arguments_of)(from, to)
  return table.move(more, 1, #more, #words + 1, words)
end

-- Takes what the program says by now; false once it says no more.
local function listen(w)
  while true do
    local octets, why = w.ear:read(KEPT)
    if not octets then return why == "read" or why == "write" end
    w.said = (w.said .. octets):sub(-KEPT)
  end
end

local function wait(w, mode)
  return net.wait(mode == "read" and w.ear or w.conn, mode, w)
end

-- Writes octets; the program may say something meanwhile.
local function feed(w, octets)
  local at = 1
  while at <= #octets do
    local n, why, text = w.conn:write(octets, at)
    if n then
      at = at + n
    elseif why ~= "write" and why ~= "read" then
      return nil, text or why
    else
      local ready, late = wait(w, why)
      if not ready then return nil, late end
      listen(w)
    end
  end
  return true
end

-- All line ends as the program wants them, however the message is cut.
local function line_ends(octets, line_end, held)
  octets = (held and "\r" or "") .. octets
  local cr = octets:sub(-1) == "\r"
  if cr then octets = octets:sub(1, -2) end
  octets = octets:gsub("\r\n", "\n")
  if line_end ~= "\n" then octets = octets:gsub("\n", line_end) end
  return octets, cr
end

-- Hands the message over. A program may read less than all of it and close
-- its input: its exit code says what it made of that. Nil and "timeout" where
-- it does not read and does not close.
local function pour(w, self, reader)
  local held, ok, why = false, true, nil
  while ok do
    local octets, problem = reader()
    if problem then return nil, outgoing.failed(problem) end
    if not octets then break end
    octets, held = line_ends(octets, self.line_end, held)
    ok, why = feed(w, octets)
  end
  if ok and held then ok, why = feed(w, "\r") end
  if why == "timeout" then return nil, why end
  if ok then w.whole = w.conn:shutdown() end
  return true
end

local function last_line(text)
  return text:match("([^\r\n]*)[\r\n]*$")
end

local function late(self)
  return nil, err.of("timeout", ascii.format("it is not done within "
    .. "%g seconds", self.timeout), { transient = true })
end

-- The program's verdict, once it has ended.
local function verdict(w, self)
  while listen(w) do
    if not wait(w, "read") then return late(self) end
  end
  local code = w.process:wait(math.max(w.deadline - now(), 0))
  if not code then return late(self) end
  if code == 0 then return true end
  local text = ("exit code %d"):format(code)
  if meanings[code] then text = ("%s (%s)"):format(text, meanings[code]) end
  local said = last_line(w.said)
  if said ~= "" then text = text .. ": " .. said end
  return nil, err.of("process", text, { exit = code,
    transient = transient[code] or false, output = w.said })
end

-- Ends what still runs, when the task is killed. The end of its input would be
-- the end of half a message: only a program that has the whole one may still
-- do something.
local function leave(w)
  if w.ear then net.close(w.ear, w.loop) end
  w.process:abandon(not w.whole)
end

local work_meta <const> = { __close = leave }

-- What a delivery works with; the ear is of its own, since who cannot be
-- told any more may have said why.
local function begin(self, command)
  local started, problem = process.start(command, { errors = true,
    loop = self.loop })
  if not started then return nil, problem end
  return setmetatable({ conn = started.conn, loop = started.loop,
    process = started, said = "", deadline = now() + self.timeout }, work_meta)
end

local function converse(w, self, content)
  local kind, text
  w.ear, kind, text = core.net.adopt(w.conn:fd())
  if not w.ear then return nil, err.of(kind, text) end
  local ok, why = pour(w, self, content.open("8bit"))
  if not ok and err.is(why) then return nil, why end
  if not ok then return late(self) end
  return verdict(w, self)
end

local function run(self, command, content)
  local w <close>, problem = begin(self, command)
  if not w then return nil, problem end
  local ok, why = converse(w, self, content)
  w.process:stop() -- while it cannot take its input for ended
  return ok, why
end

local function failed(problem, command)
  problem.host = "exec:" .. command[1]
  problem.accepted, problem.rejected = {}, {}
  return nil, problem
end

--- Delivers one message: the program takes all recipients or none. One that
--- does not read the whole message is judged by its exit code all the same.
---@param envelope? { from: string, to: string[] }  nil: the message's own
---@param message string|table|file*|function  as for client:send
---@return table? result  { accepted, rejected = {}, exit = 0 }
---@return lunapost.err? error  kind "connect", "process" (has exit, and what
--- the program said in output), "timeout" or "file"
Sendmail.send = options_of.placed(function(self, envelope, message)
  local from, to = parties.of(envelope, message)
  local content, problem = outgoing.of(message)
  local command = command_of(self, from, to)
  local ok = content
  if content then ok, problem = run(self, command, content) end
  if not ok then return failed(problem, command) end
  return { accepted = to, rejected = {}, exit = 0 }
end)

function meta:__tostring()
  return ("sendmail (%s)"):format(self.command[1])
end

--- Makes a transport of a local program, for post.send and by itself.
---@param options? table  command, arguments, line_end, timeout, loop
---@return lunapost.sendmail
M.new = options_of.placed(function(options)
  options = options_of.check("option of smtp.sendmail", options or {}, known,
    0)
  local self = { timeout = TIMEOUT, line_end = "\n",
    command = { "sendmail", "-i" } }
  for name, value in pairs(options) do self[name] = value end
  if not self.command[1] then error("option 'command' is empty", 0) end
  return setmetatable(self, meta)
end)

return M
