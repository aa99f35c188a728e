--- A built message for a server that knows no SMTPUTF8: the domains of its
--- addresses as A-labels, RFC 5891.

local entity = require "lunapost.mime.build.entity"
local err = require "lunapost.err"
local idn = require "lunapost.mime.idn"

local M = {}

local list_of

-- One mailbox or group with its domains in ASCII.
local function converted(one)
  if one.group then
    local members, problem = list_of(one.members)
    return members and { group = one.group, members = members }, problem
  end
  local address, problem = idn.address(one.address)
  return address and { name = one.name, address = address }, problem
end

function list_of(list)
  local out = {}
  for i, one in ipairs(list) do
    local problem
    out[i], problem = converted(one)
    if not out[i] then return nil, problem end
  end
  return out
end

-- The fields of a header; those that hold raw UTF-8 are named in wide.
local function fields_of(message)
  local out = table.move(message.fields, 1, #message.fields, 1, {})
  for _, one in ipairs(message.wide or {}) do
    if not one.list then
      return nil, err.of("syntax", one.name .. " is not ASCII, and the server "
        .. "does not offer SMTPUTF8")
    end
    local list, problem = list_of(one.list)
    if not list then return nil, problem end
    out[one.at] = entity.field(one.name, "addresses", one.name, list)
  end
  return out
end

local copy

local function copy_parts(parts)
  if not parts then return nil end
  local out = {}
  for i, part in ipairs(parts) do
    local problem
    out[i], problem = copy(part)
    if not out[i] then return nil, problem end
  end
  return out
end

-- As deep as its author nested it.
function copy(given)
  local out, problem = {}
  for key, value in pairs(given) do out[key] = value end
  out.utf8, out.wide = nil, nil
  out.fields, problem = fields_of(given)
  if not problem then out.parts, problem = copy_parts(given.parts) end
  if not problem and given.message then
    out.message, problem = copy(given.message)
    if out.type == "message/global" then out.type = "message/rfc822" end
  end
  if problem then return nil, problem end
  return setmetatable(out, entity.meta)
end

--- The same message with ASCII addresses.
---@param message lunapost.entity
---@return lunapost.entity? message
---@return lunapost.err? error  what has no such form, or no libidn2 is here
function M.of(message)
  return copy(message)
end

return M
