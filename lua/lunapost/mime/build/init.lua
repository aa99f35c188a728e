--- Messages from one flat table: mime.message, mime.part, mime.multipart.
--
-- The nesting (mixed > related > alternative) follows from what is there,
-- and the order of fields is fixed, so that the same input and seed give the
-- same octets. Core, which writes the fields, lets no CR, LF or NUL out.

local ascii = require "lunapost.ascii"
local address = require "lunapost.mime.address"
local calendar = require "lunapost.mime.build.calendar"
local core = require "lunapost.core"
local entity = require "lunapost.mime.build.entity"
local external = require "lunapost.mime.build.external"
local fields = require "lunapost.mime.build.fields"
local idn = require "lunapost.mime.idn"
local options = require "lunapost.options"
local parts = require "lunapost.mime.build.part"
local report = require "lunapost.mime.build.report"
local split = require "lunapost.mime.build.split"

local M = {}

---@class lunapost.message_options
---@field from? string|table  addresses in any form (see address.lua)
---@field sender? string|table  one address
---@field reply_to? string|table
---@field to? string|table
---@field cc? string|table
---@field bcc? string|table  envelope only, never written
---@field subject? string
---@field date? integer|string|table|false  epoch, a date, os.date "*t"
---@field message_id? string|false
---@field in_reply_to? string|string[]
---@field references? string|string[]
---@field priority? "high"|"normal"|"low"
---@field list_unsubscribe? string|table  URIs or an address, RFC 2369;
---  one_click = true beside an https one promises RFC 8058
---@field headers? table  a map, or a list of pairs { name, value }
---@field text? string
---@field html? string
---@field body? lunapost.entity  a part in place of text and html
---@field calendar? string|lunapost.calendar_options  an invitation
---@field inline? table<string, string|table>  cid -> path or part options
---@field attach? string|table  paths, part options, parts, messages
---@field envelope? table  { from =, to = } where it differs from the header
---@field seed? integer|string  of ids and boundaries; the date becomes 1970

-- Also what a caller with further options may pick out of its table.
---@type table<string, string>
M.options = {
  from = "string|table", sender = "string|table",
  reply_to = "string|table", to = "string|table", cc = "string|table",
  bcc = "string|table", subject = "string",
  date = "number|string|table|boolean", message_id = "string|boolean",
  in_reply_to = "string|table", references = "string|table",
  priority = "string", list_unsubscribe = "string|table", headers = "table",
  text = "string", html = "string", body = "table",
  calendar = "string|table", inline = "table", attach = "string|table",
  envelope = "table", seed = "integer|string",
}

-- The fields with an option of their own, in the order they are written.
local order <const> = {
  { "from", "From", "addresses" }, { "sender", "Sender", "addresses" },
  { "reply_to", "Reply-To", "addresses" }, { "to", "To", "addresses" },
  { "cc", "Cc", "addresses" }, { "subject", "Subject", "text" },
  { "date", "Date", "date" }, { "message_id", "Message-ID", "words" },
  { "in_reply_to", "In-Reply-To", "words" },
  { "references", "References", "words" },
}

local priorities <const> = {
  high = { { "X-Priority", "1" }, { "Importance", "high" },
    { "Priority", "urgent" } },
  normal = {},
  low = { { "X-Priority", "5" }, { "Importance", "low" },
    { "Priority", "non-urgent" } },
}

local function fail(text, ...)
  error(text:format(...), 0)
end

-- The field is written in any case; RFC 2045 4 knows this one value.
local function check_version(value)
  if ascii.text(value) ~= "1.0" then
    fail("headers: MIME-Version must be \"1.0\", not %q", tostring(value))
  end
end

