--- Builds messages for specs and takes their octets apart.

local core = require "lunapost.core"
local mime = require "lunapost.mime.build"

local M = {}

--- The header of octets as a list of unfolded { name, value }, the body, the
--- header's octets. It trusts that lines end with CRLF.
---@param octets string
function M.split(octets)
  local head, body = octets:match "^(.-\r\n)\r\n(.*)$"
  local list = {}
  for name, value in head:gsub("\r\n([ \t])", "%1")
    :gmatch "([^:\r\n]+): ?([^\r\n]*)\r\n" do
    list[#list + 1] = { name, value }
  end
  return list, body, head
end

--- The first value of a field.
---@param octets string
---@param name string
---@return string?
function M.header(octets, name)
  for _, pair in ipairs((M.split(octets))) do
    if pair[1] == name then return pair[2] end
  end
end

--- The names of all fields, blanks between.
---@param octets string
---@return string
function M.names(octets)
  local out = {}
  for i, pair in ipairs((M.split(octets))) do out[i] = pair[1] end
  return table.concat(out, " ")
end

--- Octets of the longest line, its end not counted.
---@param octets string
---@return integer
function M.longest_line(octets)
  local longest = 0
  for line in octets:gmatch "[^\n]*" do
    longest = math.max(longest, #line:gsub("\r$", ""))
  end
  return longest
end

--- All that a source gives, and its chunks.
---@param source fun(): string?
---@return string octets
---@return string[] chunks
function M.drain(source)
  local out = {}
  for chunk in source do out[#out + 1] = chunk end
  return table.concat(out), out
end

--- A message that comes out the same on each run.
---@param given table
function M.build(given)
  given.seed = given.seed or 1
  given.from = given.from or "ana@example.org"
  return assert(mime.message(given))
end

--- The types of all parts, blanks between.
---@return string
function M.types_of(message)
  local out = {}
  for part in message:walk() do out[#out + 1] = part.type end
  return table.concat(out, " ")
end

--- A new file that holds the octets; the spec removes it.
---@param octets string
---@return string path
function M.temporary(octets)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  file:write(octets)
  return path
end

--- Octets of every value.
---@param n integer
---@return string
function M.random_octets(n)
  local block = assert(core.crypto.random(1000))
  return block:rep(n // 1000 + 1):sub(1, n)
end

return M
