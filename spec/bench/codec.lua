--- The codecs, from Lua string to Lua string, beside LuaSocket's (mime.core)
--- in this process, and beside GMime's and Python's in programs of their own,
--- which are given memory to write to and make no strings. All do the same
--- work in turns; the medians of the rounds count. MB/s are of the plain
--- side. "of copy" is the share of what Lua takes to make a string of the
--- size of the result (string.sub), below which no codec can go.

local chart = require "spec.bench.chart"
local codec = require "lunapost.codec"
local measure = require "spec.bench.measure"
local programs = require "spec.support.programs"
local samples = require "spec.bench.samples"

local found, mime = pcall(require, "mime.core")
if not found then
  print("skipped: LuaSocket is not here (Debian: lua-socket)")
  return
end

-- LuaSocket's ways to do the same to a whole string.
local theirs = {}

function theirs.base64(s)
  return (mime.b64(s, nil))
end

function theirs.base64_lines(s)
  local lines, left = mime.wrp(76, (mime.b64(s, nil)), 76)
  return lines .. (mime.wrp(left, nil, 76) or "")
end

function theirs.unbase64(s)
  return (mime.unb64(s, nil))
end

function theirs.qp(s)
  local lines, left = mime.qpwrp(76, (mime.qp(s, nil)), 76)
  return lines .. (mime.qpwrp(left, nil, 76) or "")
end

function theirs.unqp(s)
  return (mime.unqp(s, nil))
end

function theirs.dot(s)
  return (mime.dot(2, (mime.eol(0, s))))
end

local lines <const> = { columns = 76 }

local ours <const> = {
  base64 = codec.base64.encode,
  base64_lines = function(s) return codec.base64.encode(s, lines) end,
  unbase64 = codec.base64.decode,
  qp = codec.quoted_printable.encode,
  unqp = codec.quoted_printable.decode,
  dot = codec.dot.stuff,
}

-- What the programs call it. GMime and Python are given LF for CRLF in text
-- and in lines, since that is what they write and read fastest.
local named <const> = {
  GMime = { base64_lines = "base64", unbase64_lines = "unbase64", qp = "qp",
    unqp = "unqp" },
  Python = { base64 = "base64", base64_lines = "base64_lines",
    unbase64 = "unbase64", unbase64_lines = "unbase64", qp = "qp",
    unqp = "unqp" },
}

-- { name, kind of work, input of a size, the name for programs }
local work <const> = {
  { "base64 encode", "base64", samples.octets },
  { "base64 encode, 76 columns", "base64_lines", samples.octets },
  { "base64 decode", "unbase64", function(n)
    return codec.base64.encode(samples.octets(n))
  end },
  { "base64 decode, 76 columns", "unbase64", function(n)
    return codec.base64.encode(samples.octets(n), lines)
  end, "unbase64_lines" },
}

for i, sample in ipairs { "english", "french", "cjk" } do
  table.insert(work, 4 + i, { "qp encode, " .. sample, "qp", function(n)
    return samples.text(sample, n)
  end })
  table.insert(work, { "qp decode, " .. sample, "unqp", function(n)
    return codec.quoted_printable.encode(samples.text(sample, n))
  end })
end
table.insert(work, { "dots and line ends", "dot", function(n)
  return (samples.text("english", n):gsub("\r\n", "\n"))
end })

local function copy(s)
  return s:sub(1, -2)
end

-- Both must do the same work, or the comparison means nothing.
local function agree(kind, input)
  local a, b = ours[kind](input), theirs[kind](input)
  if kind == "qp" then a, b = ours.unqp(a), ours.unqp(b) end
  if kind == "base64_lines" then a, b = ours.unbase64(a), ours.unbase64(b) end
  return a:gsub("%s+$", "") == b:gsub("%s+$", "")
end

-- A file with what a program is given.
local function written(kind, input)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  file:write(kind:find "^base64" and input or (input:gsub("\r\n", "\n")))
  return path
end

local commands <const> = {}
for _, name in ipairs { "GMime", "Python" } do
  commands[name] = programs.find[name]()
  if not commands[name] then print(name .. " is not here: skipped") end
end

local function sides_of(kind, input, name, path)
  local result = ours[kind](input)
  local sides = {
    ours = function() return measure.time(ours[kind], input) end,
    copy = function() return measure.time(copy, result) end,
    LuaSocket = function() return measure.time(theirs[kind], input) end,
  }
  for program, command in pairs(commands) do
    local operation = named[program][name or kind]
    if operation then
      sides[program] = function()
        return programs.time(command, operation, path, measure.seconds)
      end
    end
  end
  return sides
end

local function cell(seen, name, size)
  local one = seen[name]
  if not one then return ("%8s %6s"):format("-", "") end
  return ("%8.0f %5.1fx"):format(size / one.seconds / 1e6, one.ratio)
end

local function row(item, size)
  local title, kind, make, name = table.unpack(item, 1, 4)
  local input = make(size)
  local path <const> = written(kind, input)
  collectgarbage()
  local seen = measure.compare(sides_of(kind, input, name, path))
  os.remove(path)
  print(("%-26s %8.0f %s %s %s %7.2f%s"):format(title,
    size / seen.ours.seconds / 1e6, cell(seen, "LuaSocket", size),
    cell(seen, "GMime", size), cell(seen, "Python", size), seen.copy.ratio,
    agree(kind, input) and "" or "  (results differ)"))
  return { title = title, seen = seen }
end

local machine <const> = measure.machine()
local kernel <const> = require "lunapost.core".codec.kernel()

print(("%s, kernel %s"):format(machine, kernel))
local charted
for _, size in ipairs { 65536, 1048576 } do
  print(("\n%-26s %8s %15s %15s %15s %7s"):format(size // 1024
    .. " KiB, MB/s", "lunapost", "LuaSocket", "GMime in C", "Python",
    "of copy"))
  local rows = {}
  for i, item in ipairs(work) do rows[i] = row(item, size) end
  charted = charted or rows
end

local picture <const> = os.getenv "BENCH_CHART" or "build/codec.svg"
chart.write(picture, charted, ("64 KiB, %s, kernel %s, %s")
  :format(machine, kernel, _VERSION))
print("\nas a picture: " .. picture)
