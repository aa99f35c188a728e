local codec = require "lunapost.codec"
local err = require "lunapost.err"
local json = require "spec.support.json"

local vectors <const> = "../shared/corpus/vectors/"

-- Octets of all kinds, the troublesome ones often.
local pieces <const> = { "\r\n", "\n", "\r", ".", "..", "=", " ", "\t",
  "From ", "a", "text", "\0", "\xff", "é", "€", "begin 644 x\n", "end\n",
  ("x"):rep(80), "=\r\n", "=20", "~", "`" }

local function octets(most)
  local parts = {}
  for i = 1, math.random(0, most) do
    parts[i] = math.random(8) == 1 and string.char(math.random(0, 255))
      or pieces[math.random(#pieces)]
  end
  return table.concat(parts)
end

-- Feeds s in pieces of random sizes (the same size when size is given).
local function stepped(f, s, size)
  local out, at = {}, 1
  while at <= #s do
    local n = size or math.random(1, 90)
    out[#out + 1] = assert(f:update(s:sub(at, at + n - 1)))
    at = at + n
  end
  out[#out + 1] = assert(f:finish())
  return table.concat(out)
end

local function base64_of(name, encode, decode)
  return { name = name, encode_options = encode, decode_options = decode,
    codec = codec.base64 }
end

local reversible <const> = {
  base64_of("base64"),
  base64_of("base64 in lines", { columns = 76 }),
  base64_of("base64 in short lines", { columns = 4 }),
  base64_of("base64 for URLs", { url = true, unpadded = true },
    { url = true, unpadded = true }),
  { name = "binary quoted-printable", codec = codec.quoted_printable,
    encode_options = { binary = true } },
  { name = "uuencode", codec = codec.uu },
}

local steps <const> = {
  { name = "quoted-printable text", codec = codec.quoted_printable },
  { name = "dots", codec = codec.dot },
  { name = "dots without a mark", codec = codec.dot,
    encode_options = { mark = false } },
  { name = "dots repaired", codec = codec.dot,
    decode_options = { fix = true } },
  { name = "line ends", codec = codec.crlf },
  table.unpack(reversible),
}

describe("a codec", function()
  for _, case in ipairs(reversible) do
    it("gives back what it was given: " .. case.name, function()
      math.randomseed(42)
      for _ = 1, 2000 do
        local s = octets(30)
        local coded = case.codec.encode(s, case.encode_options)
        local back, defects = case.codec.decode(coded, case.decode_options)
        assert.equal(s, back)
        assert.same({}, defects)
      end
    end)
  end

  for _, case in ipairs(steps) do
    it("gives the same in any steps: " .. case.name, function()
      math.randomseed(43)
      local encode, decode = case.encode_options, case.decode_options
      for round = 1, 1000 do
        local s, size = octets(40), round % 3 == 0 and round % 7 + 1 or nil
        local coded = case.codec.encode(s, encode)
        assert.equal(coded, stepped(case.codec.encoder(encode), s, size))
        for _, input in ipairs { coded, s } do
          local back = case.codec.decode(input, decode)
          if back then
            assert.equal(back, stepped(case.codec.decoder(decode), input, size))
          end
        end
      end
    end)
  end

  it("gives the same in any steps: charsets", function()
    math.randomseed(44)
    local text <const> = ("日本語 かな, ASCII, あ"):rep(20)
    for _, name in ipairs { "utf-8", "iso-2022-jp", "euc-jp", "shift_jis",
      "utf-16", "utf-16le", "utf-32be", "us-ascii", "utf-7", "hz" } do
      local bytes = codec.charset.encode(text, name) or octets(50)
      for size = 1, 7 do
        assert.equal((codec.charset.decode(bytes, name)),
          stepped(codec.charset.decoder(name), bytes, size), name)
        local broken = bytes:sub(1, -size) .. octets(3) .. bytes
        assert.equal((codec.charset.decode(broken, name)),
          stepped(codec.charset.decoder(name), broken, size), name)
      end
      if name ~= "us-ascii" and name ~= "hz" then
        assert.equal(text, (codec.charset.decode(bytes, name)), name)
        assert.equal(bytes, stepped(codec.charset.encoder(name), text, 5))
      end
    end
  end)

  it("takes no more when it has finished", function()
    local f = codec.base64.encoder()
    f:finish()
    assert.has_error(function() f:update "x" end,
      "the base64 encoder has finished: make a new one")
    assert.has_error(function() f:finish() end)
    assert.equal("base64 encoder (finished)", tostring(f))
  end)

  it("is an LTN12 filter", function()
    local f = codec.base64.encoder { columns = 4 }
    assert.equal("", f "a")
    assert.equal("YWJj\r\n", f "bc")
    assert.equal("", f "d")
    assert.equal("", f "")
    assert.equal("ZA==\r\n", f(nil))
    assert.is_nil(f(nil))
    assert.is_nil(f(nil))
    assert.has_error(function() f "x" end)
    f = codec.crlf.encoder()
    assert.equal("a", f "a\r")
    assert.equal("\r\n", f(nil))
    assert.is_nil(f(nil))
  end)

  it("stands in chains of LuaSocket's ltn12", function()
    local found, ltn12 = pcall(require, "ltn12")
    if not found then return pending "LuaSocket is not here" end
    local text <const> = ("caf\u{e9} \n.\r\n"):rep(2000)
    for _, case in ipairs(steps) do
      local into, back = {}, {}
      local f = case.codec.encoder(case.encode_options)
      assert(ltn12.pump.all(
        ltn12.source.chain(ltn12.source.string(text), f),
        (ltn12.sink.table(into))))
      local coded = case.codec.encode(text, case.encode_options)
      assert.equal(coded, table.concat(into))
      f = case.codec.decoder(case.decode_options)
      assert(ltn12.pump.all(ltn12.source.string(coded),
        (ltn12.sink.chain(f, (ltn12.sink.table(back))))))
      assert.equal((case.codec.decode(coded, case.decode_options)),
        table.concat(back))
    end
  end)

  it("names the nearest option for a misspelt one", function()
    assert.has_error(function() codec.base64.encode("x", { colums = 76 }) end,
      "unknown option of codec.base64.encode 'colums' "
      .. "(did you mean 'columns'?)")
    assert.has_error(function() codec.base64.encode("x", { columns = 75 }) end)
    assert.has_error(function() codec.base64.encode(7) end,
      "codec.base64.encode takes a string, not number")
    assert.has_error(function()
      codec.encoded_word.encode("x", { place = "phrase " })
    end)
    assert.has_error(function() codec.charset.encode("x") end)
  end)

  it("points at the caller who gave it something wrong", function()
    local _, text = pcall(function() codec.uu.encode(nil) end)
    assert.truthy(text:find("codec_spec.lua:", 1, true))
    _, text = pcall(function() codec.dot.encoder { mrak = true } end)
    assert.truthy(text:find("codec_spec.lua:", 1, true))
  end)
end)

describe("base64", function()
  it("lists what it repaired", function()
    local out, defects = codec.base64.decode "Zm9*v!Y"
    assert.equal("foo", out)
    assert.equal("2 octets of no base64 skipped", tostring(defects[1]))
    assert.equal("junk", defects[1].kind)
    assert.equal("truncated", defects[2].kind)
  end)

  it("tells where strict input is wrong", function()
    local out, problem, at = codec.base64.decode("Zm9v\n", { strict = true })
    assert.is_nil(out)
    assert.is_true(err.is(problem))
    assert.equal("syntax", problem.kind)
    assert.equal(5, at)
    local f = codec.base64.decoder { strict = true }
    assert.equal("foo", f:update "Zm9v")
    out, problem, at = f:update "Zm*v"
    assert.is_nil(out)
    assert.equal("base64 decoder: malformed at octet 7", tostring(problem))
    assert.equal(7, at)
  end)

  it("takes unpadded strict input only when told so", function()
    local strict <const> = { strict = true, unpadded = true, url = true }
    assert.equal("\xff\xff", (codec.base64.decode("__8", strict)))
    assert.equal("\xff\xff", (codec.base64.decode("__8=", strict)))
    assert.is_nil((codec.base64.decode("__8", { strict = true, url = true })))
    assert.is_nil((codec.base64.decode("__9", strict)))
    assert.is_nil((codec.base64.decode("_", strict)))
  end)

  it("keeps lines of the width asked for", function()
    for columns = 4, 80, 4 do
      local coded = codec.base64.encode(("x"):rep(1000), { columns = columns })
      for line, ending in coded:gmatch "([^\r\n]*)(\r?\n)" do
        assert.is_true(#line > 0 and #line <= columns)
        assert.equal("\r\n", ending)
      end
    end
    assert.equal("YWJj\nZA==\n",
      codec.base64.encode("abcd", { columns = 4, lf = true }))
  end)
end)

-- All that a strict decoder gives for pieces of a size, or nil, err, position.
local function in_pieces(kind, s, size)
  local f, out = kind.decoder { strict = true }, {}
  for at = 1, #s, size do
    local piece, problem, position = f:update(s:sub(at, at + size - 1))
    if not piece then return nil, problem, position end
    out[#out + 1] = piece
  end
  local rest, problem, position = f:finish()
  if not rest then return nil, problem, position end
  return table.concat(out) .. rest
end

describe("quoted-printable", function()
  it("refuses what is not canonical when strict", function()
    local strict <const> = { strict = true }
    for coded, at in pairs {
      ["a=3d"] = 2, ["é"] = 1, ["a \r\n"] = 2, ["a="] = nil, ["b=x"] = 2,
      ["a\rb"] = 2, [("a"):rep(77)] = 1, ["a\0"] = 2,
    } do
      local out, problem, where = codec.quoted_printable.decode(coded, strict)
      assert.is_nil(out, coded)
      assert.equal("syntax", problem.kind)
      assert.equal(at, where, coded)
    end
    assert.equal("a=é", (codec.quoted_printable.decode("a=3D=C3=A9", strict)))
  end)

  it("is as strict in steps, wherever the pieces end", function()
    local seen <const> = { ["a=3D=\r\nb \tc\n"] = "a=b \tc\n", ["a="] = "a",
      ["=41=\n"] = "A" }
    for coded, wanted in pairs(seen) do
      assert.equal(wanted, (in_pieces(codec.quoted_printable, coded, 1)))
      assert.equal(wanted,
        (codec.quoted_printable.decode(coded, { strict = true })))
    end
    for coded, at in pairs {
      ["a=3d"] = 2, ["b=x"] = 2, ["a \r\n"] = 2, ["a "] = 2,
      ["a\rb"] = 2, ["ab\r"] = 3, ["=4"] = 1, [("a"):rep(77)] = 1, ["a\0"] = 2,
      ["x\r\n" .. ("a"):rep(74) .. "=41"] = 4, ["= \r\n"] = 1,
    } do
      for size = 1, 3 do
        local out, problem, where =
          in_pieces(codec.quoted_printable, coded, size)
        assert.is_nil(out, coded)
        assert.equal("syntax", problem.kind)
        assert.equal(at, where, coded)
      end
    end
  end)

  it("may keep the line ends of files", function()
    local keep <const> = { keep = true }
    assert.equal("a=20\nb\r\nc",
      codec.quoted_printable.encode("a \nb\r\nc", keep))
    math.randomseed(5)
    for _ = 1, 1000 do
      local s = octets(40)
      assert.equal(s, (codec.quoted_printable.decode(
        codec.quoted_printable.encode(s, keep))))
    end
  end)

  it("tells the first thing it could not read", function()
    local _, defects = codec.quoted_printable.decode "ab=zz="
    assert.equal(1, #defects)
    assert.equal(3, defects[1].offset)
  end)
end)

describe("an encoded word of the codec", function()
  it("goes both ways", function()
    local text <const> = "Grüße aus Köln"
    local value = assert(codec.encoded_word.encode(text))
    local back, defects = codec.encoded_word.decode(value)
    assert.equal(text, back)
    assert.same({}, defects)
    local f = codec.encoded_word.encoder { charset = "iso-8859-1" }
    assert.equal("=?iso-8859-1?Q?d=E9tails?= aus",
      stepped(f, "détails aus", 2))
    assert.equal(text, stepped(codec.encoded_word.decoder(), value, 3))
  end)

  it("fails with words", function()
    local out, problem = codec.encoded_word.encode("a\r\nBcc: b")
    assert.is_nil(out)
    assert.truthy(tostring(problem):find "line ends")
    out, problem = codec.encoded_word.encode("é", { charset = "nope" })
    assert.is_nil(out)
    assert.truthy(tostring(problem):find "unknown charset")
    local kept, defects = codec.encoded_word.decode "=?nope?q?x?="
    assert.equal("=?nope?q?x?=", kept)
    assert.equal(1, #defects)
  end)
end)

describe("a parameter of the codec", function()
  it("goes both ways", function()
    assert.equal("filename*=utf-8''sp%C3%A4%C3%9F.pdf",
      codec.parameter.encode("filename", "späß.pdf"))
    local values = codec.parameter.decode(
      "attachment; filename*=utf-8''sp%C3%A4%C3%9F.pdf; size=3")
    assert.same({ filename = "späß.pdf", size = "3" }, values)
    assert.same({ a = "b" }, (codec.parameter.decode "a=b"))
    assert.same({ a = "b;c" }, (codec.parameter.decode "a=\"b;c\""))
    assert.same({}, (codec.parameter.decode "text/plain"))
    assert.is_nil((codec.parameter.encode("a b", "c")))
    assert.equal("n=x\ny=z\n", stepped(codec.parameter.decoder(), "n=x; y=z"))
    assert.equal("n=x", stepped(codec.parameter.encoder { name = "n" }, "x"))
  end)
end)

describe("uuencode", function()
  it("writes what POSIX says", function()
    assert.equal("begin 755 cat\n#0V%T\n`\nend\n",
      codec.uu.encode("Cat", { name = "cat", mode = tonumber("755", 8) }))
  end)

  it("reads what mail made of it", function()
    local out, defects, file = codec.uu.decode("Hello,\r\n\r\n"
      .. "begin 0644 a b.txt\r\n#0V%T\r\nchecked by scanner\r\n \r\nend\r\nbye")
    assert.equal("Cat", out)
    assert.equal(1, #defects)
    assert.same({ name = "a b.txt", mode = 420 }, file)
    out = codec.uu.decode "begin 644 x\n#\n`\nend\n" -- blanks taken away
    assert.equal("\0\0\0", out)
    out, defects = codec.uu.decode "begin 644 x\n#0V%T\n"
    assert.equal("Cat", out)
    assert.equal("truncated", defects[1].kind)
  end)

  it("needs a begin and a name", function()
    local out, problem = codec.uu.decode "no such thing"
    assert.is_nil(out)
    assert.equal("uuencode: there is no 'begin'", tostring(problem))
    assert.is_nil((codec.uu.encode("x", { name = "a\nb" })))
    assert.is_nil((codec.uu.encode("x", { name = "" })))
    assert.is_nil((codec.uu.encode("x", { mode = 4096 })))
  end)
end)

describe("the charset UTF-7", function()
  it("is read as in RFC 2152, cut anywhere", function()
    for _, case in ipairs {
      { "Hi Mom -+Jjo--!", "Hi Mom -\u{263A}-!", 0 },
      { "A+ImIDkQ.", "A\u{2262}\u{391}.", 0 },
      { "Item 3 is +AKM-1.", "Item 3 is \u{A3}1.", 0 },
      { "1 +- 1 = ~2\\", "1 + 1 = ~2\\", 0 },
      { "+2D3eAA-", "\u{1F600}", 0 },
      { "+AGE", "a", 0 }, { "+AGE!", "a!", 0 },
      { "+AGF-", "a\u{FFFD}", 1 },  -- bits that make no character
      { "+AGEx", "a\u{FFFD}", 1 },
      { "+2AAAYQ-", "\u{FFFD}a", 1 }, -- half a pair of surrogates
      { "+3AA- +2AA-", "\u{FFFD} \u{FFFD}", 2 },
      { "+ x +", "\u{FFFD} x \u{FFFD}", 2 },
      { "caf\xe9", "caf\u{FFFD}", 1 },
    } do
      local text, defects = codec.charset.decode(case[1], "utf-7")
      assert.equal(case[2], text)
      assert.equal(case[3], defects[1] and defects[1].count or 0, case[1])
      for at = 0, #case[1] do
        local f = assert(codec.charset.decoder "UTF7")
        assert.equal(text, f:update(case[1]:sub(1, at))
          .. f:update(case[1]:sub(at + 1)) .. f:finish())
      end
    end
  end)
end)

describe("dots of the codec", function()
  it("go both ways", function()
    assert.equal("a\r\n..b\r\n.\r\n", codec.dot.encode "a\n.b")
    assert.equal("a\r\n..b", codec.dot.stuff "a\n.b")
    local body, defects, behind = codec.dot.decode "a\r\n..b\r\n.\r\nQUIT"
    assert.equal("a\r\n.b\r\n", body)
    assert.same({}, defects)
    assert.equal(#"a\r\n..b\r\n.\r\n" + 1, behind)
    body, defects, behind = codec.dot.unstuff "a\r\n..b\r"
    assert.equal("a\r\n.b\r", body)
    assert.equal("bare CR", tostring(defects[1]))
    assert.is_nil(behind)
  end)

  it("tell of a body that has no end", function()
    local _, defects = codec.dot.decode "a\r\n"
    assert.equal("unended", defects[1].kind)
  end)

  it("refuse bare line ends when strict, repair them when told", function()
    local body, problem, at = codec.dot.decode("ab\n.\r\n.\r\n",
      { strict = true })
    assert.is_nil(body)
    assert.equal("bare LF at octet 3", tostring(problem))
    assert.equal(3, at)
    assert.equal("ab\r\n.\r\nc\r\n",
      (codec.dot.decode("ab\n.\r\nc\r\n.\r\n", { fix = true })))
  end)

  it("refuse bare line ends in steps, too", function()
    for size = 1, 4 do
      for coded, wanted in pairs { ["ab\n.\r\n.\r\n"] = 3, ["a\rb"] = 2,
        ["ab\r"] = 3 } do
        local body, problem, at = in_pieces(codec.dot, coded, size)
        assert.is_nil(body)
        assert.equal("syntax", problem.kind)
        assert.equal(wanted, at, coded)
      end
      assert.equal("a\r\n.b\r\n",
        (in_pieces(codec.dot, "a\r\n..b\r\n.\r\nx\n", size)))
    end
  end)
end)

describe("line ends of the codec", function()
  it("go both ways", function()
    assert.equal("a\r\nb\r\n\r\nc", codec.crlf.encode "a\nb\r\r\nc")
    assert.equal("a\nb\rc\n", codec.crlf.decode "a\r\nb\rc\n")
  end)
end)

describe("a scan", function()
  it("tells what a body is made of", function()
    local seen = codec.scan "ab \r\nc\rd\ne\0é"
    assert.same({ size = 13, lines = 3, longest = 4, eight_bit = 2,
      bare_cr = 1, bare_lf = 1, nul = true, trailing_blank = true,
      utf8 = true, encoding = "base64", text_encoding = "base64" }, seen)
  end)

  it("chooses an encoding", function()
    local function chosen(s) return codec.scan(s).text_encoding end
    assert.equal("7bit", chosen "plain\ntext\n")
    assert.equal("7bit", chosen(("a"):rep(998) .. "\r\n"))
    assert.equal("quoted-printable", chosen(("a"):rep(999)))
    assert.equal("quoted-printable", chosen "Grüße aus der Stadt am Fluss")
    assert.equal("base64", chosen "日本語")
    assert.equal("base64", codec.scan("a\nb\r").encoding)
    assert.equal("7bit", codec.scan("a\r\nb").encoding)
  end)

  it("knows UTF-8", function()
    for s, yes in pairs { [""] = true, ["é€😀"] = true, ["\xff"] = false,
      ["\xe2\x82"] = false, [("a"):rep(8191) .. "é"] = true,
      [("a"):rep(8190) .. "€"] = true, [("a"):rep(8191) .. "\xe2x"] = false,
      [("a"):rep(8191) .. "\xf0\x80\x80\x80"] = false } do
      assert.equal(yes, codec.scan(s).utf8)
      assert.equal(yes, codec.is_utf8(s))
    end
  end)
end)

describe("the vectors of Python's email package", function()
  local file <const> = json.read(vectors .. "cpython_codec_calls.json")

  -- { latin1 = s } stands for octets: as Lua string of these octets.
  local function plain(value)
    if type(value) ~= "table" or not value.latin1 then return value end
    return (value.latin1:gsub(utf8.charpattern,
      function(c) return string.char(utf8.codepoint(c)) end))
  end

  local function latin1(s)
    return (s:gsub(utf8.charpattern,
      function(c) return string.char(utf8.codepoint(c)) end))
  end

  local run = {}

  run["base64mime.decode"] = function(args, result)
    assert.equal(plain(result), (codec.base64.decode(plain(args[1]))))
  end

  run["base64mime.body_encode"] = function(args, result, kw)
    local columns = (kw.maxlinelen or args[2] or 76) // 4 * 4
    local coded = codec.base64.encode(plain(args[1]), { columns = columns })
    assert.equal(codec.base64.decode(result), codec.base64.decode(coded))
    if not kw.maxlinelen and not kw.eol and not args[2] then
      assert.equal(result, (coded:gsub("\r\n", "\n")))
    end
  end

  run["quoprimime.decode"] = function(args, result, kw)
    if args[2] or kw.eol then return end -- line ends of one's own
    local text = plain(args[1])
    if result:find "[^\0-\x7f]" then result = latin1(result) end
    local out = codec.quoted_printable.decode(text):gsub("\r\n?", "\n")
    -- it ends every text with a line end that the input had
    assert.equal((result:gsub("\n$", "")), (out:gsub("\n$", "")), text)
  end

  run["encoded_word.decode"] = function(args, result)
    if args[1]:find "unknown%-8bit" then return end -- we guess, it does not
    local text = codec.encoded_word.decode(args[1])
    assert.equal(result[1], text, args[1])
  end

  run["encoded_word.encode"] = function(args, result)
    if result:find "unknown%-8bit" then return end
    assert.equal((codec.encoded_word.decode(result)), args[1])
  end

  run["email.utils.encode_rfc2231"] = function(args, result)
    local values = codec.parameter.decode("x; n*=" .. result)
    assert.equal(args[1], values.n)
  end

  it("hold here too, where the functions match", function()
    if not file then return pending "the corpus is not here" end
    local count = 0
    for _, case in ipairs(file.cases) do
      local f = run[case.fn]
      if f and case.error == json.null and case.result ~= json.null then
        f(case.args, case.result, case.kw)
        count = count + 1
      end
    end
    assert.is_true(count > 150, count)
  end)
end)
