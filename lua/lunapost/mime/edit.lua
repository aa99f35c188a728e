--- Changes a message that was read, in place: what is not changed keeps its
--- bytes, so that signatures over other parts, odd folds and odd charsets
--- stay what they were.
---
--- Each change makes new bytes and reads them again; the parts that a caller
--- holds go on as they are, those that are gone keep showing what they were.
--- A signature over what is changed is broken by it, of course.

local codec = require "lunapost.codec"
local encoding = require "lunapost.mime.encoding"
local read <const> = require("lunapost.mime.part").read
local written = require "lunapost.mime.written"

local M = {}

-- Messages before and after

local function key_of(at, depth) return at .. ":" .. depth end

-- Where each part of a message begins and how deep it is, by its index.
local function starts_of(message)
  local starts = {}
  for i = 1, message:_count() do
    local at, depth = message:_place(i)
    starts[i] = { at, depth }
  end
  return starts
end

-- Where what began at an offset begins now: nowhere within from..to.
local function moved(at, from, to, delta)
  if at <= from then return at end
  return at >= to and at + delta or nil
end

-- Turns the parts that were handed out to the message that was read anew.
-- Those that the bytes from..to held stay with the old one.
local function rebind(old, fresh, from, to, delta)
  local places, made, gone = {}, {}, {}
  for i, start in ipairs(starts_of(fresh)) do
    places[key_of(start[1], start[2])] = i
  end
  local starts, handed = starts_of(old), old:_made()
  old:_made(gone)
  fresh:_made(made)
  for index, part in pairs(handed) do
    local at = moved(starts[index][1], from, to, delta)
    local now = at and places[key_of(at, starts[index][2])]
    if now then
      part:_turn(fresh, now)
      made[now] = part
    else
      gone[index] = part
    end
  end
end

-- A message within an encoded part: that part's body is what changed.
local function encode_again(root)
  local origin = root._state.origin
  M.set_body(origin, root:_slice())
  origin:_keep("parts", { root })
end

