--- lunapost build: a message from flags, without sending it.

local compose = require "lunapost.cli.compose"
local err = require "lunapost.err"
local options_of = require "lunapost.options"
local output = require "lunapost.cli.output"

local M = {
  summary = "makes a message from flags, and writes it",
  usage = [[lunapost build --from A --to B [options] >FILE

  --from A  --to B     addresses; --to, --cc, --bcc are repeatable, and no
                       Bcc is written
]] .. compose.usage .. [[

  --date D  --message-id I  --seed S
                       instead of now and of random ids: the same seed
                       gives the same octets
  --encoding E         the most that may be used: 7bit (default), 8bit,
                       binary

Exit code: 0, or 64 for wrong usage and files that cannot be read.]],
  flags = { from = "value", to = "list", cc = "list", bcc = "list",
    date = "value", ["message-id"] = "value", seed = "value",
    encoding = "value" },
}
for name, kind in pairs(compose.flags) do M.flags[name] = kind end

local USAGE <const> = 64

local make = options_of.placed(function(options)
  if options[1] then error("unexpected word '" .. options[1] .. "'", 0) end
  if not options.from then error("--from is missing", 0) end
  local message, problem = compose.message(options)
  if not message then error(problem, 0) end
  return message:source { encoding = options.encoding }
end, 0)

---@param options table  flags
---@return integer code
function M.run(options)
  local ok, source = pcall(make, options)
  local problem = not ok and source
  while not problem do
    local chunk
    chunk, problem = source()
    if not chunk then break end
    output.write(chunk)
  end
  if not problem then return 0 end
  io.stderr:write("lunapost: build: ", err.printable(tostring(problem)), "\n")
  return USAGE
end

return M
