--- The header that a proxy puts before a connection, to tell whose it is:
--- PROXY protocol, versions 1 and 2, as HAProxy's document has it. Octets in,
--- facts out: who reads them takes no octet more than asked for, since TLS or
--- the dialogue begins behind them.

local ranges = require "lunapost.net.ranges"

local M = {}

local SIGNATURE <const> = "\r\n\r\n\0\r\nQUIT\n"
local WORD <const> = "PROXY "

-- Octets: of the shortest header, of the longest line, of what a binary header
-- may say behind its first 16.
local LEAST <const>, LINE_MOST <const>, MOST <const> = 15, 107, 4096

local function begins(octets, what)
  local n = math.min(#octets, #what)
  return octets:sub(1, n) == what:sub(1, n)
end

local function line_needs(octets)
  if octets:find("\n", 1, true) then
    if octets:find("^[^\r\n]+\r\n$") then return 0 end
    return nil, "a line of PROXY ends with CRLF"
  end
  if #octets >= LINE_MOST then return nil, "a line of PROXY is too long" end
  return octets:sub(-1) == "\r" and 1 or 2
end

local function binary_needs(octets)
  if #octets < 16 then return 16 - #octets end
  local length = string.unpack(">I2", octets, 15)
  if length > MOST then return nil, "a header of PROXY is too long" end
  return 16 + length - #octets
end

--- How many octets more belong to the header at least.
---@param octets string  that were read so far
---@return integer? more  0: it is whole
---@return string? problem
function M.needs(octets)
  local line, binary = begins(octets, WORD), begins(octets, SIGNATURE)
  if not line and not binary then return nil, "no header of PROXY" end
  if #octets < LEAST then return LEAST - #octets end
  if line then return line_needs(octets) end
  return binary_needs(octets)
end

local function port_of(text)
  local port = text:find("^%d+$") and not text:find("^0%d") and tonumber(text)
  return port and port <= 65535 and port or nil
end

-- An address as its family writes it, whole or mapped: in its plain form,
-- without a zone.
local function address_of(family, text)
  local colons = text:find(":", 1, true) ~= nil
  if colons ~= (family == "TCP6") or text:find "[^%x:.]"
    or not colons and ("." .. text):find "%.0%d" then
    return nil
  end
  return ranges.octets(text)
end

local function read_line(line)
  if line:find("^PROXY UNKNOWN%f[ \r]") then return {} end
  local family, from, to, from_port, to_port =
    line:match("^PROXY (TCP[46]) (%S+) (%S+) (%d+) (%d+)\r\n$")
  local octets = family and address_of(family, from)
  if octets and address_of(family, to) and port_of(from_port)
    and port_of(to_port) then
    return { address = ranges.text(octets), port = port_of(from_port) }
  end
  return nil, "a malformed line of PROXY"
end

-- The type of a checksum over the whole header, its own octets zero.
local CRC32C <const> = 0x03

-- Where the values are: by type, and the place of a checksum.
local function values_of(octets, at)
  local values, place = {}, nil
  while at <= #octets do
    local kind, value = string.unpack(">Bs2", octets, at)
    values[kind] = value
    if kind == CRC32C then place = at + 3 end
    at = at + 3 + #value
  end
  return values, place
end

-- Castagnoli's polynomial, the bits reversed (RFC 3720 B.4), four at a time.
local crc_steps <const> = {}
for n = 0, 15 do
  local crc = n
  for _ = 1, 4 do crc = crc >> 1 ~ (crc & 1) * 0x82F63B78 end
  crc_steps[n] = crc
end

local function crc32c(octets)
  local crc = 0xFFFFFFFF
  for i = 1, #octets do
    crc = crc ~ octets:byte(i)
    crc = crc >> 4 ~ crc_steps[crc & 15]
    crc = crc >> 4 ~ crc_steps[crc & 15]
  end
  return crc ~ 0xFFFFFFFF
end

-- Whether a header is as it was sent, where it has a checksum.
local function intact(octets, values, place)
  local sum = values[CRC32C]
  if not sum then return true end
  return #sum == 4 and string.unpack(">I4", sum) == crc32c(
    octets:sub(1, place - 1) .. "\0\0\0\0" .. octets:sub(place + 4))
end

-- By the octet that tells family and protocol: the size of an address.
local families <const> = { [0x11] = 4, [0x21] = 16 }

-- By the family in it: how many octets addresses and ports take.
local sizes <const> = { [0x10] = 12, [0x20] = 36, [0x30] = 216 }

local function read_binary(octets)
  local command, family = string.unpack("BB", octets, 13)
  if command & 0xF0 ~= 0x20 or command & 0x0F > 1 then
    return nil, "an unknown version or command of PROXY"
  end
  if command == 0x20 then return {} end
  if #octets < 16 + (sizes[family & 0xF0] or 0) then
    return nil, "a header of PROXY is too short"
  end
  local size = families[family]
  if not size then return {} end
  local at = 17 + 2 * size
  local ok, values, place = pcall(values_of, octets, at + 4)
  if not ok then return nil, "malformed values of PROXY" end
  if not intact(octets, values, place) then
    return nil, "the checksum of a header of PROXY is wrong"
  end
  local address = ranges.octets(ranges.text(octets:sub(17, 16 + size)))
  return { address = ranges.text(address),
    port = string.unpack(">I2", octets, at), values = values }
end

--- Reads a whole header.
---@param octets string
---@return { address: string?, port: integer?, values: table? }? facts  empty
--- where it speaks for the proxy itself (LOCAL, UNKNOWN); values: the TLVs of
--- version 2, by type
---@return string? problem
function M.read(octets)
  if begins(octets, WORD) then return read_line(octets) end
  return read_binary(octets)
end

return M
