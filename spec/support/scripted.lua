--- A small server that follows a script of a spec, for one connection or
--- more on loopback, and a loop in which it meets a client.

local core = require "lunapost.core"
local loops = require "lunapost.loop"
local patience = require "spec.support.patience"

local M = {}

local SECONDS <const> = 60
local GRACE <const> = 10

local Peer = { __name = "peer" }
Peer.__index = Peer

local function new_peer(conn, loop, heard, over)
  return setmetatable({ conn = conn, unread = "", from = 1, loop = loop,
    heard = heard, over = over }, Peer)
end

local function await(loop, fd, mode)
  assert(loop.wait(fd, mode, SECONDS), "the script waits too long")
end

--- Writes octets; false when the client is gone.
function Peer:write(octets)
  local at = 1
  while at <= #octets do
    local n, why = self.conn:write(octets, at)
    if n then
      at = at + n
    elseif why == "write" then
      await(self.loop, self.conn:fd(), "w")
    else
      return false
    end
  end
  return true
end

--- Writes lines, each with CRLF.
function Peer:say(...)
  self:write(table.concat({ ... }, "\r\n") .. "\r\n")
end

--- Writes octets one by one, each in a segment of its own.
function Peer:drip(octets)
  for octet in octets:gmatch(".") do
    self:write(octet)
    self.loop.sleep(0.0005)
  end
end

--- The next line without its end; nil when the client is gone.
function Peer:hear()
  while true do
    local at = self.unread:find("\r\n", self.from, true)
    if at then
      local line = self.unread:sub(self.from, at - 1)
      self.from = at + 2
      self.heard[#self.heard + 1] = line
      return line
    end
    local octets, why = self.conn:read(65536)
    if octets then
      self:swap(self:swap "" .. octets)
    elseif why == "read" or why == "write" then
      await(self.loop, self.conn:fd(), why == "read" and "r" or "w")
    else
      return nil
    end
  end
end

--- Hears a line and answers it, one such pair after the other: answers[i]
--- is said to line i; false: nothing is said.
function Peer:answer(...)
  for _, text in ipairs { ... } do
    if not self:hear() then return end
    if text then self:say(text) end
  end
end

--- The lines of a body up to its dot.
function Peer:body()
  local lines = {}
  for line in self.hear, self do
    if line == "." then return table.concat(lines, "\n") end
    lines[#lines + 1] = line
  end
end

--- Puts TLS on, as a server.
function Peer:secure(context)
  assert(self.conn:starttls(context, true))
  while true do
    local ok, why = self.conn:handshake()
    if ok then return true end
    if why ~= "read" and why ~= "write" then return false end
    await(self.loop, self.conn:fd(), why == "read" and "r" or "w")
  end
end

--- Gives what was read and not heard yet, and puts this in its place.
function Peer:swap(octets)
  local unread = self.unread:sub(self.from)
  self.unread, self.from = octets, 1
  return unread
end

--- Hears and says nothing more, and closes once the client's side is over.
function Peer:hold()
  patience.await(self.loop, self.over)
  self.conn:close()
end

--- Says nothing more, until the client is gone.
function Peer:linger()
  repeat until not self:hear()
end

function Peer:close()
  self.conn:close()
end

local function accept(loop, listener)
  while true do
    local conn = listener:accept()
    if conn then return conn end
    await(loop, listener:fd(), "r")
  end
end

-- Meets one connection for each script, in order; beside: the next one while
-- the last is still met.
local function serve(run, scripts, beside)
  for i, script in ipairs(scripts) do
    run.heard[i] = {}
    local conn = accept(run.loop, run.listener)
    run.met = run.met + 1
    local peer = new_peer(conn, run.loop, run.heard[i], function()
      return run.over
    end)
    local function meet()
      script(peer)
      peer:close()
      run.met = run.met - 1
    end
    if beside then run.loop.spawn(meet) else meet() end
  end
  patience.await(run.loop, function() return run.met == 0 end)
  run.served = true
end

--- Runs scripts as a server, one a connection in order, and a client beside
--- it. A failed assertion on either side fails the spec.
---@param scripts function|function[]  script(peer)
---@param client fun(options: table, loop: table)  options for smtp.open
---@param beside? boolean  a connection need not end before the next comes
---@return table[] heard  the lines that each script heard
function M.run(scripts, client, beside)
  if type(scripts) == "function" then scripts = { scripts } end
  local loop <close> = loops.new()
  local listener <close> = assert(core.net.listen("127.0.0.1", 0))
  local _, port = listener:address()
  local problems, done = {}, false
  local run = { loop = loop, listener = listener, heard = {}, met = 0,
    over = false, served = false }
  function loop.on_error(problem) problems[#problems + 1] = problem end
  loop.spawn(serve, run, scripts, beside)
  loop.spawn(function()
    client({ host = "127.0.0.1", port = port, loop = loop, timeout = SECONDS,
      helo = "me.example.org" }, loop)
    run.over = true
    loop.sleep(0) -- a script that was to meet another one meets it
    if run.met > 0 then
      collectgarbage() -- a client that nobody closed is closed
      loop.sleep(GRACE) -- its script hears what is on its way
    end
    done = true
  end)
  loop.run(function()
    return done or run.over and run.served or #problems > 0
  end)
  if problems[1] then error(problems[1], 0) end
  return run.heard
end

--- Runs pairs of a script and a client at the same time, each on a port of
--- its own; a script meets one connection.
---@param list { script: function, client: fun(options: table, loop: table,
--- heard: string[]) }[]
function M.together(list)
  local loop <close> = loops.new()
  local problem, left, met, late = nil, #list, #list, false
  function loop.on_error(why) problem = problem or why end
  for _, pair in ipairs(list) do
    local listener <const> = assert(core.net.listen("127.0.0.1", 0))
    local _, port = listener:address()
    local heard, gone = {}, false
    loop.spawn(function()
      local peer = new_peer(accept(loop, listener), loop, heard, function()
        return gone
      end)
      loop.forget(listener:fd())
      listener:close()
      pair.script(peer)
      peer:close()
      met = met - 1
    end)
    loop.spawn(function()
      pair.client({ host = "127.0.0.1", port = port, loop = loop,
        timeout = SECONDS }, loop, heard)
      gone, left = true, left - 1
      if left == 0 then
        collectgarbage() -- as in run
        loop.sleep(GRACE)
        late = true
      end
    end)
  end
  loop.run(function()
    return problem or left == 0 and (met == 0 or late)
  end)
  if problem then error(problem, 0) end
end

--- A context of a throw-away certificate for localhost and 127.0.0.1, and
--- its PEM, for the client's ca.
function M.certificate()
  local context = assert(core.net.tls_context { server = true, test = true })
  return context, context:pem()
end

return M
