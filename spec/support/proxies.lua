--- Small proxies for specs, in the built-in loop: they check what they are
--- asked, connect to where it says, and carry octets both ways.

local core = require "lunapost.core"
local loop = require "lunapost.loop"

local M = {}

local PATIENCE <const> = 60

local function await(conn, mode)
  return loop.wait(conn:fd(), mode == "write" and "w" or "r", PATIENCE)
end

local function write(conn, octets)
  local at = 1
  while at <= #octets do
    local n, why = conn:write(octets, at)
    if n then
      at = at + n
    elseif why ~= "write" or not await(conn, why) then
      return nil
    end
  end
  return true
end

-- What a client that goes leaves a proxy with.
local GONE <const> = {}

local function read(conn, n)
  local out = ""
  while #out < n do
    local octets, why = conn:read(n - #out)
    if octets then
      out = out .. octets
    elseif why ~= "read" or not await(conn, why) then
      error(GONE)
    end
  end
  return out
end

local function carry(from, to)
  while true do
    local octets, why = from:read(65536)
    if octets then
      if not write(to, octets) then break end
    elseif why ~= "read" or not await(from, why) then
      break
    end
  end
  if to:fd() >= 0 then to:shutdown() end
end

local function connect(port, address)
  local conn = assert(core.net.connect(address or "127.0.0.1", port))
  await(conn, "write")
  assert(conn:connected())
  return conn
end

local function logged_in(conn, options)
  local user = read(conn, read(conn, 2):byte(2))
  local password = read(conn, read(conn, 1):byte())
  local good = user == options.user and password == options.password
  write(conn, good and "\1\0" or "\1\1")
  return good
end

local function address_size(conn, kind)
  return kind == 1 and 4 or kind == 4 and 16 or read(conn, 1):byte()
end

-- The last word to a client; whether it is let through.
local function answer(conn, options)
  local code = options.refuse or 0
  local octets = string.char(options.version or 5, code, 0)
  write(conn, octets .. (options.bound or "\1\127\0\0\1\0\0"))
  return code == 0 and not options.version
end

-- RFC 1928, 1929, as a server. options: user, password, refuse (a code),
-- method (an answer to the greeting), version (in place of 5)
local function socks(conn, options, seen)
  seen.methods = read(conn, read(conn, 2):byte(2))
  local method = options.method or (options.user and 2 or 0)
  write(conn, string.char(5, method))
  if method == 2 and not logged_in(conn, options) or method > 2 then
    return nil
  end
  local kind = read(conn, 4):byte(4)
  seen.kind, seen.host = kind, read(conn, address_size(conn, kind))
  seen.port = (">I2"):unpack(read(conn, 2))
  return answer(conn, options) and seen.port
end

-- options: authorization, answer
local function http(conn, options, seen)
  local head = ""
  repeat
    head = head .. read(conn, 1)
  until head:sub(-4) == "\r\n\r\n"
  seen.head = head
  local wants = options.authorization
  if wants and not head:find("Proxy-Authorization: " .. wants, 1, true) then
    write(conn, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    return nil
  end
  seen.port = tonumber(head:match "^CONNECT %S+:(%d+) HTTP/1.1\r\n")
  write(conn, options.answer or "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n")
  return not options.answer and seen.port
end

local kinds <const> = { socks5 = socks, http = http }

local function serve(conn, kind, options, seen)
  local ok, port = pcall(kinds[kind], conn, options, seen)
  if not ok and port ~= GONE then error(port, 0) end
  if not ok or not port then
    if options.hold then loop.sleep(options.hold) end
    return conn:close()
  end
  local there = connect(options.to or port, options.address)
  loop.spawn(function() carry(there, conn) end)
  carry(conn, there)
  loop.sleep(0.05)
  conn:close()
  there:close()
end

--- Listens as a proxy until the loop ends.
---@param kind "socks5"|"http"
---@param options? table
---@return string where  HOST:PORT
---@return table seen  what it was asked
function M.start(kind, options)
  local listener = assert(core.net.listen("127.0.0.1", 0))
  local _, port = listener:address()
  local seen = { connections = 0 }
  seen.task = loop.spawn(function()
    local _ <close> = setmetatable({}, { __close = function()
      listener:close()
    end })
    while true do
      local conn, why = listener:accept()
      if conn then
        seen.connections = seen.connections + 1
        loop.spawn(serve, conn, kind, options or {}, seen)
      elseif why ~= "read" or not loop.wait(listener:fd(), "r", 20) then
        return
      end
    end
  end)
  return "127.0.0.1:" .. port, seen
end

return M
