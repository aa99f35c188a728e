--- Leave to deliver without TLS: what the header of a message says of it
--- (RFC 8689 3).

local ascii = require "lunapost.ascii"
local mime = require "lunapost.mime"
local outgoing = require "lunapost.smtp.outgoing"

local M = {}

-- Octets of a header that is looked at.
local MOST <const> = 1 << 20

-- Up to the blank line that ends the header, or what there is.
local function header_of(content)
  local text = ""
  for chunk in content.open("8bit") do
    text = text .. chunk:sub(1, MOST)
    local ends = text:find "^\r?\n" or text:find "\n\r?\n"
    if ends then return text:sub(1, ends) end
    if #text > MOST then break end
  end
  return text
end

-- Octets of a value that is looked at: more say something else than "No", and
-- open parentheses are each looked after to the end.
local VALUE <const> = 1000

-- Without comments and blanks around it (RFC 5322 3.2.2).
local function bare(value)
  if #value > VALUE then return nil end
  return ascii.lower((value:gsub("%b()", " "))):match "^%s*(.-)%s*$"
end

--- Whether the sender does not mind: one field, and it says "No"; any other
--- value, and several that disagree, say nothing.
---@param message any  as for client:send, readable again
---@return boolean
function M.given(message)
  local content = outgoing.of(message)
  if not content then return false end -- sending it will tell
  local found = false
  for _, field in ipairs(mime.parse(header_of(content)):headers()) do
    if ascii.lower(field[1]) == "tls-required" then
      if bare(field[2]) ~= "no" then return false end
      found = true
    end
  end
  return found
end

return M
