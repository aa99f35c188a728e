--- Messages: read here, built by lunapost.mime.build.
---
--- A message is its root part. Nothing is decoded before it is asked for;
--- parsing never fails on bytes: `message.defects` lists what was repaired.

local options = require "lunapost.options"
local err_of = require "lunapost.err"
local read <const> = require("lunapost.mime.part").read
local reader = require "lunapost.mime.reader"
local core = require "lunapost.core"

local M = {}

local known <const> = { limits = "table" }
local known_open <const> = { limits = "table", map = "boolean" }
local known_limits <const> = {
  depth = "integer", parts = "integer", header = "integer",
  fields = "integer", addresses = "integer",
}

local none <const> = {}

local function limits_of(what, given, keys)
  if given == nil then return none end
  options.check("option of " .. what, given, keys or known, 3)
  local limits = given.limits or none
  options.check("limit of " .. what, limits, known_limits, 3)
  for name, value in pairs(limits) do
    if value < 0 then
      error(("limit '%s' of %s must be 0 or more"):format(name, what), 3)
    end
  end
  return limits
end

local function check_bytes(what, value)
  if type(value) ~= "string" then
    error(("%s needs a string, not %s"):format(what, type(value)), 3)
  end
end

---@class lunapost.mime.limits  passing one is a defect; the rest stays raw
---@field depth? integer  of nested parts; 100
---@field parts? integer  in one message; 10,000
---@field header? integer  bytes of one part's header; 1 MiB
---@field fields? integer  of one header; 10,000
---@field addresses? integer  of one field; 10,000

--- Parses a whole message; it cannot fail on bytes.
---@param bytes string
---@param given? { limits: lunapost.mime.limits }
---@return lunapost.mime.part message  its root part
function M.parse(bytes, given)
  if given == nil then return read(bytes) end
  check_bytes("mime.parse", bytes)
  return read(bytes, limits_of("mime.parse", given))
end

-- The bytes of a file.
local function bytes_of(path)
  local file <close>, problem = io.open(path, "rb")
  if not file then return nil, problem end
  local bytes, why = file:read("a")
  return bytes, why and path .. ": " .. why
end

--- Reads a file and parses it; or maps it, where nobody makes it shorter
--- while the message is in use: that would take the process down (SIGBUS).
--- Of a mapped file only what is asked for is read; what an edit changes is
--- a string again.
---@param path string
---@param given? { limits: lunapost.mime.limits, map: boolean }
---@return lunapost.mime.part? message
---@return lunapost.err? err  of kind "file": it cannot be read, or mapped
function M.open(path, given)
  check_bytes("mime.open", path)
  local limits = limits_of("mime.open", given, known_open)
  local get = given and given.map and core.mapping.open or bytes_of
  local bytes, problem = get(path)
  if not bytes then return nil, err_of.of("file", problem) end
  return read(bytes, limits)
end

--- Reads a message in bounded memory: a reader gives events, one by one.
---@param source string|function  bytes, or an LTN12 source of them
---@param given? { limits: lunapost.mime.limits }
---@return lunapost.mime.reader
function M.reader(source, given)
  if type(source) ~= "string" and type(source) ~= "function" then
    error("mime.reader needs a string or a source, not " .. type(source), 2)
  end
  return reader.new(source, limits_of("mime.reader", given))
end

--- Reads a date of RFC 5322 or of any form found in its place.
---@param text string
---@return integer? epoch  seconds since 1970; nil where it is no date
---@return integer? zone  seconds east of UTC; nil where it tells none
function M.date(text)
  check_bytes("mime.date", text)
  return core.mime.date(text)
end

--- Reads a list of addresses, RFC 5322 3.4 with all its obsolete forms.
--- Groups are flattened, a member's `group` names its group.
---@param text string
---@return lunapost.mime.address[]
function M.addresses(text)
  check_bytes("mime.addresses", text)
  return (core.mime.addresses(text))
end

-- Modules that are loaded when one of their functions is first used.
local modules <const> = {
  message = "build", part = "build", multipart = "build", external = "build",
  report = "build", split = "build", join = "join",
  mbox = "mbox", maildir = "maildir",
}

setmetatable(M, {
  __index = function(self, name)
    if not modules[name] then return nil end
    local value = require("lunapost.mime." .. modules[name])[name]
    rawset(self, name, value)
    return value
  end,
})

return M
