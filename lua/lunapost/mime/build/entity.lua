--- A part of a message that is being built, and its way out.
--
-- Fields are ready strings before anything is written; only the transfer
-- encoding waits for the moment of writing, since it depends on what the
-- peer takes. Writing goes in two walks: `settle` chooses the encodings from
-- the leaves up, `emit` lists what to write: strings, and leaves that are
-- read and encoded step by step as the source is pulled.

local core = require "lunapost.core"
local options = require "lunapost.options"
local output = require "lunapost.mime.build.output"
local reading = require "lunapost.mime.build.reading"
local recode = require "lunapost.mime.build.recode"

local M = {}
local rank <const>, class_of <const> = recode.rank, recode.class_of

---@class lunapost.entity  a message, multipart or part that was built
---@field type string  "text/plain"
---@field parameters table<string, string>
---@field disposition? string
---@field filename? string
---@field id? string  Content-ID without its angle brackets
---@field description? string
---@field parts? lunapost.entity[]  nil on a leaf
---@field encoding string  as a path of seven bits needs it
---@field raw string  as render gives it; raises where that fails, as it
---  does for a source, which can be read only once
---@field defects lunapost.mime.defect[]  what a reader would repair; likewise
local Entity = { __name = "lunapost.entity" }

function Entity.__index(entity, name)
  local method = Entity[name]
  if method ~= nil then return method end
  local compute = reading.fields[name]
  return compute and compute(entity)
end

M.meta = Entity

-- An entity that is sealed: what it is made of lies elsewhere, so that whoever
-- assigns to it is told that nothing would come of that, and nobody who looks
-- into it gets hold of what could be changed.
local Sealed = { __name = Entity.__name }
local owns <const> = setmetatable({}, { __mode = "k" })

function Sealed.__index(entity, name)
  local value = owns[entity][name] -- it has that, so this does not come again
  if value ~= nil then return value end
  return Entity.__index(entity, name)
end

function Sealed.__newindex(entity, name, value)
  if name ~= "envelope" then
    error(("%s: a message that was built stays as it is; build another, or "
      .. "edit mime.parse(message:render())"):format(name), 2)
  end
  owns[entity][name] = value
end

-- Goes through a copy: whoever walks may ask for what is then kept, and gets
-- nothing in hand that could be changed.
function Sealed.__pairs(entity)
  local copy = {}
  for name, value in next, owns[entity] do copy[name] = value end
  return next, copy, nil
end

-- What an entity is made of, sealed or not: for those who need no more.
local function own(entity)
  return owns[entity] or entity
end

local function seal(entity)
  if getmetatable(entity) == Sealed then return end
  local made = {}
  for name, value in next, entity do made[name] = value end
  for name in next, made do entity[name] = nil end
  owns[entity] = made
  setmetatable(entity, Sealed)
end

--- Makes a function that gives its user entities of one that builds them:
--- they and all below them are sealed.
---@generic F: function
---@param build F
---@return F
function M.sealed(build)
  return function(...)
    local root, problem = build(...)
    if not root then return nil, problem end
    for entity in root:walk() do seal(entity) end
    return root
  end
end

-- Why core makes no field of a name and a value.
local function refusal(name, value)
  if not name:find("^[!-9;-~]+$") then return "is no name of a field" end
  if type(value) == "string" and value:find("[\r\n\0]") then
    return "holds CR, LF or NUL"
  end
  return "holds what a field must not"
end

--- Makes a field of core's, or raises with the name of what was wrong.
---@param what string  what the user calls it: "subject"
---@param kind string  a function of core.compose
---@param name string  the field's
---@param ... any  its value, as that function takes it
---@return string field  "Name: value\r\n"
---@return boolean utf8  it holds raw UTF-8
function M.field(what, kind, name, ...)
  local field, utf8_or_kind, text = core.compose[kind](name, ...)
  if field then return field, utf8_or_kind end
  if text == "malformed" then text = refusal(name, (...)) end
  error(("%s: %s"):format(what, text), 0)
end

--- Makes an entity of its fields.
---@param fields table
---@return lunapost.entity
function M.new(fields)
  fields.parameters = fields.parameters or {}
  return setmetatable(fields, Entity)
