local core = require("lunapost.core").mime

local function names(block)
  local list = {}
  for _, field in ipairs((core.fields(block))) do list[#list + 1] = field[1] end
  return list
end

local function lines(text)
  local list = {}
  for line in text:gmatch("(.-)\r\n") do list[#list + 1] = line end
  return list
end

describe("a header block", function()
  it("is split into names and raw values", function()
    local fields = core.fields("A: 1\r\nB:2\r\n\tfolded\r\n\r\nC: body\r\n")
    assert.same({ { "A", " 1" }, { "B", "2\r\n\tfolded" } }, fields)
  end)

  it("may end its lines with LF, mixed, or not at all", function()
    assert.same({ { "A", " 1" }, { "B", " 2" }, { "C", " 3" } },
      (core.fields("A: 1\nB: 2\r\nC: 3")))
    assert.same({}, (core.fields("")))
    assert.same({}, (core.fields("\r\nA: 1\r\n")))
    assert.same({}, (core.fields("\n")))
  end)

  it("may have blanks before the colon", function()
    assert.same({ { "Subject", " x" } }, (core.fields("Subject \t: x\n")))
  end)

  it("keeps lines that are no fields, without a name", function()
    assert.same({ "From", false, "X-A", false, "B" }, names(
      "From: a\nprose without the mark\nX-A: 1\nnot a name: x\nB: 2\n"))
    assert.same({ false, "A" },
      names("From ana Mon Jan  1 00:00:00 2001\nA: 1"))
    assert.same({ false, "A" }, names(" continues nothing\nA: 1"))
    assert.same({ false }, names(": empty name\n"))
  end)

  it("tells where it ends", function()
    assert.equal(6, select(2, core.fields("A: 1\r\n\r\nbody")))
  end)

  it("is unfolded by taking the line ends out", function()
    assert.equal("a b\tc", core.unfold(" a\r\n b\n\tc \r\n"))
    assert.equal("ab", core.unfold("a\0\rb"))
    assert.equal("", core.unfold(" \r\n \r\n"))
  end)
end)

describe("folding", function()
  it("leaves a short field on one line", function()
    assert.equal("Subject: hello\r\n", core.fold("Subject", "hello"))
    assert.equal("X-Empty:\r\n", core.fold("X-Empty", ""))
  end)

  it("breaks at blanks, at 78 columns, and loses nothing", function()
    local value = ("word "):rep(60) .. "end"
    local folded = core.fold("X-Long", value)
    for _, line in ipairs(lines(folded)) do
      assert.is_true(#line <= 78, line)
      assert.truthy(line:find("%S"))
    end
    assert.equal(value, core.unfold(core.fields(folded)[1][2]))
  end)

  it("keeps runs of blanks whole, and never writes a line of blanks",
    function()
      for width = 60, 90 do
        local value = ("a"):rep(width) .. "   \t " .. ("b"):rep(70) .. "    "
        local folded = core.fold("X", value)
        for _, line in ipairs(lines(folded)) do
          assert.truthy(line:find("%S"))
        end
        assert.equal(value:match("^(.-)%s*$"),
          core.unfold(core.fields(folded)[1][2]))
      end
    end)

  it("leaves a word longer than a line whole", function()
    local word = ("x"):rep(200)
    assert.equal("A: b\r\n " .. word .. "\r\n c\r\n",
      core.fold("A", "b " .. word .. " c"))
  end)

  it("refuses what would break out of the field", function()
    for _, bad in ipairs { "a\r\nBcc: x", "a\nb", "a\rb", "a\0b" } do
      local text, kind = core.fold("Subject", bad)
      assert.is_nil(text)
      assert.equal("syntax", kind)
    end
    for _, bad in ipairs { "", "A B", "A:", "A\r\n", "\u{fc}" } do
      assert.is_nil((core.fold(bad, "x")))
    end
  end)
end)
