--- Files for a while: without a name, gone with their last user.

local core = require "lunapost.core"

local M = {}

--- The folder for what is there for a while: TMPDIR, else /tmp.
---@return string
function M.folder()
  local folder = os.getenv "TMPDIR"
  return folder and folder ~= "" and folder or "/tmp"
end

--- Opens a file to write and to read that nobody else can open.
---@param folder? string  default: M.folder()
---@return file*? file
---@return string? problem
function M.file(folder)
  return core.system.temporary((folder or M.folder()) .. "/lunapost-XXXXXX")
end

return M
