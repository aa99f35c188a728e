--- What a call costs on short input, in nanoseconds, beside string functions
--- of Lua on the same input. Each round times a codec and string.upper one
--- right after the other; the medians of the rounds count, and of their
--- ratios. For the ratio nothing is taken off for the call of a function.

local codec = require "lunapost.codec"

local rounds <const> = 15
local calls <const> = 20000

local octets <const> = ("Lua, C; "):rep(8)
local subject <const> = "Gr\u{fc}\u{df}e aus K\u{f6}ln: Rechnung 2026-11"
local q <const> = assert(codec.encoded_word.encode(subject))
local b <const> = assert(codec.encoded_word.encode "日本語の件名、そして続き")
local field <const> = "text/plain; charset=utf-8; format=flowed"

-- { name, function, arguments }
local work <const> = {
  { "string.upper", string.upper, octets },
  { "string.rep, twice", string.rep, octets, 2 },
  { "string.format %q", string.format, "%q", octets },
  { "base64.encode", codec.base64.encode, octets },
  { "  in lines", codec.base64.encode, octets, { columns = 76 } },
  { "base64.decode", codec.base64.decode, codec.base64.encode(octets) },
  { "  strict", codec.base64.decode, codec.base64.encode(octets),
    { strict = true } },
  { "  with a defect", codec.base64.decode,
    "*" .. codec.base64.encode(octets) },
  { "quoted_printable.encode", codec.quoted_printable.encode, octets },
  { "quoted_printable.decode", codec.quoted_printable.decode, octets },
  { "dot.encode", codec.dot.encode, octets },
  { "dot.decode", codec.dot.decode, codec.dot.encode(octets) },
  { "dot.stuff", codec.dot.stuff, octets },
  { "dot.unstuff", codec.dot.unstuff, octets },
  { "crlf.encode", codec.crlf.encode, octets },
  { "crlf.decode", codec.crlf.decode, octets },
  { "uu.encode", codec.uu.encode, octets },
  { "uu.decode", codec.uu.decode, codec.uu.encode(octets) },
  { "scan", codec.scan, octets },
  { "is_utf8", codec.is_utf8, octets },
  { "encoded_word.encode, ASCII", codec.encoded_word.encode, octets },
  { "encoded_word.encode, German", codec.encoded_word.encode, subject },
  { "encoded_word.decode, ASCII", codec.encoded_word.decode, octets },
  { "encoded_word.decode, Q", codec.encoded_word.decode, q },
  { "encoded_word.decode, B", codec.encoded_word.decode, b },
  { "encoded_word.decode, koi8-r", codec.encoded_word.decode,
    "=?koi8-r?B?8NLJ18XU?= =?koi8-r?B?8NLJ18XU?=" },
  { "parameter.encode", codec.parameter.encode, "filename", "report.pdf" },
  { "parameter.encode, 2231", codec.parameter.encode, "filename",
    "sp\u{e4}\u{df}.pdf" },
  { "parameter.decode", codec.parameter.decode, field },
  { "charset.decode, koi8-r", codec.charset.decode, octets, "koi8-r" },
  { "charset.encode, latin1", codec.charset.encode, octets, "iso-8859-1" },
}

local encoder <const> = codec.base64.encoder { columns = 76 }
local decoder <const> = codec.quoted_printable.decoder()
table.insert(work, { "base64 encoder:update", encoder.update, encoder,
  octets })
table.insert(work, { "qp decoder as a filter", decoder, octets })

-- Four charsets in turn: what a folder of mail is.
local in_turn <const> = { "koi8-r", "big5", "euc-kr", "iso-8859-2" }
local turn = 0
table.insert(work, { "charset.decode, four in turn", function(s)
  turn = turn % #in_turn + 1
  return codec.charset.decode(s, in_turn[turn])
end, octets })

local function nanoseconds(f, ...)
  local start = os.clock()
  for _ = 1, calls do f(...) end
  return (os.clock() - start) / calls * 1e9
end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

print(("%-30s %9s %16s"):format("", "ns a call", "of string.upper"))
for _, item in ipairs(work) do
  local taken, ratio = {}, {}
  for i = 1, rounds do
    local upper = nanoseconds(string.upper, octets)
    taken[i] = nanoseconds(table.unpack(item, 2))
    ratio[i] = taken[i] / upper
  end
  print(("%-30s %9.0f %15.1fx"):format(item[1], median(taken), median(ratio)))
end
