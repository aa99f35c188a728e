-- The corpus of real messages, which lies beside the project, if it does.
local M = {}

M.root = "../shared/corpus"

--- Paths of its messages; empty where it is absent.
function M.messages()
  local list = {}
  local pipe <close> = assert(io.popen(
    "ls " .. M.root .. "/messages/*.eml 2>/dev/null"))
  for path in pipe:lines() do list[#list + 1] = path end
  return list
end

function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- Adds an `it` that is pending where the corpus is absent.
function M.it(text, run)
  local busted = require "busted"
  local list = M.messages()
  if #list == 0 then
    busted.pending(text .. " (no corpus beside the project)")
  else
    busted.it(text, function() run(list) end)
  end
end

return M
