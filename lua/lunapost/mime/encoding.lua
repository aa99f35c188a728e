--- Transfer encodings for bodies that are put into a message that is there.

local codec = require "lunapost.codec"

local M = {}

local LINE <const> = 998 -- RFC 5322 2.1.1

-- What octets need to be carried: "7bit" and so on; "long" are lines that
-- no plain encoding takes.
local function class_of(bytes)
  local scan = codec.scan(bytes)
  if scan.nul or scan.bare_cr > 0 then return "binary" end
  if scan.longest > LINE then return "long" end
  return scan.eight_bit > 0 and "8bit" or "7bit"
end

local carries <const> = {
  ["7bit"] = { ["7bit"] = true },
  ["8bit"] = { ["7bit"] = true, ["8bit"] = true },
}
local carry_all <const> = {
  binary = true, base64 = true, ["quoted-printable"] = true,
}

--- The encoding for octets: the one that a part has, where it carries them.
---@param bytes string
---@param present string  the part's
---@param is_text boolean
---@return string encoding
function M.fit(bytes, present, is_text)
  if carry_all[present] then return present end
  local class = class_of(bytes)
  local able = carries[present] or carries["7bit"]
  if able[class] then return carries[present] and present or class end
  return is_text and class ~= "binary" and "quoted-printable" or "base64"
end

local encoders = {}

function encoders.base64(bytes, eol)
  local body = codec.base64.encode(bytes, { columns = 76 })
  return (body:gsub("\r\n$", ""):gsub("\r\n", eol))
end

encoders["quoted-printable"] = function(bytes, eol)
  local binary = class_of(bytes) == "binary"
  return (codec.quoted_printable.encode(bytes, { binary = binary })
    :gsub("\r\n", eol))
end

--- Octets in an encoding; plain ones stay as they are.
---@param bytes string
---@param name string
---@param eol string  of the encoding's own lines
---@return string
function M.encode(bytes, name, eol)
  local encode = encoders[name]
  return encode and encode(bytes, eol) or bytes
end

return M
