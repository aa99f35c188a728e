--- Addresses as users give them, RFC 5322 3.4.
--
-- "b@x", "Bob <b@x>", "Bob <b@x>, c@y", "Team: b@x, c@y;", a table
-- { name =, address = }, or a list of any of these. Unlike the reader of
-- received fields, this one guesses nothing: what is no address raises,
-- since a typing error must not become a recipient.

local core = require "lunapost.core"

local M = {}

---@class lunapost.mailbox
---@field address string  local@domain
---@field name? string  the display name, UTF-8
---@field domain string  what follows the last @
---@field localpart string  what precedes it

---@class lunapost.group
---@field group string  its name
---@field members lunapost.mailbox[]

local mailbox_meta = { __name = "lunapost.mailbox" }

local function quoted(text)
  return '"' .. text:gsub('["\\]', "\\%0") .. '"'
end

function mailbox_meta:__tostring()
  if not self.name then return self.address end
  local name = self.name
  if name:find('[\0-\31\127"(),.:;<>@%[%]\\]') then name = quoted(name) end
  return name .. " <" .. self.address .. ">"
end

local function refuse(what, text, why)
  error(("%s: %q %s"):format(what, text, why), 0)
end

local function mailbox(name, address, what)
  if not core.compose.address(address) then
    local why = address:find("[\r\n\0]") and "holds CR, LF or NUL"
      or "is no address"
    refuse(what, address, why)
  end
  if name == "" then name = nil end
  if name and name:find("[\r\n\0]") then
    refuse(what, name, "holds CR, LF or NUL")
  end
  if name and not utf8.len(name) then
    refuse(what, name, "is not UTF-8")
  end
  local localpart, domain = address:match("^(.*)@(.-)$")
  return setmetatable({ name = name, address = address,
    localpart = localpart, domain = domain }, mailbox_meta)
end

-- What a token begins with decides how it ends.
local patterns <const> = {
  ['"'] = '^"[^"\\]*"()', ["<"] = "^<[^<>\"]*>()", ["["] = "^%[[^%[%]]*%]()",
  ["("] = "^%b()()",
}

