--- What an MTA or a reader would object to in a message: the defects that
--- reading repairs, and beside these what reads well but breaks rules.

local codec = require "lunapost.codec"
local lints = require "lunapost.mime.lints"

local M = {}

local MOST <const> = 100 -- findings of one number

---@class lunapost.mime.finding : lunapost.mime.defect

-- What gathers findings: at most MOST of a number.
local function collector(list, meta)
  local counts = {}
  return function(number, part, offset)
    counts[number] = (counts[number] or 0) + 1
    if counts[number] > MOST then return end
    local severity, text = table.unpack(lints.known[number])
    list[#list + 1] = setmetatable({ number = number, text = text,
      severity = severity, offset = offset or select(3, part:_offsets()),
      part = part._state.origin and part._state.path or nil }, meta)
  end
end

-- Decodes all there is, so that what decoding repairs is listed, too.
local function exercise(part)
  for _, name in ipairs { "subject", "from", "to", "cc", "bcc", "reply_to",
    "sender", "date", "disposition", "report" } do
    local _ = part[name]
  end
  if not part.parts then
    part:body(part.type:match("^text/") and "utf-8" or nil)
  end
  part:external()
end

-- The whole's lines, looked at one by one only where a look at all of them
-- found something.
local function check_lines(message, find)
  local bytes = message:_slice()
  local scan = codec.scan(bytes)
  for _, one in ipairs(lints.of_lines) do
    if one.wanted(scan) then
      one.each(bytes, function(number, offset)
        find(number, message, offset)
      end)
    end
  end
end

local rank <const> = { harmless = 1, interoperability = 2, attack = 3 }

-- In order of number, then of place.
local function sort(list)
  local places = {}
  for i, one in ipairs(list) do places[one] = i end
  table.sort(list, function(a, b)
    if a.number ~= b.number then return a.number < b.number end
    if a.part ~= b.part then return (a.part or "") < (b.part or "") end
    if a.offset ~= b.offset then return a.offset < b.offset end
    return places[a] < places[b]
  end)
  return list
end

local function worst_of(list)
  local worst = "none"
  for _, one in ipairs(list) do
    if rank[one.severity] > (rank[worst] or 0) then worst = one.severity end
  end
  return worst
end

--- Looks at a message and all that is in it.
---@param message lunapost.mime.part
---@return lunapost.mime.finding[]  in order of number and offset; each as a
---  defect: number, severity, offset, text, part
---@return "none"|"harmless"|"interoperability"|"attack" worst
function M.check(message)
  for part in message:walk() do exercise(part) end
  local list = {}
  for i, defect in ipairs(message.defects) do list[i] = defect end
  local find = collector(list, require("lunapost.mime.part").defect_meta)
  check_lines(message, find)
  local seen = { ids = {}, cids = {}, inline = {} }
  for part in message:walk() do
    for _, look in ipairs(lints.of_part) do look(part, find, seen) end
  end
  lints.at_end(find, seen)
  return sort(list), worst_of(list)
end

return M
