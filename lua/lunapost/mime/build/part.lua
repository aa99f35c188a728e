--- Parts and multiparts of a message that is built.
--
-- What is given is checked at once: misuse raises and names the key, a file
-- that cannot be read is nil and an error. Fields are written here; bodies
-- are read and encoded when the message is written (see entity.lua).

local ascii = require "lunapost.ascii"
local content = require "lunapost.mime.build.content"
local core = require "lunapost.core"
local entity = require "lunapost.mime.build.entity"
local own_fields = require "lunapost.mime.build.fields"
local options = require "lunapost.options"
local recode = require "lunapost.mime.build.recode"
local read_part = require "lunapost.mime.part"
local types = require "lunapost.mime.build.types"

local M = {}

local field = entity.field

---@class lunapost.part_options
---@field data? string  the octets
---@field path? string  or a file's name
---@field file? file*  or an open file, from where it stands
---@field source? fun(): string?  or an LTN12 source
---@field message? any  or a message: built, read, or its octets
---@field type? string  media type; by the name's extension where absent
---@field parameters? table<string, string>  of the type
---@field charset? string  of a text, "utf-8" where absent
---@field name? string|false  file name; that of path where absent
---@field disposition? string  "attachment" or "inline"
---@field description? string
---@field id? string  Content-ID
---@field encoding? string  transfer encoding; chosen where absent
---@field headers? table  further fields

local part_options <const> = {
  data = "string", path = "string", file = "userdata", source = "function",
  message = true, type = "string", parameters = "table", charset = "string",
  name = "string|boolean", disposition = "string", description = "string",
  id = "string", encoding = "string", headers = "table",
}

local encodings <const> = {
  ["7bit"] = true, ["8bit"] = true, binary = true, base64 = true,
  ["quoted-printable"] = true,
}

local function fail(text, ...)
  error(text:format(...), 0)
end

-- Type, parameters

local function parameter_list(parameters, what)
  local names, out = {}, {}
  for name, value in pairs(parameters or {}) do
    if type(name) ~= "string" or type(value) ~= "string" then
      fail("%s must map names to strings", what)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do out[i] = { name, parameters[name] } end
  return out
end

-- "text/plain; charset=x" as its type and a table of parameters.
local function split_type(text, what)
  if text:find("[\r\n\0]") then
    fail("%s: type holds CR, LF or NUL", what)
  end
  local kind, rest = text:match("^%s*([^;%s]+)%s*(.*)$")
  if not kind or not kind:find("^[^/]+/[^/]+$")
    or not rest:find("^;") and rest ~= "" then
    fail("%s: type %q is not like \"text/plain\"", what, text)
  end
  local list, faults = core.codec.param_parse(rest)
  if not list or faults > 0 then
    fail("%s: type %q has parameters that are none", what, text)
  end
  local parameters = {}
  for _, pair in ipairs(list) do parameters[pair[1]] = pair[2] end
  return ascii.lower(kind), parameters
end

-- Contents

local origins <const> = { "data", "path", "file", "source", "message" }

local function origin_of(spec, what)
  local found
  for _, name in ipairs(origins) do
    if spec[name] ~= nil then
      if found then fail("%s: both '%s' and '%s' are given", what, found, name)
      end
      found = name
    end
  end
  if not found then
    fail("%s needs one of data, path, file, source, message", what)
  end
  return found
end

local function is_message(value)
  if entity.is(value) then return value.is_message end
  return read_part.is(value) or type(value) == "table" and value.render ~= nil
end

-- A message's own lines end with CRLF, whatever the file system's do.
local function canonical(octets)
  return content.of_string(core.codec.dot_encode(octets, true))
end

local function message_content(value, what)
  if type(value) == "string" then return canonical(value) end
  if not is_message(value) then
    fail("%s: message must be a message or its octets, not %s", what,
      type(value))
  end
  local octets, problem = value:render()
  if not octets then return nil, problem end
  return content.of_string(octets)
end

local openers <const> = {
  data = function(spec) return content.of_string(spec.data) end,
  path = function(spec) return content.of_path(spec.path) end,
  file = function(spec, what)
    if io.type(spec.file) ~= "file" then
      fail("%s: file must be an open file", what)
    end
    return content.of_file(spec.file)
  end,
  source = function(spec) return content.of_source(spec.source) end,
  message = function(spec, what) return message_content(spec.message, what) end,
}

-- Parts

local function is_text_body(spec, node)
  return spec.data and node.type:find("^text/") and not spec.name
    and not spec.disposition
    and not ascii.lower(spec.charset or ""):find("^utf%-?[13]")
end

