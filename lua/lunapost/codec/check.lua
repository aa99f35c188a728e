--- What the codecs share: checked arguments, and defects.

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
