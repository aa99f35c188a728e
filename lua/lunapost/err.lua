--- What a failed call returns beside nil (API section 5).
--
-- An error is a table that prints as one useful line, so that assert() is
-- enough, and that a script can take apart.

---@class lunapost.err
--- kind is dns connect tls auth timeout closed reply syntax limit protocol;
--- file: what a message is made of (a path, an open file, a source) could
--- not be read; process: a local program failed; or unconfirmed: whether the
--- message was taken is not known.
---@field kind string
---@field code? integer  the reply's code, where a reply said no
---@field enhanced? string  its enhanced status code, RFC 3463
---@field text string  what went wrong, in words
---@field command? string  the command that was answered, secrets masked
---@field host? string  the peer
---@field reason? string  of a name that was not found: nxdomain nodata
--- servfail refused malformed
---@field fingerprint? string  sha256 of a certificate that was refused, as the
--- option `pin` takes it
---@field transient? boolean  true when trying again later may help
---@field reply? table  the whole reply
---@field transcript? table  the last lines of the dialogue, secrets masked

local M = {}

local meta = { __name = "lunapost.err" }
M.meta = meta

local transient_kinds <const> = {
  dns = true, connect = true, timeout = true, closed = true,
}

-- Replaces each octet that is neither UTF-8 nor a letter of Latin 1.
local function without_stray(text)
  local pieces, at = {}, 1
  while at <= #text do
    local ok, bad = utf8.len(text, at)
    pieces[#pieces + 1] = text:sub(at, ok and #text or bad - 1)
    if ok then break end
    pieces[#pieces + 1] = text:sub(bad, bad):gsub("[\x80-\x9f]", "?")
    at = bad + 1
  end
  return table.concat(pieces)
end

--- Text as a terminal may be shown it: "?" for each control character, those
--- of C1 included, in UTF-8 and as single octets, and for what breaks a line or
--- turns its order round (U+2028..202E, 2066..2069).
---@param text string
---@return string
function M.printable(text)
  if not text:find("[\0-\x1f\x7f-\x9f]") then return text end
  text = text:gsub("[\0-\x1f\x7f]", "?"):gsub("\xc2[\x80-\x9f]", "?")
    :gsub("\xe2\x80[\xa8-\xae]", "?"):gsub("\xe2\x81[\xa6-\xa9]", "?")
  return utf8.len(text) and text or without_stray(text)
end

---@param e lunapost.err
---@return string line  host: code enhanced text (command)
function meta.__tostring(e)
  local line = {}
  if e.host then line[#line + 1] = e.host .. ":" end
  if e.code then line[#line + 1] = tostring(e.code) end
  if e.enhanced then line[#line + 1] = e.enhanced end
  line[#line + 1] = e.text ~= "" and e.text or e.code and "(no reason given)"
    or e.kind
  if e.command then line[#line + 1] = "(" .. e.command .. ")" end
  return M.printable(table.concat(line, " "))
end

function meta.__concat(a, b)
  return tostring(a) .. tostring(b)
end

--- Makes an error of a table of its fields. `transient` follows from the
--- reply's code or the kind unless given.
---@param fields table
---@return lunapost.err
function M.new(fields)
  if fields.transient == nil then
    if fields.code then
      fields.transient = fields.code >= 400 and fields.code < 500
    else
      fields.transient = transient_kinds[fields.kind] or false
    end
  end
  return setmetatable(fields, meta)
end

--- Makes an error of what core returned after nil.
---@param kind string
---@param text string
---@param more? table  further fields
---@return lunapost.err
function M.of(kind, text, more)
  local fields = { kind = kind, text = text }
  for k, v in pairs(more or {}) do fields[k] = v end
  return M.new(fields)
end

---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == meta
end

return M
