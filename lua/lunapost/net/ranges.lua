--- Networks: addresses in numbers, and which ranges they lie in (RFC 4632,
--- RFC 4291).

local M = {}

---@class lunapost.net.ranges
local Ranges = {}

local meta = { __name = "lunapost.net.ranges", __index = Ranges }

-- 10.1.2.3 -> four octets.
local function four(text)
  local octets = { text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%."
    .. "(%d%d?%d?)$") }
  if not octets[1] then return nil end
  for i = 1, 4 do
    octets[i] = tonumber(octets[i])
    if octets[i] > 255 then return nil end
  end
  return string.char(table.unpack(octets))
end

-- a:b:c -> two octets a word; the last may be written as IPv4.
local function words(text)
  local out = {}
  for word in (text == "" and "" or text .. ":"):gmatch("(.-):") do
    local octets = four(word)
    if not octets then
      if not word:find("^%x%x?%x?%x?$") then return nil end
      octets = string.pack(">I2", tonumber(word, 16))
    end
    out[#out + 1] = octets
  end
  return table.concat(out)
end

local MAPPED <const> = ("\0"):rep(10) .. "\255\255"

local function sixteen(text)
  local head, tail = text:match("^(.-)::(.*)$")
  local front, back = words(head or text), words(tail or "")
  if not front or not back then return nil end
  local missing = 16 - #front - #back
  if head and missing < 2 or not head and missing ~= 0 then return nil end
  return front .. ("\0"):rep(missing) .. back
end

--- The octets of an address: 4, or 16; an IPv4 address that is mapped into
--- IPv6 has 4.
---@param address string
---@return string? octets  nil: it is no address
function M.octets(address)
  local octets = four(address)
  if octets then return octets end
  octets = sixteen((address:gsub("%%.*$", "")))
  if octets and octets:sub(1, 12) == MAPPED then return octets:sub(13) end
  return octets
end

-- The longest run of zero words, from 1 on; at least two of them.
local function zeros(list)
  local first, length, run = nil, 1, 0
  for i = 1, 8 do
    run = list[i] == 0 and run + 1 or 0
    if run > length then first, length = i - run + 1, run end
  end
  return first, length
end

--- An address in text, as RFC 5952 wants it.
---@param octets string  4 or 16
---@return string
function M.text(octets)
  if #octets == 4 then
    return ("%d.%d.%d.%d"):format(octets:byte(1, 4))
  end
  local list = { string.unpack(">I2I2I2I2I2I2I2I2", octets) }
  local first, length = zeros(list)
  local out = {}
  for i = 1, 8 do out[i] = ("%x"):format(list[i]) end
  if not first then return table.concat(out, ":") end
  return table.concat(out, ":", 1, first - 1) .. "::"
    .. table.concat(out, ":", first + length)
end

-- The first bits of octets, the others zero.
local function cut(octets, bits)
  local whole, rest = bits // 8, bits % 8
  local out = octets:sub(1, whole)
  if rest > 0 then
    out = out .. string.char(octets:byte(whole + 1) & (0xFF00 >> rest) & 0xFF)
  end
  return out .. ("\0"):rep(#octets - #out)
end

--- What counts as one source: an IPv4 address, the /64 of an IPv6 address
--- (who has one has all of it), "unix" without an address.
---@param address? string
---@return string
function M.source(address)
  if not address or address == "" then return "unix" end
  if not address:find(":", 1, true) then return address end
  local octets = M.octets(address)
  if not octets then return address end
  return #octets == 4 and address or cut(octets, 64)
end

local function range(text)
  local address, bits = text:match("^(.-)/(%d%d?%d?)$")
  local octets = M.octets(address or text)
  bits = tonumber(bits) or octets and 8 * #octets
  if not octets or bits > 8 * #octets then
    error(("'%s' is no address, no network ADDRESS/BITS, and not \"unix\"")
      :format(text), 0)
  end
  return { octets = cut(octets, bits), bits = bits }
end

--- Ranges from a list: addresses, networks as ADDRESS/BITS, and "unix" for
--- peers at a Unix socket. Raises for what is none of these.
---@param list string[]
---@return lunapost.net.ranges
function M.new(list)
  local ranges = { unix = false }
  for i, text in ipairs(list) do
    if text == "unix" then
      ranges.unix = true
    elseif type(text) == "string" then
      ranges[#ranges + 1] = range(text)
    else
      error(("entry %d must be a string, not %s"):format(i, type(text)), 0)
    end
  end
  return setmetatable(ranges, meta)
end

--- Whether an address lies in one of the ranges.
---@param address? string  nil: of a Unix socket
---@return boolean
function Ranges:has(address)
  if not address or address == "" then return self.unix end
  local octets = M.octets(address)
  if not octets then return false end
  for _, one in ipairs(self) do
    if #one.octets == #octets and cut(octets, one.bits) == one.octets then
      return true
    end
  end
  return false
end

return M
