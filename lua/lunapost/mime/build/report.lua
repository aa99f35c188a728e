--- multipart/report from data: notices of delivery (RFC 3464), of
--- disposition (RFC 8098), and reports of abuse (RFC 5965).

local ascii = require "lunapost.ascii"
local entity = require "lunapost.mime.build.entity"
local options = require "lunapost.options"
local part = require "lunapost.mime.part"
local parts = require "lunapost.mime.build.part"

local M = {}

---@class lunapost.report_options
---@field kind "delivery-status"|"disposition-notification"|"feedback-report"
---@field text? string  what people read
---@field fields table<string, string|integer>  of the report, by name
---@field recipients? table<string, string>[]  of a delivery report: the
---  fields of each
---@field original? any  what it is about: a message or its octets
---@field headers_only? boolean  only the header of that goes back
---@field boundary? string

local known <const> = {
  kind = "string", text = "string", fields = "table", recipients = "table",
  original = true, headers_only = "boolean", boundary = "string",
}

-- What a field's value begins with where its author left that out.
local address <const>, mta <const> = "rfc822; ", "dns; "

-- Fields in their order: name, what precedes a plain value, "needed".
local delivery <const> = {
  { "Original-Envelope-Id" }, { "Reporting-MTA", mta, true },
  { "DSN-Gateway", mta }, { "Received-From-MTA", mta }, { "Arrival-Date" },
}
local recipient <const> = {
  { "Original-Recipient", address }, { "Final-Recipient", address, true },
  { "Action", "", true }, { "Status", "", true }, { "Remote-MTA", mta },
  { "Diagnostic-Code", "smtp; " }, { "Last-Attempt-Date" },
  { "Final-Log-ID" }, { "Will-Retry-Until" },
}
local disposition <const> = {
  { "Reporting-UA" }, { "MDN-Gateway", mta },
  { "Original-Recipient", address }, { "Final-Recipient", address, true },
  { "Original-Message-ID" }, { "Disposition", "", true }, { "Failure" },
  { "Error" }, { "Warning" },
}
local feedback <const> = {
  { "Feedback-Type", "", true }, { "User-Agent", "", true },
  { "Version", "", true }, { "Original-Envelope-Id" },
  { "Original-Mail-From" }, { "Original-Rcpt-To" }, { "Arrival-Date" },
  { "Reporting-MTA", mta }, { "Source-IP" }, { "Incidents" },
  { "Authentication-Results" }, { "Reported-Domain" }, { "Reported-URI" },
}

local kinds <const> = {
  ["delivery-status"] = delivery, ["disposition-notification"] = disposition,
  ["feedback-report"] = feedback,
}

local actions <const> = { failed = true, delayed = true, delivered = true,
  relayed = true, expanded = true }

local function fail(text, ...)
  error(text:format(...), 0)
end

-- A semicolon may as well be the value's own: "550 unknown; try another".
local function with_prefix(value, prefix)
  value = ascii.text(value)
  if not prefix or prefix == "" or value:find("^%s*[%w_+.-]+%s*;") then
    return value
  end
  return prefix .. value
end

-- The given fields by lower case name, as lists.
local function by_name(given, what)
  local out = {}
  for name, value in pairs(given) do
    if type(name) ~= "string" then
      fail("%s must map names to values", what)
    end
    local list = type(value) == "table" and value or { value }
    out[ascii.lower(name)] = { name, list }
  end
  return out
end

-- A group of fields: the known ones in their order, then the others.
local function group(rows, given, what, out)
  local left = by_name(given, what)
  local function write(name, prefix, values)
    for _, value in ipairs(values) do
      out[#out + 1] = entity.field(("%s: %q"):format(what, name), "bare",
        name, with_prefix(value, prefix))
    end
  end
  for _, row in ipairs(rows) do
    local name, prefix, needed = table.unpack(row)
    local found = left[ascii.lower(name)]
    if found then write(name, prefix, found[2]) end
    if needed and not found then fail("%s: %s is missing", what, name) end
    left[ascii.lower(name)] = nil
  end
  local names = {}
  for name in pairs(left) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do write(left[name][1], "", left[name][2]) end
end

local function check_recipient(one, what)
  local given = by_name(one, what)
  local action = given.action and ascii.lower(tostring(given.action[2][1]))
  if action and not actions[action] then
    options.unknown(what .. ": Action", action, actions, 0)
  end
  local status = given.status and tostring(given.status[2][1])
  if status and not status:find("^[245]%.%d%d?%d?%.%d%d?%d?$") then
    fail("%s: Status %q is not like \"5.1.1\"", what, status)
  end
end

-- The octets of the part that programs read.
local function facts(spec)
  local out = {}
  group(kinds[spec.kind], spec.fields or {}, "report: fields", out)
  if spec.kind ~= "delivery-status" then
    if spec.recipients then fail("report: %s has no recipients", spec.kind) end
    return table.concat(out)
  end
  if not (spec.recipients and spec.recipients[1]) then
    fail("report: recipients are missing")
  end
  for i, one in ipairs(spec.recipients) do
    local what = ("report: recipients[%d]"):format(i)
    options.typed("report:", "recipients", one, "table", 0)
    check_recipient(one, what)
    out[#out + 1] = "\r\n"
    group(recipient, one, what, out)
  end
  return table.concat(out)
end

-- The header alone of a message in any form.
local function header_of(original)
  if part.is(original)
    or type(original) == "table" and original.headers then
    original = original:render()
  end
  if type(original) ~= "string" then
    fail("report: original must be a message or its octets")
  end
  local all = original:gsub("\r\n", "\n")
  return (("\n" .. all):match("^(.-\n)\n") or all):gsub("^\n", "")
end

local function original_part(spec)
  if spec.original == nil then return nil end
  if spec.headers_only then
    return parts.part({ type = "text/rfc822-headers",
      data = header_of(spec.original) }, "report: original")
  end
  return parts.part({ message = spec.original }, "report: original")
end

--- Makes a report: the body of a message, as mime.message{ body = } takes it.
---@param spec lunapost.report_options
---@return lunapost.entity? multipart
---@return lunapost.err? error  where the original could not be read
function M.multipart(spec)
  options.check("option of mime.report", spec, known, 0)
  if not kinds[spec.kind] then
    options.unknown("kind of report", spec.kind, kinds, 0)
  end
  local original, problem = original_part(spec)
  if problem then return nil, problem end
  local given = {
    parts.part({ type = "text/plain", data = spec.text or "" },
      "report: text"),
    parts.part({ type = "message/" .. spec.kind, message = facts(spec) },
      "report"),
    original,
    parameters = { ["report-type"] = spec.kind }, boundary = spec.boundary,
  }
  return parts.multipart("report", given)
end

return M
