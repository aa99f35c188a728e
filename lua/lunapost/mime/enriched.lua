--- The plain rendering of text/enriched (RFC 1896) and of text/richtext
--- (RFC 1341 7.1.3): what is said, without how it looks.

local ascii = require "lunapost.ascii"

local M = {}

---@class lunapost.mime.enriched.state
---@field out string[]
---@field hidden integer  how many param or comment elements are open
---@field nofill integer  in how many elements line ends stay
---@field rich boolean

-- Elements whose content is not shown.
local hides <const> = { param = true, comment = true }
-- What a tag of richtext stands for; it ends paragraphs by an element.
local stands_for <const> = { nl = "\n", lt = "<", np = "\n\f\n" }

local function add(state, text)
  if state.hidden == 0 then state.out[#state.out + 1] = text end
end

-- Elements are nested properly, or it does not matter here.
local function moved(count, closing)
  return math.max(0, count + (closing and -1 or 1))
end

local function tag(state, closing, name)
  name = ascii.lower(name)
  if hides[name] then
    state.hidden = moved(state.hidden, closing)
  elseif name == "nofill" then
    state.nofill = moved(state.nofill, closing)
  elseif state.rich and closing and name == "paragraph" then
    add(state, "\n\n")
  elseif state.rich and not closing and stands_for[name] then
    add(state, stands_for[name])
  end
end

-- A "<" at i. Returns where to go on. No pattern looks further than a name.
local function angle(state, text, i)
  if not state.rich and text:byte(i + 1) == 60 then
    add(state, "<")
    return i + 2
  end
  local slash, name, after = text:match("^<(/?)(%a[%w-]*)>()", i)
  if name then
    tag(state, slash == "/", name)
    return after
  end
  add(state, "<")
  return i + 1
end

-- Line ends at i: one is a blank, of more one stays less. Richtext says
-- <nl> where it means one.
local function line_ends(state, text, i)
  local _, last = text:find("^\n+", i)
  local n = last - i + 1
  if state.nofill > 0 then
    add(state, ("\n"):rep(n))
  elseif n == 1 or state.rich then
    add(state, last == #text and "\n" or " ")
  else
    add(state, ("\n"):rep(n - 1))
  end
  return last + 1
end

--- Renders a text. Nothing fails: what is no element stays as it is.
---@param text string
---@param kind "text/enriched"|"text/richtext"
---@return string plain  lines end with LF
function M.plain(text, kind)
  text = text:gsub("\r\n", "\n")
  local state = { out = {}, hidden = 0, nofill = 0,
    rich = kind == "text/richtext" }
  local i = 1
  while i <= #text do
    local at = text:find("[<\n]", i) or #text + 1
    if at > i then add(state, text:sub(i, at - 1)) end
    if at > #text then break end
    local step = text:byte(at) == 60 and angle or line_ends
    i = step(state, text, at)
  end
  return table.concat(state.out)
end

return M