local function check_utf8(text, what)
  if core.codec.is_utf8(text) then return end
  local _, at = utf8.len(text)
  fail("%s is not UTF-8 (octet %d)", what, at)
end

-- Bodies that people type: line ends become CRLF.
local function text_content(node, spec, what)
  local charset = node.parameters.charset or "utf-8"
  node.parameters.charset = charset
  if ascii.lower(charset) == "utf-8" then check_utf8(spec.data, what) end
  node.text_mode = true
  node.content = canonical(spec.data)
end

-- Files keep each octet; of a text it is worth saying that it is UTF-8.
local function guess_charset(node)
  if node.parameters.charset or not node.type:find("^text/") then return end
  local scan = node.content:scan()
  if scan and scan.eight_bit > 0 and scan.utf8 then
    node.parameters.charset = "utf-8"
  end
end

-- A message that is carried goes unencoded, so its lines must end with CRLF.
local function fix_message(node)
  local scan, problem = node.content:scan()
  if problem then return nil, problem end
  if scan and not scan.canonical then
    local octets
    octets, problem = node.content:read()
    if not octets then return nil, problem end
    node.content = canonical(octets)
  end
  return true
end

local function fill(node, spec, origin, what)
  if origin == "message" and entity.is(spec.message)
    and spec.message.is_message then
    node.message = spec.message
    return true
  elseif is_text_body(spec, node) then
    text_content(node, spec, what)
    return true
  end
  local problem
  node.content, problem = openers[origin](spec, what)
  if not node.content then return nil, problem end
  guess_charset(node)
  if node.type:find("^message/") then return fix_message(node) end
  return true
end

-- An encoding that was asked for must be able to carry the octets.
local function check_encoding(node, what)
  local wish = node.wish
  if not wish then return end
  if not encodings[wish] then
    options.unknown(what .. ": encoding", wish, encodings, 0)
  end
  if node.message or node.parts then
    fail("%s: the encoding of a message or multipart follows from its parts",
      what)
  end
  local scan = wish:find("bit$") and node.content:scan()
  if not scan then return end
  local class = recode.class_of(scan)
  if class == "binary" or wish == "7bit" and class == "8bit" then
    fail("%s: encoding '%s' cannot carry these octets", what, wish)
  end
end

local function disposition_field(node, what)
  local parameters = {}
  if node.filename then parameters[1] = { "filename", node.filename } end
  return field(what .. ": name", "typed", "Content-Disposition",
    node.disposition, parameters)
end

-- The fields behind Content-Type and Content-Transfer-Encoding.
local function more_fields(node, spec, what)
  local out = {}
  if node.disposition then out[1] = disposition_field(node, what) end
  if node.id then
    out[#out + 1] = field(what .. ": id", "words", "Content-ID",
      { "<" .. node.id .. ">" })
  end
  if node.description then
    out[#out + 1] = field(what .. ": description", "text",
      "Content-Description", node.description)
  end
  own_fields.write_all(spec.headers or {}, what .. ": headers", out)
  return out
end

