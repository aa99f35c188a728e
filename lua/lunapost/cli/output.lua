--- Standard output of the commands: what cannot be written is an error, never
--- a short file with exit code 0.

local M = {}

--- The exit code when standard output fails (EX_IOERR of sysexits).
M.EXIT = 74

local function fail(problem)
  error({ exit = M.EXIT, text = "cannot write: " .. tostring(problem) }, 0)
end

--- Writes all the strings.
---@param ... string
---@raise  { exit = 74, text = string } when standard output fails
function M.write(...)
  local ok, problem = io.stdout:write(...)
  if not ok then fail(problem) end
end

--- Hands over what is buffered.
---@raise  { exit = 74, text = string } when standard output fails
function M.flush()
  local ok, problem = io.stdout:flush()
  if not ok then fail(problem) end
end

return M
