--- A door for Prometheus: answers each HTTP request with the server's
--- metrics, and closes.

local core = require "lunapost.core"
local net = require "lunapost.net"

local M = {}

local SECONDS <const>, REQUEST_MOST <const> = 5, 8192

-- Reads up to the empty line; the request's first line, or nil.
local function request_of(conn, waits)
  local bytes = ""
  while #bytes < REQUEST_MOST and not bytes:find("\r?\n\r?\n") do
    local more, kind = conn:read(4096)
    if more then
      bytes = bytes .. more
    elseif kind ~= "read" and kind ~= "write"
      or not net.wait(conn, kind, waits) then
      return nil
    end
  end
  return bytes:match "^([^\r\n]*)"
end

local function send(conn, bytes, waits)
  local from = 1
  while from <= #bytes do
    local n, kind = conn:write(bytes, from)
    if n then
      from = from + n
    elseif kind ~= "write" or not net.wait(conn, kind, waits) then
      return
    end
  end
end

local function answer(server, request)
  local method = request:match "^(%u+) /%S* HTTP/1%.%d$"
  local status, body = "200 OK", server:metrics()
  if not method then
    status, body = "400 Bad Request", "this is not HTTP\n"
  elseif method ~= "GET" and method ~= "HEAD" then
    status, body = "405 Method Not Allowed", "GET, please\n"
  end
  return ("HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; "
    .. "charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s")
    :format(status, #body, method == "HEAD" and "" or body)
end

--- One connection, to its end.
---@param server lunapost.server
---@param conn userdata
function M.serve(server, conn)
  local waits = { loop = server.loop,
    deadline = core.loop.now() + SECONDS }
  local request = request_of(conn, waits)
  if not request then return net.close(conn, server.loop) end
  send(conn, answer(server, request), waits)
  net.part(conn, { loop = server.loop, timeout = 1 })
end

return M
