--- What a scripted server does, step by step, to play a transcript.

local proof = require "lunapost.smtp.replay.proof"
local transcripts = require "lunapost.smtp.transcript"

local M = {}

---@class lunapost.replay.step
---@field act "say"|"hear"|"secure"|"body"|"chunk"|"close"|"prove"
---@field mechanism? string  of prove, whose octets are how it ended
---@field octets? string  to say, or as they are expected
---@field whole? boolean  of hear: up to a line's end
---@field number integer  the transcript's line
---@field time number

-- What happened, and what a server did then. Nothing else that happened is
-- any of its doing.
local events <const> = {
  { "^TLSv", "secure" },
  { "^%d+ octets of message, then the dot$", "body" },
  { "^the peer closed the connection", "close" },
}

local function act_of(text)
  for _, row in ipairs(events) do
    if text:find(row[1]) then return row[2] end
  end
end

local function octets_of(line)
  return line.text .. (line.ending or "\r\n")
end

-- Octets of the client: a piece goes on with the line before it.
local function hear(steps, line, number)
  local last = steps[#steps]
  if last and last.act == "hear" and not last.whole then
    last.octets = last.octets .. octets_of(line)
  else
    last = { act = "hear", octets = octets_of(line), number = number,
      time = line.time }
    steps[#steps + 1] = last
  end
  last.whole = line.ending ~= ""
  if last.whole and last.octets:find("^[Bb][Dd][Aa][Tt] +%d") then
    steps[#steps + 1] = { act = "chunk", number = number, time = line.time }
  end
end

local function say(steps, line, number)
  local last = steps[#steps]
  if last and last.act == "say" and last.time == line.time then
    last.octets = last.octets .. octets_of(line)
  else
    steps[#steps + 1] = { act = "say", octets = octets_of(line),
      number = number, time = line.time }
  end
end

-- The step that ends an exchange of challenges, and its place.
local function verdict_of(steps, from)
  for at = from, #steps, 2 do
    local step = steps[at]
    if step.act ~= "say" then return nil end
    if not step.octets:find "^334" then return step, at end
  end
end

-- Exchanges that fit one session alone become one step each.
local function with_proofs(steps)
  local out, at = {}, 1
  while steps[at] do
    local step, after = steps[at], steps[at + 1]
    out[#out + 1] = step
    at = at + 1
    local mechanism = step.act == "hear" and proof.begins(step.octets)
    if mechanism and after and after.act == "say"
      and after.octets:find "^334" then
      local last, place = verdict_of(steps, at)
      out[#out + 1] = { act = "prove", mechanism = mechanism,
        octets = last and last.octets, number = step.number,
        time = after.time }
      at = (place or #steps) + 1
    end
  end
  return out
end

--- The steps of each connection that a transcript tells of.
---@param transcript lunapost.transcript
---@return lunapost.replay.step[][]
function M.of(transcript)
  local sessions, steps = {}, {}
  for number, line in ipairs(transcript) do
    local act = line.who == "*" and act_of(line.text)
    if line.who == "C" then
      hear(steps, line, number)
    elseif line.who == "S" then
      say(steps, line, number)
    elseif act then
      steps[#steps + 1] = { act = act, number = number, time = line.time }
    elseif steps[1] and line.text:find("^connected to ") then
      sessions[#sessions + 1], steps = steps, {}
    end
  end
  sessions[#sessions + 1] = steps
  for i, one in ipairs(sessions) do sessions[i] = with_proofs(one) end
  return sessions
end

-- No body is compared, nor the size of a chunk of one.
local function without_size(octets)
  return (octets:gsub("^([Bb][Dd][Aa][Tt] +)%d+", "%1"))
end

--- Whether octets are what was expected; a mask stands for any.
---@param expected string
---@param got string
---@return boolean
function M.fits(expected, got)
  if without_size(expected) == without_size(got) then return true end
  if not expected:find(transcripts.MASK, 1, true) then return false end
  local pattern = expected:gsub("%*%*%*%*%*%*%*%*", "\0")
    :gsub("[^%w%z]", "%%%0"):gsub("%z+", "[^\r\n]*")
  return got:find("^" .. pattern .. "$") ~= nil
end

return M