end

---@param value any
---@return boolean
function M.is(value)
  local meta = getmetatable(value)
  return meta == Sealed or meta == Entity
end

-- Leaves that go as they are where the peer allows: texts, since people read
-- them on the way; messages, which RFC 2046 5.2.1 wants unencoded; anything
-- over a binary path.
local function may_stay(leaf, allowed)
  return leaf.wish or leaf.text_mode or allowed == "binary"
    or leaf.type:find("^text/") or leaf.type:find("^message/")
end

local carriers <const> = {
  ["message/rfc822"] = true, ["message/global"] = true,
}

-- A message that is carried goes unencoded (RFC 2046 5.2.1): what the peer
-- does not take of it is encoded within. Only a header in eight bits leaves
-- no other way than RFC 6532 3.7.
local function carried_encoding(leaf, allowed)
  local made = leaf.recoded and leaf.recoded[allowed]
  if not made then
    local octets = leaf.content:read()
    if not octets then return "base64" end -- reading it fails once more
    made = {}
    made.segments, made.class = recode.segments(octets, allowed)
    leaf.recoded = leaf.recoded or {}
    leaf.recoded[allowed] = made
  end
  return rank[made.class] <= rank[allowed] and made.class or "base64"
end

-- What a leaf needs that is as its scan says.
local function scanned_encoding(leaf, scan, allowed)
  local class = class_of(scan)
  if may_stay(leaf, allowed) and rank[class] <= rank[allowed] then
    return class
  elseif carriers[leaf.type] then
    return carried_encoding(leaf, allowed)
  end
  return leaf.text_mode and recode.text_encoding(scan) or "base64"
end

local function leaf_encoding(entity, allowed)
  local leaf = own(entity)
  local wish = leaf.wish
  if wish and not rank[wish] then return wish end
  if not (may_stay(leaf, allowed) or carriers[leaf.type]) then
    return "base64" -- whatever it is: it need not be looked at
  end
  local scan = leaf.content:scan()
  if scan then return scanned_encoding(leaf, scan, allowed) end
  return allowed == "binary" and "binary" or "base64"
end

-- Chooses the encoding of each entity below and of this one; returns it.
local function settle(entity, allowed, chosen)
  local made = own(entity)
  local inner = made.message and { made.message } or made.parts
  if not inner then
    chosen[entity] = leaf_encoding(entity, allowed)
    return chosen[entity]
  end
  local most = "7bit"
  for _, part in ipairs(inner) do
    local encoding = settle(part, allowed, chosen)
    if (rank[encoding] or 1) > rank[most] then most = encoding end
  end
  chosen[entity] = most
  return most
end

--- Whether the boundary of an entity stands in the octets of a part below
--- root or around parts, or is another's. One that is random need not be asked.
---@param root lunapost.entity
---@param entity lunapost.entity
---@return boolean
function M.clashes(root, entity)
  local function holds(octets)
    return octets and octets:find(entity.boundary, 1, true)
  end
  for other in root:walk() do
    if holds(other.content and other.content.octets)
      or holds(other.preamble) or holds(other.epilogue)
      or other ~= entity and other.boundary == entity.boundary then
      return true
    end
  end
  return false
end

--- Gives each multipart that has none its boundary. "=_" occurs in neither
--- quoted-printable nor base64 (RFC 2045 6.7).
---@param root lunapost.entity
---@param ids fun(): string
---@param seeded boolean  what the ids are may be known: look for them
function M.bound(root, ids, seeded)
  for entity in root:walk() do
    local made = own(entity)
    if made.parts and not made.boundary then
      repeat
        made.boundary = "=_" .. ids()
      until not seeded or not M.clashes(root, entity)
    end
  end
end

--- 24 characters that nobody can foresee.
---@return string
function M.random_id()
  local octets, kind, text = core.crypto.random(18)
  if not octets then error(kind .. ": " .. text, 0) end
  return core.codec.base64_encode(octets, 0, true, true)
end

--- Ids of one message: random, or each from the seed and its number.
---@param seed? integer|string
---@return fun(): string
function M.id_source(seed)
  if seed == nil then return M.random_id end
  local n = 0
  return function()
    n = n + 1
    local octets = core.crypto.digest("sha256", ("%s %d"):format(seed, n))
    return core.codec.base64_encode(octets:sub(1, 18), 0, true, true)
  end
