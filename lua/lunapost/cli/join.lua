--- lunapost join: a message of its fragments, message/partial.

local mime = require "lunapost.mime"
local messages = require "lunapost.cli.messages"
local output = require "lunapost.cli.output"

local M = {}

M.summary = "joins the fragments of a message (message/partial)"
M.usage = [[lunapost join FILE...

Writes the message that the fragments make, given in any order, to standard
output. FILE "-" is standard input.]]
M.flags = {}

local function fail(code, text)
  io.stderr:write("lunapost: join: ", text, "\n")
  return code
end

---@param options table
---@return integer code  0; 1 when a file cannot be read or a fragment is
---  missing; 64 without files
function M.run(options)
  if #options == 0 then return fail(64, "at least one FILE is needed") end
  local parts = {}
  for i, name in ipairs(options) do
    local problem
    parts[i], problem = messages.read(name)
    if not parts[i] then return fail(1, tostring(problem)) end
  end
  local message, problem = mime.join(parts)
  if not message then return fail(1, tostring(problem)) end
  output.write(message:render())
  return 0
end

return M
