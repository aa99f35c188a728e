--- multipart/report as data: delivery status notifications (RFC 3464),
--- dispositions (RFC 8098), feedback (RFC 5965).

local ascii = require "lunapost.ascii"
local values <const> = require("lunapost.core").mime

local M = {}

---@class lunapost.mime.report
---@field kind "delivery-status"|"disposition-notification"|"feedback-report"
---@field text? string  what the report says to people
---@field message lunapost.mime.report.group  what holds for the whole message
---@field recipients lunapost.mime.report.group[]  of a delivery-status, one a
---  recipient
---@field original? lunapost.mime.part  the message that is reported on, or
---  as much of it as came back

---@class lunapost.mime.report.group
--- The fields by name, lower case with "_" for "-": text; where the RFC says
--- "type; value" the value, its type in NAME_type; dates in seconds since
--- 1970; lists where a field may repeat.
---@field fields table[]  { name, decoded value }, all there are, in order

local DEFECT_REPORT <const> = 208
local WORD <const> = 1000 -- of a value that is a few words, so much is read

-- How a field is read; "text" where nothing is said.
local forms <const> = {
  original_envelope_id = "text", reporting_mta = "typed",
  dsn_gateway = "typed", received_from_mta = "typed", arrival_date = "date",
  original_recipient = "typed", final_recipient = "typed", action = "word",
  status = "word", remote_mta = "typed", diagnostic_code = "typed",
  last_attempt_date = "date", will_retry_until = "date",
  mdn_gateway = "typed", disposition = "disposition",
  original_message_id = "id", error = "list", failure = "list",
  warning = "list", feedback_type = "word", received_date = "date",
  incidents = "number", original_rcpt_to = "list", reported_domain = "list",
  reported_uri = "list", authentication_results = "list",
}

local readers = {}

function readers.text(group, key, value) group[key] = value end

function readers.word(group, key, value)
  value = value:sub(1, WORD)
  group[key] = ascii.lower(value:gsub("%b()", ""):match("^%s*(%S*)"))
end

-- RFC 3464 2.1.2. Senders forget the type.
function readers.typed(group, key, value)
  local kind, rest = value:match("^%s*([%w_+.-]+)%s*;%s*(.*)$")
  group[key], group[key .. "_type"] = rest or value, kind and ascii.lower(kind)
end

function readers.date(group, key, value) group[key] = values.date(value) end

function readers.number(group, key, value) group[key] = tonumber(value) end

function readers.id(group, key, value)
  group[key] = value:match("<(.-)>") or value
end

function readers.list(group, key, value)
  group[key] = group[key] or {}
  table.insert(group[key], value)
end

-- RFC 8098 3.2.6: action-mode/sending-mode; type/modifier,modifier
function readers.disposition(group, key, value)
  local action, sending, rest =
    value:sub(1, WORD):match("^%s*([^/;]*)/?([^;]*);?(.*)$")
  local kind, more = rest:match("^%s*([^/]*)/?(.*)$")
  local modifiers = {}
  for word in more:gmatch("[^%s,]+") do
    modifiers[#modifiers + 1] = ascii.lower(word)
  end
  local function lower(text) return ascii.lower(text:match("^%s*(.-)%s*$")) end
  group[key] = { action = lower(action), sending = lower(sending),
    type = lower(kind), modifiers = modifiers }
end

-- The groups of fields that empty lines part, as text.
local function blocks(body)
  local list, at = {}, 1
  while true do
    at = body:find("[^\r\n]", at)
    if not at then return list end
    local stop = body:find("\n\r?\n", at) or #body
    list[#list + 1] = body:sub(at, stop)
    at = stop + 1
  end
end

local function add(group, key, value)
  local form = forms[key] or "text"
  if group[key] == nil or form == "list" then
    readers[form](group, key, value)
  end
end

local function group_of(block)
  local group = { fields = {} }
  for _, field in ipairs((values.fields(block))) do
    if field[1] then
      local value = values.text(field[2])
      group.fields[#group.fields + 1] = { field[1], value }
      local key = ascii.lower(field[1]):gsub("-", "_")
      if key ~= "fields" then add(group, key, value) end
    end
  end
  return group
end

-- Each block that holds a field.
local function groups_of(body)
  local list = {}
  for _, block in ipairs(blocks(body)) do
    local group = group_of(block)
    if #group.fields > 0 then list[#list + 1] = group end
  end
  return list
end

local required <const> = {
  ["delivery-status"] = { "reporting_mta" },
  ["disposition-notification"] = { "final_recipient", "disposition" },
  ["feedback-report"] = { "feedback_type", "user_agent", "version" },
}
local required_of_recipient <const> = { "final_recipient", "action", "status" }

local function lacks(group, names)
  for _, name in ipairs(names) do
    if group[name] == nil then return true end
  end
end

local function check(report, part)
  local bad = lacks(report.message, required[report.kind])
    or report.kind == "delivery-status" and #report.recipients == 0
  for _, recipient in ipairs(report.recipients) do
    bad = bad or lacks(recipient, required_of_recipient)
  end
  if bad then part:_note(DEFECT_REPORT) end
end

-- "message/global-delivery-status" (RFC 6533) is read alike.
local function kind_of(part)
  local kind = part.type:match("^message/(.*)"):gsub("^global%-", "")
  return required[kind] and kind
end

local function read(part, kind)
  local all = groups_of(part:body())
  local report = { kind = kind, message = all[1] or { fields = {} },
    recipients = {} }
  if kind == "delivery-status" then
    table.move(all, 2, #all, 1, report.recipients)
  end
  check(report, part)
  return report
end

local header_types <const> = {
  ["text/rfc822-headers"] = true, ["message/global-headers"] = true,
}

-- The third part: a message, or its header alone.
local function original_of(part)
  if part.parts and part.type:match("^message/") then return part.parts[1] end
  if header_types[part.type] then
    return require("lunapost.mime").parse(part:body())
  end
end

local function complete(report, around)
  for _, part in ipairs(around) do
    report.original = report.original or original_of(part)
    if not report.text and part.type:match("^text/")
      and not header_types[part.type] then
      report.text = part:body("utf-8")
    end
  end
  return report
end

local function is_status(part)
  return part.type:match("^message/") and kind_of(part)
end

--- What a part reports: itself a status, or a multipart that has one.
---@param part lunapost.mime.part
---@return lunapost.mime.report?  nil where it is no report
function M.of(part)
  if is_status(part) then return read(part, kind_of(part)) end
  if not part.type:match("^multipart/") then return nil end
  for _, one in ipairs(part.parts or {}) do
    if is_status(one) then
      return complete(read(one, kind_of(one)), part.parts)
    end
  end
end

return M
