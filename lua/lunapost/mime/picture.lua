--- The tree of parts as text to look at. It stays small whatever the message
--- is: rows, their indentation and what stands in them are all bounded.

local ascii = require "lunapost.ascii"
local err = require "lunapost.err"
local values <const> = require("lunapost.core").mime

local M = {}

local WORDS <const> = 28 -- columns of the first words
local BEGINNING <const> = 4 * WORDS * 4 -- octets that they are taken from
local SHORT <const> = 1 << 16 -- octets of what is read whole
local LABEL <const> = 60
local NAME <const> = 24 -- of an encoding, of a Content-ID
local ROWS <const> = 500
local DEPTH <const> = 24 -- further in, the indentation stays as it is

--- At most so many columns of a text. What a terminal would act on, or cannot
--- show, is left out.
---@param text string
---@param columns integer
---@return string
function M.clip(text, columns)
  text = text:gsub("[\0-\31\127]+", " ")
  if not utf8.len(text) then text = values.utf8(nil, text) end
  text = err.printable(text)
  if utf8.len(text) <= columns then return text end
  return text:sub(1, utf8.offset(text, columns) - 1) .. "\u{2026}"
end

local clip <const> = M.clip

--- A size as people read it: "412 B", "18.4 kB".
---@param n integer  bytes
---@return string
function M.size(n)
  if n < 1000 then return ("%d B"):format(n) end
  for _, unit in ipairs { "kB", "MB" } do
    n = n / 1000
    if n < 999.95 then return ascii.format("%.1f %s", n, unit) end
  end
  return ascii.format("%.1f GB", n / 1000)
end

local function label(part)
  local text = part.type
  local charset = part.type:match("^text/") and part.parameters.charset
  if charset then text = text .. "; " .. ascii.lower(charset) end
  if part.filename then text = text .. (' "%s"'):format(part.filename) end
  return clip(text, LABEL)
end

-- The first octets of a body without the rest of it, so that a long one takes
-- no memory; and of a short one all.
local function beginning(part)
  if part:size() <= SHORT then return part:body("utf-8") end
  local text = ""
  part:decode(function(piece)
    text = text .. (piece or "")
    return #text < BEGINNING or nil
  end)
  return values.utf8(part.parameters.charset, text:sub(1, BEGINNING))
end

local function words(part)
  if not part.type:match("^text/") then return "" end
  local text = beginning(part):sub(1, BEGINNING)
  text = utf8.len(text) and text or text:gsub("[\xc0-\xff][\x80-\xbf]*$", "")
  text = clip(text, #text):gsub("%s+", " "):match("^ ?(.-) ?$")
  return text ~= "" and ('"%s"'):format(clip(text, WORDS)) or ""
end

-- Where the body of a message/external-body is: "ftp host/folder/name".
local function place(part)
  local data = part:external()
  if not data then return nil end
  local path = {}
  for _, key in ipairs { "site", "directory", "name" } do
    path[#path + 1] = data[key]
  end
  local where = data.url or data.server or table.concat(path, "/")
  return clip(("%s %s"):format(data.access, where), 2 * WORDS)
end

local plain <const> = { ["7bit"] = true, ["8bit"] = true, binary = true }

-- What is not encoded need not be decoded to know its size.
local function body_size(part)
  local _, _, from, to = part:_offsets()
  if plain[part.encoding] then return to - from end
  if to - from <= SHORT then return #part:body() end
  local size = 0
  part:decode(function(piece)
    size = size + #(piece or "")
    return true
  end)
  return size
end

local function columns(part)
  if part.parts then
    return { label(part), "", M.size(part:size()),
      part._index == 1 and part.subject
        and ('"%s"'):format(clip(part.subject, WORDS)) or "" }
  end
  local id = part.id and "  cid:" .. clip(part.id, NAME) or ""
  return { label(part), clip(part.encoding, NAME) .. id,
    M.size(body_size(part)), place(part) or words(part) }
end

-- What stands before a part that is below another.
local function branch(above, last)
  local lead = above.lead
  if above.depth > 0 and above.depth < DEPTH then
    lead = lead .. (above.last and "   " or "\u{2502}  ")
  end
  return { depth = above.depth + 1, lead = lead, last = last,
    above = above.row,
    mark = last and "\u{2514}\u{2500} " or "\u{251c}\u{2500} " }
end

local function row_of(top)
  local part, row = top.part, columns(top.part)
  row.label, row[1] = row[1], top.lead .. top.mark .. row[1]
  row.part, row.above, row.bytes = part, top.above, part:size()
  row.depth = math.min(top.depth, DEPTH)
  return row
end

-- Rows in order, each with the branches that lead to it, and how many parts
-- have none.
local function rows_of(root)
  local rows, more = {}, 0
  local stack = { { part = root, depth = 0, lead = "", mark = "" } }
  while #stack > 0 do
    local top = table.remove(stack)
    if #rows < ROWS then
      rows[#rows + 1] = row_of(top)
      top.row = #rows
    else
      more = more + 1
    end
    local below = top.part.parts or top.part:uuencoded()
    for i = #below, 1, -1 do
      local next_one = branch(top, i == #below)
      next_one.part = below[i]
      stack[#stack + 1] = next_one
    end
  end
  return rows, more
end

local function pad(text, width)
  return text .. (" "):rep(width - utf8.len(text))
end

local function line_of(row, widths)
  local line = ("%s  %s  %s%s"):format(pad(row[1], widths[1]),
    pad(row[2], widths[2]), (" "):rep(widths[3] - #row[3]), row[3])
  return row[4] == "" and line or line .. "  " .. row[4]
end

-- "9,600"
local function count(n)
  local text = tostring(n):reverse():gsub("%d%d%d", "%0,"):reverse()
  return (text:gsub("^,", ""))
end

--- The picture of a part and all below it.
---@param root lunapost.mime.part
---@return string  lines
function M.text(root)
  local rows, more = rows_of(root)
  local widths, lines = { 0, 0, 0 }, {}
  for _, row in ipairs(rows) do
    for i in ipairs(widths) do
      widths[i] = math.max(widths[i], utf8.len(row[i]))
    end
  end
  for i, row in ipairs(rows) do lines[i] = line_of(row, widths) end
  if more > 0 then
    lines[#lines + 1] = ("... %s more part%s"):format(count(more),
      more == 1 and "" or "s")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The same as an SVG.
---@param root lunapost.mime.part
---@return string svg
function M.svg(root)
  return require("lunapost.mime.picture_svg").draw(rows_of(root))
end

return M
