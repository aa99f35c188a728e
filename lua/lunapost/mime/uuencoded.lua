--- Files that stand uuencoded in a plain text, between "begin MODE NAME" and
--- "end": the attachments of the time before MIME, and of Usenet.

local types = require "lunapost.mime.build.types"
local values <const> = require("lunapost.core").mime

local M = {}

-- A line of data: its first character tells how many octets follow.
local function is_data(line)
  local n = (line:byte() - 32) & 63
  local digits = (n + 2) // 3 * 4
  return #line <= digits + 4 and not line:find("[^ -`]")
end

local function has_data(text, i)
  local first = text:match("^[^\r\n]+", i)
  return first and (first == "end" or is_data(first))
end

-- Where the data that begins at i ends: behind its "end" line.
local function finish(text, i)
  i = i - 1 -- its LF
  while true do
    local _, last = text:find("\nend[ \t\r]*", i)
    if not last then return nil end
    if last == #text then return last end
    if text:byte(last + 1) == 10 then return last + 1 end
    i = last
  end
end

-- The next line "begin MODE NAME" at or behind i: where it begins, where the
-- data does, the name.
local function begin(text, i)
  while true do
    local from, last = text:find("begin ", i, true)
    if not from then return nil end
    if from == 1 or text:byte(from - 1) == 10 then -- each line is read once
      local name, data =
        text:match("^0?[0-7][0-7][0-7] ([^\r\n]+)\r?\n()", last + 1)
      if name then return from, data, name end
    end
    i = last + 1
  end
end

--- The places of such files in a text: { from, to, name }.
---@param text string
---@return table[]
function M.places(text)
  local list, at = {}, 1
  while true do
    local from, data, name = begin(text, at)
    if not from then return list end
    at = data
    if has_data(text, data) then
      local to = finish(text, data)
      if not to then return list end -- nor is there an end for another
      list[#list + 1] = { from = from, to = to, name = name }
      at = to + 1
    end
  end
end

-- A part of its own, as MIME would have written it. Its name is a value that
-- no header field could break.
local function part_of(part, n, name, bytes)
  local path = ("%s.u%d"):format(part.path, n)
  local made = require("lunapost.mime.part").parse("Content-Type: "
    .. types.of(name) .. "\nContent-Transfer-Encoding: x-uuencode\n"
    .. "Content-Disposition: attachment\n\n" .. bytes, part._state.limits,
    path, part)
  made._state.within_text = true
  made:_keep("filename", values.utf8(nil, name))
  return made
end

-- What a text holds beside text.
local function has(part)
  return part.type == "text/plain" and part.encoding ~= "base64"
    and part:body():find("begin ", 1, true)
end

--- The files in the text of a part, as parts with type, filename and body.
--- They are not among `parts`, for they are text, too; attachments() has
--- them.
---@param part lunapost.mime.part
---@return lunapost.mime.part[]
function M.uuencoded(part)
  if not has(part) then return {} end
  local body, list = part:body(), {}
  for i, place in ipairs(M.places(body)) do
    list[i] = part_of(part, i, place.name, body:sub(place.from, place.to))
  end
  return list
end

--- A text without the files in it.
---@param part lunapost.mime.part
---@param text string  its text, decoded
---@return string
function M.without(part, text)
  if not has(part) then return text end
  local out, at = {}, 1
  for _, place in ipairs(M.places(text)) do
    out[#out + 1] = text:sub(at, place.from - 1)
    at = place.to + 1
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

return M
