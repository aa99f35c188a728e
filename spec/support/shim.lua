--- A script in a process of its own, with a library of a spec before the C
--- library's: what the system does slowly, or not at all.

local wire = require "spec.support.wire"

local M = {}

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

--- Runs a script with a shim; its output, or nil where nothing can compile
--- the shim.
---@param code string  C
---@param script string  Lua
---@param environment? string  "NAME=value ..."
---@return string?
function M.run(code, script, environment)
  local base = os.tmpname()
  local shim, source, program = base .. ".so", base .. ".c", base .. ".lua"
  write(source, code)
  write(program, ("package.path, package.cpath = %q, %q\n%s"):format(
    package.path, package.cpath, script))
  local built = os.execute(("cc -shared -fPIC -w -o %s %s -ldl 2>/dev/null")
    :format(shim, source))
  local out
  if built then
    local p <close> = io.popen(("%s ASAN_OPTIONS=verify_asan_link_order=0 "
      .. "LD_PRELOAD=%s %s %s 2>&1"):format(environment or "", shim, wire.lua,
      program))
    out = p:read "a"
  end
  for _, path in ipairs { base, shim, source, program } do os.remove(path) end
  return out
end

return M
