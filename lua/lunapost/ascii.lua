--- Letters and numbers as protocols have them. Lua's own functions go by the
--- locale that a script may have set: in a Turkish one the lower case of "I"
--- is no "i", in a German one 1.5 is "1,5".

local M = {}

local lower_of <const>, upper_of <const> = {}, {}
for code = 65, 90 do
  local upper, lower = string.char(code), string.char(code + 32)
  lower_of[upper], upper_of[lower] = lower, upper
end

--- ASCII letters in lower case; all else as it is.
---@param text string
---@return string
function M.lower(text)
  return (text:gsub("[A-Z]", lower_of))
end

--- ASCII letters in upper case; all else as it is.
---@param text string
---@return string
function M.upper(text)
  return (text:gsub("[a-z]", upper_of))
end

--- The pattern of a word in either case.
---@param word string  of letters, digits, "-" and ":"
---@return string
function M.pattern(word)
  return (word:gsub("%-", "%%-"):gsub("[A-Za-z]", function(letter)
    return ("[%s%s]"):format(M.lower(letter), M.upper(letter))
  end))
end

--- As tostring, but for the point of a number.
---@param value any
---@return string
function M.text(value)
  local text = tostring(value)
  return math.type(value) == "float" and text:gsub(",", ".") or text
end

--- As string.format, but for the point of a number.
---@param form string  without "*" and "%q"
---@param ... any
---@return string
function M.format(form, ...)
  if ("%.1f"):format(0.5) == "0.5" then return form:format(...) end
  local given, n = { ... }, 0
  return (form:gsub("%%([-+ #0-9.]*[A-Za-z%%])", function(spec)
    if spec == "%" then return "%" end
    n = n + 1
    local text = ("%" .. spec):format(given[n])
    if not spec:find("[fge]$") then return text end
    return (text:gsub(",", "."))
  end))
end

return M
