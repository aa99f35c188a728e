local core = require "lunapost.core".codec
local growth = require "spec.support.growth"

describe("quoted-printable in core", function()
  local function writes(text, coded, binary)
    assert.equal(coded, core.qp_encode(text, binary))
  end
  local function reads(coded, text, invalid)
    local got, n = core.qp_decode(coded)
    assert.equal(text, got)
    assert.equal(invalid or 0, n)
  end

  it("keeps text and ends lines with CRLF", function()
    writes("", "")
    writes("a b\nc\r\nd", "a b\r\nc\r\nd")
    writes("1+1=2\té", "1+1=3D2\t=C3=A9")
    writes("\n\n", "\r\n\r\n")
    writes("a\rb\127\0", "a=0Db=7F=00")
  end)

  it("leaves no blank at the end of a line", function()
    writes("a \nb\t\r\nc ", "a=20\r\nb=09\r\nc=20")
    writes("a  \n", "a =20\r\n")
    writes("a \rb", "a =0Db")
  end)

  it("encodes line ends in binary", function()
    writes("a\r\nb \n", "a=0D=0Ab =0A", true)
    writes("a ", "a=20", true)
  end)

  it("disarms a dot and a From that begin a line", function()
    writes(".\n..a\nFrom b\nFromage\n>From",
      "=2E\r\n=2E.a\r\n=46rom b\r\nFromage\r\n>From")
    writes(("a"):rep(75) .. ".", ("a"):rep(75) .. "=\r\n=2E")
    writes("From", "From")
  end)

  it("breaks lines at 76 columns, but no UTF-8 sequence", function()
    math.randomseed(3)
    local pieces <const> = { "a", " ", "é", "€", "😀", "=", ".", "From ",
      "\t", "word", "\xff", "\xe2\x82" }
    for round = 1, 500 do
      local parts = {}
      local kinds = round % 2 == 0 and #pieces or #pieces - 2
      for i = 1, math.random(300) do parts[i] = pieces[math.random(kinds)] end
      local text = table.concat(parts)
      local coded = core.qp_encode(text)
      for line in (coded .. "\r\n"):gmatch "(.-)\r\n" do
        assert.is_true(#line <= 76)
        assert.is_nil(line:find "[ \t]$")
        assert.is_nil(line:find "^%.")
        assert.is_nil(line:find "^From ")
        assert.is_true(not core.is_utf8(text)
          or core.is_utf8((core.qp_decode(line))))
      end
      assert.equal(text, (core.qp_decode(coded)))
    end
  end)

  it("reads what senders write", function()
    reads("a=3D=c3=A9", "a=é")
    reads("a=\r\nb=\nc=  \r\nd", "abcd")
    reads("a  \r\nb\t\n", "a\r\nb\n")
    reads("a=20 \r\n", "a \r\n")
    reads("a =\r\n b", "a  b")
    reads("end=", "end")
    reads("end= \t", "end")
    reads("end  ", "end")
    reads("caf\xc3\xa9", "café")
  end)

  it("keeps what it cannot read, and counts it", function()
    reads("a=b=zz=4", "a=b=zz=4", 3)
    reads("==41", "=A", 1)
    reads("= x", "= x", 1)
    reads("a \rb", "a \rb")
  end)

  it("takes time in proportion", function()
    for _, bomb in ipairs { " ", "= ", "=" .. (" "):rep(80), "From" } do
      for _, name in ipairs { "qp_decode", "qp_encode" } do
        growth.linear((1 << 20) // #bomb, function(n)
          core[name](bomb:rep(n))
        end, name .. bomb)
      end
    end
  end)
end)
