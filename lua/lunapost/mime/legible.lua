--- Header fields in a charset that nothing names: 8-bit octets that are no
--- UTF-8, or the escapes of ISO-2022. The writers of old sent them in the
--- charset of the body, so that is what they are read by; without one as
--- windows-1252 (see core/word.h).

local ascii = require "lunapost.ascii"
local values <const> = require("lunapost.core").mime

local M = {}

-- In these ASCII is not ASCII; in UTF-8 the octets would have been, and ASCII
-- says nothing.
local function is_useless(charset)
  return charset:find("^utf") or charset:find("^ucs") or charset:find("ascii")
    or charset:find("^iso%-10646")
end

-- The charset of the first text of a tree that names a useful one.
local function charset_of(part)
  local state = part._state
  if state.charset == nil then
    state.charset = false
    for one in part:_at(1):walk() do
      local charset = one.type:find("^text/") and one.parameters.charset
      if charset and not is_useless(ascii.lower(charset)) then
        state.charset = ascii.lower(charset)
        break
      end
    end
  end
  return state.charset
end

-- Has the value what such a charset is told by?
local function fits(charset, raw)
  local escaped = charset:find("^iso%-2022") or charset == "csiso2022jp"
  if escaped then return raw:find("\27[$(]") end
  return not utf8.len(raw)
end

--- A raw value, in UTF-8 where it can be told what it is in.
---@param part lunapost.mime.part
---@param raw string
---@return string
function M.of(part, raw)
  if utf8.len(raw) and not raw:find("\27", 1, true) then return raw end
  if raw:find("=?", 1, true) then return raw end -- octets of encoded words
  local charset = charset_of(part)
  return charset and fits(charset, raw) and values.utf8(charset, raw) or raw
end

return M
