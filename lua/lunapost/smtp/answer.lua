--- Answers of handlers: what a handler may return or raise, made into one
--- reply { code, enhanced, text } (RFC 5321 4.2, RFC 2034).

local M = {}

---@class lunapost.answer
---@field code integer
---@field enhanced string  "" where none belongs
---@field text string

local reject_meta = { __name = "lunapost.reject" }

function reject_meta.__tostring(r)
  return ("%d %s %s"):format(r.code, r.enhanced, r.text)
end

-- Enhanced codes of replies whose handler gave none (RFC 3463).
local enhanced_of <const> = {
  [421] = "4.3.0", [450] = "4.2.0", [451] = "4.3.0", [452] = "4.3.1",
  [454] = "4.7.0", [455] = "4.5.4", [500] = "5.5.2", [501] = "5.5.4",
  [502] = "5.5.1", [503] = "5.5.1", [504] = "5.5.4", [530] = "5.7.0",
  [534] = "5.7.9", [535] = "5.7.8", [538] = "5.7.11", [550] = "5.7.1",
  [551] = "5.1.6", [552] = "5.2.2", [553] = "5.1.3", [555] = "5.5.4",
}

local texts <const> = {
  [2] = "ok", [3] = "go on", [4] = "try again later", [5] = "refused",
}

local function check_code(code, level)
  if math.type(code) ~= "integer" or code < 200 or code > 559 then
    error(("an answer is code, enhanced, text, and its code within 200..559, "
      .. "not %s"):format(type(code) == "string" and ("%q"):format(code)
      or tostring(code)), level + 1)
  end
end

-- "5.7.1 words" -> "5.7.1", "words"
local function split(text)
  local enhanced, rest = text:match("^([245]%.%d%d?%d?%.%d%d?%d?)%s*(.*)$")
  return enhanced, rest or text
end

local function default_enhanced(code)
  local class = code // 100
  return enhanced_of[code] or class ~= 3 and class .. ".0.0" or ""
end

local function check_enhanced(code, enhanced, level)
  if enhanced ~= "" and enhanced:sub(1, 1) ~= tostring(code // 100) then
    error(("the enhanced status code %s does not fit %d")
      :format(enhanced, code), level + 1)
  end
  return enhanced
end

-- The enhanced code that was last found to fit, by code: most handlers give
-- the same few answers. None of 3yz, which answer few things.
local fitting = {}

--- The same, for who looks whether a code and an enhanced code were found to
--- fit before.
---@type table<integer, string>
M.fitting = fitting

--- The three values of an answer; a list of answers, or nil, as it is.
---@param given lunapost.answer|lunapost.answer[]|nil
---@return integer|lunapost.answer[]|nil code
---@return string? enhanced
---@return string? text
function M.spread(given)
  if not given or not given.code then return given end
  return given.code, given.enhanced, given.text
end

--- The other way.
---@param code integer|lunapost.answer[]|nil
---@param enhanced? string
---@param text? string
---@return lunapost.answer|lunapost.answer[]|nil
function M.gathered(code, enhanced, text)
  if not enhanced then return code end
  return { code = code, enhanced = enhanced, text = text }
end

--- Makes an answer of a code, an enhanced status code (may be left out or
--- stand at the head of the text) and a text.
---@param code integer  200..559
---@param enhanced? string
---@param text? string
---@param level? integer
---@return lunapost.answer
function M.make(code, enhanced, text, level)
  level = (level or 1) + 1
  check_code(code, level)
  if text == nil and enhanced ~= nil then
    enhanced, text = split(tostring(enhanced))
  end
  text = text and tostring(text) or ""
  enhanced = check_enhanced(code, enhanced or default_enhanced(code), level)
  if code // 100 ~= 3 then fitting[code] = enhanced end
  return {
    code = code,
    enhanced = enhanced,
    text = text ~= "" and text or texts[code // 100],
  }
end

--- All that a client learns of a fault on our side.
---@return lunapost.answer
function M.fault()
  return M.make(451, "4.3.0", "local error; try again later")
end

--- Raises an answer: the handler is left at once, from any depth.
---@param code integer|lunapost.answer  200..559, or one of smtp.codes
---@param enhanced? string
---@param text? string
function M.reject(code, enhanced, text)
  if type(code) == "table" then
    code, enhanced, text = code.code, code.enhanced, code.text
  end
  error(setmetatable(M.make(code, enhanced, text, 2), reject_meta), 0)
end

---@param value any
---@return boolean
function M.is_reject(value)
  return getmetatable(value) == reject_meta
end

--- What a handler returned, as an answer, a list of answers (one a
--- recipient), or nil for the default.
---@param code any  nil, a code, an answer, or a list of codes and answers
---@param enhanced? string
---@param text? string
---@return lunapost.answer|lunapost.answer[]|nil
function M.returned(code, enhanced, text)
  if code == nil then return nil end
  if type(code) ~= "table" then return M.make(code, enhanced, text, 2) end
  if code.code then return M.make(code.code, code.enhanced, code.text, 2) end
  local second = type(code[2])
  if math.type(code[1]) == "integer" and (second == "string"
    or second == "nil") then
    return M.make(code[1], code[2], code[3], 2)
  end
  local list = {}
  for i, one in ipairs(code) do list[i] = M.returned(one) end
  if #list == 0 then
    error("a list of answers, one a recipient, must not be empty", 2)
  end
  return list
end

return M
