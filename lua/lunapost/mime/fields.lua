--- What the fields of a part are computed from. Each function gets the part;
--- the fields are described in lunapost.mime.part.

local values <const> = require("lunapost.core").mime
local view = require "lunapost.mime.view"

local compute = {}

local DEFECT_DATE <const> = 107
local DEFECT_ADDRESS <const> = 108
local DEFECT_PARAM <const> = 110
local ID <const> = 998 -- a longer identifier does not fit a line
local DEFECT_ADDRESSES <const> = 405
local DEFECT_PARAMS <const> = 406

-- A raw value in UTF-8, which most are as they stand.
local function legible(part, raw)
  if not raw:find("[\27\x80-\xff]") then return raw end
  return require("lunapost.mime.legible").of(part, raw)
end

-- The word and the parameters of a Content-* field, read once.
local function content(part, name, wordy)
  local key = "_" .. name
  local kept = rawget(part, key)
  if kept then return kept end
  kept = { parameters = {} }
  local raw, offset = part:_field(name)
  if raw then
    local faults, more
    kept.word, kept.parameters, faults, more = values.content(
      wordy and legible(part, raw) or raw, wordy)
    if faults > 0 then
      part:_note(more and DEFECT_PARAMS or DEFECT_PARAM, offset)
    end
  end
  rawset(part, key, kept)
  return kept
end

local function type_of(part)
  return content(part, "Content-Type", false)
end

local function disposition_of(part)
  return content(part, "Content-Disposition", true)
end

-- RFC 2045 5.2, RFC 2046 5.1.5
local function default_type(part)
  local parent = part._state.tree:parent(part._index)
  if parent and part:_at(parent).type == "multipart/digest" then
    return "message/rfc822"
  end
  return "text/plain"
end

function compute.type(part)
  return type_of(part).word or default_type(part)
end

function compute.parameters(part)
  return type_of(part).parameters
end

function compute.disposition(part)
  return disposition_of(part).word
end

function compute.filename(part)
  local name = disposition_of(part).parameters.filename
    or type_of(part).parameters.name
  return name ~= "" and name or nil
end

function compute.encoding(part)
  local raw = part:_field("Content-Transfer-Encoding")
  return raw and (values.content(raw, true)) or "7bit"
end

-- Without the comments and blanks that obsolete syntax allows around the
-- dots and the at-sign of an identifier.
local function dense(text)
  if not text:find("[%s(]") or text:find('"', 1, true) then return text end
  return (text:sub(1, ID):gsub("%b()", " "):gsub("%s*([.@])%s*", "%1"))
end

-- The identifier between angles, or the whole where they are missing.
local function identifier(part, name)
  local raw = part:_field(name)
  if not raw then return nil end
  local text = values.unfold(raw)
  local from = text:find("<", 1, true)
  local to = from and text:find(">", from, true)
  if to then
    text = text:sub(from + 1, to - 1)
  elseif from == 1 then
    text = text:sub(2)
  end
  return values.unfold(dense(text)) -- takes the blanks off
end

function compute.id(part)
  return identifier(part, "Content-ID")
end

function compute.message_id(part)
  return identifier(part, "Message-ID")
end

function compute.description(part)
  return part:header("Content-Description")
end

function compute.subject(part)
  return part:header("Subject")
end

local function addresses(name)
  return function(part)
    local raw, offset = part:_field(name)
    if not raw then return {} end
    local list, faults, more = values.addresses(legible(part, raw),
      part._state.limits.addresses)
    if faults > 0 then part:_note(DEFECT_ADDRESS, offset) end
    if more then part:_note(DEFECT_ADDRESSES, offset) end
    return list
  end
end

compute.from = addresses "From"
compute.to = addresses "To"
compute.cc = addresses "Cc"
compute.bcc = addresses "Bcc"
compute.reply_to = addresses "Reply-To"
compute.sender = addresses "Sender"

function compute.date(part)
  local raw, offset = part:_field("Date")
  if not raw then return nil end
  local epoch = values.date(raw)
  if not epoch then part:_note(DEFECT_DATE, offset) end
  return epoch
end

function compute.zone(part)
  local raw = part:_field("Date")
  if not raw then return nil end
  local _, zone = values.date(raw)
  return zone
end

-- A part that was reached from above has its path already.
function compute.path(part)
  local state = part._state
  local up = state.tree:parent(part._index)
  if not up then return state.path end
  for n, index in ipairs(state.tree:children(up)) do
    if index == part._index then return part:_at(up).path .. "." .. n end
  end
end

local messages <const> = {
  ["message/rfc822"] = true, ["message/global"] = true,
}
local encoded <const> = {
  base64 = true, ["quoted-printable"] = true,
  ["x-uuencode"] = true, uuencode = true, ["x-uue"] = true,
}

function compute.parts(part)
  local tree = part._state.tree
  if tree:kind(part._index) == "leaf" then
    local nests = messages[part.type] and encoded[part.encoding]
    return nests and { part:_nested() } or nil
  end
  local list, path = tree:children(part._index), part.path
  for i, index in ipairs(list) do
    list[i] = part:_at(index)
    rawset(list[i], "path", path .. "." .. i)
  end
  return list
end

function compute.raw(part)
  local from, _, _, to = part._state.tree:offsets(part._index)
  return part._state.bytes:sub(from + 1, to)
end

-- A text is shown without the files that stand uuencoded in it.
local function without_files(part, text)
  if not text:find("begin ", 1, true) then return text end
  return require("lunapost.mime.uuencoded").without(part, text)
end

local function shown(part, body, kind)
  local found = {}
  for _, one in ipairs(view.of(part)[body]) do
    if one.type == kind then
      found[#found + 1] = without_files(one, one:body("utf-8"))
    end
  end
  return #found > 0 and table.concat(found, "\n") or nil
end

function compute.text(part)
  local text = shown(part, "text", "text/plain")
  local other = not text and view.of(part).enriched
  if not other then return text end
  local plain = require("lunapost.mime.enriched").plain
  return plain(other:body("utf-8"), other.type)
end

function compute.html(part)
  return shown(part, "html", "text/html")
end

function compute.report(part)
  return require("lunapost.mime.report").of(part)
end

for _, name in ipairs { "received", "references", "in_reply_to",
  "return_path" } do
  compute[name] = function(part)
    return require("lunapost.mime.trace")[name](part)
  end
end

function compute.defects(part)
  return part:_defects()
end

return compute
