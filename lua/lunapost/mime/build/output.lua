--- The octets of a message on their way out.
--
-- A message is a list of segments: strings, and leaves { leaf =, encoding = }
-- that are read and encoded step by step as they are pulled. A leaf has a
-- content (see content.lua), and in text_mode its line ends are line ends.

local core = require "lunapost.core"

local M = {}

-- What a source gives at a time, at least; a piece of a leaf is larger.
local CHUNK <const> = 48 * 1024

local function encoder_of(segment)
  if segment.encoding == "base64" then
    return core.stream.open("base64_encoder", { columns = 76 })
  elseif segment.encoding == "quoted-printable" then
    return core.stream.open("qp_encoder", {
      binary = not segment.leaf.text_mode })
  end
end

-- Reads and encodes a leaf step by step.
local function leaf_reader(segment)
  local encoder = encoder_of(segment)
  local reader = segment.leaf.content:open(encoder)
  if not encoder then return reader end
  return function()
    if not encoder then return nil end
    local chunk, problem = reader()
    if chunk or problem then return chunk, problem end
    local rest = encoder:finish()
    encoder = nil
    return rest
  end
end

M.reader = leaf_reader

-- Pulls the pieces of all segments, of whatever size.
local function pieces(list)
  local i, reader = 0, nil
  return function()
    while true do
      if reader then
        local chunk, problem = reader()
        if chunk or problem then return chunk, problem end
        reader = nil
      end
      i = i + 1
      local segment = list[i]
      if type(segment) ~= "table" then return segment end
      reader = leaf_reader(segment)
    end
  end
end

--- An LTN12 source of all segments in steps of about 64 KiB.
---@param list (string|table)[]
---@return fun(): string?, lunapost.err?
function M.source(list)
  local pull, problem = pieces(list), nil

  -- What comes with a piece that is small.
  local function gather(piece)
    local gathered, size = {}, 0
    while piece do
      gathered[#gathered + 1] = piece
      size = size + #piece
      if size >= CHUNK then break end
      piece, problem = pull()
    end
    if problem then return nil, problem end
    if size > 0 then return table.concat(gathered) end
  end

  return function()
    if problem then return nil, problem end
    local piece
    piece, problem = pull()
    if not piece or #piece >= CHUNK then return piece, problem end -- no copy
    return gather(piece)
  end
end

--- All octets.
---@param list (string|table)[]
---@return string? octets
---@return lunapost.err? error
function M.render(list)
  local out, pull = {}, pieces(list)
  while true do
    local chunk, problem = pull()
    if problem then return nil, problem end
    if not chunk then return table.concat(out) end
    out[#out + 1] = chunk
  end
end

local function base64_size(n)
  return (n + 2) // 3 * 4 + (n + 56) // 57 * 2
end

-- Only quoted-printable must be made to be counted.
local function segment_size(segment)
  local given, encoding = segment.leaf.content, segment.encoding
  if encoding == "base64" then
    return given.size and base64_size(given.size)
  elseif encoding ~= "quoted-printable" then
    return given.size
  end
  local size, reader = 0, given.again and leaf_reader(segment)
  while reader do
    local chunk, problem = reader()
    if problem then return nil, problem end
    if not chunk then return size end
    size = size + #chunk
  end
end

--- How many octets there are, without rendering them; nil where a part comes
--- from a source whose length nobody knows.
---@param list (string|table)[]
---@return integer?
---@return lunapost.err? error  where a file failed
function M.size(list)
  local total = 0
  for _, segment in ipairs(list) do
    local size, problem
    if type(segment) == "string" then
      size = #segment
    else
      size, problem = segment_size(segment)
    end
    if not size then return nil, problem end
    total = total + size
  end
  return total
end

return M
