--- Reads JSON, for vectors and for what a command prints with --json.
--- null becomes json.null, so that lists keep their places.

local M = {}

M.null = setmetatable({}, { __tostring = function() return "null" end })

local escapes <const> = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
  b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function fail(text, at, what)
  local _, line = text:sub(1, at):gsub("\n", "")
  error(("JSON, line %d: %s"):format(line + 1, what), 0)
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

-- \uXXXX at at, and the second half of a surrogate pair.
local function unicode(text, at)
  local high = tonumber(text:match("^%x%x%x%x", at), 16)
  if not high then fail(text, at, "bad \\u") end
  at = at + 4
  if high >= 0xd800 and high < 0xdc00 then
    local low = tonumber(text:match("^\\u(%x%x%x%x)", at) or "", 16)
    if low and low >= 0xdc00 and low < 0xe000 then
      return utf8.char(0x10000 + ((high - 0xd800) << 10) + low - 0xdc00),
        at + 6
    end
  end
  return utf8.char(high), at
end

local function string_at(text, at)
  local out = {}
  at = at + 1
  while true do
    local stop = text:find('["\\]', at) or fail(text, at, "unended string")
    out[#out + 1] = text:sub(at, stop - 1)
    if text:sub(stop, stop) == '"' then return table.concat(out), stop + 1 end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      out[#out + 1], at = unicode(text, stop + 2)
    else
      out[#out + 1] = escapes[letter] or fail(text, stop, "bad escape")
      at = stop + 2
    end
  end
end

local value_at

local function list_at(text, at)
  local list = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return list, at + 1 end
  while true do
    list[#list + 1], at = value_at(text, at)
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "]" then return list, at + 1 end
    if c ~= "," then fail(text, at, "',' or ']' expected") end
    at = skip(text, at + 1)
  end
end

local function object_at(text, at)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    if text:sub(at, at) ~= '"' then fail(text, at, "a name expected") end
    local name, behind = string_at(text, at)
    at = skip(text, behind)
    if text:sub(at, at) ~= ":" then fail(text, at, "':' expected") end
    object[name], at = value_at(text, skip(text, at + 1))
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "}" then return object, at + 1 end
    if c ~= "," then fail(text, at, "',' or '}' expected") end
    at = skip(text, at + 1)
  end
end

local words <const> = { ["true"] = true, ["false"] = false, null = M.null }

function value_at(text, at)
  local c = text:sub(at, at)
  if c == "{" then return object_at(text, at) end
  if c == "[" then return list_at(text, at) end
  if c == '"' then return string_at(text, at) end
  local word = text:match("^%a+", at)
  if word and words[word] ~= nil then return words[word], at + #word end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if not number then fail(text, at, "a value expected") end
  return tonumber(number) or fail(text, at, "bad number"), at + #number
end

--- Raises where the text is no JSON.
---@param text string
---@return any
function M.decode(text)
  local value, at = value_at(text, skip(text, 1))
  at = skip(text, at)
  if at <= #text then fail(text, at, "something behind the value") end
  return value
end

--- The value in a file, or nil where there is no such file.
---@param path string
---@return any
function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text <const> = file:read "a"
  file:close()
  return M.decode(text)
end

return M
