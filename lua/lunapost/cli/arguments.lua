--- Command line flags, described by a table:
--- flags = { name = kind }, kind one of
---   "flag"    true when given
---   "value"   the word that follows (or --name=word)
---   "number"  the same, a number of 0 or more
---   "list"    like value, repeatable: a list
--- Other words gather in options[1..n]; "--" ends the flags; "-" is a word.

local options_of = require "lunapost.options"

local M = {}

local readers = {}

function readers.value(options, name, word)
  if options[name] ~= nil then return "--" .. name .. " is given twice" end
  options[name] = word
end

function readers.number(options, name, word)
  local n = tonumber(word)
  if not n or n < 0 then return "--" .. name .. " needs a number" end
  options[name] = n
end

function readers.list(options, name, word)
  options[name] = options[name] or {}
  table.insert(options[name], word)
end

local function unknown(word, flags)
  local near = options_of.nearest(word:match "^%-+(.*)$", flags)
  return "unknown option " .. word
    .. (near and (" (did you mean --" .. near .. "?)") or "")
end

-- Takes the flag at words[i]; returns the index behind it, or nil, problem.
local function take(options, words, i, flags)
  local name, value = words[i]:match("^%-%-([^=]+)=(.*)$")
  name = name or words[i]:sub(3)
  local kind = flags[name]
  if not kind then return nil, unknown("--" .. name, flags) end
  if kind == "flag" then
    if value then return nil, "--" .. name .. " takes no value" end
    options[name] = true
    return i + 1
  end
  if not value then
    i = i + 1
    value = words[i]
    if not value then return nil, "--" .. name .. " needs a value" end
  end
  local problem = readers[kind](options, name, value)
  if problem then return nil, problem end
  return i + 1
end

---@param words string[]
---@param flags table<string, string>
---@return table? options, string? problem
function M.parse(words, flags)
  local options, i = {}, 1
  local known = setmetatable({ help = "flag" }, { __index = flags })
  for name, kind in pairs(flags) do known[name] = kind end
  while i <= #words do
    local word = words[i]
    if word == "--" then
      table.move(words, i + 1, #words, #options + 1, options)
      break
    elseif word == "-h" then
      options.help, i = true, i + 1
    elseif word:sub(1, 2) == "--" then
      local behind, problem = take(options, words, i, known)
      if not behind then return nil, problem end
      i = behind
    elseif word:sub(1, 1) == "-" and #word > 1 then
      return nil, unknown(word, known)
    else
      options[#options + 1] = word
      i = i + 1
    end
  end
  return options
end

return M
