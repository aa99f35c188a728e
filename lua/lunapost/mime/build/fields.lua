--- Header fields of a user's own, as core writes them.

local ascii = require "lunapost.ascii"
local address = require "lunapost.mime.address"
local entity = require "lunapost.mime.build.entity"
local options = require "lunapost.options"

local M = {}

local field = entity.field

local function fail(text, ...)
  error(text:format(...), 0)
end

-- Fields that say what only the builder knows, and what to use instead.
local own_fields <const> = {
  ["content-type"] = "type", ["content-transfer-encoding"] = "encoding",
  ["content-disposition"] = "disposition", ["content-id"] = "id",
  ["content-description"] = "description", ["mime-version"] = "nothing",
  bcc = "bcc", ["resent-bcc"] = "the envelope",
}

-- Fields of a user's own that hold addresses.
local address_fields <const> = {
  ["resent-from"] = true, ["resent-sender"] = true, ["resent-to"] = true,
  ["resent-cc"] = true, ["disposition-notification-to"] = true,
  ["return-receipt-to"] = true, ["mail-followup-to"] = true,
  ["mail-reply-to"] = true,
}

-- Fields that know no encoded words: their ASCII stays as it is.
local bare_fields <const> = {
  received = true, ["return-path"] = true, ["auto-submitted"] = true,
  ["dkim-signature"] = true, ["authentication-results"] = true,
  ["feedback-id"] = true, ["message-context"] = true, autocrypt = true,
}

local function kind_of(name, value)
  name = ascii.lower(name)
  if address_fields[name] then return "addresses" end
  local structured = bare_fields[name] or name:find("^list%-")
    or name:find("^arc%-")
  return structured and not value:find("[\128-\255]") and "bare" or "text"
end

--- A map or list of headers as a list of { name, value }: first the list in
--- its order, then the map by name.
---@param headers table
---@param what string
---@return { [1]: string, [2]: any }[]
function M.pairs(headers, what)
  local out, names = {}, {}
  for i, pair in ipairs(headers) do
    if type(pair) ~= "table" or type(pair[1]) ~= "string" then
      fail("%s[%d] must be a pair { name, value }", what, i)
    end
    out[#out + 1] = pair
  end
  for name in pairs(headers) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b)
    local x, y = ascii.lower(a), ascii.lower(b)
    if x == y then return a < b end
    return x < y
  end)
  for _, name in ipairs(names) do
    local value = headers[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      out[#out + 1] = { name, one }
    end
  end
  return out
end

--- Writes one field of a user's own.
---@param pair { [1]: string, [2]: any }
---@param what string
---@return string field
---@return boolean utf8
function M.write(pair, what)
  local name, value = pair[1], pair[2]
  local instead = own_fields[ascii.lower(name)]
  if instead then
    fail("%s: %s is not to be given here (use %s)", what, name, instead)
  end
  if type(value) == "number" then value = ascii.text(value) end
  if type(value) ~= "string" then
    fail("%s: %s must be a string, not %s", what, name, type(value))
  end
  what = ("%s: %q"):format(what, name)
  local kind = kind_of(name, value)
  if kind == "addresses" then value = address.list(value, what) end
  return field(what, kind, name, value)
end

--- Writes all of a table of headers behind what out holds.
---@param headers table
---@param what string
---@param out string[]
function M.write_all(headers, what, out)
  for _, pair in ipairs(M.pairs(headers, what)) do
    out[#out + 1] = M.write(pair, what)
  end
end

--- "<a@b> <c@d>", "a@b" or a list of such, as a list of "<a@b>".
---@param value string|string[]
---@param what string
---@return string[]
function M.ids(value, what)
  local out = {}
  local function add(text)
    if type(text) ~= "string" then
      fail("%s must be a string, not %s", what, type(text))
    end
    if text:find("[\r\n\0]") then fail("%s: holds CR, LF or NUL", what) end
    for id in text:gmatch("[^%s,]+") do
      out[#out + 1] = "<" .. id:gsub("^<", ""):gsub(">$", "") .. ">"
    end
  end
  for _, one in ipairs(type(value) == "table" and value or { value }) do
    add(one)
  end
  if #out == 0 then fail("%s: no id is given", what) end
  return out
end

-- "<URI>" of a URI or an address, as RFC 2369 2 wants it.
local function uri_of(value)
  if type(value) ~= "string" then
    fail("list_unsubscribe must be URIs, not %s", type(value))
  end
  local uri = value:match("^<(.*)>$") or value
  if not uri:find("^%a[%w+.-]*:") and uri:find("^[^@]+@[^@]+$") then
    uri = "mailto:" .. uri
  end
  if not uri:find("^%a[%w+.-]*:[!-;=?-~]+$") then
    fail("list_unsubscribe: %q is no URI in ASCII", value)
  end
  return uri
end

local function uris_of(given)
  local list, secure = {}, false
  for i, value in ipairs(given) do
    local uri = uri_of(value)
    secure = secure or ascii.lower(uri):find("^https:") ~= nil
    list[i] = "<" .. uri .. ">"
  end
  for key in pairs(given) do
    if not list[key] and key ~= "one_click" then
      options.unknown("option of list_unsubscribe", key,
        { one_click = true }, 0)
    end
  end
  return list, secure
end

--- The fields of a list's unsubscribing, RFC 2369 3.2 and RFC 8058.
---@param given? string|table  a URI or several; one_click = true
---@return { [1]: string, [2]: string }[]
function M.unsubscribe(given)
  if given == nil then return {} end
  if type(given) == "string" then given = { given } end
  local list, secure = uris_of(given)
  if #list == 0 then fail("list_unsubscribe: no URI is given") end
  local rows = { { "List-Unsubscribe", table.concat(list, ", ") } }
  if given.one_click then
    if not secure then
      fail("list_unsubscribe: one_click needs an https URI (RFC 8058 3.1)")
    end
    rows[2] = { "List-Unsubscribe-Post", "List-Unsubscribe=One-Click" }
  end
  return rows
end

return M
