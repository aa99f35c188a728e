--- The messages of an mbox file, RFC 4155, one by one.
---
--- A message begins with a postmark: a line "From ", an address, a date as
--- of asctime(3). Which lines of its body were quoted with ">" depends on
--- who wrote the file:
---   mboxrd   one ">" comes off each line of ">"s and "From " (the default)
---   mboxo    of lines ">From " only
---   mboxcl   as mboxrd, but Content-Length tells where the message ends
---   mboxcl2  nothing is quoted; Content-Length tells
--- A Content-Length that leads to no postmark, nor to the end, counts for
--- nothing; by default none does, since a sender may have written it.
---
--- Of the file, one message is in memory at a time.

local ascii = require "lunapost.ascii"
local err_of = require "lunapost.err"
local options = require "lunapost.options"
local values <const> = require("lunapost.core").mime

local M = {}

---@class lunapost.mime.postmark
---@field sender string  of the envelope; "" where it has none
---@field date? integer  seconds since 1970, as if the zone were UTC
---@field line string  as it stands, without "From " and its line end
---@field offset integer  of the postmark, in the file
---@field length integer  octets of the message as it stands in the file
---@field cut boolean  it was longer than limits.size: the rest is missing

local PIECE <const> = 8192 -- read at once; little of it is moved again
local LINE <const> = 1000 -- a longer line is no postmark
local HEADER <const> = 1 << 20 -- where Content-Length is looked for
local SIZE <const> = 64 << 20
local MOST <const> = 1 << 50 -- a Content-Length that is none

local COUNT <const> = "\n" .. ascii.pattern "Content-Length:"
  .. "[ \t]*(%d+)[ \t]*\r?\n"

-- Which of the formats do what.
local formats <const> = {
  mboxrd = { unquote = "\n>(>*From )" }, mboxo = { unquote = "\n>(From )" },
  mboxcl = { unquote = "\n>(>*From )", counted = true },
  mboxcl2 = { counted = true },
}

local weekdays <const> = { Sun = true, Mon = true, Tue = true, Wed = true,
  Thu = true, Fri = true, Sat = true }

-- "From ana@example.org Tue Nov 15 10:12:31 1994": the day's name, and then
-- month and day, or day and month; a time; a year. Mail programs that know no
-- address write "-".
local function is_postmark(line)
  if not (line:find("%f[%d]%d%d?:%d%d") and line:find("%f[%d]%d%d%d%d%f[%D]"))
  then
    return false
  end
  for word, i in line:gmatch("%f[%a](%a%a%a)%f[%A]()") do
    if weekdays[word] and (line:find("^ +%a%a%a +%d%d? ", i)
      or line:find("^,? +%d%d? +%a%a%a ", i)) then
      return true
    end
  end
  return false
end

local function postmark(line, offset)
  line = line:match("^From ([^\r\n]*)") or ""
  local sender, date = line:match("^(%S+)%s+(.*)$")
  if weekdays[sender] then sender, date = "", line end -- a date alone
  date = date and values.date((date:gsub("remote from.*$", "")))
  return { line = line, sender = sender == "-" and "" or sender or line,
    date = date or nil, offset = offset, length = 0, cut = false }
end

-- Reads on. Lines are looked at where they begin behind an LF.
local function fill(box)
  local chunk, problem = box.file:read(PIECE)
  if problem then error(err_of.of("file", problem), 0) end
  if not chunk then return false end
  box.rest = box.rest .. chunk
  return true
end

