--- What those fields of a part are computed from that csrc/bind/lpart.c
--- leaves to Lua. Each function gets the part; the fields are described in
--- lunapost.mime.part. What they give is kept, but for what is cheap to make
--- or changes.

local values <const> = require("lunapost.core").mime
local view = require "lunapost.mime.view"

local compute = {}

local ID <const> = 998 -- a longer identifier does not fit a line

-- Without the comments and blanks that obsolete syntax allows around the
-- dots and the at-sign of an identifier, which some have not. A "comment" that
-- is all that stands on a side of it is none: some programs write "<1@(none)>".
local function dense(text)
  if not text:find("[%s(]") or text:find('"', 1, true) then return text end
  local bare = text:sub(1, ID):gsub("%b()", " ")
  local least = bare:find("@", 1, true) and "[^%s@]%s*@%s*[^%s@]" or "%S"
  if not bare:find(least) then bare = text:sub(1, ID) end
  return (bare:gsub("%s*([.@])%s*", "%1"))
end

-- Without a comment before the identifier, which may show another one.
local function uncommented(text)
  if text:byte() ~= 40 then return text end -- "("
  return (text:gsub("^%b()%s*", ""))
end

-- The identifier between angles, or the whole where they are missing.
local function identifier(part, name)
  local raw = part:_field(name)
  if not raw then return nil end
  local text = uncommented(values.unfold(raw))
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

function compute.zone(part)
  local raw = part:_field("Date")
  if not raw then return nil end
  local _, zone = values.date(raw)
  return zone
end

function compute.raw(part)
  local from, _, _, to = part:_offsets()
  return part:_slice(from, to)
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

local fresh <const> = { raw = true, defects = true }

local fields = {}
for name, f in pairs(compute) do fields[name] = { f, name, fresh[name] } end

return fields
