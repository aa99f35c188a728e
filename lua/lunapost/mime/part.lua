--- A part of a message that was read, the message itself being the first.
---
--- A part is a userdata (csrc/bind/lpart.c): an index into a map of offsets,
--- which its message holds, and the string that they point into. Its fields
--- are computed when they are looked at; lists stay the same ones.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local view = require "lunapost.mime.view"

local parts <const>, values <const> = core.parts, core.mime

---@class lunapost.mime.address
---@field name string  display name, decoded; "" where there is none
---@field address string  local@domain; "" where there is none, as in "<>"
---@field group? string  name of its group

---@class lunapost.mime.defect
---@field number integer
---@field text string
---@field severity "harmless"|"interoperability"|"attack"
---@field offset integer  in the bytes of the message
---@field part? string  path of the message inside an encoded part, where the
---  offset is in that message's bytes

---@class lunapost.mime.part
---@field type string  "text/plain", lower case; the default where missing
---@field parameters table<string, string>  of Content-Type, decoded
---@field disposition? string  "attachment", "inline", ... lower case
---@field filename? string  decoded; as it was sent, slashes and all
---@field encoding string  Content-Transfer-Encoding, lower case; "7bit"
---@field id? string  Content-ID without angles
---@field description? string
---@field parts? lunapost.mime.part[]  nil on a leaf
---@field raw string  header and body as they stand
---@field path string  "1.2": where it is in the message, whose path is "1"
---@field subject? string
---@field from lunapost.mime.address[]
---@field to lunapost.mime.address[]
---@field cc lunapost.mime.address[]
---@field bcc lunapost.mime.address[]
---@field reply_to lunapost.mime.address[]
---@field sender lunapost.mime.address[]
---@field date? integer  seconds since 1970
---@field zone? integer  of that date, seconds east of UTC; nil if unknown
---@field message_id? string  without angles
---@field text? string  the plain text to show, UTF-8, or, where there is
---  none, the plain rendering of an enriched one; nil where none is
---@field html? string  the HTML to show, UTF-8
---@field report? lunapost.mime.report  what a multipart/report tells
---@field received lunapost.mime.received[]  its Received fields
---@field references string[]  identifiers without angles
---@field in_reply_to string[]
---@field return_path? string  the envelope's sender, "" for "<>"
---@field defects lunapost.mime.defect[]  of the whole message; decoding may
---  find more of them
---@field header fun(self: lunapost.mime.part, name: string): string?  the
---  first field of a name, in any case: unfolded, encoded words decoded, UTF-8
---@field body fun(self: lunapost.mime.part, charset?: "utf-8"): string  the
---  body, its transfer encoding undone; with "utf-8", from its charset, too,
---  each byte that has no meaning there U+FFFD
---@field _field fun(self: lunapost.mime.part, name: string, nth?: integer):
---  string?, integer?  the nth raw value with its folds, and its offset
---@field walk fun(self: lunapost.mime.part, bodies?: "bodies"): fun():
---  lunapost.mime.part?, string?  visits the part and all below it, depth
---  first; with "bodies", each leaf's body comes with it, a text's in UTF-8
local methods = {}

for name, compute in pairs(require "lunapost.mime.fields") do
  methods[name] = compute
end

local meta = { __name = "lunapost.mime.part" }

local M = { meta = meta }

local defect_meta = { __name = "lunapost.mime.defect" }

function defect_meta.__tostring(defect)
  return ("%d at %d%s: %s (%s)"):format(defect.number, defect.offset,
    defect.part and " of part " .. defect.part or "",
    defect.text, defect.severity)
end

M.defect_meta = defect_meta

local DEFECTS_MOST <const> = 1000

-- Adds what was put off until somebody asks.
local function tell(part)
  local noted = part:_noted() or {}
  for i = 1, #noted, 3 do
    local one, number, where = table.unpack(noted, i, i + 2)
    if math.type(where) then
      one:_note(number, where)
    else
      one:_misread(number, where)
    end
  end
end

-- The list that all parts of a message share, those of messages in encoded
-- parts, too.
local function defects_of(part)
  local state = part._state
  while state.origin do
    part = state.origin
    state = part._state
  end
  if not state.defects then
    state.defects = part:_found()
    for _, defect in ipairs(state.defects) do
      setmetatable(defect, defect_meta)
    end
    tell(part)
  end
  return state.defects
