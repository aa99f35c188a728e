--- What was raised, in words: an object that scripts raise may have a
--- __tostring that raises in its turn.

local M = {}

--- The text of a problem; never raises.
---@param problem any
---@return string
function M.text(problem)
  local ok, text = pcall(tostring, problem)
  if ok then return text end
  return ("a %s whose __tostring fails%s"):format(type(problem),
    type(text) == "string" and ": " .. text or "")
end

return M
