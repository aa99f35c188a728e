--- What a server tells of itself: records, for the script's function or, the
--- grave ones, for standard error.
---
--- A record has time (seconds since 1970), level ("info", "warning",
--- "error"), event, and what belongs to the event: session, peer, text ...
--- It prints as one line.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local outlet = require "lunapost.outlet"
local raised = require "lunapost.raised"

local M = {}

---@class lunapost.log.record
---@field time number
---@field level "info"|"warning"|"error"
---@field event string  listening connect secured auth refused message
--- disconnect reload stop worker error
---@field session? string  its id
---@field peer? string  address
---@field text? string

local meta = { __name = "lunapost.log.record" }

-- What else a record holds follows, sorted.
local unsaid <const> = { time = true, level = true, session = true,
  peer = true, event = true, text = true }

-- What is said of these is the text of a reply, or little.
local session_events <const> = { refused = true, disconnect = true }

local function word(value)
  if type(value) == "table" then
    local list = {}
    for i, one in ipairs(value) do list[i] = tostring(one) end
    value = table.concat(list, ",")
  elseif type(value) == "number" then
    value = ascii.format("%.6g", value)
  end
  value = tostring(value)
  return value:find "[%s\"=]" and ("%q"):format(value):gsub("\\\n", "\\n")
    or value
end

-- Session, peer, event and text, as far as they say something.
local function saying(record)
  local text, event = record.text, record.event
  if text and session_events[event] then text = event .. ": " .. text end
  local words = { record.session and "session " .. record.session }
  words[#words + 1] = record.peer
  words[#words + 1] = text or event
  return words
end

function meta.__tostring(record)
  local words, more = saying(record), {}
  for name in pairs(record) do
    if not unsaid[name] then more[#more + 1] = name end
  end
  table.sort(more)
  for _, name in ipairs(more) do
    words[#words + 1] = name .. "=" .. word(record[name])
  end
  return (table.concat(words, " "):gsub("[%z\1-\8\11-\31\127]", "?"))
end

--- A record of fields; a string is the text of an error.
---@param given string|table
---@return lunapost.log.record
function M.record(given)
  if type(given) ~= "table" then given = { text = tostring(given) } end
  given.time = given.time or core.system.time()
  given.level = given.level or "error"
  given.event = given.event or "error"
  return setmetatable(given, meta)
end

local function to_stderr(record)
  if record.level == "info" then return end
  -- no concatenation of a record: Lua 5.4.4 fails where its metamethod comes
  -- third and the stack has to grow
  outlet.write(io.stderr, 2, "lunapost: " .. tostring(record) .. "\n")
end

--- The log of a server: takes records or strings. What the script's function
--- raises goes to standard error, and stops nothing.
---@param write? fun(record: lunapost.log.record)
---@return fun(given: string|table)
function M.new(write)
  if not write then
    return function(given) to_stderr(M.record(given)) end
  end
  return function(given)
    local record = M.record(given)
    local ok, problem = pcall(write, record)
    if ok then return end
    io.stderr:write("lunapost: log: ", raised.text(problem), "\nlunapost: ",
      tostring(record), "\n")
  end
end

return M
