--- A calendar object as a part of a message, RFC 5545 and RFC 6047.
--
-- What mail programs show as an invitation is a third alternative beside
-- text and html: text/calendar whose parameter `method` says what the METHOD
-- property within says (RFC 6047 2.4).

local ascii = require "lunapost.ascii"
local content = require "lunapost.mime.build.content"
local options = require "lunapost.options"
local parts = require "lunapost.mime.build.part"

local M = {}

---@class lunapost.calendar_options
---@field data? string  the iCalendar object, UTF-8
---@field path? string  or the name of a file that holds it
---@field method? string  "REQUEST" ...: what the object says, where absent
---@field name? string  attaches it once more as a file of this name

local known <const> = { data = "string", path = "string", method = "string",
  name = "string" }

local function fail(text, ...)
  error(text:format(...), 0)
end

local function octets_of(spec)
  if (spec.data == nil) == (spec.path == nil) then
    fail("calendar needs one of data, path")
  end
  if spec.data then return spec.data end
  local file, problem = content.of_path(spec.path)
  if not file then return nil, problem end
  return file:read()
end

-- What METHOD says, which may be given, too.
local function method_of(octets, given)
  local object = "\n" .. ascii.upper(octets)
  if not object:find("\n%s*BEGIN:VCALENDAR%s") then
    fail("calendar holds no BEGIN:VCALENDAR (a file: { path = ... })")
  end
  local method = object:match("\nMETHOD[^:\r\n]*:[ \t]*([%w-]+)[ \t]*\r?\n")
  if not method then
    fail("calendar has no METHOD: an invitation has METHOD:REQUEST")
  elseif given and ascii.upper(given) ~= method then
    fail("calendar: method %q, but the object says METHOD:%s", given, method)
  end
  return method
end

--- Makes the parts of a calendar object.
---@param given string|lunapost.calendar_options  a string is the object
---@return lunapost.entity? alternative
---@return lunapost.entity|lunapost.err? file_or_error  the same as a file,
---  where it has a name
function M.parts(given)
  local spec = type(given) == "string" and { data = given } or given
  options.check("option of calendar", spec, known, 0)
  local octets, problem = octets_of(spec)
  if not octets then return nil, problem end
  parts.check_utf8(octets, "calendar")
  local method = method_of(octets, spec.method)
  local alternative = parts.part({ type = "text/calendar", data = octets,
    parameters = { method = method } }, "calendar")
  local file = spec.name and parts.part({ type = "application/ics",
    data = octets, name = spec.name, disposition = "attachment" }, "calendar")
  return alternative, file or nil
end

return M
