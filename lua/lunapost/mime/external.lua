--- message/external-body: bodies that are elsewhere, RFC 2046 5.2.3,
--- RFC 2017. What is where is told; fetching it is a caller's choice.

local ascii = require "lunapost.ascii"
local values <const> = require("lunapost.core").mime

local M = {}

---@class lunapost.mime.external
---@field access string  "anon-ftp", "ftp", "tftp", "local-file",
---  "mail-server", "url", ... lower case; "" where nothing is said
---@field parameters table<string, string>  all of Content-Type, but
---  access-type
---@field site? string  the host that has it
---@field directory? string
---@field name? string  of the file
---@field mode? string  "ascii", "octet", "image", "local8" ... lower case
---@field server? string  address of a mail server
---@field subject? string  of the message to write to it
---@field url? string  without the blanks that RFC 2017 folds it with
---@field size? integer  octets
---@field expiration? integer  seconds since 1970
---@field permission? string  "read" or "read-write", lower case
---@field body string  the phantom body: what to write to a mail server;
---  without meaning for the others
---@field part lunapost.mime.part  what the body will be: the encapsulated
---  header, whose type, id and encoding are those of the external data

local DEFECT_EXTERNAL <const> = 209

-- What must be said of each access-type.
local needs <const> = {
  ["anon-ftp"] = { "name", "site" }, ftp = { "name", "site" },
  tftp = { "name", "site" }, ["local-file"] = { "name" },
  ["mail-server"] = { "server" }, url = { "url" },
}

local function lower(text) return text and ascii.lower(text) end

local function note(data, part)
  local bad = data.access == ""
  for _, name in ipairs(needs[data.access] or {}) do
    bad = bad or data[name] == nil or data[name] == ""
  end
  if bad then part:_note(DEFECT_EXTERNAL) end
end

local function data_of(part)
  local given, body = part.parameters, part:body()
  local phantom = require("lunapost.mime").parse(body)
  local data = {
    access = lower(given["access-type"]) or "", parameters = {},
    site = given.site, directory = given.directory, name = given.name,
    mode = lower(given.mode), server = given.server,
    subject = given.subject,
    url = given.url and given.url:gsub("%s+", ""),
    size = math.tointeger(tonumber(given.size)),
    expiration = given.expiration and values.date(given.expiration) or nil,
    permission = lower(given.permission),
    body = phantom.raw:sub(select(3, phantom:_offsets()) + 1),
    part = phantom,
  }
  for name, value in pairs(given) do
    if name ~= "access-type" then data.parameters[name] = value end
  end
  note(data, part)
  return data
end

-- The encapsulated header with the data behind it.
local function filled(data, bytes)
  local header = data.part.raw:sub(1, #data.part.raw - #data.body)
  if not header:find("\n\r?\n$") and header:find("[^\r\n]") then
    header = header:gsub("\r?\n$", "") .. "\r\n\r\n"
  end
  return require("lunapost.mime").parse(header .. bytes)
end

--- What a message/external-body says of where its body is. With a function:
--- that is called with it, and gives the octets (in the encoding that the
--- encapsulated header tells), or nil and an error; what they make is a part.
---@param part lunapost.mime.part
---@param fetch? fun(data: lunapost.mime.external): string?, any
---@return lunapost.mime.external|lunapost.mime.part|nil  nil where the part
---  is no message/external-body, or fetch gave nothing
---@return any err  what fetch said
function M.external(part, fetch)
  if part.type ~= "message/external-body" then return nil end
  local data = data_of(part)
  if fetch == nil then return data end
  local bytes, problem = fetch(data)
  if bytes == nil then return nil, problem end
  if type(bytes) ~= "string" then
    error("part:external: the function must give a string or nil, not "
      .. type(bytes), 2)
  end
  return filled(data, bytes)
end

return M
