--- lunapost check: what an MTA or a reader would object to in a message.

local json = require "lunapost.json"
local messages = require "lunapost.cli.messages"
local show = require "lunapost.cli.show"
local output = require "lunapost.cli.output"

local M = {}

M.summary = "tells what is wrong with a message"
M.usage = [[lunapost check FILE... [--mbox] [--json]

Tells what an MTA or a reader would object to, with numbers, offsets and the
bytes meant: what reading repairs, and long lines, bare LF, missing Date or
From, 8-bit octets in headers, repeated fields, cids without a part ...
FILE "-" is standard input; a Maildir is all of its messages.

  --mbox  each FILE is an mbox: all of its messages
  --json  one line a message: {"file":..., "severity":..., "findings":[...]}

Exit code: 0 nothing, or harmless things only; 1 other programs may see
something else; 2 the shape of an attack; 66 a file cannot be read.]]
M.flags = { mbox = "flag", json = "flag" }

local codes <const> = {
  none = 0, harmless = 0, interoperability = 1, attack = 2,
}
local UNREADABLE <const> = 66

local function print_json(name, list, worst)
  local findings = json.list()
  for i, one in ipairs(list) do
    findings[i] = json.ordered { { "number", one.number },
      { "severity", one.severity }, { "offset", one.offset },
      { "part", one.part or json.null }, { "text", one.text } }
  end
  output.write(json.encode(json.ordered { { "file", name },
    { "severity", worst }, { "findings", findings } }), "\n")
end

local function print_text(name, message, list, several)
  if several then output.write(name, "\n") end
  if #list == 0 then output.write("nothing to object to\n") end
  show.print_list(message, list)
end

---@param options table
---@return integer code
function M.run(options)
  if #options == 0 then
    io.stderr:write("usage: ", M.usage, "\n")
    return 64
  end
  local code, several = 0, messages.several(options)
  for name, message, problem in messages.each(options) do
    if message then
      local list, worst = message:check()
      if options.json then print_json(name, list, worst)
      else print_text(name, message, list, several) end
      code = math.max(code, codes[worst])
    else
      io.stderr:write("lunapost: check: ", tostring(problem), "\n")
      code = UNREADABLE
    end
  end
  return code
end

return M
