--- A line that is being edited: keys in, lines and what to draw out. It
--- knows no terminal.

local svg = require "lunapost.svg"

local M = {}

---@class lunapost.editor
---@field prompt string
---@field before string  the cursor
---@field behind string  the cursor
---@field hidden boolean  nothing of the line is shown
---@field history string[]
local Editor = {}
local meta <const> = { __name = "lunapost.editor", __index = Editor }

local HISTORY <const> = 500

-- The last character of a text, and the first one.
local LAST <const>, FIRST <const> = "[^\x80-\xbf][\x80-\xbf]*$",
  "^[^\x80-\xbf][\x80-\xbf]*"

--- A new line to edit.
---@param fields { prompt: string, history: string[]?, hidden: boolean?,
--- complete: (fun(before: string): string[], integer)? }  complete: what may
--- stand at the cursor, and how many octets before it that replaces
---@return lunapost.editor
function M.new(fields)
  return setmetatable({ prompt = fields.prompt, before = "", behind = "",
    history = fields.history or {}, hidden = fields.hidden or false,
    complete = fields.complete, pending = "" }, meta)
end

local function set(editor, text)
  editor.before, editor.behind = text, ""
end

local keys = {}

function keys.left(e)
  local last = e.before:match(LAST) or ""
  e.before, e.behind = e.before:sub(1, -#last - 1), last .. e.behind
end

function keys.right(e)
  local first = e.behind:match(FIRST) or ""
  e.before, e.behind = e.before .. first, e.behind:sub(#first + 1)
end

function keys.home(e)
  e.before, e.behind = "", e.before .. e.behind
end

function keys.last(e)
  e.before, e.behind = e.before .. e.behind, ""
end

function keys.rub(e)
  e.before = e.before:gsub(LAST, "")
end

function keys.delete(e)
  e.behind = e.behind:gsub(FIRST, "")
end

function keys.kill_word(e)
  e.before = e.before:gsub("%S*%s*$", "")
end

function keys.word_left(e)
  local word = e.before:match("%S*%s*$")
  e.before, e.behind = e.before:sub(1, -#word - 1), word .. e.behind
end

function keys.word_right(e)
  local word = e.behind:match("^%s*%S*")
  e.before, e.behind = e.before .. word, e.behind:sub(#word + 1)
end

function keys.kill_before(e) e.before = "" end

function keys.kill_behind(e) e.behind = "" end

-- Through the history; what was being typed is the newest line.
local function recall(e, step)
  if e.hidden then return end
  local n = #e.history + 1
  local at = e.at or n
  if at == n then e.typed = e.before .. e.behind end
  at = math.max(1, math.min(n, at + step))
  e.at = at
  set(e, at == n and (e.typed or "") or e.history[at])
end

function keys.up(e) recall(e, -1) end

function keys.down(e) recall(e, 1) end

-- What all candidates begin with.
local function common(list)
  local text = list[1]
  for _, one in ipairs(list) do
    local n = 0
    while n < #text and text:byte(n + 1) == one:byte(n + 1) do n = n + 1 end
    text = text:sub(1, n)
  end
  return text
end

function keys.complete(e)
  if not e.complete then -- a message may have tabs in it
    e.before = e.before .. "\t"
    return
  end
  local list, size = e.complete(e.before)
  if #list == 0 then return "bell" end
  local word = e.before:sub(#e.before - size + 1)
  local text = common(list)
  if #list == 1 or #text > #word then
    e.before = e.before:sub(1, #e.before - size) .. text
  else
    e.choices = list
    return "choices"
  end
end

function keys.enter(e)
  local line = e.before .. e.behind
  local last = e.history[#e.history]
  if not e.hidden and line ~= "" and line ~= last then
    e.history[#e.history + 1] = line
    if #e.history > HISTORY then table.remove(e.history, 1) end
  end
  set(e, "")
  e.at, e.typed = nil, nil
  return "line", line
end

function keys.interrupt(e)
  local empty = e.before .. e.behind == ""
  set(e, "")
  e.at = nil
  return empty and "leave" or "dropped"
end

function keys.finish(e)
  if e.before .. e.behind == "" then return "leave" end
  keys.delete(e)
end

function keys.clear() return "clear" end

local controls <const> = {
  ["\1"] = "home", ["\2"] = "left", ["\3"] = "interrupt", ["\4"] = "finish",
  ["\5"] = "last", ["\6"] = "right", ["\b"] = "rub", ["\t"] = "complete",
  ["\n"] = "enter", ["\v"] = "kill_behind", ["\f"] = "clear",
  ["\r"] = "enter", ["\14"] = "down", ["\16"] = "up", ["\21"] = "kill_before",
  ["\23"] = "kill_word", ["\127"] = "rub",
}

-- What follows ESC.
local sequences <const> = {
  ["[A"] = "up", ["[B"] = "down", ["[C"] = "right", ["[D"] = "left",
  ["OA"] = "up", ["OB"] = "down", ["OC"] = "right", ["OD"] = "left",
  ["[H"] = "home", ["[F"] = "last", ["OH"] = "home", ["OF"] = "last",
  ["[1~"] = "home", ["[4~"] = "last", ["[7~"] = "home", ["[8~"] = "last",
  ["[3~"] = "delete", ["b"] = "word_left", ["f"] = "word_right",
  ["[1;5D"] = "word_left", ["[1;5C"] = "word_right", ["\127"] = "kill_word",
}

-- The name of the key behind ESC, and its size.
local function escaped(octets)
  local sequence = octets:match("^\27(%[[%d;?]*[%a~])")
    or octets:match("^\27(O%a)") or octets:match("^\27([^%[O])")
  if sequence then return sequences[sequence] or "nothing", 1 + #sequence end
end

-- Octets of a character, by the least first octet of each size.
local function size_of(first)
  return first < "\xc0" and 1 or first < "\xe0" and 2
    or first < "\xf0" and 3 or 4
end

-- One key at the head of the octets: its name, or none where it is a
-- character, and its size; nil, nil: more octets are needed.
local function key_of(octets)
  local first = octets:sub(1, 1)
  if first == "\27" then return escaped(octets) end
  if first:find("%c") then return controls[first] or "nothing", 1 end
  local size = size_of(first)
  return nil, #octets >= size and size or nil
end

--- Takes what was pressed, up to the next event.
---@param octets string  "" goes on with what an earlier call left
---@return "line"|"leave"|"dropped"|"choices"|"bell"|"clear"|nil event
---@return string? line
function Editor:feed(octets)
  self.pending = self.pending .. octets
  while self.pending ~= "" do
    local name, size = key_of(self.pending)
    if not size then return nil end
    local text = self.pending:sub(1, size)
    self.pending = self.pending:sub(size + 1)
    if not name then
      self.before = self.before .. text
    elseif keys[name] then
      local event, line = keys[name](self)
      if event then return event, line end
    end
  end
end

-- What a terminal can show of a text.
local function shown(text)
  return svg.clean((text:gsub("\t", " ")))
end

-- The columns that fit left of the cursor and right of it.
local function window(editor, columns)
  local room = math.max(columns - svg.columns(editor.prompt) - 1, 8)
  local before, behind = shown(editor.before), shown(editor.behind)
  while svg.columns(before) > room do before = before:gsub(FIRST, "") end
  room = room - svg.columns(before)
  while svg.columns(behind) > room do behind = behind:gsub(LAST, "") end
  return before, behind
end

--- What to write so that a terminal shows the line, cursor and all.
---@param columns integer
---@return string
function Editor:draw(columns)
  if self.hidden then return "\r" .. self.prompt .. "\27[K" end
  local before, behind = window(self, columns)
  local at = svg.columns(self.prompt) + svg.columns(before)
  return ("\r%s%s%s\27[K\r\27[%dC"):format(self.prompt, before, behind,
    math.max(at, 1))
end

--- What to write so that a terminal shows the line as it was ended.
---@param line string
---@return string
function Editor:finished(line)
  if self.hidden then line = "" end
  return "\r" .. self.prompt .. shown(line) .. "\27[K"
end

return M
