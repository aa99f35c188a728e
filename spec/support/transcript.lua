--- Runs dialogues that are written down as files, whole and in pieces.
---
---   # a remark
---   S: 220 mx.example.org     octets of the server, CRLF added
---   C: EHLO me                octets of the client, CRLF added
---   > command EHLO me         something that the driver does
---   ! reply 250               an event that the machine gives
---
--- In octets and actions \r \n \t \0 \\ \xHH stand for octets, \{600 x} for
--- 600 times "x", and a "\" at the end of the line for "no CRLF".
---
--- A driver is a table: hears = "S" or "C", the side whose octets are fed;
--- feed(octets); output(), what the machine wrote since; event(), the next
--- event as a string or nil; act(text), if there are actions.

local M = {}

local escapes <const> = { r = "\r", n = "\n", t = "\t", ["0"] = "\0",
  ["\\"] = "\\" }

local function unescape(text)
  local out, at = {}, 1
  while at <= #text do
    local back = text:find("\\", at, true)
    if not back then break end
    out[#out + 1] = text:sub(at, back - 1)
    local count, what, behind = text:match("^{(%d+) (.-)}()", back + 1)
    local hex = text:match("^x(%x%x)", back + 1)
    if count then
      out[#out + 1], at = unescape(what):rep(tonumber(count)), behind
    elseif hex then
      out[#out + 1], at = string.char(tonumber(hex, 16)), back + 4
    else
      local c = text:sub(back + 1, back + 1)
      out[#out + 1] = assert(escapes[c], "unknown escape \\" .. c)
      at = back + 2
    end
  end
  out[#out + 1] = text:sub(at)
  return table.concat(out)
end

local function octets(text)
  local open = text:match("^(.*)\\$")
  if open and not open:match("\\$") then return unescape(open) end
  return unescape(text) .. "\r\n"
end

local function parse(text)
  local kind, rest = text:match("^([CS]): ?(.*)$")
  if kind then return kind, octets(rest) end
  kind, rest = text:match("^([>!]) (.*)$")
  if kind then return kind, kind == ">" and unescape(rest) or rest end
end

--- Reads a file into steps: { kind = "C"|"S"|">"|"!", text =, line = }.
--- Neighbouring octets of one side are one step.
function M.load(path)
  local steps, n = {}, 0
  for line in assert(io.open(path)):lines() do
    n = n + 1
    local kind, text = parse(line)
    local last = steps[#steps]
    if (kind == "C" or kind == "S") and last and last.kind == kind then
      last.text = last.text .. text
    elseif kind then
      steps[#steps + 1] = { kind = kind, text = text, line = n }
    else
      assert(line == "" or line:sub(1, 1) == "#", path .. ":" .. n)
    end
  end
  return steps
end

local function gather(driver, events)
  for event in driver.event do events[#events + 1] = event end
end

local function feed(driver, events, text, chunk)
  for at = 1, #text, chunk do
    driver.feed(text:sub(at, at + chunk - 1))
    gather(driver, events)
  end
end

local function same(step, expected, got)
  if expected ~= got then
    error(("line %d: %q was expected, not %q"):format(step.line, expected,
      got or "nothing"), 0)
  end
end

local function run_step(driver, step, events, chunk)
  if step.kind == driver.hears then
    feed(driver, events, step.text, chunk)
  elseif step.kind == ">" then
    driver.act(step.text)
    gather(driver, events)
  elseif step.kind == "!" then
    same(step, step.text, table.remove(events, 1))
  else
    same(step, step.text, driver.output())
  end
end

--- Runs steps once; octets are fed chunk at a time (default: whole). Raises
--- where the machine does something else, also when it does more.
function M.run(steps, driver, chunk)
  local events = {}
  for _, step in ipairs(steps) do
    run_step(driver, step, events, chunk or math.maxinteger)
  end
  local last = { line = steps[#steps].line }
  same(last, "", driver.output())
  if events[1] then error("an event too many: " .. events[1], 0) end
end

-- Octets up to which every size of a chunk is tried; above it, one in 64.
local EACH <const> = 2048

--- Runs steps whole, and in chunks of every size from one octet up to what
--- the longest step has, or to EACH.
---@param steps table[]
---@param driver fun(): table  makes a new driver
function M.run_split(steps, driver)
  local longest = 1
  for _, step in ipairs(steps) do longest = math.max(longest, #step.text) end
  M.run(steps, driver())
  local chunk = 1
  while chunk <= longest do
    local ok, problem = pcall(M.run, steps, driver(), chunk)
    if not ok then
      error(("in chunks of %d: %s"):format(chunk, tostring(problem)), 0)
    end
    chunk = chunk + (chunk < EACH and 1 or chunk // 64)
  end
end

--- The transcripts of a module, sorted.
---@param prefix string  e.g. "client"
---@return string[] paths
function M.files(prefix)
  local list = {}
  local pipe = assert(io.popen("ls spec/transcripts/" .. prefix .. "_*.txt"))
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

return M
