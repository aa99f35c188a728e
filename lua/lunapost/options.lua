--- Checks tables of options: an unknown key or a value of the wrong type
--- raises, naming the bad key and the nearest good one.

local ascii = require "lunapost.ascii"
local synonyms = require "lunapost.options.synonyms"

local M = {}

-- So many names are told where none of them is near.
local FEW <const> = 8

-- The level of a function's caller, seen from within; 0 stays: no position.
local function outer(level)
  return level == 0 and 0 or (level or 1) + 1
end

-- Levenshtein distance of two short words, a row at a time.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
      diagonal, row[j] = row[j], best
    end
  end
  return row[#b]
end

-- How a word and a name hold each other: 1: the name begins with the word,
-- 2: it holds it, 3: the word holds the name; else nil.
local function kinship(word, name)
  local at = name:find(word, 1, true)
  if at then return at == 1 and 1 or 2 end
  return #name > 2 and word:find(name, 1, true) and 3 or nil
end

-- The name that is closest kin to a word, the shortest of several.
local function related(word, names)
  local kin = {}
  for name in pairs(names) do
    local rank = kinship(ascii.lower(word), ascii.lower(name))
    if rank then kin[#kin + 1] = { rank, #name, name } end
  end
  table.sort(kin, function(a, b)
    for i = 1, 2 do
      if a[i] ~= b[i] then return a[i] < b[i] end
    end
    return a[3] < b[3]
  end)
  return kin[1] and kin[1][3]
end

-- What other libraries mean by the word, of what is known.
local function meant(word, names)
  for _, name in ipairs(synonyms[ascii.lower(word):gsub("[-_]", "")] or {}) do
    if names[name] then return name end
  end
end

-- The name with the fewest letters to change, and how many.
local function closest(word, names)
  local best, best_distance
  for name in pairs(names) do
    local d = distance(ascii.lower(word), ascii.lower(name))
    if not best_distance or d < best_distance
      or (d == best_distance and name < best) then
      best, best_distance = name, d
    end
  end
  return best, best_distance
end

-- Whether few enough letters differ; of half a word, not the first.
local function near_enough(word, name, d)
  if d < 2 then return true end
  return d <= math.max(2, #word // 2)
    and (d * 2 < #word
      or ascii.lower(word:sub(1, 1)) == ascii.lower(name:sub(1, 1)))
end

--- The known name nearest to a word, or nil where none is near.
---@param word string
---@param names table<string, any>  keyed by name
---@return string?
function M.nearest(word, names)
  local synonym = meant(word, names)
  if synonym then return synonym end
  local best, d = closest(word, names)
  if best and near_enough(word, best, d) then return best end
  if #word > 2 then return related(word, names) end
end

-- The names, where they are few.
local function listed(names)
  local list = {}
  for name in pairs(names) do list[#list + 1] = tostring(name) end
  if #list > FEW then return "" end
  table.sort(list)
  return " (known: " .. table.concat(list, ", ") .. ")"
end

--- Raises for an unknown name, with a hint.
---@param what string  e.g. "option of smtp.open"
---@param word any
---@param names table<string, any>
---@param level? integer
function M.unknown(what, word, names, level)
  local near = type(word) == "string" and M.nearest(word, names)
  local hint = near and (" (did you mean '" .. near .. "'?)") or listed(names)
  error(("unknown %s '%s'%s"):format(what, tostring(word), hint),
    outer(level))
end

--- Raises for a value whose type is none of the expected ones.
---@param what string
---@param name string
---@param value any
---@param expected string|true  type names with "|" between; true: any type
---@param level? integer
function M.typed(what, name, value, expected, level)
  if expected == true then return end
  -- no type's name is a part of another's
  if expected:find(type(value), 1, true) then return end
  if expected:find(math.type(value) or "\0", 1, true) then return end
  error(("%s '%s' must be %s, not %s"):format(what, name,
    (expected:gsub("|", " or ")), type(value)), outer(level))
end

--- Checks a whole table of options against its specification.
---@param what string  e.g. "option of smtp.open"
---@param options table
---@param known table<string, string|true>  name -> type names, or true: any
---@param level? integer  where errors point to; 1 is the caller of check,
---0 nowhere (see placed)
---@return table options
function M.check(what, options, known, level)
  level = outer(level)
  if type(options) ~= "table" then
    error(("a table of options is expected, not %s"):format(type(options)),
      level)
  end
  for name, value in pairs(options) do
    local expected = known[name]
    if not expected then M.unknown(what, name, known, level) end
    M.typed(what, name, value, expected, level)
  end
  return options
end

-- The coroutines that are within a placed function.
local placing <const> = setmetatable({}, { __mode = "k" })

--- Makes a public function of one whose errors carry no position: they then
--- point to its caller, however deep they were raised. Where such functions
--- call each other, the outermost says the position.
---@generic F: function
---@param fn F
---@param level? integer  default 2, the caller; 3: the caller's caller
---@return F
function M.placed(fn, level)
  return function(...)
    local thread = coroutine.running()
    local nested = placing[thread]
    placing[thread] = true
    local results = table.pack(pcall(fn, ...))
    placing[thread] = nested
    if not results[1] then error(results[2], nested and 0 or level or 2) end
    return table.unpack(results, 2, results.n)
  end
end

return M
