--- Messages of many shapes, for specs that build them and read them back.

local M = {}

local all_octets = {}
for i = 0, 255 do all_octets[i + 1] = string.char(i) end
all_octets = table.concat(all_octets)

local names <const> = {
  "report.pdf", "my report (1).pdf", 'a "quoted" name.txt', "back\\slash.txt",
  "semi;colon, comma.txt", "Grüße aus Köln.txt", "山田太郎の報告書.pdf",
  "отчёт за год.doc", "😀.png", "it's 100%.txt", ("long "):rep(30) .. ".txt",
  ("länger "):rep(30) .. ".txt", "=?utf-8?Q?trap?=.txt", ".hidden",
}

local texts <const> = {
  "", "plain\n", "no end", "a\n\n\nb\n", "Grüße\n", "山田太郎\n",
  ("x"):rep(2000), ("Ж"):rep(2000), " leading, trailing \n\t\n",
  ".\n..\n.dot\n", "From here\nFrom there\n", "= =3D =\n", "tab\there \n",
  ("many words "):rep(300) .. "\n", "a\0b\n", "--\n--=_x\n",
}

local people <const> = {
  { "", "b@example.org" }, { "Bob", "b@example.org" },
  { "Bob B. Builder", "b@example.org" }, { "Builder, Bob", "b@example.org" },
  { 'Bob "the" Builder', "b@example.org" }, { "Ana Müller", "a@example.org" },
  { "山田 太郎", "y@example.jp" }, { "Иван Петров", "i@example.ru" },
  { "(comment)", "c@example.org" }, { "a@b", "d@example.org" },
  { ("Very Long Name "):rep(8) .. "End", "e@example.org" },
  { ("Sehr länger Name "):rep(8) .. "Ende", "f@example.org" },
  { "=?utf-8?Q?trap?=", "g@example.org" }, { "Ö", '"a b"@example.org' },
  { "x", "very.long.local.part+tag=value@sub.domain.example.org" },
}

local subjects <const> = {
  "Hi", "Grüße", "山田太郎", ("long subject "):rep(30) .. "end",
  ("länger "):rep(30) .. "Ende", "two  blanks", "=?utf-8?Q?trap?=",
  "a = b? c_d", "😀 smile", ("x"):rep(500), "привет " .. ("мир"):rep(40),
}

local sizes <const> = { 0, 1, 56, 57, 58, 75, 76, 77, 997, 998, 999, 47879,
  47880, 47881, 65536, 100003 }

local types <const> = { "application/octet-stream", "image/gif", "audio/basic",
  "video/mpeg", "application/postscript", "text/richtext", "text/enriched" }

-- The same numbers on each run.
local function numbers()
  local state = 20251123
  return function(n)
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % n + 1
  end
end

