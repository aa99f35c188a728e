--- Parts of a module that are loaded when they are first asked for: what a
--- script does not use costs it nothing.

local M = {}

--- Gives a module such parts.
---@generic T: table
---@param module T
---@param parts table<string, fun(): any>  what loads each, by its name
---@param name? string  of the module, for whoever prints it
---@return T module
function M.of(module, parts, name)
  return setmetatable(module, { __name = name, parts = parts,
    __index = function(_, key)
      local load = parts[key]
      if not load then return nil end
      local value = load()
      module[key] = value
      return value
    end })
end

return M
