--- The log of `lunapost serve --log`: a line a record, on standard error.

local json = require "lunapost.json"
local outlet = require "lunapost.outlet"

local M = {}

-- Whole seconds of UTC and their thousandths.
local function stamp(time)
  return os.date("!%Y-%m-%dT%H:%M:%S", time // 1)
    .. (".%03dZ"):format(time % 1 * 1000 // 1)
end

local first <const> = { "level", "event", "session", "peer" }

local function as_json(record)
  local list, said = { { "time", stamp(record.time) } }, { time = true }
  for _, name in ipairs(first) do
    if record[name] ~= nil then list[#list + 1] = { name, record[name] } end
    said[name] = true
  end
  local more = {}
  for name in pairs(record) do
    if not said[name] then more[#more + 1] = name end
  end
  table.sort(more)
  for _, name in ipairs(more) do list[#list + 1] = { name, record[name] } end
  return json.encode(json.ordered(list))
end

local function as_text(record)
  return ("%s %-7s %s"):format(stamp(record.time), record.level,
    (tostring(record):gsub("\n", "\n  ")))
end

local writers <const> = { json = as_json, text = as_text }

--- A log function.
---@param format "json"|"text"
---@return fun(record: lunapost.log.record)?  nil: no such format
function M.writer(format)
  local line_of = writers[format]
  return line_of and function(record)
    outlet.write(io.stderr, 2, line_of(record) .. "\n")
  end
end

return M