local function octets(n)
  return all_octets:rep(n // 256 + 1):sub(1, n)
end

-- A file of any octets, or a text in some file.
local function file(pick)
  local data = pick(4) == 1 and texts[pick(#texts)]
    or octets(sizes[pick(#sizes)])
  return { data = data, name = pick(9) > 1 and names[pick(#names)] or nil,
    type = types[pick(#types)], description = pick(3) == 1
      and subjects[pick(#subjects)] or nil }
end

-- A text in a charset of its own.
local charsets <const> = {
  { "iso-8859-1", "Gr\xFC\xDFe\n" }, { "koi8-r", "\xD0\xD2\xC9\n" },
  { "shift_jis", "\x8E\x52\x93\x63\n" }, { "utf-16be", "\0a\0b" },
}

local function foreign(pick)
  local one = charsets[pick(#charsets)]
  return { data = one[2], type = "text/plain", charset = one[1],
    name = names[pick(#names)] }
end

local subtypes <const> = { "mixed", "parallel", "x-own" }

-- Some files in multiparts of their own, as deep as it comes.
local function nest(files, pick, depth)
  local list = { subtype = subtypes[pick(#subtypes)] }
  for i, one in ipairs(files) do
    list[i] = depth > 0 and pick(3) == 1
      and nest({ one, file(pick) }, pick, depth - 1) or one
  end
  return list
end

local function some(pick, most, make)
  local out = {}
  for i = 1, pick(most + 1) - 1 do out[i] = make(pick) end
  return out
end

local function mailbox(pick)
  local one = people[pick(#people)]
  return { name = one[1], address = one[2] }
end

-- The attachments of a shape: files, texts, and what is nested.
local function attachments(pick)
  local out = some(pick, 3, file)
  if pick(4) == 1 then out[#out + 1] = foreign(pick) end
  if pick(4) == 1 then
    out[#out + 1] = nest({ file(pick), file(pick) }, pick, 4)
  end
  return out
end

local function html_of(pick)
  return "<p>" .. texts[pick(#texts)] .. "</p>"
end

--- Messages, each of another shape: options of mime.message, but that a
--- list with a subtype stands for a multipart (see M.options).
---@param count integer
---@return table[]
function M.messages(count)
  local pick, out = numbers(), {}
  for i = 1, count do
    local inline = {}
    for j, one in ipairs(some(pick, 2, file)) do inline["i" .. j] = one end
    out[i] = {
      from = mailbox(pick), to = some(pick, 5, mailbox),
      cc = some(pick, 2, mailbox), bcc = "hidden@example.org",
      subject = subjects[(i - 1) % #subjects + 1],
      text = pick(4) > 1 and texts[(i - 1) % #texts + 1] or nil,
      html = pick(2) == 1 and html_of(pick) or nil,
      inline = inline, attach = attachments(pick),
    }
  end
  return out
end

-- The files of a list that nests.
local function flat(list, out)
  for _, one in ipairs(list) do
    if one.subtype then flat(one, out) else out[#out + 1] = one end
  end
  return out
end

--- The files of a shape, in order.
---@param given table
---@return table[]
function M.files(given)
  local out = {}
  for i = 1, 2 do out[#out + 1] = given.inline["i" .. i] end
  return flat(given.attach, out)
end

-- What mime.message takes for a file or a list of them.
local function part_of(one)
  local mime = require "lunapost.mime.build"
  if one.subtype then
    local list = {}
    for i, inner in ipairs(one) do list[i] = part_of(inner) end
    return assert(mime.multipart(one.subtype, list))
  end
  local spec = { disposition = "attachment" }
  for key, value in pairs(one) do spec[key] = value end
  return assert(mime.part(spec))
end

--- Options of mime.message for a shape.
---@param given table
---@return table
function M.options(given)
  local out = { attach = {} }
  for key, value in pairs(given) do
    if key ~= "attach" then out[key] = value end
  end
  for i, one in ipairs(given.attach) do
    out.attach[i] = one.subtype and part_of(one) or one
  end
  return out
end

local function crlf(text)
  return (text:gsub("\r\n", "\n"):gsub("\n", "\r\n"))
end

--- What a reader should find: the leaves in order.
---@param given table  options of mime.message
---@return { type: string, octets: string, name: string?, id: string?,
---  body: boolean? }[]  body: what is read as the message's text
function M.leaves(given)
  local out = {}
  local function add(type, data, name, id)
    out[#out + 1] = { type = type, octets = data, name = name, id = id }
  end
  local function add_body(type, text)
    out[#out + 1] = { type = type, octets = crlf(text), body = true }
  end
  if given.text then add_body("text/plain", given.text) end
  if given.html then add_body("text/html", given.html) end
  for i = 1, 2 do
    local one = given.inline["i" .. i]
    if one then add(one.type, one.data, one.name, "i" .. i) end
  end
  for _, one in ipairs(flat(given.attach, {})) do
    add(one.type, one.data, one.name)
  end
  if #out == 0 then add_body("text/plain", "") end
  return out
end

-- Words that look encoded, which other writers let stand, and every reader
-- then decodes.
local function plain(text)
  return text and (text:gsub("=%?", "= ?"))
end

--- The same shape without texts that only we write so that they come back:
--- what looks like an encoded word, and an empty text beside others.
---@param given table  options of mime.message; changed
---@return table given
function M.tamed(given)
  given.subject = plain(given.subject)
  given.from.name = plain(given.from.name)
  for _, to in ipairs(given.to) do to.name = plain(to.name) end
  for _, one in ipairs(M.files(given)) do one.name = plain(one.name) end
  if given.text == "" then given.text = "x\n" end
  return given
end

return M
