--- The flat view of a message, RFC 8621 4.1.4: which parts are its text,
--- which its HTML, which are attachments.

local M = {}

local enriched <const> = {
  ["text/enriched"] = true, ["text/richtext"] = true,
}

local function is_media(kind)
  return kind:match("^image/") or kind:match("^audio/")
    or kind:match("^video/")
end

local function is_inline(part, i, around)
  local kind = part.type
  if part.disposition == "attachment" then return false end
  if kind == "text/plain" or kind == "text/html" then
    return i == 1 or (around ~= "related" and not part.filename)
  end
  return is_media(kind) and (i == 1 or around ~= "related")
end

-- A part of multipart/alternative is one of the two texts, or none.
local function add_alternative(part, to)
  if part.type == "text/plain" and to.text then
    table.insert(to.text, part)
  elseif part.type == "text/html" and to.html then
    table.insert(to.html, part)
  else
    table.insert(to.attachments, part)
  end
end

local function add_inline(part, inside, to)
  if inside and part.type == "text/plain" then to.html = nil end
  if inside and part.type == "text/html" then to.text = nil end
  if to.text then table.insert(to.text, part) end
  if to.html then table.insert(to.html, part) end
  if not (to.text and to.html) and is_media(part.type) then
    table.insert(to.attachments, part)
  end
end

-- What is to be done for the parts of a multipart: the lists that they go
-- to, as long as what they hold can be one of these, and how long those are.
local function level_of(parts, around, inside, to)
  return { parts = parts, at = 0, around = around, inside = inside,
    text = to.text, html = to.html, attachments = to.attachments,
    text_n = to.text and #to.text, html_n = to.html and #to.html }
end

-- Adds the next part of a level, or gives the level below it.
local function visit_one(part, to)
  local subtype = part.type:match("^multipart/(.*)")
  if subtype then
    return level_of(part.parts or {}, subtype,
      to.inside or subtype == "alternative", to)
  elseif not is_inline(part, to.at, to.around) then
    table.insert(to.attachments, part)
  elseif to.around == "alternative" then
    add_alternative(part, to)
  else
    add_inline(part, to.inside, to)
  end
end

-- Where an alternative has one text only, it stands for both.
local function share(from, from_n, to, to_n)
  if #from > from_n and #to == to_n then
    table.move(from, from_n + 1, #from, #to + 1, to)
  end
end

local function leave(to)
  if to.around == "alternative" and to.text and to.html then
    share(to.text, to.text_n, to.html, to.html_n)
    share(to.html, to.html_n, to.text, to.text_n)
  end
end

local function visit(root, lists)
  local stack, n = { level_of({ root }, "mixed", false, lists) }, 1
  while n > 0 do
    local top = stack[n]
    top.at = top.at + 1
    local part = top.parts[top.at]
    local below = part and visit_one(part, top)
    if below then
      n = n + 1
      stack[n] = below
    elseif not part then
      leave(top)
      n = n - 1
    end
  end
end

-- An enriched text (RFC 1896, RFC 1341) that no one named or attached is a
-- body where there is no plain one, though RFC 8621 knows only two kinds.
local function enriched_of(attachments, text)
  for _, part in ipairs(text) do
    if part.type == "text/plain" then return nil end
  end
  for i, part in ipairs(attachments) do
    if enriched[part.type] and part.disposition ~= "attachment" then
      return table.remove(attachments, i)
    end
  end
end

--- The three lists of a part: text, html, attachments; and the enriched text
--- that stands in for a plain one.
---@param part lunapost.mime.part
---@return { text: table, html: table, attachments: table, enriched: table? }
function M.of(part)
  local text, html, attachments = {}, {}, {}
  visit(part, { text = text, html = html, attachments = attachments })
  return { text = text, html = html, attachments = attachments,
    enriched = enriched_of(attachments, text) }
end

return M
