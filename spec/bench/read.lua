--- Reads messages again and again: what spec/bench/parse.lua measures.
---
---   lua read.lua full|asked|headers MS CHECKFILE FILE...
---
--- Each round takes every file, which is in memory as a string: full parses
--- it, reads four fields of its header, walks all parts and decodes every
--- body, texts to UTF-8; asked does the same, but asks each part what it is
--- and for its body; headers stops behind the four fields. Prints
--- "rounds nanoseconds leaves bytes", processor time. CHECKFILE ("-": none)
--- gets a line a message: size:crc32 of each leaf that is no text.

local mime = require "lunapost.mime"

local mode <const>, ms <const>, check <const> = arg[1], tonumber(arg[2]), arg[3]

local messages = {}
for i = 4, #arg do
  local file <close> = assert(io.open(arg[i], "rb"))
  messages[#messages + 1] = file:read("a")
end

local table_of_crc = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do c = c & 1 == 1 and c >> 1 ~ 0xedb88320 or c >> 1 end
  table_of_crc[i] = c
end

local function crc32(s)
  local c = 0xffffffff
  for at = 1, #s, 4096 do
    for _, byte in ipairs { s:byte(at, math.min(at + 4095, #s)) } do
      c = table_of_crc[(c ~ byte) & 255] ~ c >> 8
    end
  end
  return c ~ 0xffffffff
end

-- What each mode does: from the messages' bytes to leaves and bytes.
local work <const> = {}

function work.full()
  local leaves, bytes = 0, 0
  for i = 1, #messages do
    local message = mime.parse(messages[i])
    local _, _, _, _ = message.subject, message.date, message.from[1],
      message.to[1]
    for _, body in message:walk "bodies" do
      if body then leaves, bytes = leaves + 1, bytes + #body end
    end
  end
  return leaves, bytes
end

function work.asked()
  local leaves, bytes = 0, 0
  for i = 1, #messages do
    local message = mime.parse(messages[i])
    local _, _, _, _ = message.subject, message.date, message.from[1],
      message.to[1]
    for part in message:walk() do
      if not part.parts then
        local text = part.type:find("^text/")
        local body = part:body(text and "utf-8" or nil)
        leaves, bytes = leaves + 1, bytes + #body
      end
    end
  end
  return leaves, bytes
end

function work.headers()
  for i = 1, #messages do
    local message = mime.parse(messages[i])
    local _, _, _, _ = message.subject, message.date, message.from[1],
      message.to[1]
  end
  return 0, 0
end

-- The checksums of a message's leaves that are no text.
local function sums_of(bytes)
  local list = {}
  for part, body in mime.parse(bytes):walk "bodies" do
    if body and not part.type:find("^text/") then
      list[#list + 1] = ("%d:%08x"):format(#body, crc32(body))
    end
  end
  return table.concat(list, ",")
end

if check ~= "-" then
  local file <close> = assert(io.open(check, "w"))
  for _, bytes in ipairs(messages) do file:write(sums_of(bytes), "\n") end
end

local rounds <const>, start <const> = { n = 0 }, os.clock()
repeat
  rounds.leaves, rounds.bytes = work[mode]()
  rounds.n = rounds.n + 1
until (os.clock() - start) * 1000 >= ms
print(("%d %.0f %d %d"):format(rounds.n, (os.clock() - start) * 1e9,
  rounds.leaves, rounds.bytes))
