--- lunapost split: one message as several of message/partial.

local core = require "lunapost.core"
local err = require "lunapost.err"
local mime = require "lunapost.mime"
local output = require "lunapost.cli.output"

local M = {
  summary = "splits a message into smaller ones (message/partial)",
  usage = [[lunapost split FILE --size N [--out PREFIX]

Writes messages of at most N octets to PREFIX.1, PREFIX.2 ... and names them.
FILE "-" is standard input; PREFIX is FILE unless given. A message that is
small enough is written as it is, to PREFIX.1. `lunapost join` puts it together
again; its fields may stand in another order then, its lines end with CRLF.

Exit code: 0; 1 where a file cannot be read or written; 64 wrong usage.]],
  flags = { size = "number", out = "value", seed = "value" },
}

local function fail(code, text)
  io.stderr:write("lunapost: split: ", err.printable(tostring(text)), "\n")
  return code
end

local function read(name)
  if name == "-" then return io.stdin:read("a") end
  local file <close>, problem = io.open(name, "rb")
  if not file then return nil, problem end
  local octets, why = file:read("a")
  return octets, why and name .. ": " .. why
end

local function write(path, piece)
  local file <close>, problem = core.system.create(path)
  if not file then return nil, problem end
  for chunk in piece:source() do
    local ok, why = file:write(chunk)
    if not ok then return nil, path .. ": " .. why end
  end
  return file:close()
end

---@param options table  flags
---@return integer code
function M.run(options)
  local name, size = options[1], math.tointeger(options.size)
  if #options ~= 1 then return fail(64, "one FILE is needed") end
  if not size then return fail(64, "--size N is needed, in octets") end
  local prefix = options.out or name ~= "-" and name
  if not prefix then return fail(64, "standard input needs --out PREFIX") end
  local octets, problem = read(name)
  if not octets then return fail(1, problem) end
  local ok, pieces = pcall(mime.split, octets, size, { seed = options.seed })
  if not ok then return fail(64, (pieces:gsub("^[^:]+:%d+: ", ""))) end
  for i, piece in ipairs(pieces) do
    local path = ("%s.%d"):format(prefix, i)
    ok, problem = write(path, piece)
    if not ok then return fail(1, problem) end
    output.write(path, "\n")
  end
  return 0
end

return M
