--- Messages taken apart from Lua, beside GMime from C (read_gmime.c) and
--- Python's email (read.py). All three run spec/bench/read.lua's work on the
--- same files, one right after the other in each round; medians count. That
--- the work is equal is shown by the checksums of what was decoded.
---
--- A directory of messages in LUNAPOST_BENCH_MAIL is measured as well.

local mail = require "spec.bench.mail"
local mime = require "lunapost.mime"

local rounds <const> = 15
local ms <const> = 30
local build <const> = os.getenv "LUNAPOST_BUILD" or "build"
local dir <const> = build .. "/bench/mail"
local lua <const> = arg and arg[-1] or "lua5.4"

local function output_of(command)
  local pipe <close> = assert(io.popen(command .. " 2>/dev/null"))
  return pipe:read("a")
end

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  return path
end

local function contents(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

assert(os.execute("mkdir -p " .. dir))

local function corpus(name, count, make)
  local files, size = {}, 0
  for i = 1, count do
    local bytes = make(i)
    files[i] = write(("%s/%s-%02d.eml"):format(dir, name, i), bytes)
    size = size + #bytes
  end
  return { name = name, files = files, mean = size // count }
end

local function given(path)
  local set, size = { name = "given", files = {} }, 0
  for file in output_of("ls " .. path .. "/*"):gmatch("[^\n]+") do
    set.files[#set.files + 1] = file
    size = size + #contents(file)
  end
  set.mean = size // math.max(1, #set.files)
  return #set.files > 0 and set or nil
end

-- The peers that are here: name and command.
local readers = { { "lunapost", lua .. " spec/bench/read.lua" } }

local function add_reader(name, command, here, package)
  if here then
    table.insert(readers, { name, command })
  else
    print(("skipped: %s is not here (Debian: %s)"):format(name, package))
  end
end

local gmime <const> = build .. "/bench/read_gmime"
add_reader("GMime", gmime, os.execute(
  "pkg-config --exists gmime-3.0 2>/dev/null && cc -O2 -o " .. gmime
  .. " spec/bench/read_gmime.c $(pkg-config --cflags --libs gmime-3.0)"),
  "libgmime-3.0-dev")
add_reader("Python", "python3 spec/bench/read.py",
  os.execute "python3 -c 'import email' 2>/dev/null", "python3")

-- Microseconds a message, and what was found.
local function run(reader, mode, files)
  local check = dir .. "/check"
  if mode == "asked" and reader ~= readers[1] then mode = "full" end
  local out = output_of(("%s %s %d %s %s"):format(reader[2], mode, ms, check,
    table.concat(files, " ")))
  local count, took, leaves = out:match("^(%d+) (%d+) (%d+)")
  assert(count, reader[1] .. " failed")
  return took / count / #files / 1000, leaves .. "\n" .. contents(check)
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

-- Readers take turns, so that a slow moment of the machine is everybody's.
local function measure(set, mode)
  local took, ratio, found = {}, {}, {}
  for i in ipairs(readers) do took[i], ratio[i] = {}, {} end
  for round = 1, rounds do
    for i, reader in ipairs(readers) do
      -- Python takes hundreds of times as long: two rounds tell enough
      if round <= 2 or reader[1] ~= "Python" then
        took[i][round], found[i] = run(reader, mode, set.files)
        ratio[i][round] = took[i][round] / took[1][round]
      end
    end
  end
  return took, ratio, found
end

local function report(set, mode)
  local took, ratio, found = measure(set, mode)
  local out = { ("%-14s %7.1f KB %-7s"):format(set.name, set.mean / 1e3,
    mode) }
  for i, reader in ipairs(readers) do
    out[#out + 1] = (" %s %.1f us"):format(reader[1], median(took[i]))
    if i > 1 then
      out[#out + 1] = (" %.1fx"):format(median(ratio[i]))
      if mode ~= "headers" and found[i] ~= found[1] then
        out[#out + 1] = " (results differ)"
      end
    end
  end
  print(table.concat(out))
end

local sets = {
  corpus("small", 24, mail.small),
  corpus("plain", 20, mail.plain),
  corpus("1-attachment", 6, function() return mail.attached(1, 100000) end),
  corpus("10-attachments", 2, function() return mail.attached(10, 100000) end),
  corpus("20-MB", 1, function() return mail.attached(1, 15000000) end),
}
local extra <const> = os.getenv "LUNAPOST_BENCH_MAIL"
table.insert(sets, extra and given(extra) or nil)
for _, set in ipairs(sets) do
  report(set, "full")
  if set.name == "small" then report(set, "asked") end
  report(set, "headers")
end

-- Seconds of the fastest of a few runs.
local function seconds(f)
  local best = math.huge
  for _ = 1, 3 do
    collectgarbage()
    local start = os.clock()
    f()
    best = math.min(best, os.clock() - start)
  end
  return best
end

local function drain(bytes)
  local at = 1
  local reader = mime.reader(function()
    local piece = bytes:sub(at, at + 65535)
    at = at + 65536
    return piece ~= "" and piece or nil
  end)
  while reader:next() do end
end

local function time_case(name, bytes)
  local parse = seconds(function() return mime.parse(bytes).defects end)
  local read = seconds(function() drain(bytes) end)
  print(("%-12s %6.1f MB  parse %8.2f ms %7.2f GB/s  "
    .. "reader %8.2f ms %6.2f GB/s"):format(name, #bytes / 1e6,
    parse * 1e3, #bytes / parse / 1e9, read * 1e3, #bytes / read / 1e9))
end

print("\nscan for boundaries, the whole message; and bombs, twice as large in "
  .. "the second line")
for _, case in ipairs {
  { "base64", function(n) return mail.attached(1, n * 10000000) end },
  { "nested", function(n) return mail.nested(n * 50000) end },
  { "boundaries", function(n) return mail.boundaries(n * 500000) end },
  { "header", function(n) return mail.header(n * 5 << 20) end },
  { "one line", function(n) return mail.line(n * 25 << 20) end },
} do
  for n = 1, 2 do time_case(case[1], case[2](n)) end
end
