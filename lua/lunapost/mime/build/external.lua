--- message/external-body: a part whose body is elsewhere, RFC 2046 5.2.3 and
--- RFC 2017.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local entity = require "lunapost.mime.build.entity"
local fields = require "lunapost.mime.build.fields"
local options = require "lunapost.options"
local parts = require "lunapost.mime.build.part"

local M = {}

---@class lunapost.external_options
---@field access string  "anon-ftp", "ftp", "tftp", "local-file",
---  "mail-server", "url", or another with its `parameters`
---@field site? string  host: ftp, anon-ftp, tftp, local-file
---@field name? string  file: ftp, anon-ftp, tftp, local-file
---@field directory? string
---@field mode? string  of the transfer: "image", "octet" ...
---@field server? string  address of a mail server
---@field subject? string  of the mail that asks it
---@field command? string  its body
---@field url? string
---@field expiration? integer|string  epoch, or a date
---@field size? integer  octets
---@field permission? "read"|"read-write"
---@field parameters? table<string, string>  further ones
---@field type? string  media type of what is fetched
---@field encoding? string  its transfer encoding
---@field id? string  its Content-ID; made where absent
---@field description? string
---@field headers? table  further fields of what is fetched
---@field disposition? string

local known <const> = {
  access = "string", site = "string", name = "string", directory = "string",
  mode = "string", server = "string", subject = "string", command = "string",
  url = "string", expiration = "integer|string", size = "integer",
  permission = "string", parameters = "table", type = "string",
  encoding = "string", id = "string", description = "string",
  headers = "table", disposition = "string",
}

-- What each access-type needs, and may have beside that.
local kinds <const> = {
  ftp = { needs = { "name", "site" }, takes = { "directory", "mode" } },
  ["local-file"] = { needs = { "name" }, takes = { "site" } },
  ["mail-server"] = { needs = { "server" }, takes = { "subject" } },
  url = { needs = { "url" }, takes = {} },
}
kinds["anon-ftp"], kinds.tftp = kinds.ftp, kinds.ftp

local own <const> = { "site", "name", "directory", "mode", "server",
  "subject", "url" }
local permissions <const> = { read = true, ["read-write"] = true }

local function fail(text, ...)
  error(text:format(...), 0)
end

local function has(list, name)
  for _, one in ipairs(list) do
    if one == name then return true end
  end
end

local function check_kind(spec, access)
  local kind = kinds[access]
  if not kind then return end
  for _, name in ipairs(kind.needs) do
    if not spec[name] then fail("external: %s needs '%s'", access, name) end
  end
  for _, name in ipairs(own) do
    if spec[name] and not has(kind.needs, name) and not has(kind.takes, name)
    then
      fail("external: %s takes no '%s'", access, name)
    end
  end
  if spec.command and access ~= "mail-server" then
    fail("external: %s takes no 'command'", access)
  end
end

local function expiration_of(value)
  if math.type(value) ~= "integer" then return value end
  return core.compose.date(value)
    or fail("external: expiration %d is outside the years 0 to 9999", value)
end

-- The parameters of Content-Type; "URL" is written as RFC 2017 has it.
local function parameters_of(spec, access)
  local out = { ["access-type"] = access == "url" and "URL" or access,
    expiration = expiration_of(spec.expiration), permission = spec.permission,
    URL = spec.url }
  for _, name in ipairs(own) do
    if name ~= "url" then out[name] = spec[name] end
  end
  out.size = spec.size and tostring(spec.size)
  for name, value in pairs(spec.parameters or {}) do out[name] = value end
  return out
end

-- An id that follows from what is fetched: the same input, the same octets.
local function id_of(type, parameters)
  local words = { type }
  for _, pair in ipairs(parts.parameter_list(parameters, "external")) do
    words[#words + 1] = ("%q=%q"):format(pair[1], pair[2])
  end
  local octets = core.crypto.digest("sha256", table.concat(words, " "))
  return core.codec.base64_encode(octets:sub(1, 18), 0, true, true)
    .. "@localhost"
end

-- The header of what is fetched, which stands in the part as its body.
local function phantom(spec, access)
  local out = {}
  local function add(what, ...)
    out[#out + 1] = entity.field("external: " .. what, ...)
  end
  local type, parameters = parts.split_type(
    spec.type or "application/octet-stream", "external")
  add("type", "typed", "Content-Type", type,
    parts.parameter_list(parameters, "external: type"))
  local id = spec.id or id_of(type, access)
  add("id", "words", "Content-ID", fields.ids(id, "external: id"))
  if spec.encoding then
    add("encoding", "typed", "Content-Transfer-Encoding", spec.encoding, {})
  end
  fields.write_all(spec.headers or {}, "external: headers", out)
  return table.concat(out) .. "\r\n" .. (spec.command or "")
end

--- Makes a part that says where its body is to be had.
---@param spec lunapost.external_options
---@return lunapost.entity? part
---@return lunapost.err? error
function M.part(spec)
  options.check("option of mime.external", spec, known, 0)
  if not spec.access then fail("external: 'access' is missing") end
  local access = ascii.lower(spec.access)
  check_kind(spec, access)
  local where = parameters_of(spec, access)
  if spec.permission and not permissions[spec.permission] then
    options.unknown("permission", spec.permission, permissions, 0)
  end
  return parts.part({ type = "message/external-body",
    parameters = where, message = phantom(spec, where),
    description = spec.description, disposition = spec.disposition },
    "external")
end

return M
