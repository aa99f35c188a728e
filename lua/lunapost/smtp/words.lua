--- The words of a command line, as a POSIX shell takes quotes apart (XCU 2.2),
--- and nothing else of a shell: no variable, no pattern, no pipe.

local M = {}

-- Up to the quote that ends a text, in which a backslash takes the meaning
-- of what it has one for.
local function double_quoted(text, at)
  local out = ""
  while true do
    local plain, stop, behind = text:match('^([^"\\]*)(["\\])()', at)
    if not stop then return nil end
    out = out .. plain
    if stop == '"' then return out, behind end
    local one = text:match("^.", behind)
    if not one then return nil end
    out = out .. (one:find '["\\$`]' and "" or "\\") .. one
    at = behind + 1
  end
end

local function single_quoted(text, at)
  return text:match("^([^']*)'()", at)
end

local function escaped(text, at)
  return text:match("^(.)()", at)
end

local openers <const> = {
  ["'"] = { single_quoted, "a single quote is not closed" },
  ['"'] = { double_quoted, "a double quote is not closed" },
  ["\\"] = { escaped, "nothing follows the backslash at the end" },
}

-- A word from where it begins; the position behind it.
local function word_at(text, at)
  local word = ""
  while true do
    local plain, behind = text:match("^([^%s'\"\\]*)()", at)
    word, at = word .. plain, behind
    local opener = openers[text:sub(at, at)]
    if not opener then return word, at end
    local piece, after = opener[1](text, at + 1)
    if not piece then return nil, opener[2] end
    word, at = word .. piece, after
  end
end

--- Takes a text apart at blanks that are not quoted.
---@param text string
---@return string[]? words
---@return string? problem  a quote that is not closed
function M.split(text)
  local words, at = {}, text:match "^%s*()"
  while at <= #text do
    local word, behind = word_at(text, at)
    if not word then return nil, behind end
    words[#words + 1] = word
    at = text:match("^%s*()", behind)
  end
  return words
end

return M
