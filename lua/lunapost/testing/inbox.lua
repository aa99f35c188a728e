--- What a server for a spec has been sent: messages and their envelopes. A
--- server that runs in a process of its own keeps them in a folder, where
--- the spec's process reads them.

local core = require "lunapost.core"
local mime = require "lunapost.mime"

local system = core.system

local M = {}

---@class lunapost.testing.envelope
---@field from string
---@field to string[]
---@field helo string
---@field user? string  who authenticated
---@field tls boolean
---@field parameters table<string, string|true>  of MAIL

--- The envelope of a session, as plain values.
---@param session lunapost.session
---@return lunapost.testing.envelope
function M.envelope(session)
  local to, parameters = {}, {}
  for i, path in ipairs(session.envelope.to) do to[i] = path.address end
  for name, value in pairs(session.envelope.parameters) do
    parameters[name] = value
  end
  return { from = session.envelope.from.address, to = to,
    helo = session.helo, user = session.user, tls = session.tls ~= nil,
    parameters = parameters }
end

-- A value as Lua reads it: strings, booleans, numbers, tables of these.
local function written(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local list = {}
  for key, one in pairs(value) do
    list[#list + 1] = ("[%s] = %s"):format(written(key), written(one))
  end
  return "{ " .. table.concat(list, ", ") .. " }"
end

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

--- Writes a message into the folder; it is there whole or not at all.
---@param folder string
---@param count { n: integer }
---@param bytes string
---@param envelope lunapost.testing.envelope
function M.keep(folder, count, bytes, envelope)
  count.n = count.n + 1
  local path = ("%s/%d."):format(folder, count.n)
  write(path .. "envelope", "return " .. written(envelope))
  write(path .. "part", bytes)
  assert(system.rename(path .. "part", path .. "eml"))
end

-- A list that looks for more where its end was.
local function growing(folder, suffix, read)
  local function look(list, n)
    local path = ("%s/%d."):format(folder, n)
    if math.type(n) ~= "integer" or not system.stat(path .. "eml") then
      return nil
    end
    list[n] = read(path .. suffix)
    return rawget(list, n)
  end
  return setmetatable({}, { __index = look, __len = function(list)
    local n = rawlen(list)
    while look(list, n + 1) do n = n + 1 end
    return n
  end })
end

--- The messages and envelopes that come to be in the folder.
---@param folder string
---@return lunapost.mime.part[] messages
---@return lunapost.testing.envelope[] envelopes
function M.open(folder)
  return growing(folder, "eml", function(path)
    return assert(mime.open(path))
  end), growing(folder, "envelope", function(path)
    return assert(loadfile(path, "t", {}))()
  end)
end

--- Removes the folder.
---@param folder string
function M.remove(folder)
  for _, name in ipairs(system.list(folder) or {}) do
    system.remove(folder .. "/" .. name)
  end
  system.remove_folder(folder)
end

return M
