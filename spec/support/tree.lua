--- The project's own files, for specs that read them.

local M = {}

--- Where the build under test lies: build, or build/asan.
M.build = os.getenv "LUNAPOST_BUILD" or "build"

--- The command as built.
M.command = M.build .. "/bin/lunapost"

--- A shell command that runs a script by this interpreter and this build.
---@param script string  and its arguments
---@return string
function M.lua(script)
  return ("env 'LUA_PATH=./lua/?.lua;./lua/?/init.lua;./?.lua;;' "
    .. "'LUA_CPATH=./%s/?.so;;' %s %s")
    :format(M.build, arg and arg[-1] or "lua5.4", script)
end

---@param command string
---@return string[] lines  of its standard output
---@return boolean ok
function M.lines(command)
  local lines = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do lines[#lines + 1] = line end
  return lines, pipe:close() == true
end

---@param path string
---@return string? bytes
function M.read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

--- Files below some folders whose names end in one of some suffixes, sorted.
---@param folders string  words
---@param suffixes string  words, e.g. "c h"
---@return string[] paths
function M.files(folders, suffixes)
  local tests = {}
  for suffix in suffixes:gmatch "%S+" do
    tests[#tests + 1] = "-name '*." .. suffix .. "'"
  end
  return M.lines(("find %s -type f \\( %s \\) 2>/dev/null | LC_ALL=C sort")
    :format(folders, table.concat(tests, " -o ")))
end

--- The numbered lines of a file.
---@param path string
---@return fun(): integer?, string?
function M.each_line(path)
  local n, next_line = 0, M.read(path):gmatch "([^\n]*)\n?"
  return function()
    local line = next_line()
    n = n + 1
    if line then return n, line end
  end
end

--- The name that `require` takes for a file below lua/.
---@param path string  e.g. lua/lunapost/mime/init.lua
---@return string name  e.g. lunapost.mime
function M.module(path)
  local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", "")
  return (name:gsub("/", "."))
end

return M