local function quoted_end(text, at, closing)
  local i = at + 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "\\" then
      i = i + 1
    elseif c == closing then
      return i + 1
    elseif c == '"' then
      i = (quoted_end(text, i, '"') or #text + 1) - 1
    end
    i = i + 1
  end
end

local function token_end(text, at)
  local first = text:sub(at, at)
  local pattern = patterns[first]
  if not pattern then
    return first:find("[,;:>)]") and at + 1
      or text:match('^[^%s"<>(),;:%[]+()', at) or at + 1
  end
  local stop = text:match(pattern, at)
  if stop or first == "(" or first == "[" then return stop end
  return quoted_end(text, at, first == "<" and ">" or '"')
end

-- The tokens of a list: { text, first character, whether a blank precedes }.
local function tokens(text, what)
  local list, at = {}, 1
  while true do
    local start = text:find("%S", at)
    if not start then return list end
    local stop = token_end(text, start)
    if not stop then
      refuse(what, text, "is not closed")
    end
    list[#list + 1] = { text = text:sub(start, stop - 1),
      first = text:sub(start, start), blank = start > at }
    at = stop
  end
end

local function unquoted(token)
  if token.first ~= '"' then return token.text end
  return (token.text:sub(2, -2):gsub("\\(.)", "%1"))
end

-- The words of a phrase, with single blanks between them.
local function phrase(words)
  local out = {}
  for i, token in ipairs(words) do
    out[#out + 1] = (i > 1 and token.blank) and " " or ""
    out[#out + 1] = unquoted(token)
  end
  return table.concat(out)
end

local function raw(words)
  local out = {}
  for i, token in ipairs(words) do
    out[i] = (i > 1 and token.blank and " " or "") .. token.text
  end
  return table.concat(out)
end

-- One mailbox of the words gathered up to a comma, semicolon or the end.
local function finish(state, what)
  local words, angle = state.words, state.angle
  state.words, state.angle = {}, nil
  if angle then
    local inner = angle.text:sub(2, -2):match("^%s*(.-)%s*$")
    return mailbox(phrase(words), inner, what)
  elseif #words > 0 then
    return mailbox(state.comment, raw(words), what)
  end
end

local step = {}

step["("] = function(state, token)
  if not state.angle then state.comment = token.text:sub(2, -2) end
end

step["<"] = function(state, token, what)
  if state.angle then
    refuse(what, token.text, "follows an address without a comma")
  end
  state.angle = token
end

step[","] = function(state, _, what)
  local found = finish(state, what)
  state.list[#state.list + 1] = found
  state.comment = nil
end

step[":"] = function(state, token, what)
  if state.outer or state.angle or #state.words == 0 then
    refuse(what, token.text, "has no place here")
  end
  local group = { group = phrase(state.words), members = {} }
  state.outer = state.list
  state.outer[#state.outer + 1] = group
  state.list, state.words = group.members, {}
end

step[";"] = function(state, token, what)
  step[","](state, token, what)
  if state.outer then state.list, state.outer = state.outer, nil end
end

local function word(state, token, what)
  if state.angle or token.first:find("[>)]") then
    refuse(what, token.text, "has no place here")
  end
  state.words[#state.words + 1] = token
end

local function parse(text, what)
  if text:find("[\r\n\0]") then
    refuse(what, text, "holds CR, LF or NUL")
  end
  local list = {}
  local state = { list = list, words = {} }
  for _, token in ipairs(tokens(text, what)) do
    (step[token.first] or word)(state, token, what)
  end
  if state.outer then
    refuse(what, text, "lacks the ';' of its group")
  end
  step[","](state, nil, what)
  return list
end

local collect

local function group_form(into, value, what)
  local members = {}
  for _, member in ipairs(value.members or {}) do
    collect(members, member, what)
  end
  into[#into + 1] = { group = value.group, members = members }
end

local function table_form(into, value, what)
  if value.group and not value.address then
    return group_form(into, value, what)
  elseif value.address then
    if type(value.address) ~= "string"
      or (value.name and type(value.name) ~= "string") then
      error(what .. ": name and address must be strings", 0)
    end
    into[#into + 1] = mailbox(value.name, value.address, what)
  elseif #value == 0 and next(value) ~= nil then
    error(what .. ": a table is { address =, name = } here, or a list", 0)
  end
  for _, item in ipairs(value) do collect(into, item, what) end
end

function collect(into, value, what)
  if type(value) == "string" then
    local found = parse(value, what)
    table.move(found, 1, #found, #into + 1, into)
  elseif type(value) == "table" then
    table_form(into, value, what)
  else
    error(("%s must be an address, not %s"):format(what, type(value)), 0)
  end
end

--- Reads addresses in any form that a user may give. Raises on what is none.
---@param value string|table
---@param what? string  names the value in errors: "to"
---@return (lunapost.mailbox|lunapost.group)[]
function M.list(value, what)
  local list = {}
  collect(list, value, what or "address")
  return list
end

--- The mailboxes of a list, those of groups too, in order.
---@param list (lunapost.mailbox|lunapost.group)[]
---@return lunapost.mailbox[]
function M.mailboxes(list)
  local out = {}
  for _, item in ipairs(list) do
    if item.group then
      table.move(item.members, 1, #item.members, #out + 1, out)
    else
      out[#out + 1] = item
    end
  end
  return out
end

--- Text for people: `Bob <b@x>, c@y`. Not for a header field (that is
--- encoded and folded by core), but `list` reads it back.
---@param list (lunapost.mailbox|lunapost.group)[]
---@return string
function M.format(list)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = item.group
      and ("%s: %s;"):format(item.group, M.format(item.members))
      or tostring(item)
  end
  return table.concat(out, ", ")
end

return M
