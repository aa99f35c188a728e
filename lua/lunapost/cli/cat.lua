--- lunapost cat: the decoded bytes of one part.

local messages = require "lunapost.cli.messages"
local output = require "lunapost.cli.output"

local M = {}

M.summary = "writes one part of a message to standard output"
M.usage = [[lunapost cat FILE [--part PATH] [--raw]

Writes the decoded body of a part. FILE "-" is standard input.

  --part PATH  which one: 1 is the message, 1.2 its second part, 1.2.1 the
               first part of that; the first leaf by default
  --raw        its header and body as they stand instead]]
M.flags = { part = "value", raw = "flag" }

local function find(message, path)
  for part in message:walk() do
    if part.path == path or (path == nil and not part.parts) then
      return part
    end
  end
  for _, part in ipairs(message:attachments()) do
    if part.path == path then return part end -- uuencoded in a text
  end
end

-- What there is to choose from.
local function paths(message)
  local list = {}
  for part in message:walk() do
    list[#list + 1] = part.path
    if #list > 10 then
      list[#list] = "..."
      break
    end
  end
  return table.concat(list, " ")
end

local function fail(code, text)
  io.stderr:write("lunapost: cat: ", text, "\n")
  return code
end

-- A multipart or a message has no decoded body: what is in it is written.
local function write(part, raw)
  if raw then
    output.write(part.raw)
  else
    part:decode(function(chunk)
      if chunk then output.write(chunk) end
      return 1
    end)
  end
  return 0
end

---@param options table
---@return integer code  0; 1 when file or part is not there; 64 usage
function M.run(options)
  if #options ~= 1 then return fail(64, "one FILE is needed") end
  local message, problem = messages.read(options[1])
  if not message then return fail(1, tostring(problem)) end
  local part = find(message, options.part)
  if not part then
    return fail(1, ("no part %s in %s: it has %s"):format(options.part,
      options[1], paths(message)))
  end
  return write(part, options.raw)
end

return M
