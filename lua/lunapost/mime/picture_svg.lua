--- The tree of a message's parts as a plain SVG: what is in what, and beside
--- it a bar, as long as the part's share of the bytes.

local svg = require "lunapost.svg"

local M = {}

local CHAR <const>, width_of, escape = svg.CHAR, svg.columns, svg.escape
local add <const> = svg.add
local LINE <const> = 22 -- pixels from row to row
local LEFT <const> = 16
local STEP <const> = 20 -- deeper by one
local BAR <const> = 140

-- Of the bars, by the first word of the type.
local colours <const> = {
  text = "#3b7dd8", image = "#3c9d5b", audio = "#b0722f", video = "#8e5bc0",
  message = "#c04f6b", multipart = "#b9c2cc",
}
local OTHER <const> = "#5c6b7a"

local function y_of(i) return i * LINE - 4 end

local function x_of(row) return LEFT + row.depth * STEP end

local function text(out, x, i, words, more)
  if words == "" then return end
  add(out, '<text x="%d" y="%d"%s>%s</text>', x // 1, y_of(i) + 4, more or "",
    escape(words))
end

-- From the row that a part is below of: down, and to the right.
local function branch(out, rows, i)
  local row, above = rows[i], rows[i].above
  if not above then return end
  local x = x_of(rows[above]) + 4
  add(out, '<path d="M%d %dV%dH%d"/>', x, y_of(above) + 9, y_of(i),
    x_of(row) - 4)
end

local function bar(out, x, i, row, total)
  local share = total > 0 and row.bytes / total or 0
  local kind = row.part.type:match("^[^/]*")
  add(out, '<rect x="%d" y="%d" width="%.1f" height="10" fill="%s"/>', x // 1,
    y_of(i) - 5, math.max(1, share * BAR), colours[kind] or OTHER)
end

-- Where the columns begin: name, encoding, size, bar, words; the whole width.
local function places(rows)
  local name, encoding, words = 0, 0, 0
  for _, row in ipairs(rows) do
    name = math.max(name, x_of(row) + width_of(row.label) * CHAR)
    encoding = math.max(encoding, width_of(row[2]) * CHAR)
    words = math.max(words, width_of(row[4]) * CHAR)
  end
  local at = { encoding = name + 24 }
  at.size = at.encoding + encoding + 80 -- ends there
  at.bar = at.size + 12
  at.words = at.bar + BAR + 16
  at.width = at.words + words + LEFT
  return at
end

local function row_of(out, row, i, at, total)
  text(out, x_of(row), i, row.label,
    row.part.parts and ' font-weight="bold"')
  text(out, at.encoding, i, row[2], ' fill="#5c6b7a"')
  text(out, at.size, i, row[3], ' text-anchor="end"')
  bar(out, at.bar, i, row, total)
  text(out, at.words, i, row[4], ' fill="#5c6b7a"')
end

--- Draws rows of lunapost.mime.picture.
---@param rows table[]
---@param more integer  parts without a row
---@return string svg
function M.draw(rows, more)
  local at, out = places(rows), {}
  local height = y_of(#rows + (more > 0 and 1 or 0)) + LINE
  add(out, '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
    .. 'viewBox="0 0 %d %d" font-family="ui-monospace,Menlo,Consolas,'
    .. 'DejaVu Sans Mono,monospace" font-size="12" fill="#1d2733">',
    at.width // 1, height, at.width // 1, height)
  add(out, '<rect width="100%%" height="100%%" fill="#ffffff"/>')
  add(out, '<g fill="none" stroke="#b9c2cc">')
  for i in ipairs(rows) do branch(out, rows, i) end
  add(out, '</g>')
  for i in ipairs(rows) do row_of(out, rows[i], i, at, rows[1].bytes) end
  if more > 0 then
    text(out, LEFT, #rows + 1, ("... %d more parts"):format(more))
  end
  add(out, "</svg>")
  return table.concat(out, "\n") .. "\n"
end

return M
