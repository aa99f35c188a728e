--- Messages for spec/bench/parse.lua, the same ones in each run.

local codec = require "lunapost.codec"

local M = {}

local seed = 42

local function random(n)
  seed = (seed * 6364136223846793005 + 1442695040888963407)
  return (seed >> 33) % n
end

local words <const> = {}
for word in ([[the quick brown fox jumps over a lazy dog while très déjà café
  naïve 日本語 Grüße many words follow in this sentence and more]])
  :gmatch("%S+") do
  words[#words + 1] = word
end

local function text(size)
  local lines, n = {}, 0
  while n < size do
    local line = {}
    for i = 1, 5 + random(9) do line[i] = words[random(#words) + 1] end
    lines[#lines + 1] = table.concat(line, " ") .. ".\r\n"
    n = n + #lines[#lines]
  end
  return table.concat(lines)
end

local function octets(size)
  local out = {}
  for i = 1, (size + 6) // 7 do
    out[i] = string.pack("<I7", random(1 << 31) << 25 ~ random(1 << 31))
  end
  return table.concat(out):sub(1, size)
end

local function hops(n)
  local out = {}
  for i = 1, n do
    out[i] = ("Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])"
      .. "\r\n\tby relay%d.example.net (Postfix) with ESMTPS id 4F%07d\r\n\t"
      .. "for <user%d@example.com>; Mon, %02d Jan 2024 10:10:00 +0000 (UTC)"
      .. "\r\n"):format(i, i, i, i, random(1 << 20), i, i)
  end
  return table.concat(out)
end

local function head(hop_count, to_count)
  local to = {}
  for i = 1, to_count do
    to[i] = ('"User, No %d" <user%d@example.com>'):format(i, i)
  end
  return hops(hop_count)
    .. ("Message-ID: <%d@example.org>\r\n"):format(random(1 << 30))
    .. "Date: Mon, 15 Jan 2024 10:20:30 +0100\r\n"
    .. "From: =?utf-8?b?SsOpcsO0bWUgRXhlbXBsZQ==?= <jerome@example.org>\r\n"
    .. "To: " .. table.concat(to, ",\r\n ") .. "\r\n"
    .. "Subject: =?utf-8?q?R=C3=A9union_n=C2=B0_7?= ordre du jour\r\n"
    .. "MIME-Version: 1.0\r\n"
end

local function part(kind, encoding, body, more)
  return ("Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n%s\r\n%s")
    :format(kind, encoding, more or "", body)
end

local function quoted(kind, s)
  return part(kind .. "; charset=utf-8", "quoted-printable",
    codec.quoted_printable.encode(s))
end

local function file(size, name)
  return part('application/octet-stream; name="' .. name .. '"', "base64",
    codec.base64.encode(octets(size), { columns = 76 }) .. "\r\n",
    'Content-Disposition: attachment;\r\n filename="' .. name .. '"\r\n')
end

local function multipart(subtype, parts)
  local bound = ("=_%s_%d"):format(subtype, random(1 << 30))
  return ('Content-Type: multipart/%s;\r\n boundary="%s"\r\n\r\n'):format(
    subtype, bound) .. "--" .. bound .. "\r\n"
    .. table.concat(parts, "\r\n--" .. bound .. "\r\n")
    .. "\r\n--" .. bound .. "--\r\n"
end

local function texts(size)
  local plain = text(size)
  local html = "<p>" .. plain:gsub("\r\n", "</p>\r\n<p>") .. "</p>\r\n"
  return multipart("alternative", {
    quoted("text/plain", plain), quoted("text/html", html),
  })
end

-- What is met most among small messages, one after the other.
local small <const> = {
  function() return part("text/plain", "7bit", "Two lines\r\nof text.\r\n") end,
  function() return texts(200) end,
  function() return quoted("text/plain", text(400)) end,
  function()
    return multipart("mixed", {
      part("text/plain; charset=iso-8859-1", "8bit", "d\xe9j\xe0 vu\r\n"),
      file(300, "a.bin"),
    })
  end,
  function()
    return multipart("mixed", {
      part("text/plain", "7bit", "See below.\r\n"),
      "Content-Type: message/rfc822\r\n\r\n" .. head(0, 1)
        .. quoted("text/plain", text(100)),
    })
  end,
  function() return "\r\nNo type, no encoding.\r\n" end,
}

function M.small(i)
  return head(i % 3, 1 + i % 2) .. small[(i - 1) % #small + 1]()
end

function M.plain()
  return head(5, 3) .. quoted("text/plain", text(3500))
end

--- A message with so many attachments.
function M.attached(count, size)
  local parts = { texts(2000) }
  for i = 1, count do parts[i + 1] = file(size, "file" .. i .. ".bin") end
  return head(5, 3) .. multipart("mixed", parts)
end

-- Bombs: what must take time in proportion to its size.

function M.nested(depth)
  local out = {}
  for i = 1, depth do
    out[i] = ("Content-Type: multipart/mixed; boundary=%x\r\n\r\n--%x\r\n")
      :format(i, i)
  end
  return table.concat(out) .. "\r\n"
end

function M.boundaries(count)
  return "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    .. ("--b\r\n\r\nx\r\n"):rep(count) .. "--b--\r\n"
end

function M.header(size)
  return ("X-Filler: " .. ("x"):rep(60) .. "\r\n"):rep(size // 72)
    .. "\r\nbody\r\n"
end

function M.line(size)
  return "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
    .. ("-x-"):rep(size // 3) .. "\r\n--b--\r\n"
end

return M
