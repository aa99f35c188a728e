--- Lines that are made only when somebody looks.
--
-- A session that sends thousands of messages is seldom looked at: what was
-- said and heard is kept as it was, in groups, and becomes lines when a field
-- or a line of the transcript is asked for. Until then the transcript has no
-- line of its own, so that no line can be seen out of order.

local M = {}

-- Slots of a group: who, text (or a list of lines), time, veil. A line that
-- was made before is a group, too: a table instead of who.
local SLOTS <const> = 4

-- A longer text is not kept: its lines may be many.
local LONG <const> = 4096

-- Groups that are kept: as many times the limit.
local MOST <const> = 3

-- The lines there are wait before the groups.
local function begin(transcript)
  local groups, n = {}, rawlen(transcript)
  for i = 1, n do
    groups[SLOTS * i - 3], groups[SLOTS * i - 2] = transcript[i], false
    groups[SLOTS * i - 1], groups[SLOTS * i] = false, false
    transcript[i] = nil
  end
  rawset(transcript, "groups", groups)
  return groups
end

-- No group has less than a line: the last so many are enough.
local function trim(groups, limit)
  local n, keep = #groups, SLOTS * limit
  table.move(groups, n - keep + 1, n, 1)
  for i = keep + 1, n do groups[i] = nil end
end

-- Octets of a body, or lines.
local function text_of(text, veil)
  if type(text) == "number" then
    return ("%d octets of message, then the dot"):format(text)
  end
  if type(text) == "table" then text = table.concat(text, "\n") end
  return veil and veil(text) or text
end

--- Makes the lines of what waits.
---@param transcript lunapost.transcript
function M.settle(transcript)
  local groups = rawget(transcript, "groups")
  if not groups then return end
  transcript.groups = nil
  local clock, time = transcript.clock, nil
  transcript.clock = function() return time end
  for i = 1, #groups, SLOTS do
    local who, veil = groups[i], groups[i + 3]
    time = groups[i + 2]
    if type(who) == "table" then
      rawset(transcript, rawlen(transcript) + 1, who)
    else
      transcript:add(who, text_of(groups[i + 1], veil))
    end
  end
  transcript.clock = clock
end

--- Adds lines as transcript:add does, but later.
---@param transcript lunapost.transcript
---@param who "C"|"S"|"*"
---@param text string|string[]  lines; a list stays as it is
---@param veil? fun(text: string): string  hides what is secret
function M.add(transcript, who, text, veil)
  local limit = rawget(transcript, "limit")
  if not limit or rawget(transcript, "on_line") or #text > LONG then
    return transcript:add(who, text_of(text, veil))
  end
  local groups, time = rawget(transcript, "groups"), transcript.clock()
  if not groups then groups = begin(transcript) end
  local n = #groups
  groups[n + 1], groups[n + 2], groups[n + 3] = who, text, time
  groups[n + 4] = veil or false
  if n >= MOST * SLOTS * limit then trim(groups, limit) end
end

-- Adds a group; how many slots are in use then.
local function put(groups, n, who, text, time, veil)
  groups[n + 1], groups[n + 2], groups[n + 3] = who, text, time
  groups[n + 4] = veil
  return n + SLOTS
end

--- Adds what was said and heard of a whole message, as add does.
---@param transcript lunapost.transcript
---@param veil? fun(text: string): string
---@param said string  commands
---@param heard string  replies
---@param size? integer  octets of the body that was sent
function M.message(transcript, veil, said, heard, size)
  local groups = rawget(transcript, "groups")
  if not groups or #groups >= MOST * SLOTS * transcript.limit
    or rawget(transcript, "on_line") then
    M.add(transcript, "C", said, veil)
    if heard ~= "" then M.add(transcript, "S", heard, veil) end
    if size then M.add(transcript, "*", text_of(size)) end
    return
  end
  local time = transcript.clock()
  local n = put(groups, #groups, "C", said, time, veil or false)
  if heard ~= "" then n = put(groups, n, "S", heard, time, veil or false) end
  if size then put(groups, n, "*", size, time, false) end
end

return M
