--- A raw peer for specs: it says and hears octets, with a deadline, so that
--- a spec can do what no honest client does.

local core = require "lunapost.core"
local loop = require "lunapost.loop"

local M = {}

local Peer = {}
local meta = { __index = Peer }

local PATIENCE <const> = 60

function meta.__close(peer)
  peer:close()
end

--- Connects within the running loop.
---@param port integer
---@return table peer
function M.dial(port)
  local conn = assert(core.net.connect("127.0.0.1", port))
  local peer = setmetatable({ conn = conn, held = "" }, meta)
  local ok, state = conn:connected()
  while not ok and state == "write" do
    assert(loop.wait(conn:fd(), "w", PATIENCE))
    ok, state = conn:connected()
  end
  assert(ok, state)
  return peer
end

function Peer:say(octets)
  local from = 1
  while from <= #octets do
    local n, state = self.conn:write(octets, from)
    if n then
      from = from + n
    elseif state ~= "write" or not loop.wait(self.conn:fd(), "w", PATIENCE)
    then
      return nil, state
    end
  end
  return true
end

local function more(peer, seconds)
  local bytes, state = peer.conn:read(65536)
  while not bytes and state == "read" do
    if not loop.wait(peer.conn:fd(), "r", seconds or PATIENCE) then
      return nil, "timeout"
    end
    bytes, state = peer.conn:read(65536)
  end
  if not bytes then return nil, state end
  peer.held = peer.held .. bytes
  return true
end

--- One line without its CRLF, or nil and "eof", "timeout" ...
function Peer:line(seconds)
  while true do
    local at = self.held:find("\r\n", 1, true)
    if at then
      local line = self.held:sub(1, at - 1)
      self.held = self.held:sub(at + 2)
      return line
    end
    local ok, why = more(self, seconds)
    if not ok then return nil, why end
  end
end

--- A whole reply: its lines joined by "|", or nil and why.
function Peer:reply(seconds)
  local lines = {}
  repeat
    local line, why = self:line(seconds)
    if not line then return nil, why end
    lines[#lines + 1] = line
  until line:sub(4, 4) ~= "-"
  return table.concat(lines, "|")
end

--- Says a line and gives the reply.
function Peer:ask(line)
  self:say(line .. "\r\n")
  return self:reply()
end

--- Puts TLS on, after the reply to STARTTLS.
---@param name? string  to ask for; default localhost
function Peer:starttls(name)
  local context = assert(core.net.tls_context { insecure = true })
  assert(self.conn:starttls(context, false, name or "localhost"))
  local ok, state = self.conn:handshake()
  while not ok and (state == "read" or state == "write") do
    assert(loop.wait(self.conn:fd(), state == "read" and "r" or "w",
      PATIENCE))
    ok, state = self.conn:handshake()
  end
  assert(ok, state)
end

function Peer:close()
  if self.conn:fd() >= 0 then
    loop.forget(self.conn:fd())
    self.conn:close()
  end
end

return M
