--- The codecs in steps of 16 KiB, each into the memory of the step before,
--- beside what Lua takes to copy these steps as strings; and what looks at
--- bytes only.

local codec = require "lunapost.codec"
local measure = require "spec.bench.measure"
local samples = require "spec.bench.samples"

local step <const> = 16384
local lines <const> = { columns = 76 }

local function pieces_of(s)
  local list = {}
  for at = 1, #s, step do list[#list + 1] = s:sub(at, at + step - 1) end
  return list
end

local function stepped(make)
  return function(list)
    local f = make()
    for i = 1, #list do f:update(list[i]) end
    return f:finish()
  end
end

local function copied(list)
  for i = 1, #list do list[i]:sub(1, -2) end
end

local body <const> = samples.text("english", 1 << 20)
local octets <const> = samples.octets(1 << 20)

print(("\n%-26s %8s %23s"):format("1 MiB by 16 KiB, MB/s", "lunapost",
  "of copy of its input"))
for _, item in ipairs {
  { "base64 encode", codec.base64.encoder, octets },
  { "base64 encode, 76 columns", function()
    return codec.base64.encoder(lines)
  end, octets },
  { "base64 decode, 76 columns", codec.base64.decoder,
    codec.base64.encode(octets, lines) },
  { "qp encode, english", codec.quoted_printable.encoder, body },
  { "qp decode, english", codec.quoted_printable.decoder,
    codec.quoted_printable.encode(body) },
  { "dots and line ends", codec.dot.encoder, body },
  { "body behind DATA", codec.dot.decoder, codec.dot.encode(body) },
} do
  local name, make, input = table.unpack(item)
  local list <const>, f <const> = pieces_of(input), stepped(make)
  local seen = measure.compare {
    ours = function() return measure.time(f, list) end,
    copy = function() return measure.time(copied, list) end,
  }
  print(("%-26s %8.0f %23.2f"):format(name, #input / seen.ours.seconds / 1e6,
    seen.copy.ratio))
end

-- What LuaSocket has nothing for.
print()
for _, item in ipairs {
  { "scan, english", codec.scan, body },
  { "UTF-8, cjk", codec.is_utf8, samples.text("cjk", 1 << 20) },
} do
  local name, f, input = table.unpack(item)
  local seen = measure.compare {
    ours = function() return measure.time(f, input) end,
  }
  print(("%-26s %8.0f MB/s"):format(name, #input / seen.ours.seconds / 1e6))
end