-- Headers that have an option move there; the others stay, in order.
local function sort_headers(given)
  local known, rest = { ["list-unsubscribe"] = given.list_unsubscribe
    and "list_unsubscribe" or nil }, {}
  for _, row in ipairs(order) do known[ascii.lower(row[2])] = row[1] end
  local spec = {}
  for key, value in pairs(given) do spec[key] = value end
  for _, pair in ipairs(fields.pairs(given.headers or {}, "headers")) do
    local option = known[ascii.lower(pair[1])]
    if ascii.lower(pair[1]) == "mime-version" then
      check_version(pair[2])
    elseif not option then
      rest[#rest + 1] = pair
    elseif spec[option] ~= nil then
      fail("headers: %s is given twice", pair[1])
    else
      spec[option] = pair[2]
      options.typed("headers:", pair[1], pair[2], "string|table", 0)
    end
  end
  return spec, rest
end

local function prepare_addresses(value, option)
  local list = address.list(value, option)
  if option == "sender" and #list ~= 1 then
    fail("sender: one address is wanted, not %d", #list)
  end
  return #list > 0 and list or nil
end

local function prepare_text(value, option)
  parts.check_utf8(value, option)
  return value
end

local function prepare_date(value, option)
  if type(value) == "table" then value = os.time(value) end
  if type(value) == "number" then return math.floor(value) end
  if type(value) ~= "string" or not value:find("%d %a%a%a %d+ %d+:%d%d") then
    fail("%s: %q is no date: give seconds since 1970, a table of os.date, or "
      .. "\"Thu, 26 Nov 2026 21:18:59 +0000\"", option, tostring(value))
  end
  return value
end

local function prepare_words(value, option)
  local ids = fields.ids(value, option)
  if option == "message_id" and #ids > 1 then
    fail("message_id: one id is wanted, not %d", #ids)
  end
  return ids
end

local prepare <const> = { addresses = prepare_addresses, text = prepare_text,
  date = prepare_date, words = prepare_words }

local function write_one(what, kind, name, value)
  if kind ~= "date" then return entity.field(what, kind, name, value) end
  if type(value) == "number" then
    local text = core.compose.date(value)
    if not text then fail("%s: %d is outside the years 0 to 9999", what, value)
    end
    value = text
  end
  return entity.field(what, "text", name, value)
end

local function defaults(spec, ids)
  if spec.date == nil or spec.date == true then
    spec.date = spec.seed and 0 or os.time()
  end
  if spec.message_id == nil or spec.message_id == true then
    local from = spec.from and address.mailboxes(spec.from)[1]
    spec.message_id = ids() .. "@"
      .. (from and idn.ascii(from.domain) or "localhost")
  end
end

-- A header that grows: add(name, list, field, raw) keeps a field, and in
-- wide what holds raw UTF-8: the list is of addresses, or nil.
local function new_header()
  local out, wide = {}, {}
  local function add(name, list, field, raw)
    out[#out + 1] = field
    if raw then
      wide[#wide + 1] = { at = #out, name = name, list = list or nil }
    end
  end
  return out, wide, add
end

-- Every field of the header but those of the body, and those of them that
-- hold raw UTF-8; what was prepared is left in spec for the message's readers.
local function header_of(spec, rest)
  local out, wide, add = new_header()
  for _, row in ipairs(order) do
    local option, name, kind = table.unpack(row)
    local value = spec[option]
    if value then
      add(name, kind == "addresses" and value,
        write_one(option, kind, name, value))
    end
  end
  if spec.priority then
    local rows = priorities[spec.priority]
      or options.unknown("priority", spec.priority, priorities, 0)
    for _, row in ipairs(rows) do
      add(row[1], nil, fields.write(row, "priority"))
    end
  end
  for _, row in ipairs(fields.unsubscribe(spec.list_unsubscribe)) do
    add(row[1], nil, fields.write(row, "list_unsubscribe"))
  end
  for _, pair in ipairs(rest) do
    add(pair[1], nil, fields.write(pair, "headers"))
  end
  out[#out + 1] = "MIME-Version: 1.0\r\n"
  return out, wide
end

local function prepare_all(spec, ids)
  if spec.from then spec.from = prepare.addresses(spec.from, "from") end
  defaults(spec, ids)
  for _, row in ipairs(order) do
    local option, kind = row[1], row[3]
    if spec[option] and option ~= "from" then
      spec[option] = prepare[kind](spec[option], option)
    end
  end
  if spec.bcc then
    spec.bcc = prepare.addresses(spec.bcc, "bcc")
    entity.field("bcc", "addresses", "Bcc", spec.bcc or {}) -- looked at only
  end
end

-- Bodies

local function body_part(spec, option, kind)
  if not spec[option] then return nil end
  return parts.part({ type = kind, data = spec[option] }, option)
end

-- What stands in place of text and html.
local function own_body(spec)
  if spec.text or spec.html then
    fail("body stands in place of text and html")
  end
  if not entity.is(spec.body) or spec.body.is_message then
    fail("body must come from mime.part or mime.multipart")
  end
  return spec.body
end

-- text, html and calendar as alternatives, where there is more than one.
local function alternative(spec, invitation)
  local list = {}
  local function add(part) list[#list + 1] = part end
  if spec.body then
    add(own_body(spec))
  else
    add(body_part(spec, "text", "text/plain"))
    add(body_part(spec, "html", "text/html"))
  end
  add(invitation)
  if #list < 2 then return list[1] end
  return parts.multipart("alternative", list)
end

local function inline_part(id, value)
  local what = ("inline.%s"):format(id)
  if type(value) == "string" then value = { path = value } end
  if type(value) ~= "table" then fail("%s must be a path or a table", what) end
  local spec = { id = id, disposition = "inline" }
  for key, option in pairs(value) do spec[key] = option end
  return parts.part(spec, what)
end

local function inline_parts(given)
  local ids, out = {}, {}
  for id in pairs(given or {}) do
    if type(id) ~= "string" then
      fail("inline must map ids to paths or tables: "
        .. "{ logo = \"logo.png\" }, for cid:logo in the html")
    end
    ids[#ids + 1] = id
  end
  table.sort(ids)
  for i, id in ipairs(ids) do
    local problem
    out[i], problem = inline_part(id, given[id])
    if not out[i] then return nil, problem end
  end
  return out
end

local function attached(value, what)
  if type(value) == "string" then value = { path = value } end
  if entity.is(value) and not value.is_message then return value end
  if parts.is_message(value) then
    return parts.copy(value, what, "attachment")
  end
  if type(value) ~= "table" then
    fail("%s must be a path or a table, not %s", what, type(value))
  end
  local spec = { disposition = "attachment" }
  for key, option in pairs(value) do spec[key] = option end
  return parts.part(spec, what)
end

local function attachments(given)
  if given == nil then return {} end
  local single = type(given) == "string" or parts.is_message(given)
    or entity.is(given) or #given == 0 and next(given) ~= nil
  local out = {}
  for i, value in ipairs(single and { given } or given) do
    local problem
    out[i], problem = attached(value, ("attach[%d]"):format(i))
    if not out[i] then return nil, problem end
  end
  return out
end

-- RFC 2387: the root part first, its type named.
local function related(root, inline)
  return parts.multipart("related", { root, parameters = {
    type = root.type }, table.unpack(inline) })
end

-- Everything but the body: parts inline, attached, of the calendar.
local function other_parts(spec)
  local invitation, file, inline, attach, problem
  if spec.calendar then
    invitation, file = calendar.parts(spec.calendar)
    if not invitation then return nil, file end
  end
  inline, problem = inline_parts(spec.inline)
  if not inline then return nil, problem end
  attach, problem = attachments(spec.attach)
  if not attach then return nil, problem end
  attach[#attach + 1] = file
  return { invitation = invitation, inline = inline, attach = attach }
end

-- The tree: mixed > related > alternative, each where it is needed.
local function tree_of(spec)
  local others, problem = other_parts(spec)
  if not others then return nil, problem end
  local inline, attach = others.inline, others.attach
  local root = alternative(spec, others.invitation)
  if root and #inline > 0 and (spec.html or spec.body) then
    root, inline = related(root, inline), {}
  end
  if #inline + #attach == 0 then
    return root or body_part({ text = "" }, "text", "text/plain")
  end
  local list = { root }
  table.move(inline, 1, #inline, #list + 1, list)
  table.move(attach, 1, #attach, #list + 1, list)
  return parts.multipart("mixed", list)
end

-- The envelope

local function addresses_of(lists)
  local out, seen = {}, {}
  for i = 1, lists.n do
    for _, one in ipairs(address.mailboxes(lists[i] or {})) do
      if not seen[one.address] then
        seen[one.address] = true
        out[#out + 1] = one.address
      end
    end
  end
  return out
end

local function envelope_of(spec)
  local given = options.check("envelope", spec.envelope or {},
    { from = "string|table", to = "string|table" }, 0)
  local function list(value, what)
    return value and value ~= "" and address.list(value, what)
  end
  local from = list(given.from, "envelope.from") or spec.sender or spec.from
  local envelope = {
    from = given.from == "" and "" or addresses_of({ n = 1, from })[1],
    to = given.to and addresses_of { n = 1, list(given.to, "envelope.to") }
      or addresses_of { n = 3, spec.to, spec.cc, spec.bcc },
  }
  local all = (envelope.from or "") .. table.concat(envelope.to)
  envelope.utf8 = all:find("[\128-\255]") ~= nil
  return envelope
end

-- Whether a message that is carried needs RFC 6532 itself.
local function carries_utf8(root)
  for node in root:walk() do
    if node ~= root and node.utf8 then return true end
  end
  return false
end

local function message(given)
  options.check("option of mime.message", given, M.options, 0)
  local spec, rest = sort_headers(given)
  local ids = entity.id_source(spec.seed)
  prepare_all(spec, ids)
  local root, problem = tree_of(spec)
  if not root then return nil, problem end
  local out = entity.new {}
  for key, value in pairs(root) do out[key] = value end
  out.fields, out.wide = header_of(spec, rest)
  out.utf8 = #out.wide > 0 or carries_utf8(out)
  out.envelope = envelope_of(spec)
  out.is_message = true
  for _, key in ipairs { "from", "sender", "reply_to", "to", "cc", "bcc",
    "subject", "date", "references", "in_reply_to", "text", "html" } do
    out[key] = spec[key] or nil
  end
  out.message_id = spec.message_id and spec.message_id[1]:sub(2, -2) or nil
  entity.bound(out, ids, spec.seed ~= nil)
  return out
end

--- Makes a message of one table.
---@param given lunapost.message_options
---@return lunapost.entity? message  with source, render, size, envelope
---@return lunapost.err? error  kind "file": what was named cannot be read
M.message = options.placed(entity.sealed(message))

--- Makes one part: a leaf, or a message that is carried.
---@param spec lunapost.part_options
---@return lunapost.entity? part
---@return lunapost.err? error  kind "file": what was named cannot be read
M.part = options.placed(entity.sealed(function(spec)
  return parts.part(spec, "part")
end))

--- Makes a multipart of parts and messages; options stand beside them:
--- parameters, boundary, preamble, epilogue, headers, id, description.
---@param subtype string  "mixed", "digest", "report" ...: any
---@param given table
---@return lunapost.entity? multipart
---@return lunapost.err? error
M.multipart = options.placed(entity.sealed(parts.multipart))

--- Makes a part whose body is elsewhere: message/external-body.
---@param spec lunapost.external_options
---@return lunapost.entity? part
---@return lunapost.err? error
M.external = options.placed(entity.sealed(external.part))

--- Makes a multipart/report of data: of delivery, disposition or abuse.
---@param spec lunapost.report_options
---@return lunapost.entity? multipart  as mime.message{ body = } takes it
---@return lunapost.err? error  kind "file": the original cannot be read
M.report = options.placed(entity.sealed(report.multipart))

--- Splits a message into several of at most size octets: message/partial.
---@param message any  one that was built or read, or octets
---@param size integer
---@param given? { seed: integer|string }
---@return lunapost.entity[]? pieces
---@return lunapost.err? error
M.split = options.placed(split.split)

return M
