--- The neutral form of a message, for comparing what parsers see: plain
--- values, sizes and SHA-256 of the bodies.

local ascii = require "lunapost.ascii"
local json = require "lunapost.json"
local crypto <const> = require("lunapost.core").crypto

local M = {}

local function sha256(bytes)
  return (crypto.digest("sha256", bytes):gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

local function addresses(list)
  local out = json.list()
  for i, one in ipairs(list) do out[i] = { one.name, one.address } end
  return out
end

local function header_names(message)
  local out = json.list()
  for i, field in ipairs(message:headers()) do
    out[i] = ascii.lower(field[1])
  end
  return out
end

local function lf(bytes)
  return (bytes:gsub("\r\n", "\n"))
end

local function trimmed(bytes)
  local n = #bytes
  while n > 0 and bytes:byte(n) == 10 do n = n - 1 end
  return bytes:sub(1, n)
end

local function add_body(part, form)
  local body = lf(part:body())
  form.body_lf_size = #body
  form.body_lf_sha256 = sha256(body)
  form.body_trim_sha256 = sha256(trimmed(body))
  if part.type:match("^text/") then
    form.text_sha256 = sha256(trimmed(lf(part:body("utf-8"))))
  end
end

local function is_leaf(part)
  return not part.type:match("^multipart/") and part.type ~= "message/rfc822"
end

local function part_form(part)
  local form = {
    type = part.type,
    params = part.parameters,
    disposition = part.disposition or json.null,
    filename = part.filename or json.null,
    cte = part.encoding,
    content_id = part.id or json.null,
  }
  if is_leaf(part) then add_body(part, form) end
  return form
end

-- message/global is opened by the parser, but is a leaf in this form.
local function parts_of(message)
  local parts, stack = {}, { message }
  while #stack > 0 do
    local part = table.remove(stack)
    parts[part.path] = part_form(part)
    if not is_leaf(part) then
      for _, below in ipairs(part.parts or {}) do
        stack[#stack + 1] = below
      end
    end
  end
  return parts
end

--- The form of a message, ready for json.encode.
---@param message lunapost.mime.part
---@return table
function M.of(message)
  return {
    subject = message.subject or json.null,
    message_id = message.message_id or json.null,
    date_epoch = message.date or json.null,
    from = addresses(message.from), to = addresses(message.to),
    cc = addresses(message.cc), bcc = addresses(message.bcc),
    reply_to = addresses(message.reply_to),
    sender = addresses(message.sender),
    header_names = header_names(message),
    parts = parts_of(message),
  }
end

return M
