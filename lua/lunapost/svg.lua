--- What the pictures share: texts that XML can hold, and how wide they are.

local ascii = require "lunapost.ascii"

local M = {}

--- Pixels of a column of text at 12 pixels.
M.CHAR = 7.3

--- Families of fonts whose columns are that wide.
M.FONTS = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"

local escapes <const> = {
  ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
}

--- UTF-8 without controls; U+FFFD for what XML cannot hold.
---@param text string
---@return string
function M.clean(text)
  local pieces, at = {}, 1
  while at <= #text do
    local ok, bad = utf8.len(text, at)
    pieces[#pieces + 1] = text:sub(at, ok and #text or bad - 1)
    if ok then break end
    pieces[#pieces + 1] = "\u{fffd}"
    at = bad + 1
  end
  return (table.concat(pieces):gsub("[\0-\31\127]", "\u{fffd}")
    :gsub("\xef\xbf[\xbe\xbf]", "\u{fffd}"))
end

--- Adds a piece to a picture.
---@param out string[]
---@param form string  as ascii.format takes it
---@param ... any
function M.add(out, form, ...)
  out[#out + 1] = ascii.format(form, ...)
end

--- Clean text for content and attributes.
---@param text string
---@return string
function M.escape(text)
  return (M.clean(text):gsub('[&<>"]', escapes))
end

-- East Asian characters and signs, which take two columns.
local wide <const> = {
  { 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 },
  { 0xf900, 0xfaff }, { 0xff00, 0xff60 }, { 0x1f300, 0x1faff },
  { 0x20000, 0x3fffd },
}

--- Columns that a text takes.
---@param text string  UTF-8
---@return integer
function M.columns(text)
  local n = 0
  for _, code in utf8.codes(text) do
    n = n + 1
    for _, range in ipairs(wide) do
      if code >= range[1] and code <= range[2] then n = n + 1 end
    end
  end
  return n
end

--- A text of at most so many characters, "..." as one where some are left
--- out.
---@param text string  UTF-8
---@param most integer
---@return string
function M.cut(text, most)
  if utf8.len(text) <= most then return text end
  return text:sub(1, utf8.offset(text, most) - 1) .. "\u{2026}"
end

return M