end

local emit

-- The line end that belongs to a delimiter. Encoded lines all end with one,
-- which may be the delimiter's, and so may the empty line of an empty part.
local function line_end(before, chosen)
  if not before or chosen[before] == "base64" then return "" end
  local content = own(before).content
  return content and content.size == 0 and "" or "\r\n"
end

local function emit_parts(entity, chosen, out)
  if entity.preamble then out[#out + 1] = entity.preamble .. "\r\n" end
  local delimiter = "--" .. entity.boundary
  for i, part in ipairs(entity.parts) do
    out[#out + 1] = line_end(entity.parts[i - 1], chosen) .. delimiter
      .. "\r\n"
    emit(part, chosen, out)
  end
  out[#out + 1] = line_end(entity.parts[#entity.parts], chosen) .. delimiter
    .. "--"
  if entity.epilogue then out[#out + 1] = "\r\n" .. entity.epilogue end
end

-- The octets of a leaf, to be read and encoded; or the pieces of a message
-- that was made fit.
local function emit_leaf(leaf, encoding, allowed, out)
  local recoded = own(leaf).recoded
  local made = recoded and recoded[allowed]
  if made and rank[encoding] then
    table.move(made.segments, 1, #made.segments, #out + 1, out)
  else
    out[#out + 1] = { leaf = leaf, encoding = encoding }
  end
end

local function emit_fields(entity, encoding, out)
  for _, field in ipairs(entity.fields) do out[#out + 1] = field end
  local parameters = entity.type_parameters
  if entity.boundary then
    parameters = table.move(parameters, 1, #parameters, 1, {})
    parameters[#parameters + 1] = { "boundary", entity.boundary }
  end
  out[#out + 1] = M.field("type", "typed", "Content-Type", entity.type,
    parameters)
  if encoding ~= "7bit" or not entity.parts then
    out[#out + 1] = "Content-Transfer-Encoding: " .. encoding .. "\r\n"
  end
  for _, field in ipairs(entity.more) do out[#out + 1] = field end
  out[#out + 1] = "\r\n"
end

function emit(entity, chosen, out)
  local encoding, made = chosen[entity], own(entity)
  emit_fields(made, encoding, out)
  if made.parts then
    emit_parts(made, chosen, out)
  elseif made.message then
    emit(made.message, chosen, out)
  else
    emit_leaf(entity, encoding, chosen.allowed, out)
  end
  if made.is_message and made.parts then out[#out + 1] = "\r\n" end
end

-- What the peer takes, of the options of a method; errors point to where
-- the method was called.
local function allowed_by(given)
  if not given then return "7bit" end
  options.check("option of source", given, { encoding = "string" }, 3)
  local allowed = given.encoding or "7bit"
  if not rank[allowed] then options.unknown("encoding", allowed, rank, 3) end
  return allowed
end

-- What is written; and the encoding of the whole.
local function segments(entity, allowed)
  M.bound(entity, M.random_id, false)
  local chosen, out = { allowed = allowed }, {}
  local encoding = settle(entity, allowed, chosen)
  emit(entity, chosen, out)
  return out, encoding
end

-- The class that an encoding makes of an entity.
local function class_with(entity, encoding)
  if not rank[encoding] then encoding = "7bit" end
  return entity.utf8 and encoding == "7bit" and "8bit" or encoding
end

--- An LTN12 source of the message's octets in steps of some 64 KiB; lines
--- end with CRLF. On failure nil and an error.
---@param given? { encoding: "7bit"|"8bit"|"binary" }  what the peer takes
---@return fun(): string?, lunapost.err?
function Entity:source(given)
  return output.source((segments(self, allowed_by(given))))
end

--- What source gives, in pieces: strings, and leaves that are yet to be
--- encoded, for who can do that better (output.reader reads one).
---@param given? { encoding: "7bit"|"8bit"|"binary" }
---@return (string|table)[]
---@return "7bit"|"8bit"|"binary" class  what the octets will be
function Entity:pieces(given)
  local list, encoding = segments(self, allowed_by(given))
  return list, class_with(self, encoding)
end

--- All octets. On failure nil and an error.
---@param given? { encoding: "7bit"|"8bit"|"binary" }
---@return string? octets
---@return lunapost.err? error
function Entity:render(given)
  return output.render((segments(self, allowed_by(given))))
end

--- Octets of the whole, without rendering it; nil where a part comes from a
--- source whose length nobody knows.
---@param given? { encoding: "7bit"|"8bit"|"binary" }
---@return integer?
---@return lunapost.err? error  where a file failed
function Entity:size(given)
  return output.size((segments(self, allowed_by(given))))
end

--- The same message with the domains of its addresses in ASCII, for a server
--- that does not offer SMTPUTF8.
---@return lunapost.entity? message
---@return lunapost.err? error  "syntax": something has no such form; "file":
---  the system has no libidn2
Entity.ascii = M.sealed(function(self)
  return require("lunapost.mime.build.ascii").of(self)
end)

--- What the octets will be, so that a client can tell the server (BODY=).
---@param given? { encoding: "7bit"|"8bit"|"binary" }  what the peer takes
---@return "7bit"|"8bit"|"binary"
function Entity:class(given)
  return class_with(self, settle(self, allowed_by(given), {}))
end

local walk_read <const> = reading.method "walk"

--- The entities of the whole, depth first, this one first; or the parts that
--- a reader gets, each leaf with its decoded body.
---@param what? "bodies"
---@return fun(): lunapost.entity|lunapost.mime.part?, string?
function Entity:walk(what)
  if what then return walk_read(self, what) end
  local stack = { self }
  return function()
    local entity = table.remove(stack)
    if not entity then return nil end
    local inner = entity.message and { entity.message } or entity.parts or {}
    for i = #inner, 1, -1 do stack[#stack + 1] = inner[i] end
    return entity
  end
end

--- The octets of a leaf, before any encoding.
---@return string? octets
---@return lunapost.err? error
function Entity:body()
  if self.message then return self.message:render() end
  if not self.content then return "" end
  return self.content:read()
end

--- The octets of its header, with the empty line.
---@return string
function Entity:_header()
  M.bound(self, M.random_id, false)
  local out = {}
  emit_fields(self, settle(self, "7bit", {}), out)
  return table.concat(out)
end

--- The first field of a name, decoded, as a reader gets it.
---@param name string  in any case
---@return string? value
function Entity:header(name)
  return reading.head(self):header(name)
end

--- All fields of a name, decoded; without a name all fields as they stand.
---@param name? string
---@return string[]|table[] values  or { { name, raw value }, ... } in order
function Entity:headers(name)
  return reading.head(self):headers(name)
end

--- The attached parts, as a reader gets them.
---@type fun(self): lunapost.mime.part[]?, lunapost.err?
Entity.attachments = reading.method "attachments"

--- What an MTA or a reader would object to, and the worst severity.
---@type fun(self): lunapost.mime.finding[]?, string|lunapost.err
Entity.check = reading.method "check"

--- The part tree, drawn.
---@type fun(self): string?, lunapost.err?
Entity.tree = reading.method "tree"

--- The files that stand uuencoded in a text.
---@type fun(self): lunapost.mime.part[]?, lunapost.err?
Entity.uuencoded = reading.method "uuencoded"

--- Where the body of a message/external-body is.
---@type fun(self, fetch: function?): table?, lunapost.err?
Entity.external = reading.method "external"

Entity.parsed = reading.whole
Entity.decode = reading.decode

local function recipients(list)
  local first = list[1]
  local more = #list > 1 and (" and %d more"):format(#list - 1) or ""
  return "to " .. (first.group or tostring(first)) .. more
end

function Entity:__tostring()
  local out = { self.is_message and "message" or "part" }
  local function add(text) out[#out + 1] = text end
  if self.from then add("from " .. tostring(self.from[1])) end
  if self.to and self.to[1] then add(recipients(self.to)) end
  if self.subject then add(("%q"):format(self.subject)) end
  add(self.type)
  if self.parts then add(("(%d parts)"):format(#self.parts)) end
  return table.concat(out, " ")
end

Sealed.__tostring = Entity.__tostring

return M
