--- Views of a server: the server itself, but for parts of their own. What
--- sessions have that come by a door with another way to TLS, or that began
--- before a reload.

local M = {}

local function whole(server)
  local meta = getmetatable(server)
  while meta and meta.view_of do
    server = meta.view_of
    meta = getmetatable(server)
  end
  return server
end

-- Who compares session.server with the server asks whether it is that one.
local function same(a, b) return rawequal(whole(a), whole(b)) end

--- Makes a view: what it lacks is the server's, and so is what is set in it.
---@param server lunapost.server  or a view of it
---@param parts table  becomes the view
---@return lunapost.server
function M.of(server, parts)
  return setmetatable(parts, { __name = "lunapost.server", __index = server,
    __newindex = server, __eq = same, view_of = server })
end

return M
