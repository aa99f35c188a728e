--- Single header fields, as core writes them, for messages that are there.

local ascii = require "lunapost.ascii"
local address = require "lunapost.mime.address"
local core = require "lunapost.core"
local entity = require "lunapost.mime.build.entity"
local fields = require "lunapost.mime.build.fields"

local M = {}

local forms <const> = {
  from = "addresses", sender = "addresses", ["reply-to"] = "addresses",
  to = "addresses", cc = "addresses", bcc = "addresses",
  ["resent-bcc"] = "addresses", ["message-id"] = "words",
  ["in-reply-to"] = "words", references = "words", ["content-id"] = "words",
  date = "date", ["resent-date"] = "date", ["content-type"] = "bare",
  ["content-disposition"] = "bare", ["mime-version"] = "bare",
  ["content-description"] = "text",
}

local function fail(text, ...)
  error(text:format(...), 0)
end

--- Raises where a name is none of a field: RFC 5322 2.2.
---@param name any
function M.check_name(name)
  if type(name) ~= "string" then
    fail("the name of a header field is a string, not %s", type(name))
  elseif not name:find("^[!-9;-~]+$") then
    fail("%q is no name of a header field", name)
  end
end

local writers = {}

function writers.addresses(name, value)
  return entity.field(name, "addresses", name, address.list(value, name))
end

function writers.words(name, value)
  return entity.field(name, "words", name, fields.ids(value, name))
end

local function plain(kind)
  return function(name, value)
    if type(value) ~= "string" then
      fail("%s must be a string, not %s", name, type(value))
    end
    return entity.field(name, kind, name, value)
  end
end

writers.text, writers.bare = plain "text", plain "bare"

function writers.date(name, value)
  if type(value) ~= "number" then return writers.text(name, value) end
  local text = core.compose.date(math.floor(value))
  if not text then
    fail("%s: %d is outside the years 0 to 9999", name, value)
  end
  return writers.text(name, text)
end

--- Writes one field. Misuse raises: CR, LF or NUL in it, what is no address,
--- and Content-Transfer-Encoding, which only what encodes a body may set.
---@param name string
---@param value any
---@return string line  "Name: value\r\n", folded
function M.field(name, value)
  M.check_name(name)
  local lower = ascii.lower(name)
  if lower == "content-transfer-encoding" then
    fail("Content-Transfer-Encoding follows from the body (use set_body)")
  end
  local form = forms[lower]
  if form then return (writers[form](name, value)) end
  return (fields.write({ name, value }, "field"))
end

--- Content-Type with another charset.
---@param kind string
---@param parameters table<string, string>
---@param charset string
---@return string line
function M.type(kind, parameters, charset)
  local names, list = {}, { { "charset", charset } }
  for name in pairs(parameters) do
    if name ~= "charset" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    list[#list + 1] = { name, parameters[name] }
  end
  return (entity.field("Content-Type", "typed", "Content-Type", kind, list))
end

return M
