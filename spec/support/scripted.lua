--- A small server that follows a script of a spec, for one connection or
--- more on loopback, and a loop in which it meets a client.

local core = require "lunapost.core"
local loops = require "lunapost.loop"

local M = {}

local SECONDS <const> = 10
local GRACE <const> = 0.1

local Peer = { __name = "peer" }
Peer.__index = Peer

local function await(loop, fd, mode)
  assert(loop.wait(fd, mode, SECONDS), "the script waits too long")
end

--- Writes octets.
function Peer:write(octets)
  local at = 1
  while at <= #octets do
    local n, why = self.conn:write(octets, at)
    if n then
      at = at + n
    elseif why == "write" then
      await(self.loop, self.conn:fd(), "w")
    else
      return
    end
  end
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
    local line, rest = self.unread:match("^(.-)\r\n(.*)$")
    if line then
      self.unread = rest
      self.heard[#self.heard + 1] = line
      return line
    end
    local octets, why = self.conn:read(65536)
    if octets then
      self.unread = self.unread .. octets
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

--- Runs scripts as a server, one a connection in order, and a client beside
--- it. A failed assertion on either side fails the spec.
---@param scripts function|function[]  script(peer)
---@param client fun(options: table, loop: table)  options for smtp.open
---@return table[] heard  the lines that each script heard
function M.run(scripts, client)
  if type(scripts) == "function" then scripts = { scripts } end
  local loop <close> = loops.new()
  local listener <close> = assert(core.net.listen("127.0.0.1", 0))
  local _, port = listener:address()
  local problems, heard, over = {}, {}, 0
  function loop.on_error(problem) problems[#problems + 1] = problem end
  loop.spawn(function()
    for i, script in ipairs(scripts) do
      heard[i] = {}
      local peer = setmetatable({ conn = accept(loop, listener), unread = "",
        heard = heard[i], loop = loop }, Peer)
      script(peer)
      peer:close()
    end
    over = over + 1
  end)
  loop.spawn(function()
    client({ host = "127.0.0.1", port = port, loop = loop, timeout = 2,
      helo = "me.example.org" }, loop)
    over = over + 1
    loop.sleep(GRACE) -- for what is still on its way to the script
    over = 2
  end)
  loop.run(function() return over == 2 or #problems > 0 end)
  if problems[1] then error(problems[1], 0) end
  return heard
end

--- Runs pairs of a script and a client at the same time, each on a port of
--- its own; a script meets one connection.
---@param list { script: function, client: fun(options: table, loop: table,
--- heard: string[]) }[]
function M.together(list)
  local loop <close> = loops.new()
  local problem, left = nil, #list
  function loop.on_error(why) problem = problem or why end
  for _, pair in ipairs(list) do
    local listener <const> = assert(core.net.listen("127.0.0.1", 0))
    local _, port = listener:address()
    local heard = {}
    loop.spawn(function()
      local peer = setmetatable({ conn = accept(loop, listener), unread = "",
        heard = heard, loop = loop }, Peer)
      loop.forget(listener:fd())
      listener:close()
      pair.script(peer)
      peer:close()
    end)
    loop.spawn(function()
      pair.client({ host = "127.0.0.1", port = port, loop = loop }, loop,
        heard)
      left = left - 1
    end)
  end
  loop.run(function() return left == 0 or problem end)
  if problem then error(problem, 0) end
end

--- A context of a throw-away certificate for localhost and 127.0.0.1, and
--- its PEM, for the client's ca.
function M.certificate()
  local context = assert(core.net.tls_context { server = true, test = true })
  return context, context:pem()
end

return M
