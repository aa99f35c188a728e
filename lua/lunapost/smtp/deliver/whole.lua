--- A message that can be read again and again, and by several at a time.

local err = require "lunapost.err"
local outgoing = require "lunapost.smtp.outgoing"

local M = {}

local PIECE <const> = 65536

-- A file's octets from where it stands, piece by piece.
local function reader_of(message)
  if type(message) == "function" then return message end
  return function() return message:read(PIECE) end
end

local function pour(read, file)
  while true do
    local chunk, problem = read()
    if problem then return nil, problem end
    if not chunk then return true end
    local ok, why = file:write(chunk)
    if not ok then return nil, why end
  end
end

-- Into a file, which is closed.
local function copy_to(path, message)
  local file <close>, problem = io.open(path, "wb")
  if not file then return nil, problem end
  local ok
  ok, problem = pour(reader_of(message), file)
  if not ok then return nil, problem end
  return file:close()
end

-- Into a file of its own, which goes with the result, and where there is none:
-- the source may raise, or who waits for it may be given up.
local function copy(message)
  local path = os.tmpname()
  local kept = setmetatable({ message = { path = path } },
    { __close = function() os.remove(path) end })
  local unkept <close> = setmetatable({}, { __close = function(guard)
    if not guard.kept then os.remove(path) end
  end })
  local ok, problem = copy_to(path, message)
  if not ok then return nil, problem end
  unkept.kept = true
  return kept
end

--- A message to be closed after use: what can be read but once (a source, an
--- open file) is copied to a temporary file.
---@param message any  as for client:send
---@return { message: any }? kept
---@return lunapost.err? error  kind "file"
function M.of(message)
  if type(message) ~= "function" and io.type(message) ~= "file" then
    local content, problem = outgoing.of(message)
    if not content then return nil, problem end
    return setmetatable({ message = message }, { __close = function() end })
  end
  local kept, problem = copy(message)
  if kept then return kept end
  if err.is(problem) then return nil, problem end
  return nil, outgoing.failed(problem)
end

return M