-- Moves n octets of what was read to the message.
local function take(box, into, n)
  local mark = into.mark
  local room = box.size - mark.length
  if room > 0 then into[#into + 1] = box.rest:sub(1, math.min(n, room)) end
  mark.cut = mark.cut or n > room
  mark.length = mark.length + n
  box.rest = box.rest:sub(n + 1)
  box.at = box.at + n
end

-- The line at i of what was read, whole, or as much as a postmark may be.
local function line_at(box, i)
  while true do
    local stop = box.rest:find("\n", i, true)
    if stop or #box.rest - i > LINE or not fill(box) then
      return box.rest:sub(i, stop or #box.rest)
    end
  end
end

-- Where the next postmark of what was read begins, from i on, or nil.
local function postmark_at(box, i)
  i = box.rest:find("\nFrom ", i, true)
  while i and not is_postmark(line_at(box, i + 1)) do
    i = box.rest:find("\nFrom ", i + 1, true)
  end
  return i
end

-- Takes octets up to the LF before the next postmark, or to the end.
local function take_scanned(box, into)
  while true do
    local i = postmark_at(box, 1)
    if i then return take(box, into, i) end
    take(box, into, math.max(0, #box.rest - 5))
    if not fill(box) then return take(box, into, #box.rest) end
  end
end

-- Where the header ends; nil where another message begins before that.
local function header_end(box)
  local at = 1
  while true do
    local mark = postmark_at(box, at) -- which may read on
    local _, stop = box.rest:find("\r?\n\r?\n", at)
    if mark and mark < (stop or math.huge) then return nil end
    if stop or #box.rest > HEADER then return stop end
    at = math.max(1, #box.rest - 5) -- what was looked at holds neither
    if not fill(box) then return nil end
  end
end

-- Where the message ends as its header tells it.
local function counted(box)
  local stop = header_end(box)
  if not stop then return nil end
  local header = "\n" .. box.rest:sub(1, stop)
  local n = header:match(COUNT)
  n = n and math.tointeger(tonumber(n))
  return n and n < MOST and stop + n or nil
end

-- Is the message that would be n octets long followed by a postmark, or by
-- nothing? A file that cannot seek does not tell.
local function ends_well(box, n)
  local here = box.file:seek()
  if not here or not box.file:seek("set", here - #box.rest + n) then
    return false
  end
  local line = (box.file:read(LINE) or ""):gsub("^\r?\n", "")
  local over = #line < LINE - 2 and not line:find("%S")
  local total = box.file:seek("end")
  box.file:seek("set", here)
  return n <= total - here + #box.rest and (over
    or line:find("^From ") ~= nil and is_postmark(line:match("^[^\n]*")))
end

local function take_counted(box, into, n)
  while n > 0 do
    local step = math.min(n, #box.rest)
    take(box, into, step)
    n = n - step
    if n > 0 and not fill(box) then return end
  end
  local behind = line_at(box, 1)
  if behind:find("^\r?\n$") then
    box.rest, box.at = box.rest:sub(#behind + 1), box.at + #behind
  end
  into.counted = true
end

local function take_message(box, into)
  local n = box.format.counted and counted(box)
  if not n or not ends_well(box, n) then return take_scanned(box, into) end
  take_counted(box, into, n)
end

-- The empty line before a postmark is not the message's.
local function bytes_of(box, into)
  local bytes = table.concat(into)
  if not into.counted and not into.mark.cut then
    local tail = bytes:sub(-4):match("\n(\r?\n)$")
    bytes = tail and bytes:sub(1, -1 - #tail) or bytes
  end
  local quote = box.format.unquote
  if quote and bytes:find("\n>", 1, true) then
    bytes = bytes:gsub(quote, "\n%1")
  end
  return bytes
end

local function next_message(box)
  local line = line_at(box, 1)
  if not line:find("^From ") then -- before the first postmark
    take_scanned(box, { mark = { length = box.size } })
    line = line_at(box, 1)
  end
  if line == "" then return nil end
  local mark = postmark(line, box.at)
  box.rest, box.at = box.rest:sub(#line + 1), box.at + #line
  local into = { mark = mark }
  take_message(box, into)
  return require("lunapost.mime").parse(bytes_of(box, into),
    { limits = box.limits }), mark
end

local function open(from)
  if io.type(from) == "file" then return from end
  if type(from) ~= "string" then
    error("mime.mbox needs a path or an open file, not " .. type(from), 3)
  end
  return io.open(from, "rb")
end

local known <const> = { format = "string", limits = "table" }

-- limits.size is the box's own; all others are its messages'.
local function limits_of(given)
  local limits = {}
  for name, value in pairs(given or {}) do limits[name] = value end
  local size = limits.size or SIZE
  limits.size = nil
  return limits, size
end

--- The messages of an mbox file:
--- for message, postmark in assert(mime.mbox(path)) do ... end
--- While it runs, it raises an error of kind "file" where reading fails.
---@param from string|file*  a path, or an open file from where it stands
---@param given? { format: string, limits: table }  "mboxrd" by default; the
---  limits of mime.parse, and size: octets of one message, 64 MiB
---@return (fun(): lunapost.mime.part?, lunapost.mime.postmark?)? next
---@return lunapost.err|nil err  of kind "file": it cannot be opened
---@return nil
---@return table? closing  closes the file when the loop is left
function M.mbox(from, given)
  given = options.check("option of mime.mbox", given or {}, known, 2)
  local format = formats[given.format or "mboxrd"]
  if not format then
    options.unknown("format of mime.mbox", given.format, formats, 2)
  end
  local file, problem = open(from)
  if not file then return nil, err_of.of("file", problem) end
  local limits, size = limits_of(given.limits)
  local box = { file = file, rest = "", at = 0, format = format,
    size = size, limits = limits }
  local closing = setmetatable({}, { __close = function() file:close() end })
  return function() return next_message(box) end, nil, nil, closing
end

return M
