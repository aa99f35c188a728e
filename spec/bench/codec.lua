--- The codecs beside LuaSocket's (mime.core), from Lua string to Lua string,
--- in one process. In each round both do the same work, one right after the
--- other; the median of the rounds counts. MB/s are of the plain side. The
--- last column is the share of what Lua takes to make a string of the size
--- of the result (string.sub), below which no codec can go.

local codec = require "lunapost.codec"

local found, mime = pcall(require, "mime.core")
if not found then
  print("skipped: LuaSocket is not here (Debian: lua-socket)")
  return
end

local rounds <const> = 7
local seconds <const> = 0.01 -- that one side of a round takes, at least

local samples <const> = {
  english = "The quick brown fox jumps over the lazy dog, and then it sleeps "
    .. "in the sun = warm.",
  french = "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens, je dîne "
    .. "d’exquis rôtis.",
  cjk = "敏捷的棕色狐狸跳过懒狗，然后在阳光下睡觉。いろはにほへと",
}

local function text(sample, size)
  local line = samples[sample] .. "\r\n"
  local whole = line:rep(size // #line + 1):sub(1, size - 4)
  return whole:gsub("[\x80-\xff]+$", "") .. "\r\n"
end

local function octets(size)
  local parts, state = {}, 12345
  for i = 1, size do
    state = (state * 1103515245 + 12345) & 0x7fffffff
    parts[i] = string.char(state >> 16 & 255)
  end
  return table.concat(parts)
end

local function lines_of(plain)
  return (plain:gsub(("."):rep(76), "%0\r\n"))
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

-- { name, kind of work, input of a size, bytes that count }
local work <const> = {
  { "base64 encode", "base64", octets },
  { "base64 encode, 76 columns", "base64_lines", octets },
  { "base64 decode", "unbase64", function(n)
    return codec.base64.encode(octets(n))
  end },
  { "base64 decode, 76 columns", "unbase64", function(n)
    return lines_of(codec.base64.encode(octets(n)))
  end },
}

for _, sample in ipairs { "english", "french", "cjk" } do
  table.insert(work, { "qp encode, " .. sample, "qp", function(n)
    return text(sample, n)
  end })
end
for _, sample in ipairs { "english", "french", "cjk" } do
  table.insert(work, { "qp decode, " .. sample, "unqp", function(n)
    return codec.quoted_printable.encode(text(sample, n))
  end })
end
table.insert(work, { "dots and line ends", "dot", function(n)
  return (text("english", n):gsub("\r\n", "\n"))
end })

-- Seconds of processor time that f takes for s.
local function time(f, s)
  local batch = 1
  while true do
    local start = os.clock()
    for _ = 1, batch do f(s) end
    local took = os.clock() - start
    if took >= seconds then return took / batch end
    batch = math.max(batch * 2,
      math.ceil(batch * seconds / math.max(took, 1e-6)))
  end
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

local function copy(s)
  return s:sub(1, -2)
end

-- Both must do the same work, or the comparison means nothing.
local function agree(kind, input)
  local a, b = ours[kind](input), theirs[kind](input)
  if kind == "qp" then a, b = ours.unqp(a), ours.unqp(b) end
  if kind == "base64_lines" then a, b = ours.unbase64(a), ours.unbase64(b) end
  return a:gsub("%s+$", "") == b:gsub("%s+$", ""), #a
end

local function measure(kind, input, size)
  local result = ours[kind](input)
  local speed, their_speed, ratio, share = {}, {}, {}, {}
  for i = 1, rounds do
    local mine, other = time(ours[kind], input), time(theirs[kind], input)
    speed[i], their_speed[i] = size / mine / 1e6, size / other / 1e6
    ratio[i] = other / mine
    share[i] = time(copy, result) / mine
  end
  return median(speed), median(their_speed), median(ratio), median(share)
end

print("kernel: " .. require "lunapost.core".codec.kernel())
print(("%-28s %8s %12s %12s %8s %8s"):format("", "size", "lunapost",
  "LuaSocket", "ratio", "of copy"))
for _, size in ipairs { 65536, 1048576 } do
  for _, item in ipairs(work) do
    local name, kind, make = table.unpack(item)
    local input = make(size)
    collectgarbage()
    local same = agree(kind, input)
    print(("%-28s %4d KiB %7.0f MB/s %7.0f MB/s %7.1fx %8.2f"):format(name,
      size >> 10, measure(kind, input, size))
      .. (same and "" or "  (results differ)"))
  end
end

-- What LuaSocket has nothing for, and the same work in steps of 16 KiB.
local function stepped(make)
  return function(s)
    local f = make()
    for at = 1, #s, 16384 do f:update(s:sub(at, at + 16383)) end
    return f:finish()
  end
end

local body <const> = text("english", 1 << 20)
print()
for _, item in ipairs {
  { "base64 in steps", stepped(codec.base64.encoder), octets(1 << 20) },
  { "qp in steps, english", stepped(codec.quoted_printable.encoder), body },
  { "body behind DATA, in steps", stepped(codec.dot.decoder),
    codec.dot.encode(body) },
  { "scan, english", codec.scan, body },
  { "UTF-8, cjk", codec.is_utf8, text("cjk", 1 << 20) },
} do
  local name, f, input = table.unpack(item)
  local speed = {}
  for i = 1, rounds do speed[i] = #input / time(f, input) / 1e6 end
  print(("%-28s %4d KiB %7.0f MB/s"):format(name, #input >> 10,
    median(speed)))
end

local function nanoseconds(f, s)
  return time(f, s) * 1e9
end

local short <const> = octets(64)
print(("\na call on 64 octets: base64 encode %.0f ns, decode %.0f ns; "
  .. "string.upper %.0f ns"):format(nanoseconds(ours.base64, short),
  nanoseconds(ours.unbase64, codec.base64.encode(short)),
  nanoseconds(string.upper, short)))
