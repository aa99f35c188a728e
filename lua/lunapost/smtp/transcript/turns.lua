--- What both pictures of a transcript draw: its lines as turns, a reply of
--- several lines being one.

local M = {}

---@class lunapost.turn
---@field who "C"|"S"|"*"
---@field texts string[]  of one line or more
---@field time number  of its last line
---@field code? string  of a reply
---@field kind? "tls"|"body"|"start"|"end"  of what happened

local kinds <const> = {
  { "^TLSv", "tls" }, { "^%d+ octets of message", "body" },
  { "^connected to ", "start" }, { "^the peer closed", "end" },
}

local function kind_of(text)
  for _, row in ipairs(kinds) do
    if text:find(row[1]) then return row[2] end
  end
end

local function turn_of(line)
  local turn = { who = line.who, texts = { line.text }, time = line.time,
    ending = line.ending }
  if line.who == "S" then turn.code = line.text:match("^(%d%d%d)") end
  if line.who == "*" then turn.kind = kind_of(line.text) end
  return turn
end

-- Whether a line goes on with the reply before it: "250-...", "250 ...".
local function continues(turn, line)
  return turn and turn.who == "S" and line.who == "S" and turn.code
    and turn.texts[#turn.texts]:sub(4, 4) == "-"
    and line.text:sub(1, 3) == turn.code
end

---@param transcript lunapost.transcript
---@return lunapost.turn[]
function M.of(transcript)
  local turns = {}
  for _, line in ipairs(transcript) do
    local last = turns[#turns]
    if continues(last, line) then
      last.texts[#last.texts + 1], last.time = line.text, line.time
    else
      turns[#turns + 1] = turn_of(line)
    end
  end
  return turns
end

--- The server's name, as far as the transcript tells.
---@param turns lunapost.turn[]
---@return string
function M.server(turns)
  for _, turn in ipairs(turns) do
    local name = turn.kind == "start" and turn.texts[1]:match("to (.*)$")
    if name then return name end
  end
  return "server"
end

return M
