-- Reads a message of 1 GiB through mime.reader, and prints what it took:
-- KiB of memory above those of the interpreter before, parts, octets.
-- Run by spec/memory_spec.lua in a process of its own.

local mime = require "lunapost.mime"

local GIBIBYTE <const> = 1 << 30

-- KiB, by its name in /proc: VmRSS now, VmHWM at most.
local function memory(name)
  for line in io.lines "/proc/self/status" do
    local n = line:match("^" .. name .. ":%s+(%d+)")
    if n then return math.tointeger(tonumber(n)) end
  end
end

-- A message of so many octets: a text, and an attachment of base64 lines.
local function source(size)
  local head = "Subject: big\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    .. "\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: video/mpeg\r\n"
    .. "Content-Transfer-Encoding: base64\r\n\r\n"
  local lines = (("A"):rep(76) .. "\r\n"):rep(840)
  local left = size
  return function()
    if left <= 0 then return nil end
    local piece = left == size and head or lines
    left = left - #piece
    return piece
  end
end

local function read(size)
  local parts, octets = 0, 0
  for event in mime.reader(source(size)) do
    if event.kind == "part" then parts = parts + 1 end
    if event.bytes then octets = octets + #event.bytes end
  end
  return parts, octets
end

read(1 << 20) -- what is loaded and allocated once
collectgarbage()
local before = memory "VmRSS"
local parts, octets = read(GIBIBYTE)
print(memory "VmHWM" - before, parts, octets)
