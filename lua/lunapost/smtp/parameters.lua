--- Parameters of MAIL and RCPT as what they mean: path.typed. Their syntax was
--- checked in core (esmtp.c) before anybody sees them.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"

local M = {}

-- RFC 3461 4
local function xtext(text)
  return (text:gsub("%+(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function number(text)
  return math.tointeger(tonumber(text)) or text
end

local function time(text)
  return (core.mime.date(text)) or text
end

local readers <const> = {
  SIZE = number, HOLDFOR = number, ["MT-PRIORITY"] = number,
  BODY = ascii.upper, RET = ascii.upper, ENVID = xtext, HOLDUNTIL = time,
  SUBMITTER = xtext,
}

-- RFC 3461 4.1
function readers.NOTIFY(text)
  local set = {}
  for word in ascii.upper(text):gmatch "[A-Z]+" do set[word] = true end
  return set
end

-- RFC 3461 4.2
function readers.ORCPT(text)
  local kind, address = text:match "^([^;]+);(.*)$"
  return { type = ascii.lower(kind), address = xtext(address) }
end

-- RFC 4954 5
function readers.AUTH(text)
  return text == "<>" and "" or xtext(text)
end

-- RFC 2852 4
function readers.BY(text)
  local seconds, mode, trace = ascii.upper(text):match "^([+-]?%d+);([NR])(T?)$"
  return { seconds = number(seconds), mode = mode, trace = trace == "T" }
end

-- RFC 7293 5.1; without an action, the receiver's own
function readers.RRVS(text)
  local since, action = text:match "^([^;]+);?([A-Za-z]?)$"
  return { since = time(since), action = action ~= "" and ascii.upper(action)
    or nil }
end

--- The parameters, each as what it means; those that are unknown as they are.
---@param parameters table<string, string|integer|true>
---@return table
function M.typed(parameters)
  local typed = {}
  for keyword, value in pairs(parameters) do
    local read = type(value) == "string" and readers[keyword]
    typed[keyword] = read and read(value) or value
  end
  return typed
end

return M
