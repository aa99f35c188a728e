local core = require("lunapost.core").mime

local function names(block)
  local list = {}
  for _, field in ipairs((core.fields(block))) do list[#list + 1] = field[1] end
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

