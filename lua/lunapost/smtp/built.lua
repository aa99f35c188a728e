--- A message that was built, as the machine posts it: strings, and octets that
--- become base64 where they leave.

local entity = require "lunapost.mime.build.entity"
local output = require "lunapost.mime.build.output"

local M = {}

-- Octets of a leaf that are as well encoded before.
local SHORT <const> = 1 << 16

-- Encodes a leaf.
local function encoded(piece)
  local out = {}
  for chunk, problem in output.reader(piece) do
    if problem then return nil end
    out[#out + 1] = chunk
  end
  return table.concat(out)
end

-- A piece, as the machine takes it; nil: it does not.
local function part_of(piece)
  if type(piece) == "string" then return piece end
  local octets = piece.leaf.content.octets
  if not octets then return nil end
  if piece.encoding == "base64" then return { octets } end
  if piece.encoding ~= "quoted-printable" then return octets end
  return #octets <= SHORT and encoded(piece) or nil
end

--- What a machine posts of a message.
---@param message any
---@param offers table<string, string[]>  a session's extensions
---@return table? body  { size =, eight_bit =, part ... }; nil: another way has
--- to be gone
function M.body(message, offers)
  if not entity.is(message) or message.utf8 then return nil end
  if offers.BINARYMIME and message:class { encoding = "binary" } == "binary"
  then
    return nil
  end
  local given = { encoding = offers["8BITMIME"] and "8bit" or "7bit" }
  local pieces, class = message:pieces(given)
  local body = { size = output.size(pieces), eight_bit = class ~= "7bit" }
  for i, piece in ipairs(pieces) do
    body[i] = part_of(piece)
    if not body[i] then return nil end
  end
  return body.size and body
end

return M
