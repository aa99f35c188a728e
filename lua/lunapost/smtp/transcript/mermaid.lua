--- A transcript as a Mermaid sequence diagram.

local err = require "lunapost.err"
local svg = require "lunapost.svg"
local turns_of = require "lunapost.smtp.transcript.turns"

local M = {}

-- What Mermaid reads as its own: entity codes stand for it.
local function escape(text)
  text = svg.clean(err.printable(text)):gsub("[#;<>&\"%%{}$\\]", function(octet)
    return ("#%d;"):format(octet:byte())
  end)
  return text == "" and "#8203;" or text
end

local marks <const> = { [""] = " \u{2026}", ["\n"] = "#92;n" }

local function words(turn)
  local out = {}
  for i, text in ipairs(turn.texts) do out[i] = escape(text) end
  return table.concat(out, "<br/>") .. (marks[turn.ending] or "")
end

-- A number of milliseconds, once it is one.
local function after(seconds)
  local ms = math.floor(seconds * 1000 + 0.5)
  return ms > 0 and (" (%d ms)"):format(ms) or ""
end

local arrows <const> = { C = "C->>S: ", S = "S-->>C: " }

local function line_of(turn, waited)
  if turn.kind == "body" then
    return "C-)S: " .. words(turn)
  elseif turn.who == "*" then
    return "Note over C,S: " .. words(turn)
  end
  return arrows[turn.who] .. words(turn)
    .. (turn.who == "S" and after(waited) or "")
end

---@param transcript lunapost.transcript
---@return string
function M.draw(transcript)
  local turns = turns_of.of(transcript)
  local out = { "sequenceDiagram", "  participant C as client",
    "  participant S as " .. escape(turns_of.server(turns)) }
  local before = turns[1] and turns[1].time
  for _, turn in ipairs(turns) do
    out[#out + 1] = "  " .. line_of(turn, turn.time - before)
    before = turn.time
  end
  return table.concat(out, "\n") .. "\n"
end

return M