-- Content-Type's parameters, and the name once more for old readers.
local function finish_type(node, what)
  local list = parameter_list(node.parameters, what .. ": parameters")
  if node.filename then
    local plain = not node.filename:find("[\128-\255]")
    list[#list + 1] = { "name", node.filename, not plain }
  end
  node.type_parameters = list
  field(what .. ": type", "typed", "Content-Type", node.type, list)
end

-- Whether a message's header needs RFC 6532.
local function is_global(message)
  if entity.is(message) then return message.utf8 end
  local octets = is_message(message) and message:render() or message
  if type(octets) ~= "string" then return false end
  local head = octets:match("^(.-\n)\r?\n") or octets
  return head:find("[\128-\255]") and utf8.len(head)
end

local function default_type(spec, origin, name)
  if origin == "message" then
    return is_global(spec.message) and "message/global" or "message/rfc822"
  end
  return types.of(name or spec.path)
end

local function name_of(spec)
  if type(spec.name) == "boolean" then return nil end
  return spec.name or spec.path and spec.path:match("([^/]+)/*$")
end

local function id_of(spec)
  return spec.id and spec.id:gsub("^<", ""):gsub(">$", "") or nil
end

local function disposition_of(spec, name)
  return spec.disposition and ascii.lower(spec.disposition)
    or name and "attachment" or nil
end

--- Makes a leaf, or a message that is carried.
---@param spec lunapost.part_options
---@param what string  names it in errors: "attach[1]"
---@return lunapost.entity? part
---@return lunapost.err? error
local function part(spec, what)
  options.check("option of " .. what, spec, part_options, 0)
  local origin = origin_of(spec, what)
  local name = name_of(spec)
  local kind, parameters = split_type(
    spec.type or default_type(spec, origin, name), what)
  for key, value in pairs(spec.parameters or {}) do parameters[key] = value end
  parameters.charset = spec.charset or parameters.charset
  local node = entity.new { type = kind, parameters = parameters,
    filename = name, disposition = disposition_of(spec, name),
    id = id_of(spec), description = spec.description,
    wish = spec.encoding and ascii.lower(spec.encoding), fields = {} }
  local filled, problem = fill(node, spec, origin, what)
  if not filled then return nil, problem end
  check_encoding(node, what)
  node.more = more_fields(node, spec, what)
  finish_type(node, what)
  return node
end

-- Multiparts

local multipart_options <const> = {
  parameters = "table", boundary = "string", preamble = "string",
  epilogue = "string", headers = "table", id = "string",
  description = "string", disposition = "string",
}

local function check_boundary(node, what)
  local boundary = node.boundary
  if not boundary then return end
  if not boundary:find("^[%w'()+_,%-./:=? ]*[%w'()+_,%-./:=?]$")
    or #boundary > 70 then
    fail("%s: boundary %q is not as RFC 2046 5.1.1 wants it", what, boundary)
  elseif entity.clashes(node, node) then
    fail("%s: boundary %q occurs in its parts", what, boundary)
  end
end

local function between(text)
  return text and core.codec.dot_encode(text, true)
end

local copy

-- A part below the root of a message that was read, without its parts.
local function copy_leaf(value, what)
  local parameters = {}
  for name, text in pairs(value.parameters) do
    if name ~= "name" then parameters[name] = text end
  end
  local kind = value.type
  if kind:find("^multipart/") then kind = types.unknown end
  return part({ data = value:body(), type = kind, parameters = parameters,
    name = value.filename, description = value.description, id = value.id,
    disposition = value.disposition or "attachment" }, what)
end

local function copy_multipart(value, what)
  local given = { parameters = {}, id = value.id }
  for name, text in pairs(value.parameters) do
    if name ~= "boundary" then given.parameters[name] = text end
  end
  for i, inner in ipairs(value.parts) do
    local problem
    given[i], problem = copy(inner, what)
    if not given[i] then return nil, problem end
  end
  return M.multipart(value.type:match("/(.*)$"), given)
end

--- Carries on what was built or read: a message whole, a part of one that
--- was read (it stands below its root) as a part of its own.
---@param value table
---@param what string
---@param disposition? string  of a message
---@return lunapost.entity? part
---@return lunapost.err? error
function copy(value, what, disposition)
  if entity.is(value) or not tostring(value.path):find(".", 1, true) then
    return part({ message = value, disposition = disposition }, what)
  elseif value.type:find("^multipart/") and value.parts[1] then
    return copy_multipart(value, what)
  end
  return copy_leaf(value, what)
end

-- A member of a multipart: a part as it is, a message carried as one.
local function member(value, what)
  if entity.is(value) and not value.is_message then return value end
  if is_message(value) then return copy(value, what) end
  fail("%s must be a part or a message, not %s", what, type(value))
end

local function split_options(given)
  local named = {}
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" then named[key] = value end
  end
  return named
end

local function members(list, what)
  local parts = {}
  for i, value in ipairs(list) do
    local problem
    parts[i], problem = member(value, ("%s[%d]"):format(what, i))
    if not parts[i] then return nil, problem end
  end
  return parts
end

--- Makes a multipart of parts and messages.
---@param subtype string
---@param given table  the parts, with options beside them
---@return lunapost.entity? multipart
---@return lunapost.err? error
local function multipart(subtype, given)
  local what = "multipart/" .. tostring(subtype)
  if type(given) ~= "table" then
    fail("%s needs a list of parts, not %s", what, type(given))
  end
  local spec = options.check("option of " .. what, split_options(given),
    multipart_options, 0)
  local parts, problem = members(given, what)
  if not parts then return nil, problem end
  if #parts == 0 then fail("%s needs at least one part", what) end
  local node = entity.new { type = split_type(what, what), parts = parts,
    parameters = spec.parameters, boundary = spec.boundary,
    preamble = between(spec.preamble), epilogue = between(spec.epilogue),
    disposition = spec.disposition, description = spec.description,
    id = id_of(spec), fields = {} }
  check_boundary(node, what)
  node.more = more_fields(node, spec, what)
  finish_type(node, what)
  return node
end

M.is_message = is_message
M.split_type = split_type
M.parameter_list = parameter_list
M.copy = copy
M.check_utf8 = check_utf8
M.part = part
M.multipart = multipart

return M
