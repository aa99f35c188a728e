--- Lines that are made only when somebody looks.
--
-- A session that sends thousands of messages is seldom looked at: what was
-- said and heard is kept as it was, in groups, and becomes lines when a field
-- or a line of the transcript is asked for. Until then the transcript has no
-- line of its own, so that no line can be seen out of order.

local core = require "lunapost.core"

local M = {}

local now <const> = core.loop.now

-- Slots of a group: who, text (or a list of lines), time, veil. A line that
-- was made before is a group, too: a table instead of who; and so is what a
-- machine recorded, see csrc/core/posting.h: RECORD, and instead of a time how
-- late the clock of the transcript is.
local SLOTS <const> = 4
local RECORD <const> = "record"
local PIECE <const> = "=c1ds4"

-- A machine records so many lines at least.
local RECORDED <const> = 64

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
  transcript.groups = groups
  return groups
end

-- No group has less than a line: the last so many are enough.
local function trim(groups, limit)
  local n, keep = #groups, SLOTS * limit
  table.move(groups, n - keep + 1, n, 1)
  for i = keep + 1, n do groups[i] = nil end
end

local function text_of(text, veil)
  if type(text) == "table" then text = table.concat(text, "\n") end
  return veil and veil(text) or text
end

-- Calls add(who, text, time) for each piece of a record.
local function each_piece(record, late, veil, add)
  local at = 1
  while at <= #record do
    local who, time, text
    who, time, text, at = PIECE:unpack(record, at)
    if who == "*" then text = text .. " octets of message, then the dot" end
    add(who, text_of(text, veil), time + late)
  end
end

-- Gives a function that adds lines with a time of their own.
local function dated(transcript, add)
  local clock, time = transcript.clock, nil
  local _ <close> = setmetatable({}, { __close = function()
    transcript.clock = clock
  end })
  transcript.clock = function() return time end
  add(function(who, text, when)
    time = when
    transcript:add(who, text)
  end)
end

-- The last group may be the record that a machine still writes: takes it.
local function take(groups)
  local machine = groups.recorder
  if machine then
    groups.recorder = nil
    groups[#groups - 2] = machine:posted()
  end
end

--- Makes the lines of what waits.
---@param transcript lunapost.transcript
function M.settle(transcript)
  local groups = transcript.groups
  if not groups then return end
  take(groups)
  transcript.groups = false
  dated(transcript, function(add)
    for i = 1, #groups, SLOTS do
      local who, text, time = groups[i], groups[i + 1], groups[i + 2]
      local veil = groups[i + 3]
      if who == RECORD then
        each_piece(text, time, veil, add)
      elseif type(who) == "table" then
        rawset(transcript, rawlen(transcript) + 1, who)
      else
        add(who, text_of(text, veil), time)
      end
    end
  end)
end

-- Adds a group.
local function put(transcript, who, text, time, veil)
  local groups = transcript.groups or begin(transcript)
  local n, limit = #groups, transcript.limit
  take(groups)
  groups[n + 1], groups[n + 2], groups[n + 3] = who, text, time
  groups[n + 4] = veil or false
  if n >= MOST * SLOTS * limit then trim(groups, limit) end
end

--- Adds lines as transcript:add does, but later.
---@param transcript lunapost.transcript
---@param who "C"|"S"|"*"
---@param text string|string[]  lines; a list stays as it is
---@param veil? fun(text: string): string  hides what is secret
function M.add(transcript, who, text, veil)
  local limit = transcript.limit
  if not limit or transcript.on_line or #text > LONG then
    return transcript:add(who, text_of(text, veil))
  end
  put(transcript, who, text, transcript.clock(), veil)
end

--- Adds what a machine recorded, as add does. It goes on with that: until
--- something else is added there is nothing more to do.
---@param transcript lunapost.transcript
---@param veil? fun(text: string): string
---@param machine userdata
function M.record(transcript, veil, machine)
  local groups = transcript.groups
  if groups and groups.recorder == machine and groups.veil == veil
    and not transcript.on_line then
    return
  end
  local clock, late = transcript.clock, 0
  if clock ~= now then late = clock() - now() end
  local limit = transcript.limit
  if limit and limit <= RECORDED and not transcript.on_line then
    put(transcript, RECORD, "", late, veil)
    groups = transcript.groups
    groups.recorder, groups.veil = machine, veil
    return
  end
  M.settle(transcript)
  local record = machine:posted()
  dated(transcript, function(add) each_piece(record, late, veil, add) end)
end

return M
