--- What the codecs share: checked arguments, defects, and the functions
--- that do all in one call, which are C and called by users as they are.

local core = require "lunapost.core"
local err = require "lunapost.err"
local options_of = require "lunapost.options"

---@class lunapost.codec.defect
---@field kind string
---@field count integer
---@field text string
---@field offset? integer  of the first, from 1

local M = {}

local defect_meta = {
  __name = "lunapost.codec.defect",
  __tostring = function(self) return self.text end,
}

--- Appends a defect, unless count is 0.
---@param defects lunapost.codec.defect[]
---@param kind string
---@param count integer
---@param text string  a format for the count and a plural s
---@param offset? integer
function M.note(defects, kind, count, text, offset)
  if count == 0 then return end
  defects[#defects + 1] = setmetatable({
    kind = kind, count = count, offset = offset,
    text = text:format(count, count == 1 and "" or "s"),
  }, defect_meta)
end

--- The list of no defects: one for all calls, hence it stays empty.
---@type lunapost.codec.defect[]
M.no_defects = setmetatable({}, {
  __name = "lunapost.codec.no_defects",
  __newindex = function()
    error("the list of no defects cannot be added to: make a new one", 2)
  end,
})

-- From C, for a caller who gave it wrong options: it always raises.
local function complain(what, options, known, choices)
  options_of.check("option of codec." .. what, options, known, 3)
  for name, names in pairs(choices) do
    local given = options[name]
    if given and not names[given] then
      options_of.unknown(name .. " of codec." .. what, given, names, 3)
    end
  end
end

M.call = core.call.open(err.meta, defect_meta, M.no_defects, complain)

local none <const> = {}

--- Raises where the caller's caller gave wrong options.
---@param what string  "base64.encode"
---@param options table?
---@param known table<string, string>
---@return table
function M.options(what, options, known)
  if options == nil then return none end
  options_of.check("option of codec." .. what, options, known, 3)
  return options
end

--- Raises unless s is a string.
---@param what string
---@param s any
---@return string
function M.text(what, s)
  if type(s) ~= "string" then
    error(("codec.%s takes a string, not %s"):format(what, type(s)), 3)
  end
  return s
end

return M