end

local function add_defect(part, defect, path)
  local list = defects_of(part)
  if #list >= DEFECTS_MOST then return end
  defect.part = path
  list[#list + 1] = setmetatable(defect, defect_meta)
end

-- Makes meta and methods those of parts, and gives the function that reads
-- a message.
local read <const> = core.part.bind(meta, methods)

--- Parses bytes.
---@param bytes string
---@param limits? table
---@return lunapost.mime.part
M.read = read

--- Is it a part, or a message, that was read?
---@param value any
---@return boolean
function M.is(value)
  return type(value) == "userdata" and getmetatable(value) == meta
end

--- Parses a message within another's encoded part, which is given its path,
--- and that part.
---@param bytes string
---@param limits table
---@param path string
---@param origin lunapost.mime.part
---@return lunapost.mime.part
function M.parse(bytes, limits, path, origin)
  local part = read(bytes, limits, path, origin)
  for _, defect in ipairs((part:_found())) do
    add_defect(part, defect, path)
  end
  return part
end

local function author(part)
  local who = part.from[1]
  if not who then return "" end
  return " from " .. (who.address ~= "" and who.address or who.name)
end

function meta.__tostring(part)
  local count = 0
  for _ in part:walk() do count = count + 1 end
  return ("%s: \"%s\"%s, %d part%s, %d bytes"):format(
    part._index == 1 and "message" or part.type,
    (part.subject or ""):gsub("[\0-\31\127]", " "), author(part),
    count, count == 1 and "" or "s", part:size())
end

--- Assigning sets the header field, or raises: see lunapost.mime.edit.
function meta.__newindex(part, name, value)
  return require("lunapost.mime.edit").assign(part, name, value)
end

--- Notes a defect of this part, once.
---@param number integer
---@param offset? integer  in the tree's bytes; the body's by default
function methods:_note(number, offset)
  local state = self._state
  offset = offset or select(3, self:_offsets())
  local key = self._index .. ":" .. number .. ":" .. offset
  state.noted = state.noted or {}
  if state.noted[key] then return end
  state.noted[key] = true
  add_defect(self, parts.defect(number, offset),
    state.origin and state.path or nil)
end

--- Notes a defect of the body, where lunapost.mime.locate finds it.
---@param number integer
---@param what "octet"|"charset"|"character"
function methods:_misread(number, what)
  self:_note(number, require("lunapost.mime.locate")[what](self))
end

--- A raw value in UTF-8.
function methods:_legible(raw)
  return require("lunapost.mime.legible").of(self, raw)
end

--- The list of defects of the whole message.
function methods:_defects()
  return defects_of(self)
end

--- The message inside an encoded message/rfc822.
function methods:_nested()
  local limits = {}
  for name, value in pairs(self._state.limits) do limits[name] = value end
  local depth = 1
  for _ in self.path:gmatch("%.") do depth = depth + 1 end
  limits.depth = math.max(0, (limits.depth or 100) - depth)
  return M.parse(self:body(), limits, self.path .. ".1", self)
end

local function check_name(name)
  if type(name) ~= "string" then
    error("the name of a header field is a string, not " .. type(name), 3)
  end
end

local DEFECT_WORD <const> = 109

local function decoded(part, raw, offset)
  if raw:find("[\27\x80-\xff]") then raw = part:_legible(raw) end
  local text, faults = values.text(raw)
  if faults > 0 then part:_note(DEFECT_WORD, offset) end
  return text
end

--- All fields of a name, decoded; without a name all fields as they stand.
---@param name? string
---@return string[]|table[] values  or { { name, raw value }, ... } in order
function methods:headers(name)
  local all = self:_fields()
  if name == nil then return all end
  check_name(name)
  local list, wanted = {}, ascii.lower(name)
  for _, field in ipairs(all) do
    if #field[1] == #wanted and ascii.lower(field[1]) == wanted then
      list[#list + 1] = decoded(self, field[2])
    end
  end
  return list
end

local PIECE <const> = 65536

-- Pieces of the message's bytes from an offset to another.
local function slices(part, from, to)
  return function()
    if from >= to then return nil end
    local upto = math.min(from + PIECE, to)
    local piece = part:_slice(from, upto)
    from = upto
    return piece
  end
end

-- Pieces of the raw body.
local function body_slices(part)
  local _, _, from, to = part:_offsets()
  return slices(part, from, to)
end

local codecs <const> = {
  base64 = "base64", ["quoted-printable"] = "quoted_printable",
  ["x-uuencode"] = "uu", uuencode = "uu", ["x-uue"] = "uu",
}

local function decoder_of(encoding)
  local name = codecs[encoding]
  return name and require("lunapost.codec")[name].decoder()
end

-- Streams the raw body.
local function stream(part, sink)
  for piece in body_slices(part) do
    local ok, problem = sink(piece)
    if not ok then return nil, problem end
  end
  sink(nil)
  return true
end

--- Streams the decoded body into an LTN12 sink, in pieces of bounded size.
---@param sink fun(chunk: string?, err: any): any, any
---@return true? done
---@return any err  what the sink said
function methods:decode(sink)
  local decoder = decoder_of(self.encoding)
  if not decoder then return stream(self, sink) end
  for piece in body_slices(self) do
    local ok, problem = sink(decoder:update(piece))
    if not ok then return nil, problem end
  end
  local rest = decoder:finish()
  if not rest then return stream(self, sink) end -- no "begin": as it stands
  if rest ~= "" then
    local ok, problem = sink(rest)
    if not ok then return nil, problem end
  end
  sink(nil)
  return true
end

-- The body of a leaf, a text in UTF-8.
local function held(part)
  if part.parts then return nil end
  return part:body(part.type:find "^text/" and "utf-8" or nil)
end

--- Visits the part and all below it, depth first: where messages stand in
--- encoded parts, which are read on the way.
---@param bodies? "bodies"
---@return fun(): lunapost.mime.part?, string?
function methods:_descend(bodies)
  local stack, n = { self }, 1
  return function()
    if n == 0 then return nil end
    local part = stack[n]
    n = n - 1
    local below = part.parts
    for i = below and #below or 0, 1, -1 do
      n = n + 1
      stack[n] = below[i]
    end
    if bodies then return part, held(part) end
    return part
  end
end

-- for part in message:attachments() do: each call gives the one behind.
local function callable(list)
  local places = {}
  for i, part in ipairs(list) do places[part] = i end
  return setmetatable(list, {
    __name = "lunapost.mime.attachments",
    __call = function(_, _, last) return list[(places[last] or 0) + 1] end,
  })
end

--- The parts that are neither the text nor the HTML to show (RFC 8621
--- 4.1.4): files, images, messages, and what stands uuencoded in the text.
--- A list that a `for` may call as well.
---@return lunapost.mime.part[]
function methods:attachments()
  local flat = view.of(self)
  for _, part in ipairs(flat.text) do
    local list = part:uuencoded()
    table.move(list, 1, #list, #flat.attachments + 1, flat.attachments)
  end
  return callable(flat.attachments)
end

--- The tree of parts as text, a line a part: type, charset or file name,
--- encoding, size of the decoded body, first words. Or as a picture.
---@param form? "text"|"svg"
---@return string
function methods:tree(form)
  if form ~= nil and form ~= "text" and form ~= "svg" then
    error("part:tree gives \"text\" or \"svg\"", 2)
  end
  return require("lunapost.mime.picture")[form or "text"](self)
end

--- The bytes of the part, as they were read.
---@return string
function methods:render()
  return self.raw
end

--- The same as an LTN12 source.
---@return fun(): string?
function methods:source()
  local from, _, _, to = self:_offsets()
  return slices(self, from, to)
end

--- Length of render().
---@return integer bytes
function methods:size()
  local from, _, _, to = self:_offsets()
  return to - from
end

-- Methods that few messages need: their modules, which say what they do, are
-- loaded when they are first called.
local others <const> = {
  external = "external", uuencoded = "uuencoded", set = "edit",
  add = "edit", set_body = "edit", set_text = "edit", replace = "edit",
  remove = "edit", check = "check",
}

for name, module in pairs(others) do
  methods[name] = function(...)
    return require("lunapost.mime." .. module)[name](...)
  end
end

return M
