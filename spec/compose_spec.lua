local core = require "lunapost.core"

local compose, mime = core.compose, core.mime

local function lines(...)
  return table.concat({ ... }, "\r\n") .. "\r\n"
end

describe("an unstructured field", function()
  it("is folded at its blanks, which stay", function()
    local text = ("word  "):rep(14) .. "end"
    local field = compose.text("Subject", text)
    assert.equal(lines("Subject: " .. ("word  "):rep(10) .. "word",
      "  word  word  word  end"), field)
    assert.equal("Subject: " .. text, (field:gsub("\r\n", "")))
  end)

  it("begins its words on the first line", function()
    assert.equal(lines(
      "Subject: "
      .. "=?utf-8?B?5Lu25ZCN5Lu25ZCN5Lu25ZCN5Lu25ZCN5Lu25ZCN5Lu25ZCN5Lu2?=",
      " =?utf-8?B?5ZCN5Lu25ZCN5Lu25ZCN5Lu25ZCN5Lu25ZCN5Lu25ZCN?="),
      (compose.text("Subject", ("件名"):rep(12))))
  end)

  it("may be empty, or as long as a line can be", function()
    assert.equal("Subject:\r\n", (compose.text("Subject", "")))
    assert.equal("Subject:\r\n", (compose.text("Subject", " \t ")))
    local word = ("x"):rep(900)
    assert.equal("Subject: " .. word .. "\r\n",
      (compose.text("Subject", word)))
  end)

  it("keeps a structured value as it is when told so", function()
    local url = "<https://example.org/?a=?utf-8?Q?b?=>"
    assert.equal("List-Unsubscribe: " .. url .. "\r\n",
      (compose.bare("List-Unsubscribe", url)))
    assert.is_nil(compose.bare("List-Unsubscribe", "<ü>"))
    assert.is_nil(compose.bare("List-Unsubscribe", ("x"):rep(1000)))
  end)

  it("loses nothing when it is folded and unfolded", function()
    for width = 60, 90 do
      local value = ("a"):rep(width) .. "   \t " .. ("b"):rep(70)
        .. (" word"):rep(60)
      local field = assert(compose.bare("X", value .. "    "))
      for line in field:gmatch("(.-)\r\n") do
        assert.truthy(line:find("%S"))
        assert.is_true(#line <= 78 or not line:find("%S%s+%S", 4), line)
      end
      assert.equal(value, mime.unfold(mime.fields(field)[1][2]))
    end
  end)

  it("lets nothing out that is as it is", function()
    for _, bad in ipairs { "a\r\nBcc: x", "a\nb", "a\rb", "a\0b" } do
      assert.same({ nil, "syntax", "malformed" },
        { compose.bare("Received", bad) })
    end
  end)

  it("has a name of RFC 5322", function()
    for _, name in ipairs { "", "a b", "a:", "ä", "a\0", "a\r\nb", "\t" } do
      assert.same({ nil, "syntax", "malformed" },
        { compose.text(name, "x") })
    end
  end)
end)

describe("an address field", function()
  it("is folded between addresses, a name kept with its address", function()
    assert.equal(lines(
      "To: Bob <bob@example.org>, \"Builder, Carl\" <carl@example.org>,",
      " =?utf-8?Q?Z=C3=BCrich?= Mail Service <zurich@mail.example.org>,",
      " dora@example.org"), (compose.addresses("To", {
        { name = "Bob", address = "bob@example.org" },
        { name = "Builder, Carl", address = "carl@example.org" },
        { name = "Zürich Mail Service", address = "zurich@mail.example.org" },
        { address = "dora@example.org" } })))
  end)

  it("writes groups", function()
    assert.equal("To: Team: a@x, b@x;, nobody:;, c@x\r\n",
      (compose.addresses("To", {
        { group = "Team", members = { { address = "a@x" },
          { address = "b@x" } } },
        { group = "nobody", members = {} }, { address = "c@x" } })))
  end)

  it("tells of raw UTF-8", function()
    assert.is_false(select(2, compose.addresses("To", {
      { name = "Ü", address = "a@x" } })))
    assert.is_true(select(2, compose.addresses("To", {
      { address = "ü@x" } })))
  end)

  it("has no address that is none", function()
    for _, bad in ipairs { "", "a", "@", "a@", "@b", "a b@c", "a@b c",
      "a@b>", "<a@b", "a@b,c@d", "a\0@b", "a\r\n@b", "a@[b", "a@b]",
      '"a@b', 'a"b@c', "a@b\xff", "a@b.", "a@.b", '"a\\"@b' } do
      assert.is_nil(compose.address(bad), bad)
      assert.is_nil((compose.addresses("To", { { address = bad } })), bad)
    end
    for _, good in ipairs { "a@b", '"a b"@c', '"a\\"b"@c', "a@[1.2.3.4]",
      "a.b+c=d@e-f.g", "a..b.@docomo.example", "!#$%&'*/?^`{|}~@x" } do
      assert.equal("ascii", compose.address(good))
    end
    assert.equal("utf8", compose.address "ü@x")
    assert.equal("utf8", compose.address "a@ü.example")
  end)
end)

describe("a field with parameters", function()
  it("is folded between parameters", function()
    assert.equal(lines("Content-Type: multipart/report;"
      .. " report-type=delivery-status;", ' boundary="a boundary"'),
      (compose.typed("Content-Type", "multipart/report", {
        { "report-type", "delivery-status" }, { "boundary", "a boundary" } })))
  end)

  it("writes words in quotes for old readers when told so", function()
    assert.equal(lines(
      "Content-Type: image/png; name*=utf-8''Gr%C3%BC%C3%9Fe.png;",
      ' name="=?utf-8?B?R3LDvMOfZS5wbmc=?="'),
      (compose.typed("Content-Type", "image/png", {
        { "name", "Grüße.png" }, { "name", "Grüße.png", true } })))
  end)

  it("has a token before the parameters", function()
    for _, bad in ipairs { "", "a/", "/b", "a/b/c", "a b/c", "a/b;", "a/ü",
      "a\r\n/b", "a/b\0" } do
      assert.is_nil((compose.typed("Content-Type", bad, {})), bad)
    end
  end)
end)

describe("a field of ids", function()
  it("is folded between them", function()
    local id = "<" .. ("x"):rep(30) .. "@example.org>"
    assert.equal(lines("References: " .. id, " " .. id, " " .. id),
      (compose.words("References", { id, id, id })))
    assert.is_nil((compose.words("References", { "<a b>" })))
    assert.is_nil((compose.words("References", { "" })))
    assert.is_nil((compose.words("References", { "<\xff@x>" })))
    assert.is_true(select(2, compose.words("References", { "<ü@x>" })))
  end)
end)
