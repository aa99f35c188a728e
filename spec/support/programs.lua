--- Other people's codecs as programs (spec/cross/), built when they are asked
--- for. One takes records on standard input, each its length in digits, LF
--- and its bytes, and answers with the same, or with -1 where it refuses;
--- with a file and seconds it tells how long a call takes.

local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local M = {}

local folder <const> = tree.build .. "/cross"

local function built(name, package)
  local source, program = "spec/cross/" .. name .. ".c",
    folder .. "/" .. name
  local output, code = peers.run(("mkdir -p %s && if [ ! %s -nt %s ]; then "
    .. "pkg-config --exists %s && cc -O2 -o %s %s $(pkg-config --cflags "
    .. "--libs %s); fi"):format(folder, program, source, package, program,
    source, package), 60)
  if code ~= 0 then return nil, output end
  return program
end

local python <const> = "/usr/bin/python3 spec/cross/codecs.py"

--- The command of each, or nil where it cannot be had.
M.find = {
  GMime = function() return built("gmime", "gmime-3.0") end,
  OpenSSL = function() return built("openssl", "libcrypto") end,
  Python = function()
    local _, code = peers.run("printf '1\\na' | " .. python .. " base64")
    return code == 0 and python or nil
  end,
}

local function read(file)
  local size = assert(file:read "n", "an answer is missing")
  assert(file:read(1) == "\n")
  if size < 0 then return false end
  return size == 0 and "" or file:read(size)
end

--- What a program makes of each string: a string, or false where it refuses.
---@param command string
---@param operation string
---@param list string[]
---@return (string|false)[]
function M.ask(command, operation, list)
  local asked, answered = os.tmpname(), os.tmpname()
  local file = assert(io.open(asked, "wb"))
  for _, s in ipairs(list) do file:write(#s, "\n", s) end
  file:close()
  local output, code = peers.run(("%s %s <%s >%s"):format(command, operation,
    asked, answered), 120)
  assert(code == 0, output)
  local answers, results <close> = {}, assert(io.open(answered, "rb"))
  for i = 1, #list do answers[i] = read(results) end
  os.remove(asked)
  os.remove(answered)
  return answers
end

--- Seconds that a call takes.
---@param command string
---@param operation string
---@param path string
---@param seconds number
---@return number
function M.time(command, operation, path, seconds)
  local pipe <close> = assert(io.popen(("%s %s %s %g"):format(command,
    operation, path, seconds)))
  return assert(pipe:read "n", command .. " says nothing")
end

return M
