--- Through a proxy: SOCKS5 (RFC 1928, 1929) and HTTP CONNECT (RFC 9110
--- 9.3.6). The proxy looks the server's name up.

local core = require "lunapost.core"
local err = require "lunapost.err"
local net = require "lunapost.net"

local M = {}

-- Octets of the longest header that a proxy may answer with.
local HEADER <const> = 16384

local function wait(w, mode)
  local ready, why = net.wait(w.conn, mode, w)
  if ready then return true end
  return nil, why == "timeout" and "no answer in time" or why
end

local function send(w, octets)
  local at = 1
  while at <= #octets do
    local n, mode, text = w.conn:write(octets, at)
    local ok = n or mode == "read" or mode == "write"
    if not ok then return nil, text or mode end
    if n then
      at = at + n
    else
      ok, text = wait(w, mode)
      if not ok then return nil, text end
    end
  end
  return true
end

-- Exactly n octets: what follows is the server's.
local function receive(w, n)
  local pieces, left = {}, n
  while left > 0 do
    local octets, mode, text = w.conn:read(left)
    if octets then
      pieces[#pieces + 1], left = octets, left - #octets
    elseif mode == "read" or mode == "write" then
      local ok, why = wait(w, mode)
      if not ok then return nil, why end
    else
      return nil, mode == "eof" and "it closed the connection" or text or mode
    end
  end
  return table.concat(pieces)
end

-- The 16 octets of an IPv6 address.
local function ipv6(address)
  local v4 = address:match(":(%d+%.%d+%.%d+%.%d+)$")
  if v4 then
    local a, b, c, d = v4:match("(%d+)%.(%d+)%.(%d+)%.(%d+)")
    address = address:sub(1, -#v4 - 1) .. ("%x:%x"):format(a * 256 + b,
      c * 256 + d)
  end
  local before, behind = address:match("^(.-)::(.*)$")
  local function groups(text)
    local out = {}
    for group in text:gmatch("%x+") do
      out[#out + 1] = (">I2"):pack(tonumber(group, 16))
    end
    return table.concat(out)
  end
  if not before then return groups(address) end
  before, behind = groups(before), groups(behind)
  return before .. ("\0"):rep(16 - #before - #behind) .. behind
end

-- RFC 1928 5: kind of address, address.
local function socks_address(host)
  if not core.net.numeric(host) then return "\3" .. (">s1"):pack(host) end
  if host:find(":", 1, true) then return "\4" .. ipv6(host:gsub("%%.*", "")) end
  local octets = host:gsub("%d+%.?", function(number)
    return string.char(tonumber((number:gsub("%.", ""))))
  end)
  return "\1" .. octets
end

-- RFC 1928 6
local refusals <const> = {
  [1] = "general failure", [2] = "not allowed by its rules",
  [3] = "network unreachable", [4] = "host unreachable",
  [5] = "connection refused", [6] = "TTL expired",
  [7] = "command not supported", [8] = "address type not supported",
}

local NO_SOCKS <const> = "it speaks no SOCKS5"

local function socks_login(w, proxy)
  local ok, why = send(w, "\1" .. (">s1s1"):pack(proxy.user,
    proxy.password or ""))
  local answer
  if ok then answer, why = receive(w, 2) end
  if not answer then return nil, why end
  if answer:byte(2) == 0 then return true end
  return nil, "it refuses this user and password"
end

local function socks_method(w, proxy, method)
  if method == 0 then return true end
  if method == 2 and proxy.user then return socks_login(w, proxy) end
  return nil, proxy.user and "it offers no way to log in that is known here"
    or "it wants a user and a password (socks5://USER:PASSWORD@HOST)"
end

local function socks_greet(w, proxy)
  local ok, why = send(w, proxy.user and "\5\2\0\2" or "\5\1\0")
  local answer
  if ok then answer, why = receive(w, 2) end
  if not answer then return nil, why end
  if answer:byte(1) ~= 5 then return nil, NO_SOCKS end
  return socks_method(w, proxy, answer:byte(2))
end

-- How long the address in an answer is, RFC 1928 6.
local sizes <const> = { [1] = 4, [4] = 16 }

local function socks_answer(w)
  local head, why = receive(w, 4)
  if not head then return nil, why end
  local version, code, _, kind = head:byte(1, 4)
  if version ~= 5 then return nil, NO_SOCKS end
  if code ~= 0 then
    return nil, refusals[code] or ("it refuses (%d)"):format(code)
  end
  local size = sizes[kind]
  if kind == 3 then
    local octet
    octet, why = receive(w, 1)
    if not octet then return nil, why end
    size = octet:byte()
  end
  if not size then return nil, "its answer makes no sense" end
  local rest
  rest, why = receive(w, size + 2)
  return rest and true, why
end

local ways = {}

function ways.socks5(w, proxy, host, port)
  if #host > 255 then return nil, "the host's name is too long" end
  local ok, why = socks_greet(w, proxy)
  if ok then
    ok, why = send(w, "\5\1\0" .. socks_address(host) .. (">I2"):pack(port))
  end
  if not ok then return nil, why end
  return socks_answer(w)
end

-- The header of an answer, octet by octet: the server may speak right after.
local function http_header(w)
  local header = {}
  for i = 1, HEADER do
    local octet, why = receive(w, 1)
    if not octet then return nil, why end
    header[i] = octet
    if octet == "\n" then
      local so_far = table.concat(header)
      if so_far:find("\n\r?\n$") then return so_far end
      if not so_far:find("^HTTP/1%.%d %d%d%d") then break end
    end
  end
  return nil, #header < HEADER and "it speaks no HTTP"
    or "its answer is too long"
end

local function http_status(header)
  local status, text = header:match("^HTTP/1%.%d (%d%d%d) ?([^\r\n]*)")
  if status:sub(1, 1) == "2" then return true end
  if status == "407" then
    text = text .. " (http://USER:PASSWORD@HOST:PORT)"
  end
  return nil, status .. " " .. text
end

function ways.http(w, proxy, host, port)
  local target = net.join(host, port)
  local lines = { ("CONNECT %s HTTP/1.1"):format(target), "Host: " .. target }
  if proxy.user then
    lines[3] = "Proxy-Authorization: Basic " .. core.codec.base64_encode(
      proxy.user .. ":" .. (proxy.password or ""), 0)
  end
  local ok, why = send(w, table.concat(lines, "\r\n") .. "\r\n\r\n")
  if not ok then return nil, why end
  local header
  header, why = http_header(w)
  if not header then return nil, why end
  return http_status(header)
end

--- Dials the proxy and has it connect to the server.
---@param proxy { kind: "socks5"|"http", host: string, port: integer,
--- user: string?, password: string? }
---@param host string
---@param port integer
---@param options { loop: table, timeout: number }
---@return userdata? conn
---@return lunapost.err? error  kind "connect", "dns" or "timeout"
function M.dial(proxy, host, port, options)
  local label = ("proxy %s:%d"):format(proxy.host, proxy.port)
  local deadline = core.loop.now() + options.timeout
  local conn, problem = net.dial { host = proxy.host, port = proxy.port,
    loop = options.loop, deadline = deadline }
  if not conn then
    problem.text = label .. ": " .. problem.text
    return nil, problem
  end
  local w <close> = setmetatable({ conn = conn, loop = options.loop,
    deadline = deadline }, { __close = function(w)
      if not w.keep then net.close(conn, options.loop) end
    end })
  local ok, why = ways[proxy.kind](w, proxy, host, port)
  w.keep = ok
  if ok then return conn end
  return nil, err.new { kind = why == "no answer in time" and "timeout"
    or "connect", text = ("%s: %s"):format(label, why) }
end

return M
