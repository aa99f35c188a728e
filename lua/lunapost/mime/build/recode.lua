--- A message that was read, made fit for a peer that takes fewer bits.
--
-- Its leaves whose octets the peer does not take are encoded, and the
-- Content-Transfer-Encoding fields above them say so; all other octets stay.
-- So a message that is carried is never encoded as a whole, which RFC 2046
-- 5.2.1 forbids. What was signed in eight bits loses its signature by that:
-- RFC 1847 2.1 has it signed in seven.

local ascii = require "lunapost.ascii"
local content = require "lunapost.mime.build.content"
local core = require "lunapost.core"

local M = {}

local rank <const> = { ["7bit"] = 1, ["8bit"] = 2, binary = 3 }
M.rank = rank

-- RFC 5322 2.1.1: octets of a line without its end.
local LINE <const> = 998

local FIELD <const> = "Content-Transfer-Encoding"

--- What octets are without an encoding, of what a scan says.
---@param scan table
---@return "7bit"|"8bit"|"binary"
function M.class_of(scan)
  if scan.nul or scan.longest > LINE or not scan.canonical then
    return "binary"
  end
  return scan.eight_bit > 0 and "8bit" or "7bit"
end

--- Quoted-printable while most of it can be read by people, else base64,
--- which is shorter.
---@param scan table
---@return string
function M.text_encoding(scan)
  return scan.eight_bit * 3 > scan.size and "base64" or "quoted-printable"
end

local function scan_of(...)
  local scan = core.compose.scan()
  for i = 1, select("#", ...) do scan:update((select(i, ...))) end
  return scan:finish()
end

-- The octets of a part's header and body, as they stand.
local function places(part)
  local _, header, body, stop = part:_offsets()
  return header, body, stop
end

-- Replaces the field that tells the encoding, or writes one.
local function relabel(part, octets, encoding, edits)
  local line = FIELD .. ": " .. encoding .. "\r\n"
  local header, body = places(part)
  local _, at = part:_field(FIELD)
  if at then
    local behind = octets:find("\r\n[^ \t]", at + 1)
    local stop = behind and behind + 1 or body
    edits[#edits + 1] = { at, stop, line }
  else
    edits[#edits + 1] = { header, header,
      body == header and line .. "\r\n" or line }
  end
end

-- A leaf whose octets are too much is encoded.
local function edit_leaf(part, octets, allowed, edits)
  if not rank[part.encoding] then return end
  local _, body, stop = places(part)
  local data = octets:sub(body + 1, stop)
  local scan = scan_of(data)
  if rank[M.class_of(scan)] <= rank[allowed] then
    if rank[part.encoding] > rank[allowed] then
      relabel(part, octets, allowed, edits)
    end
    return
  end
  local text = part.type:find("^text/") and scan.canonical
  local encoding = text and M.text_encoding(scan) or "base64"
  relabel(part, octets, encoding, edits)
  -- base64 ends with the line end that the delimiter begins with
  local over = encoding == "base64" and octets:sub(stop + 1, stop + 2)
    == "\r\n" and 2 or 0
  edits[#edits + 1] = { body, stop + over, { encoding = encoding,
    leaf = { content = content.of_string(data), text_mode = text } } }
end

local function edits_of(octets, allowed)
  local root = require("lunapost.mime").parse(octets)
  local edits = {}
  for i = 1, root:_count() do
    local part = root:_at(i)
    if part:_kind() == "leaf" then
      edit_leaf(part, octets, allowed, edits)
    elseif (rank[part.encoding] or 0) > rank[allowed] then
      relabel(part, octets, allowed, edits)
    end
  end
  return edits
end

--- The pieces of a message, with those encoded that the peer does not take.
---@param octets string  lines end with CRLF
---@param allowed "7bit"|"8bit"|"binary"
---@return (string|table)[] segments  see entity.lua
---@return "7bit"|"8bit"|"binary" class  more than allowed where a header
---  field or what is around parts is the cause
function M.segments(octets, allowed)
  local out, kept, at = {}, {}, 0
  local function keep(stop)
    if stop > at then
      kept[#kept + 1] = octets:sub(at + 1, stop)
      out[#out + 1] = kept[#kept]
    end
  end
  for _, edit in ipairs(edits_of(octets, allowed)) do
    keep(edit[1])
    out[#out + 1] = edit[3]
    at = edit[2]
  end
  keep(#octets)
  return out, M.class_of(scan_of(table.concat(kept)))
end

local BINARY <const> = ascii.pattern(FIELD .. ":") .. "%s*"
  .. ascii.pattern "binary"

-- Line ends become CRLF, but in a message that says it is binary.
local function canonical(octets)
  if octets:find(BINARY) then return octets end
  return core.codec.dot_encode(octets, true)
end

--- A message that was read, as what is to be sent of it.
---@param octets string
---@param allowed "7bit"|"8bit"|"binary"
---@return string octets  with the line ends of a message
---@return (string|table)[]? segments  nil where these octets fit
---@return "7bit"|"8bit"|"binary" class
function M.fit(octets, allowed)
  octets = canonical(octets)
  local class = M.class_of(scan_of(octets))
  if rank[class] <= rank[allowed] then return octets, nil, class end
  return octets, M.segments(octets, allowed)
end

return M
