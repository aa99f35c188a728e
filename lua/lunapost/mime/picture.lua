--- The tree of parts as text to look at.

local M = {}

local WORDS <const> = 28 -- columns of the first words

-- Bytes that a terminal would act on, or cannot show, are left out.
local function printable(text)
  return (text:gsub("[%c\127]+", " "):gsub("\u{9b}", " "))
end

local function clip(text, columns)
  if utf8.len(text) <= columns then return text end
  return text:sub(1, utf8.offset(text, columns) - 1) .. "\u{2026}"
end

--- A size as people read it: "412 B", "18.4 kB".
---@param n integer  bytes
---@return string
function M.size(n)
  if n < 1000 then return ("%d B"):format(n) end
  for _, unit in ipairs { "kB", "MB" } do
    n = n / 1000
    if n < 999.95 then return ("%.1f %s"):format(n, unit) end
  end
  return ("%.1f GB"):format(n / 1000)
end

local function label(part)
  local text = part.type
  local charset = part.type:match("^text/") and part.parameters.charset
  if charset then text = text .. "; " .. charset:lower() end
  if part.filename then text = text .. (' "%s"'):format(part.filename) end
  return clip(printable(text), 60)
end

local function words(part)
  if not part.type:match("^text/") then return "" end
  local text = part:body("utf-8"):sub(1, 4 * WORDS * 4)
  text = utf8.len(text) and text or text:gsub("[\x80-\xff]+$", "")
  text = printable(text):gsub("%s+", " "):match("^ ?(.-) ?$")
  return text ~= "" and ('"%s"'):format(clip(text, WORDS)) or ""
end

local function columns(part)
  if part.parts then
    return { label(part), "", M.size(part:size()),
      part._index == 1 and part.subject
        and ('"%s"'):format(clip(printable(part.subject), WORDS)) or "" }
  end
  local id = part.id and "  cid:" .. clip(printable(part.id), 24) or ""
  return { label(part), part.encoding .. id, M.size(#part:body()),
    words(part) }
end

-- Lines in order; each with the branches that lead to it.
local function lines_of(root)
  local lines, stack = {}, { { part = root, lead = "", branch = "" } }
  while #stack > 0 do
    local top = table.remove(stack)
    local line = columns(top.part)
    line[1] = top.lead .. top.branch .. line[1]
    lines[#lines + 1] = line
    local below = top.part.parts or {}
    local lead = top.lead
    if top.branch ~= "" then
      lead = lead .. (top.last and "   " or "\u{2502}  ")
    end
    for i = #below, 1, -1 do
      local last = i == #below
      stack[#stack + 1] = { part = below[i], lead = lead, last = last,
        branch = last and "\u{2514}\u{2500} " or "\u{251c}\u{2500} " }
    end
  end
  return lines
end

local function pad(text, width)
  return text .. (" "):rep(width - utf8.len(text))
end

--- The picture of a part and all below it.
---@param root lunapost.mime.part
---@return string  lines
function M.text(root)
  local lines = lines_of(root)
  local widths = { 0, 0, 0 }
  for _, line in ipairs(lines) do
    for i in ipairs(widths) do
      widths[i] = math.max(widths[i], utf8.len(line[i]))
    end
  end
  for i, line in ipairs(lines) do
    lines[i] = ("%s  %s  %s  %s"):format(pad(line[1], widths[1]),
      pad(line[2], widths[2]),
      (" "):rep(widths[3] - #line[3]) .. line[3], line[4]):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
