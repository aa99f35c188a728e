local core = require "lunapost.core".codec
local stream = require "lunapost.core".stream

describe("base64 in core", function()
  local vectors <const> = { -- RFC 4648 10
    [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
    fooba = "Zm9vYmE=", foobar = "Zm9vYmFy",
  }

  it("agrees with RFC 4648 both ways", function()
    for plain, coded in pairs(vectors) do
      assert.equal(coded, core.base64_encode(plain, 0))
      assert.equal(plain, (core.base64_decode(coded)))
      assert.equal(plain, (core.base64_decode(coded, true)))
    end
  end)

  it("ends every line with CRLF", function()
    local coded = core.base64_encode(("\0"):rep(58), 76)
    assert.equal(("A"):rep(76) .. "\r\nAA==\r\n", coded)
  end)

  it("takes no data behind the padding, and counts it", function()
    local plain, junk, truncated = core.base64_decode "Zg==\r\n-- \r\nlist"
    assert.equal("f", plain)
    assert.equal(6, junk)
    assert.equal(0, truncated)
  end)

  it("tells where strict input is wrong", function()
    local refused <const> = {
      ["Zg="] = 4, Zg = 3, ["Zh=="] = 3, ["Z==="] = 2, ["Zm9v\r\n"] = 5,
      ["Zg==Zg=="] = 5, ["Zm-v"] = 3,
    }
    for coded, where in pairs(refused) do
      local plain, kind, _, position = core.base64_decode(coded, true)
      assert.is_nil(plain, coded)
      assert.equal("syntax", kind)
      assert.equal(where, position, coded)
    end
  end)
end)

describe("a charset", function()
  it("is known by its aliases and mislabels", function()
    local cases <const> = {
      { "latin1", "\x80", "\u{20ac}" }, { "ISO-8859-1", "\xe9", "é" },
      { "gb2312", "\xc4\xe3", "你" }, { "ks_c_5601-1987", "\xb0\xa1", "가" },
      { "shift_jis", "\x87\x40", "①" }, { "'utf-8'", "é", "é" },
      { "x-sjis", "\x82\xa0", "あ" }, { "koi8-r", "\xc1", "а" },
      { "iso-2022-jp", "\27$B$\"\27(B", "あ" },
      { "iso-2022-jp", "a\27$B-!\27(I1\27(Bb\27$(D0!", "a①ｱb丂" },
      { "cp50221", "\27$@$\"  $$\27(J\\", "あ  い\\" },
      { "hz-gb-2312", "a~{VPND~}~~b~\n~{VP\nb", "a中文~b中\nb" },
      { "utf-16le", "a\0b\0", "ab" }, { "x-cp1251", "\xe0", "а" },
    }
    for _, case in ipairs(cases) do
      local text, faults = core.charset_decode(case[1], case[2])
      assert.equal(case[3], text, case[1])
      assert.equal(0, faults, case[1])
    end
  end)

  it("of seven bits keeps its text where it is malformed", function()
    for bytes, text in pairs { ["\27$Bx"] = "?", ["\27(Xa"] = "?(Xa",
      ["\27"] = "?", ["a\xe9b"] = "a?b", ["\27$B$\27(Bc"] = "?c",
      ["a\27\27$B$\"\27(Bb"] = "a?\u{3042}b",
      ["a\27$\27(Bb"] = "a?$b" } do
      local got, faults = core.charset_decode("iso-2022-jp", bytes)
      assert.equal(text, (got:gsub("\u{fffd}", "?")))
      assert.equal(1, faults)
    end
    assert.equal("?\na?", (core.charset_decode("hz", "~{V\na~")
      :gsub("\u{fffd}", "?")))
    assert.is_nil((core.charset_encode("hz", "a")))
  end)

  it("loses nothing behind what glibc refuses too late", function()
    assert.equal("\u{fffd}x", (core.charset_decode("euc-kr", "\xa2\xe8x")))
    assert.equal("\u{fffd}", (core.charset_decode("euc-kr", "\xa2\xe8")))
  end)

  it("never gives what is no UTF-8", function()
    for _, name in ipairs { "ucs-4", "ucs-4le", "iso-10646-ucs-4",
      "u(cs)+-4" } do
      local text = core.charset_decode(name, "\x7d\x2d\x33\x7d")
      assert.equal("\u{fffd}", text:sub(1, 3), name)
      assert.is_true(core.is_utf8(text))
    end
  end)

  it("that is not known is an error", function()
    for _, name in ipairs { "no-such", "", "utf-8//IGNORE", "../x", "wchar_t",
      "a\0b", ("x"):rep(100), "osf00010104", "x-osf00010104" } do
      local text, kind = core.charset_decode(name, "x")
      assert.is_nil(text)
      assert.equal("syntax", kind)
      assert.is_false(core.charset_known(name))
    end
  end)

  it("replaces the maximal parts of what is no UTF-8", function()
    local cases <const> = { -- as Python and browsers do
      ["\xff"] = 1, ["\xe2\x82"] = 1, ["\xe2\x82x"] = 1, ["\xed\xa0\x80"] = 3,
      ["\xf0\x9f\x98"] = 1, ["\xc0\xaf"] = 2, ["\xf4\x90\x80\x80"] = 4,
    }
    for bytes, n in pairs(cases) do
      local text, faults = core.charset_decode("utf-8", bytes)
      assert.equal(("\u{fffd}"):rep(n), (text:gsub("x", "")))
      assert.equal(n, faults)
      assert.is_false(core.is_utf8(bytes))
    end
  end)

  it("of unlabelled 8-bit text is guessed and noted", function()
    local text, faults = core.charset_decode("us-ascii", "é\xe9 x")
    assert.equal("éé x", text)
    assert.is_true(faults > 0)
  end)

  it("refuses to write what it lacks", function()
    assert.equal("caf\xe9", (core.charset_encode("iso-8859-1", "café")))
    assert.is_nil(core.charset_encode("iso-8859-1", "€"))
    assert.is_nil(core.charset_encode("us-ascii", "é"))
    assert.is_nil(core.charset_encode("utf-8", "\xff"))
    assert.equal("\27$B$\"\27(B", (core.charset_encode("iso-2022-jp", "あ")))
  end)
end)

describe("a body behind DATA", function()
  local function decoded(wire, fix)
    local decoder = stream.open("dot_decoder", { fix = fix })
    local body = decoder:update(wire) .. decoder:finish()
    return body, decoder:notes()
  end

  it("ends at CRLF.CRLF and leaves the next command", function()
    local body, seen = decoded "a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n"
    assert.equal("a\r\n.b\r\nc\r\n", body)
    assert.is_true(seen.ended)
    assert.equal(#"a\r\n..b\r\n.c\r\n.\r\n", seen.used)
    assert.is_false(seen.bare_cr or seen.bare_lf)
  end)

  it("may be empty", function()
    local body, seen = decoded ".\r\nQUIT\r\n"
    assert.equal("", body)
    assert.is_true(seen.ended)
    assert.equal(3, seen.used)
  end)

  for _, mark in ipairs { "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n",
    "\r\n.\r", "\r\n.\r\r\n", "\r\r\n.\r.\n", "\n\n.\n", "\n\r\n\r.\n",
    "\r\n.\0\r\n", "\r\n. \r\n" } do
    it(("is not ended by %q"):format(mark):gsub("\\?\r", "CR")
      :gsub("\\\n", "LF"), function()
      for _, fix in ipairs { false, true } do
        local wire = "a" .. mark .. "MAIL FROM:<x>\r\n.\r\nQUIT\r\n"
        local body, seen = decoded(wire, fix)
        assert.is_true(seen.ended)
        assert.equal(#wire - #"QUIT\r\n", seen.used)
        assert.truthy(body:find("MAIL FROM", 1, true))
        if not mark:find "[%z ]" then
          assert.is_true(seen.bare_cr or seen.bare_lf)
          assert.is_true(seen.offset >= 1 and seen.offset <= #mark)
        end
        if fix then
          assert.is_nil(body:gsub("\r\n", ""):find "[\r\n]")
        end
      end
    end)
  end

  it("tells its longest line, NUL and 8-bit octets", function()
    local _, seen = decoded("..abc\r\n\0\xff\r\n.\r\n")
    assert.equal(#".abc\r\n", seen.longest)
    assert.is_true(seen.nul)
    assert.is_true(seen.eight_bit)
    _, seen = decoded("unfinished")
    assert.equal(10, seen.longest)
    assert.is_false(seen.nul or seen.eight_bit or seen.ended)
  end)

  it("goes out with CRLF, dots doubled and an end", function()
    local cases <const> = {
      [""] = ".\r\n", a = "a\r\n.\r\n", ["a\n"] = "a\r\n.\r\n",
      [".a\r\n.\r\n"] = "..a\r\n..\r\n.\r\n", ["a\r.b"] = "a\r\n..b\r\n.\r\n",
      ["a\n.\nb"] = "a\r\n..\r\nb\r\n.\r\n", ["a\r\r\n"] = "a\r\n\r\n.\r\n",
      ["a\r"] = "a\r\n.\r\n", ["\n\r"] = "\r\n\r\n.\r\n",
    }
    for body, wire in pairs(cases) do
      assert.equal(wire, core.dot_encode(body), body)
      local back, seen = decoded(wire)
      assert.is_true(seen.ended)
      assert.equal(#wire, seen.used)
      assert.is_false(seen.bare_cr or seen.bare_lf)
      assert.equal(wire, core.dot_encode(back))
    end
  end)
end)
