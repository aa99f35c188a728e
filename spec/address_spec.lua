local address = require "lunapost.mime.address"

local function flat(value)
  local out = {}
  for i, one in ipairs(address.mailboxes(address.list(value))) do
    out[i] = { one.name or "", one.address }
  end
  return out
end

describe("an address list", function()
  it("takes every form that a user may give", function()
    for _, value in ipairs {
      "Bob <b@x.org>",
      "  Bob   <b@x.org>  ",
      '"Bob" <b@x.org>',
      "Bob<b@x.org>",
      "b@x.org (Bob)",
      { name = "Bob", address = "b@x.org" },
      { { name = "Bob", address = "b@x.org" } },
      { "Bob <b@x.org>" },
      { { "Bob <b@x.org>" } },
      { name = "Bob", address = "b@x.org", group = "as it was read" },
    } do
      assert.same({ { "Bob", "b@x.org" } }, flat(value))
    end
  end)

  it("splits at commas outside quotes, comments and angles", function()
    assert.same({
      { "Miller, Ana", "a@x.org" }, { "", "b@x.org" },
      { "Q. Public", "c@x.org" }, { "", '"d, e"@x.org' },
      { "", "f@[IPv6:::1]" },
    }, flat('"Miller, Ana" <a@x.org>, b@x.org, Q. Public <c@x.org>,'
      .. '"d, e"@x.org, f@[IPv6:::1]'))
    assert.same({ { "one, two", "b@x.org" }, { "", "c@x.org" } },
      flat "b@x.org (one, two), c@x.org")
  end)

  it("keeps names in any script", function()
    assert.same({ { "Ana Müller", "a@x.org" }, { "山田 太郎", "y@x.jp" } },
      flat "Ana Müller <a@x.org>, 山田 太郎 <y@x.jp>")
  end)

  it("undoes quoting in names and keeps it in local parts", function()
    assert.same({ { 'say "hi" \\ bye', '"a b"@x.org' } },
      flat [["say \"hi\" \\ bye" <"a b"@x.org>]])
  end)

  it("reads groups", function()
    local list = address.list "Team: a@x.org, Bob <b@x.org>;, c@x.org"
    assert.equal("Team", list[1].group)
    assert.equal(2, #list[1].members)
    assert.equal("c@x.org", list[2].address)
    assert.same({ { "", "a@x.org" }, { "Bob", "b@x.org" }, { "", "c@x.org" } },
      flat(list))
    assert.same({}, address.mailboxes(address.list "nobody:;"))
  end)

  it("ignores empty members", function()
    assert.same({ { "", "a@x.org" } }, flat ", a@x.org,,")
    assert.same({}, flat "")
  end)

  it("splits an address at its last @", function()
    local one = address.list('"a@b"@x.org')[1]
    assert.equal('"a@b"', one.localpart)
    assert.equal("x.org", one.domain)
  end)

  it("prints for people and reads that back", function()
    local text = 'Bob <b@x.org>, "A, B" <c@x.org>, d@x.org, T: e@x.org;'
    assert.equal(text, address.format(address.list(text)))
  end)

  for _, bad in ipairs {
    "bob", "bob@", "@x.org", "a b@x.org", "Bob b@x.org", "<b@x.org",
    "b@x.org>", "Bob <b@x.org> <c@x.org>", "Bob <b@x.org> Carl",
    "Miller, Ana <a@x.org>", "a@x..org", "a@.org", "a@x.org.", "a@x org",
    "a@x.org\r\nBcc: e@x.org", "a\0@x.org", '"a\nb"@x.org', "a@x\n.org",
    "Bob\r\n <b@x.org>", "T: a@x.org", '"open <b@x.org>', "(open b@x.org",
    "a@[x\ny]", "b\xff@x.org", "a;b@x.org", "a:b:c@x.org", "a@b@c@",
  } do
    it(("refuses %q"):format(bad), function()
      local ok, text = pcall(address.list, bad, "to")
      assert.is_false(ok)
      assert.matches("^to: ", text)
    end)
  end

  it("refuses tables that name nobody", function()
    assert.has_error(function() address.list({ name = "Bob" }, "cc") end,
      "cc: a table is { address =, name = } here, or a list")
    assert.has_error(function() address.list(7, "cc") end,
      "cc must be an address, not number")
    assert.has_error(function()
      address.list({ name = 1, address = "b@x.org" }, "cc")
    end, "cc: name and address must be strings")
  end)

  it("refuses breaks in every member of the table form", function()
    for _, hole in ipairs { "\r", "\n", "\0", "\r\n" } do
      for _, bad in ipairs {
        { name = "a" .. hole, address = "b@x.org" },
        { name = "a", address = "b" .. hole .. "@x.org" },
        { name = "a", address = "b@x.org" .. hole },
        { name = "a", address = '"b' .. hole .. '"@x.org' },
      } do
        assert.is_false(pcall(address.list, bad))
      end
    end
  end)
end)
