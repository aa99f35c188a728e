--- Fields that tell of a message's way, and of other messages: Received
--- (RFC 5321 4.4), Return-Path, References, In-Reply-To.

local ascii = require "lunapost.ascii"
local values <const> = require("lunapost.core").mime

local M = {}

---@class lunapost.mime.received
---@field from? string  what the sender called itself
---@field from_comment? string  what the receiver found it to be
---@field by? string
---@field via? string
---@field with? string  the protocol, as written
---@field id? string  without angles
---@field ["for"]? string  the recipient, without angles
---@field date? integer  seconds since 1970
---@field zone? integer  seconds east of UTC
---@field value string  unfolded

local clauses <const> = {
  from = true, by = true, via = true, with = true, id = true, ["for"] = true,
}

-- Where a comment that begins at i ends; they nest.
local function comment_end(text, i)
  local depth = 0
  for at, c in text:gmatch("()([()\\])", i) do
    if c == "(" and text:byte(at - 1) ~= 92 then
      depth = depth + 1
    elseif c == ")" and text:byte(at - 1) ~= 92 then
      depth = depth - 1
      if depth == 0 then return at end
    end
  end
  return #text
end

-- The next token at or behind i: its text, what it is, where it ends.
local function token(text, i)
  i = text:find("%S", i)
  if not i then return nil end
  if text:byte(i) == 40 then
    local stop = comment_end(text, i)
    return text:sub(i + 1, stop - 1), "comment", stop + 1
  end
  local stop = text:match("^<[^<>%s]*>()", i) or text:match("^\"[^\"]*\"()", i)
    or text:match("^[^%s(;]+()", i) or i + 1
  return text:sub(i, stop - 1), "word", stop
end

-- The words of a clause up to the next; its first comment.
local function add(out, name, word, kind)
  if not name then return end
  if kind == "comment" then
    local key = name .. "_comment"
    out[key] = out[key] or word
  elseif not out[name] then
    out[name] = word:match("^<(.*)>$") or word
  end
end

-- What stands behind the last semicolon outside of comments is the date.
local function split(text)
  local i, at = 1, nil
  while true do
    local word, kind, stop = token(text, i)
    if not word then break end
    if word == ";" then at = stop - 1 end
    i = kind and stop
  end
  if not at then return text, nil end
  return text:sub(1, at - 1), text:sub(at + 1)
end

local function received_of(raw)
  local value = values.unfold(raw)
  local rest, date = split(value)
  local out, i, name = { value = value }, 1, nil
  while true do
    local word, kind, stop = token(rest, i)
    if not word then break end
    local clause = kind == "word" and ascii.lower(word)
    if clause and clauses[clause] and not out[clause] then
      name = clause
    else
      add(out, name, word, kind)
    end
    i = stop
  end
  if date then out.date, out.zone = values.date(date) end
  return out
end

-- Raw values of all fields of a name.
local function raws(part, name)
  local n = 0
  return function()
    n = n + 1
    return (part:_field(name, n))
  end
end

--- The Received fields, the youngest first, as they stand.
---@param part lunapost.mime.part
---@return lunapost.mime.received[]
function M.received(part)
  local list = {}
  for raw in raws(part, "Received") do list[#list + 1] = received_of(raw) end
  return list
end

-- Words with an at-sign inside. One pattern for both would look at what has
-- none from each of its octets on.
local function add_words(list, text)
  for word in text:gmatch("[^%s,;<>]+") do
    local at = word:find("@", 2, true)
    if at and at < #word then list[#list + 1] = word end
  end
end

-- Identifiers of a list, with all that obsolete syntax puts between them:
-- phrases, comments, commas. Without angles each word that has an at-sign.
local function ids(part, name)
  local list = {}
  for raw in raws(part, name) do
    local text, before = values.unfold(raw), #list
    for id in text:gmatch("<([^<>]*)>") do
      list[#list + 1] = (id:gsub("%s+", ""))
    end
    if #list == before then add_words(list, text) end
  end
  return list
end

--- Identifiers, without angles, in order.
---@param part lunapost.mime.part
---@return string[]
function M.references(part) return ids(part, "References") end

---@param part lunapost.mime.part
---@return string[]
function M.in_reply_to(part) return ids(part, "In-Reply-To") end

--- The envelope's sender: "" where the field is "<>", nil without it.
---@param part lunapost.mime.part
---@return string?
function M.return_path(part)
  local raw = part:_field("Return-Path")
  if not raw then return nil end
  local text = values.unfold(raw)
  if text:find("^<%s*>") then return "" end
  local one = values.addresses(raw)[1]
  return one and one.address or nil
end

return M
