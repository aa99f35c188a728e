-- What must hold of every codec for any input: it gives back what it was
-- given, in any steps and by any kernel; what an encoder writes has the shape
-- that its RFC says; what a strict decoder takes is what an encoder writes.
-- `make properties` tries 100,000 cases of each, `make test` fewer.
local codec = require "lunapost.codec"
local core = require "lunapost.core".codec
local draw = require "spec.support.random"

local random <const>, need <const>, same <const> =
  math.random, draw.need, draw.same

local chosen <const> = core.kernel()
local kernels <const> = {}
for _, name in ipairs { "avx512", "avx2", "ssse3", "neon", "scalar" } do
  if core.kernel(name) then kernels[#kernels + 1] = name end
end
core.kernel(chosen)

-- Makes a codec's object by a kernel, or calls a function by it.
local function by(kernel, f, ...)
  core.kernel(kernel)
  return f(...)
end

local function any_kernel()
  return kernels[random(#kernels)]
end

local function none(defects, what)
  need(#defects == 0, what, defects[1])
end

-- Encodes whole and in steps, by two kernels; both give the same.
local function encoded(kind, s, options)
  local whole = by(any_kernel(), kind.encode, s, options)
  local f = by(any_kernel(), kind.encoder, options)
  same(whole, draw.stepped(f, s), "in steps")
  return whole
end

-- Decodes whole and in steps; the same bytes, or the same refusal.
local function decoded(kind, s, options)
  local whole, problem, at = by(any_kernel(), kind.decode, s, options)
  local f = by(any_kernel(), kind.decoder, options)
  local out, problem2, at2 = draw.stepped(f, s)
  same(whole, out, "in steps")
  if not whole and type(problem) ~= "table" then
    same(at, at2, "where it is wrong, in steps")
    same(problem.kind, problem2.kind, "kind, in steps")
  end
  return whole, problem, at
end

print(("\nproperties: %d cases each, LUNAPOST_SEED=%d, kernels: %s")
  :format(draw.cases, draw.seed, table.concat(kernels, " ")))

describe("base64", function()
  after_each(function() core.kernel(chosen) end)

  local alphabet <const> =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

  local function options()
    return { url = random(2) == 1, unpadded = random(4) == 1 }
  end

  -- How long RFC 4648 makes n octets.
  local function length(n, unpadded)
    if unpadded then return (n * 4 + 2) // 3 end
    return (n + 2) // 3 * 4
  end

  draw.it("on one line gives back what it was given", function()
    local s, o = draw.octets(), options()
    local coded = encoded(codec.base64, s, o)
    same(length(#s, o.unpadded), #coded, "length")
    local outside = o.url and "[^%w%-_=]" or "[^%w+/=]"
    need(not coded:gsub("==?$", ""):find(outside), "alphabet", coded)
    local back, defects = decoded(codec.base64, coded, { url = o.url })
    same(s, back, "back")
    if not o.unpadded then none(defects, "defect") end
    o.strict = true
    same(s, (decoded(codec.base64, coded, o)), "back, strict")
  end)

  draw.it("in lines gives back what it was given", function()
    local s, lf = draw.octets(), random(4) == 1
    local columns = random(2) == 1 and 76 or random(1, 30) * 4
    local coded = encoded(codec.base64, s, { columns = columns, lf = lf })
    local ending = lf and "\n" or "\r\n"
    local at, text = 1, coded:gsub("\r?\n", "")
    same(length(#s), #text, "length without line ends")
    while at <= #text do -- a line is full unless it is the last one
      local line = text:sub(at, at + columns - 1) .. ending
      same(line, coded:sub(1, #line), "line")
      coded, at = coded:sub(#line + 1), at + columns
    end
    same("", coded, "behind the last line")
  end)

  draw.it("in lines goes back, with no defect", function()
    local s = draw.octets()
    local coded = codec.base64.encode(s, { columns = 76 })
    local back, defects = decoded(codec.base64, coded)
    same(s, back, "back")
    none(defects, "defect")
  end)

  draw.it("takes, when strict, one text for one value", function()
    local s, url = draw.octets(), random(2) == 1
    local o = { strict = true, url = url }
    local text = draw.mutated(codec.base64.encode(s, { url = url }), alphabet)
    local back, problem, at = decoded(codec.base64, text, o)
    if back then
      same(text, codec.base64.encode(back, { url = url }), "not canonical")
    else
      same("syntax", problem.kind, "kind")
      need(at >= 1 and at <= #text + 1, "position", at)
    end
  end)

  draw.it("passes over, when lenient, what is not of it", function()
    local text = codec.base64.encode(draw.octets(), { columns = 76 })
    for _ = 1, random(3) do text = draw.mutated(text, "*-_ \r\n\0A=") end
    local back = decoded(codec.base64, text)
    local data = text:match "^[^=]*":gsub("[^%w+/]", "")
    same(codec.base64.decode(data), back:sub(1, #data * 3 // 4),
      "as if it were not there")
    if not text:find "=" then same(#data * 3 // 4, #back, "size") end
  end)
end)

describe("quoted-printable", function()
  -- RFC 2045 6.7 as gsub has it.
  local function plainly(coded)
    coded = coded:gsub("=\r?\n", ""):gsub("=$", "")
    return (coded:gsub("=(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end))
  end

  local function well_formed(coded)
    for line, ending in coded:gmatch "([^\r\n]*)(\r?\n?)" do
      need(#line <= 76, "over 76 columns", line)
      need(not line:find "[ \t]$", "blank at the end", line)
      need(not line:find "[^\t -~]", "neither printable nor blank", line)
      for follows in line:gmatch "=(.?.?)" do
        need(follows == "" and ending ~= ""
          or follows:find "^[%dA-F][%dA-F]",
          "= and no hex digits in upper case", line)
      end
    end
  end

  local modes <const> = { {}, { binary = true }, { keep = true } }

  for _, o in ipairs(modes) do
    local name = next(o) or "text"
    draw.it("has its shape and goes back: " .. name, function()
      local s = random(2) == 1 and draw.octets() or draw.text()
      local coded = encoded(codec.quoted_printable, s, o)
      well_formed(coded)
      local back, defects = decoded(codec.quoted_printable, coded)
      none(defects, "defect")
      same(plainly(coded), back, "as the RFC has it")
      same(next(o) and s or (s:gsub("\r?\n", "\r\n")), back, "back")
      if o.binary then need(not coded:gsub("=\r\n", ""):find "[\r\n]",
        "hard break", coded) end
      same(back, (decoded(codec.quoted_printable, coded, { strict = true })),
        "back, strict")
    end)
  end

  -- What changes the text and not its value: an LF for a CRLF behind "="
  -- (files), and "=" at the very end, whose CRLF is a boundary's (RFC 2046
  -- 5.1.1).
  local function plain_of(text)
    return (text:gsub("=\r\n", "=\n"):gsub("=$", ""))
  end

  draw.it("when strict, takes no second text for a value", function()
    local s = random(2) == 1 and draw.octets() or draw.text()
    local coded = codec.quoted_printable.encode(s, modes[random(3)])
    local value = plainly(coded)
    local other = draw.mutated(coded, "=\r\n 3dDA\t.")
    local back, problem, at =
      decoded(codec.quoted_printable, other, { strict = true })
    if not back then
      same("syntax", problem.kind, "kind")
      need(at >= 1 and at <= #other + 1, "position", at)
    elseif back == value then
      same(plain_of(coded), plain_of(other), "a second text")
    else
      same(plainly(other), back, "as the RFC has it")
    end
  end)

  draw.it("decodes anything in any steps", function()
    local s = draw.octets()
    local back = decoded(codec.quoted_printable, s)
    need(#back <= #s, "grows", back)
  end)
end)

describe("an encoded word", function()
  local charsets <const> = {
    { "utf-8" }, { "utf-8" }, { "utf-8" },
    { "iso-8859-1", "ascii latin" }, { "koi8-r", "ascii cyrillic" },
    { "shift_jis", "ascii kana" }, { "iso-2022-jp", "ascii kana" },
    { "euc-kr", "ascii hangul" }, { "gb18030", "ascii han emoji" },
    { "iso-8859-7", "greek" },
  }

  -- RFC 2047 2 and 5: the length of a word, its alphabet in a phrase.
  local function well_formed(value, place)
    need(not value:find "[^ -~\t]", "no ASCII", value)
    for word in value:gmatch "=%?[^?%s]+%?[QBqb]%?[^?%s]*%?=" do
      need(#word <= 75, "over 75 characters", word)
      local text = word:match "%?[Qq]%?([^?]*)%?="
      if text and place == "phrase" then
        need(not text:find "[^%w!*+%-/=_]", "not for a phrase", word)
      end
    end
  end

  -- Each word stands for itself: no character is split (RFC 2047 5).
  local function whole_characters(value)
    for word in value:gmatch "=%?[^?%s]+%?[QB]%?[^?%s]*%?=" do
      local _, defects = codec.encoded_word.decode(word)
      none(defects, "a split character")
    end
  end

  draw.it("gives back what it was given", function()
    local charset, scripts = table.unpack(charsets[random(#charsets)])
    local place = random(4) == 1 and "comment" or "text"
    local s = draw.text(scripts)
    local o = { charset = charset, place = place }
    local value, problem = codec.encoded_word.encode(s, o)
    if not value then -- a script has holes
      need(charset ~= "utf-8", "refused", problem)
      return
    end
    same(value, draw.stepped(codec.encoded_word.encoder(o), s), "in steps")
    well_formed(value, place)
    if not s:find "=%?" then whole_characters(value) end
    local back, defects = codec.encoded_word.decode(value)
    same(s, back, "back")
    none(defects, "defect")
  end)

  draw.it("in a phrase gives back what it was given", function()
    local s = draw.text()
    local value = assert(codec.encoded_word.encode(s, { place = "phrase" }))
    if value:find '^"' then -- RFC 5322 3.2.4
      need(#value <= 76, "over 76 columns", value)
      same(s, (value:sub(2, -2):gsub("\\(.)", "%1")), "unquoted")
      return
    end
    well_formed(value, "phrase")
    same(s, (codec.encoded_word.decode(value)), "back")
  end)

  draw.it("decodes anything into UTF-8", function()
    local s = draw.octets()
    for _ = 1, random(3) do
      s = s .. (codec.encoded_word.encode(draw.text()) or "") .. " "
    end
    local back = codec.encoded_word.decode(draw.mutated(s, "=?_ q"))
    need(utf8.len(back), "no UTF-8", back)
  end)
end)

describe("a parameter", function()
  local token <const> = "[^%c%s%z\127-\255()<>@,;:\\\"/%[%]?=]"

  -- RFC 2045 5.1 and RFC 2231 7.
  local function well_formed(coded)
    for piece in (coded .. "; "):gmatch "%f[%g]([%w*.-]+=.-); " do
      local name, value = piece:match "^([^=]+)=(.*)$"
      if name:find "%*$" then
        value = value:gsub("^utf%-8''", "")
        need(not value:gsub("%%[%dA-F][%dA-F]", "")
          :find "[^%w!#$&+%-.^_`{|}~]", "not of RFC 2231", piece)
        need(#piece <= 75, "does not fit a line", piece)
      elseif not value:find '^"' then
        need(not value:gsub(token, ""):find ".", "no token", piece)
      end
    end
  end

  draw.it("gives back what it was given", function()
    local name = random(2) == 1 and "filename" or "name"
    local s = draw.text(random(3) == 1 and "ascii" or nil)
    local coded = assert(codec.parameter.encode(name, s))
    local f = codec.parameter.encoder { name = name }
    same(coded, draw.stepped(f, s), "in steps")
    if not coded:find '"' then well_formed(coded) end
    local values, defects = codec.parameter.decode(coded)
    same(s, values[name], "back")
    none(defects, "defect")
  end)

  draw.it("stands beside others in any order", function()
    local a, b = draw.text(), draw.text()
    local list = {}
    for piece in (codec.parameter.encode("a", a) .. "; "):gmatch "(.-); " do
      list[#list + 1] = piece
    end
    if a:find ";" then return end
    for i = #list, 2, -1 do
      local j = random(i)
      list[i], list[j] = list[j], list[i]
    end
    local values = codec.parameter.decode("x/y; " .. table.concat(list, "; ")
      .. "; " .. codec.parameter.encode("b", b))
    same(a, values.a, "a")
    same(b, values.b, "b")
  end)

  draw.it("decodes anything into UTF-8", function()
    local s = "x; " .. codec.parameter.encode("n", draw.text())
    for _ = 1, random(4) do s = draw.mutated(s, "*=;\"'%0 ") end
    for _, value in pairs(codec.parameter.decode(s)) do
      need(utf8.len(value), "no UTF-8", value)
    end
  end)
end)

describe("uuencode", function()
  draw.it("has its shape and goes back", function()
    local s, name = draw.octets(), "a file"
    local coded = encoded(codec.uu, s, { name = name, mode = 420 })
    local body = coded:match "^begin 644 a file\n(.*)`\nend\n$"
    need(body, "shape", coded)
    local left = #s
    for line in body:gmatch "([^\n]*)\n" do
      local n = left < 45 and left or 45
      same(n, line:byte() - 32, "count of a line")
      same(1 + (n + 2) // 3 * 4, #line, "length of a line")
      need(not line:find "[^!-`]", "alphabet", line)
      left = left - n
    end
    same(0, left, "octets in lines")
    local back, defects, file = codec.uu.decode(coded)
    same(s, back, "back")
    none(defects, "defect")
    same(name, file.name, "name")
    same(s, draw.stepped(codec.uu.decoder(), coded), "back, in steps")
  end)

  draw.it("decodes anything in any steps", function()
    local s = codec.uu.encode(draw.octets())
    for _ = 1, random(4) do s = draw.mutated(s, "`~ \nM#begin") end
    local whole = codec.uu.decode(s)
    same(whole, draw.stepped(codec.uu.decoder(), s), "in steps")
  end)
end)

-- RFC 5321 2.3.8: CRLF and nothing else ends a line.
local function in_lines(s)
  return (s:gsub("\r\n", "\n"):gsub("\r", "\n"):gsub("\n", "\r\n"))
end

describe("a body behind DATA", function()
  draw.it("goes out and comes back", function()
    local s = draw.octets()
    local wire = encoded(codec.dot, s)
    need(not wire:gsub("\r\n", ""):find "[\r\n]", "bare line end", wire)
    need(not ("\r\n" .. wire:sub(1, -6)):find("\r\n.\r\n", 1, true),
      "ends too soon", wire)
    local text = in_lines(s)
    if text ~= "" and text:sub(-2) ~= "\r\n" then text = text .. "\r\n" end
    same((("\r\n" .. text):gsub("\r\n%.", "\r\n.."):sub(3)) .. ".\r\n", wire,
      "as the RFC has it")
    local back, defects, behind = codec.dot.decode(wire .. "QUIT\r\n")
    same(text, back, "back")
    same(s:find "\0" and 1 or 0, #defects, "NUL, and no other defect")
    same(#wire + 1, behind, "where it ends")
  end)

  draw.it("is read the same in any steps", function()
    local s = draw.octets()
    local o = ({ {}, { fix = true }, { strict = true } })[random(3)]
    local out, problem, at = codec.dot.decode(s, o)
    local back, problem2, at2 = draw.stepped(codec.dot.decoder(o), s)
    if out and o.fix then
      need(not out:gsub("\r\n", ""):find "[\r\n]", "bare line end", out)
    end
    same(out, back, "in steps")
    if not out then
      same(problem.kind, problem2.kind, "kind")
      same(at, at2, "where it is wrong")
    end
  end)
end)

describe("line ends", function()
  draw.it("all become CRLF", function()
    local s = draw.octets()
    local out = encoded(codec.crlf, s)
    same(in_lines(s), out, "as the RFC has it")
    local back = decoded(codec.crlf, out)
    same((out:gsub("\r\n", "\n")), back, "back")
  end)
end)

describe("a charset", function()
  local some <const> = { { "utf-8" }, { "utf-16le" }, { "utf-32be" },
    { "utf-7" }, { "gb18030" }, { "iso-8859-15", "ascii latin" },
    { "koi8-u", "ascii cyrillic" }, { "windows-1253", "ascii greek" },
    { "shift_jis", "ascii kana" }, { "euc-jp", "ascii kana" },
    { "iso-2022-jp", "ascii kana" }, { "big5", "han" },
    { "euc-kr", "ascii hangul" } }

  draw.it("gives back what it was given", function()
    local name, scripts = table.unpack(some[random(#some)])
    local s = draw.text(scripts)
    local bytes = codec.charset.encode(s, name)
    if not bytes then
      need(not name:find "^utf" and name ~= "gb18030", "refused", s)
      return
    end
    same(bytes, draw.stepped(codec.charset.encoder(name), s), "in steps")
    local back, defects = codec.charset.decode(bytes, name)
    same(s, back, "back: " .. name)
    none(defects, "defect")
    same(s, draw.stepped(codec.charset.decoder(name), bytes), "back, in steps")
  end)

  draw.it("reads anything as UTF-8, the same in any steps", function()
    local name = some[random(#some)][1]
    local s = draw.octets()
    local text = codec.charset.decode(s, name)
    need(utf8.len(text), "no UTF-8: " .. name, text)
    same(text, draw.stepped(codec.charset.decoder(name), s),
      "in steps: " .. name)
  end)
end)

describe("a scan", function()
  local function count(s, pattern)
    return select(2, s:gsub(pattern, ""))
  end

  local function longest(s)
    local most = 0
    for line in (in_lines(s)):gmatch "[^\r\n]+" do
      most = #line > most and #line or most
    end
    return most
  end

  draw.it("tells what patterns tell", function()
    local s = random(3) == 1 and draw.text() or draw.octets()
    local seen = codec.scan(s)
    same(#s, seen.size, "size")
    same(count(s, "[\x80-\xff]"), seen.eight_bit, "octets of 8 bits")
    same(s:find "\0" ~= nil, seen.nul, "NUL")
    local bare = s:gsub("\r\n", "xx")
    same(count(bare, "\r"), seen.bare_cr, "bare CRs")
    same(count(bare, "\n"), seen.bare_lf, "bare LFs")
    same(count(s, "\r\n") + count(bare, "[\r\n]"), seen.lines, "line ends")
    same(longest(s), seen.longest, "longest line")
    same((s .. "\n"):find "[ \t][\r\n]" ~= nil, seen.trailing_blank,
      "blank at the end of a line")
    same(utf8.len(s) ~= nil, seen.utf8, "UTF-8")
    same(seen.utf8, codec.is_utf8(s), "UTF-8 alone")
  end)
end)
