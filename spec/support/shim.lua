--- A script in a process of its own, with a library of a spec before the C
--- library's: what the system does slowly, or not at all.

local wire = require "spec.support.wire"

local M = {}

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

--- Compiles a shim.
---@param code string  C
---@return string? path  of the library, for who calls to remove; nil where
--- nothing can compile it
---@return string environment  "NAME=value ..." of a process that has it
function M.build(code)
  local base = os.tmpname()
  local shim, source = base .. ".so", base .. ".c"
  write(source, code)
  local built = os.execute(("cc -shared -fPIC -w -o %s %s -ldl 2>/dev/null")
    :format(shim, source))
  for _, path in ipairs { base, source } do os.remove(path) end
  return built and shim or nil, "ASAN_OPTIONS=verify_asan_link_order=0 "
    .. "LD_PRELOAD=" .. shim
end

--- Runs a script with a shim; its output, or nil where nothing can compile
--- the shim.
---@param code string  C
---@param script string  Lua
---@param environment? string  "NAME=value ..."
---@return string?
function M.run(code, script, environment)
  local shim, loaded = M.build(code)
  if not shim then return nil end
  local program = os.tmpname()
  write(program, ("package.path, package.cpath = %q, %q\n%s"):format(
    package.path, package.cpath, script))
  local p <close> = io.popen(("%s %s %s %s 2>&1"):format(environment or "",
    loaded, wire.lua, program))
  local out = p:read "a"
  for _, path in ipairs { shim, program } do os.remove(path) end
  return out
end

return M
