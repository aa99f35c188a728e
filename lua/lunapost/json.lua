--- Writes JSON, RFC 8259: keys in a fixed order, always valid UTF-8.

local M = {}

--- Stands for null, also within a list.
M.null = setmetatable({}, { __name = "lunapost.json.null",
  __tostring = function() return "null" end })

local list_meta <const> = { __name = "lunapost.json.list" }
local order_meta <const> = { __name = "lunapost.json.ordered" }

--- Marks a table as a list, so that an empty one is written as [].
---@param items? table
---@return table items
function M.list(items)
  return setmetatable(items or {}, list_meta)
end

--- Marks a list of { key, value } pairs as an object with keys in that order.
---@param pairs_of table[]
---@return table
function M.ordered(pairs_of)
  return setmetatable(pairs_of, order_meta)
end

local escapes <const> = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f",
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function escape(c)
  return escapes[c] or ("\\u%04x"):format(c:byte())
end

-- Each byte that is not part of a well-formed sequence becomes U+FFFD.
local function valid(text)
  if utf8.len(text) then return text end
  local pieces, i = {}, 1
  while i <= #text do
    local n, bad = utf8.len(text, i)
    if n then
      pieces[#pieces + 1] = text:sub(i)
      break
    end
    pieces[#pieces + 1] = text:sub(i, bad - 1)
    pieces[#pieces + 1] = "\u{FFFD}"
    i = bad + 1
  end
  return table.concat(pieces)
end

local function encode_string(text)
  return '"' .. valid(text):gsub('[\0-\31"\\\127]', escape)
    :gsub("\xc2([\x80-\x9f])", escape) .. '"'
end

local function encode_number(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  if n ~= n or n == math.huge or n == -math.huge then return "null" end
  local text = ("%.14g"):format(n) -- "0.1", where that is all there is
  if tonumber(text) ~= n then text = ("%.17g"):format(n) end
  return (text:gsub(",", "."))
end

local encode_value

local function encode_list(items, depth)
  local out = {}
  for i = 1, #items do out[i] = encode_value(items[i], depth) end
  return "[" .. table.concat(out, ",") .. "]"
end

local function encode_pairs(list, depth)
  local out = {}
  for i, pair in ipairs(list) do
    out[i] = encode_string(tostring(pair[1])) .. ":"
      .. encode_value(pair[2], depth)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local function encode_object(object, depth)
  local sorted = {}
  for key, value in pairs(object) do
    sorted[#sorted + 1] = { tostring(key), value }
  end
  table.sort(sorted, function(a, b) return a[1] < b[1] end)
  return encode_pairs(sorted, depth)
end

local function encode_table(value, depth)
  if value == M.null then return "null" end
  if depth > 200 then error("json: nested too deep", 0) end
  local meta = getmetatable(value)
  if meta == order_meta then return encode_pairs(value, depth + 1) end
  if meta == list_meta or #value > 0 then
    return encode_list(value, depth + 1)
  end
  return encode_object(value, depth + 1)
end

local writers <const> = {
  ["nil"] = function() return "null" end,
  boolean = tostring,
  number = encode_number,
  string = encode_string,
  table = encode_table,
}

function encode_value(value, depth)
  local writer = writers[type(value)]
  if not writer then error("json: cannot write a " .. type(value), 0) end
  return writer(value, depth)
end

--- Writes one value. A table with items at 1.. is a list, json.list{} an
--- empty one; any other is an object, its keys sorted, or in their given
--- order with json.ordered. Bytes that are not UTF-8 become U+FFFD.
---@param value any
---@return string text  one line
function M.encode(value)
  return encode_value(value, 0)
end

return M
