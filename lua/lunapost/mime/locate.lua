--- Where in a body the first thing is that decoding had to repair. Only
--- asked for once something was.

local ascii = require "lunapost.ascii"

local M = {}

local finders = {}

-- What is no digit; else what is missing at the end.
function finders.base64(body)
  return body:find("[^%w+/=%s]") or body:find("=[%w+/]") or #body + 1
end

-- An "=" without two digits or a line end behind it.
finders["quoted-printable"] = function(body)
  local at = 1
  while true do
    at = body:find("=", at, true)
    if not at then return 1 end
    if not (body:find("^%x%x", at + 1) or body:find("^[ \t]*\r?\n", at + 1))
    then
      return at
    end
    at = at + 1
  end
end

--- Offset of the first fault of a part's transfer encoding.
---@param part lunapost.mime.part
---@return integer
function M.octet(part)
  local _, _, at, stop = part:_offsets()
  local find = finders[part.encoding]
  return at + (find and find(part:_slice(at, stop)) - 1 or 0)
end

local plain <const> = { ["7bit"] = true, ["8bit"] = true, binary = true }

--- Offset of the first byte that a text's charset does not have, where that
--- can be told: of plain bodies in UTF-8 or ASCII; else of the body.
---@param part lunapost.mime.part
---@return integer
function M.character(part)
  local _, _, at, stop = part:_offsets()
  if not plain[part.encoding] then return at end
  local body = part:_slice(at, stop)
  local charset = ascii.lower(part.parameters.charset or "")
  local bad
  if charset:find("^utf%-?8$") then
    bad = select(2, utf8.len(body))
  elseif charset == "" or charset:find("ascii") then
    bad = body:find("[\x80-\xff]")
  end
  return at + (bad or 1) - 1
end

--- Offset of the field that names the charset.
---@param part lunapost.mime.part
---@return integer?
function M.charset(part)
  return select(2, part:_field("Content-Type"))
end

return M