-- Puts bytes in place of those from..to (offsets from 0, to is behind).
local function splice(part, from, to, bytes)
  local state = part._state
  if state.within_text then
    error("part " .. state.path .. " stands in a text: set the body of that",
      0)
  end
  part:_noted() -- nobody asked what was wrong before
  local fresh = read(part:_slice(0, from) .. bytes .. part:_slice(to),
    state.limits, state.path, state.origin)
  rebind(part, fresh, from, to, #bytes - (to - from))
  if state.origin then encode_again(fresh:_at(1)) end
end

-- The header

-- The line end that the part's header uses.
local function eol_of(part)
  local from, _, to = part:_offsets()
  local eol = part:_slice(from, to):match("\r?\n")
  return eol or part:_slice():match("\r?\n") or "\r\n"
end

-- Where the field that begins at an offset ends.
local function field_end(bytes, at)
  repeat
    at = bytes:find("\n", at + 1, true)
    if not at then return #bytes end
  until not bytes:find("^[ \t]", at + 1)
  return at
end

-- Length of the empty line that ends a header, 0 without one.
local function empty_line(header)
  local line = header:match("^\r?\n$") or header:match("\n(\r?\n)$")
  return line and #line or 0
end

-- Where a further field goes, before the empty line, and what goes before it.
local function header_end(part)
  local from, _, to = part:_offsets()
  local header = part:_slice(from, to)
  local empty = empty_line(header)
  if empty > 0 or header == "" or header:sub(-1) == "\n" then
    return to - empty, ""
  end
  return to, eol_of(part)
end

local function add_line(part, line)
  local place, before = header_end(part)
  splice(part, place, place, before .. line)
end

local function set_line(part, name, line)
  local _, at = part:_field(name)
  if not at then return add_line(part, line) end
  local bytes = part:_slice()
  local stop = field_end(bytes, at)
  if bytes:byte(stop) ~= 10 then line = line:gsub("\r?\n$", "") end
  splice(part, at, stop, line)
end

-- Removes all fields of a name but the first `kept`.
local function drop_all_but(part, name, kept)
  local bytes, out, first, last = part:_slice(), {}, nil, nil
  for nth = kept + 1, math.huge do
    local _, at = part:_field(name, nth)
    if not at then break end
    if first then out[#out + 1] = bytes:sub(last + 1, at) end
    first, last = first or at, field_end(bytes, at)
  end
  if first then splice(part, first, last, table.concat(out)) end
end

local function line_of(part, name, value)
  return (written.field(name, value):gsub("\r\n", eol_of(part)))
end

--- Sets a field: its first one is replaced where it stands, others of its
--- name go; without one it is added to the end of the header. A value of nil
--- removes all of them.
---@param part lunapost.mime.part
---@param name string
---@param value string|number|table|nil  as mime.message takes it: addresses
---  in any form, a date as seconds since 1970, text in UTF-8
---@return lunapost.mime.part part
function M.set(part, name, value)
  written.check_name(name)
  if value ~= nil then set_line(part, name, line_of(part, name, value)) end
  drop_all_but(part, name, value == nil and 0 or 1)
  return part
end

--- Adds a field to the end of the header, whatever is there of its name.
---@param part lunapost.mime.part
---@param name string
---@param value string|number|table  as for set
---@return lunapost.mime.part part
function M.add(part, name, value)
  add_line(part, line_of(part, name, value))
  return part
end

-- What assigning to a part's field sets.
local headers <const> = {
  subject = "Subject", from = "From", to = "To", cc = "Cc", bcc = "Bcc",
  reply_to = "Reply-To", sender = "Sender", date = "Date",
  message_id = "Message-ID", in_reply_to = "In-Reply-To",
  references = "References", id = "Content-ID",
  description = "Content-Description",
}

-- What is to be called instead for others.
local instead <const> = {
  text = "set_text(text) of the part that holds it",
  html = "set_text(html) of the part that holds it",
  body = "set_body(octets)", raw = "replace(octets)",
  type = "set(\"Content-Type\", value)",
  parameters = "set(\"Content-Type\", value)",
  encoding = "set_body(octets), which chooses one",
  disposition = "set(\"Content-Disposition\", value)",
  filename = "set(\"Content-Disposition\", value)",
  parts = "replace(other) or remove() of one of them",
}

--- Assigns to a field of a part: the header field that it is read from is
--- set; for what is read from elsewhere it raises, and names what to call.
---@param part lunapost.mime.part
---@param name any
---@param value any
function M.assign(part, name, value)
  if headers[name] then
    M.set(part, headers[name], value)
    return
  end
  error(instead[name]
    and ("'%s' of a part cannot be assigned to: call part:%s"):format(name,
      instead[name])
    or ("a part has no field '%s' to assign to: part:set(name, value) sets "
      .. "a header field"):format(tostring(name)), 2)
end

-- Bodies

-- Boundaries of what is around a part, those of other trees left out.
local function boundaries(part)
  local list, around = {}, part
  while true do
    around = around:_up()
    if not around then return list end
    if around.parameters.boundary and around.parts then
      list[#list + 1] = "--" .. around.parameters.boundary
    end
  end
end

local function collides(part, bytes)
  if not bytes:find("--", 1, true) then return false end
  bytes = "\n" .. bytes
  for _, line in ipairs(boundaries(part)) do
    if bytes:find("\n" .. line, 1, true) then return true end
  end
  return false
end

-- The body as it is to stand, and the encoding that it is in.
local function encoded(part, bytes)
  local name = encoding.fit(bytes, part.encoding,
    part.type:find("^text/") ~= nil)
  local body = encoding.encode(bytes, name, eol_of(part))
  if collides(part, body) then
    name = "base64"
    body = encoding.encode(bytes, name, eol_of(part))
  end
  return body, name
end

-- What must stand before a body whose header no empty line ends.
local function gap(part)
  local from, _, at = part:_offsets()
  local header = part:_slice(from, at)
  if empty_line(header) > 0 then return "" end
  local eol = eol_of(part)
  return (header == "" or header:sub(-1) == "\n") and eol or eol .. eol
end

--- Sets the body of a leaf, or of an encoded message: octets, which are
--- encoded as the part was where that fits, else by quoted-printable (text)
--- or base64.
---@param part lunapost.mime.part
---@param bytes string  octets; for text in UTF-8 see set_text
---@return lunapost.mime.part part
function M.set_body(part, bytes)
  if type(bytes) ~= "string" then
    error("set_body needs a string, not " .. type(bytes), 2)
  end
  if part:_kind() ~= "leaf" then
    error("set_body needs a leaf: a " .. part.type .. " has parts", 2)
  end
  local body, name = encoded(part, bytes)
  local changes = name ~= part.encoding
  local _, _, at, stop = part:_offsets()
  splice(part, at, stop, gap(part) .. body)
  if changes then
    set_line(part, "Content-Transfer-Encoding", "Content-Transfer-Encoding: "
      .. name .. eol_of(part))
  end
  return part
end

--- Sets the text of a leaf of type text/*. It is written in the part's
--- charset, or where that lacks a character, in UTF-8.
---@param part lunapost.mime.part
---@param text string  UTF-8
---@return lunapost.mime.part part
function M.set_text(part, text)
  if type(text) ~= "string" or not utf8.len(text) then
    error("set_text needs a string of UTF-8", 2)
  elseif not part.type:find("^text/") then
    error("set_text needs a text, not " .. part.type, 2)
  end
  local eol = part.encoding == "base64" and "\r\n" or eol_of(part)
  text = text:gsub("\r?\n", eol)
  local charset = part.parameters.charset or "us-ascii"
  local bytes = codec.charset.encode(text, charset)
  if not bytes then
    local line = written.type(part.type, part.parameters, "utf-8")
    set_line(part, "Content-Type", (line:gsub("\r\n", eol_of(part))))
  end
  return M.set_body(part, bytes or text)
end

-- Whole parts

local function octets_of(value)
  if type(value) == "string" then return value end
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" or not value.render then
    error("a part, a message or octets are needed, not " .. kind, 3)
  end
  return value:render()
end

--- Puts another part in the place of this one, header and all.
---@param part lunapost.mime.part
---@param other lunapost.mime.part|lunapost.entity|string  or its octets
---@return lunapost.mime.part? part
---@return lunapost.err? err  of kind "file": what a part is made of cannot be
---  read
function M.replace(part, other)
  local octets, problem = octets_of(other)
  if not octets then return nil, problem end
  if collides(part, octets) then
    error("the octets hold a boundary of what is around them", 2)
  end
  local from, _, _, to = part:_offsets()
  splice(part, from, to, octets)
  return part
end

-- From where the boundary line before a part begins, its line end included;
-- not before the multipart's body does.
local function boundary_before(bytes, at, least)
  local i = at - 1
  while i > 0 and bytes:byte(i) ~= 10 do i = i - 1 end
  i = math.max(0, i - 1)
  if i > 0 and bytes:byte(i) == 13 then i = i - 1 end
  return math.max(i, least)
end

--- Takes a part out of its multipart, with the boundary before it.
---@param part lunapost.mime.part
function M.remove(part)
  local up = part:_up()
  if not up or up:_kind() ~= "multipart" then
    error("only a part of a multipart can be removed", 2)
  end
  local at, _, _, stop = part:_offsets()
  local _, _, least = up:_offsets()
  splice(part, boundary_before(part:_slice(), at, least), stop, "")
end

return M
