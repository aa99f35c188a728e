--- What a service manager (systemd and its like) hands to a server, and is
--- told by it: sd_listen_fds(3), sd_notify(3). Without one, nothing happens.

local core = require "lunapost.core"
local err = require "lunapost.err"

local M = {}

local FIRST <const> = 3

--- The sockets that were passed to this process, or those of one name.
---@param name? string  FileDescriptorName= of the socket unit
---@return integer[] descriptors
function M.sockets(name)
  local list, names = {}, {}
  for one in ((os.getenv "LISTEN_FDNAMES" or "") .. ":"):gmatch "([^:]*):" do
    names[#names + 1] = one
  end
  for i = 1, core.system.sockets() do
    if not name or names[i] == name then list[#list + 1] = FIRST + i - 1 end
  end
  return list
end

--- The listeners of the passed sockets, or of those of one name.
---@param name? string
---@return userdata[]? listeners, lunapost.err? err
function M.listeners(name)
  local list = {}
  for i, fd in ipairs(M.sockets(name)) do
    local listener, kind, text = core.net.take(fd)
    if not listener then return nil, err.of(kind, text) end
    list[i] = listener
  end
  if list[1] then return list end
  return nil, err.of("connect", name
    and "no socket of the name '" .. name .. "' was passed to this process"
    or "no socket was passed to this process (LISTEN_FDS, LISTEN_PID)")
end

--- Tells the service manager how the server is, where one listens.
---@param ... string  READY=1, STOPPING=1 ...
---@return true? ok, string? problem
function M.tell(...)
  local path = os.getenv "NOTIFY_SOCKET"
  if not path or path == "" then return true end
  return core.system.tell(path, table.concat({ ... }, "\n"))
end

--- The words for a reload that begins: systemd wants its own clock's time.
---@return string words
function M.reloading()
  return ("RELOADING=1\nMONOTONIC_USEC=%d"):format(core.loop.now() * 1e6 // 1)
end

return M
