local growth = require "spec.support.growth"
local mime = require "lunapost.mime"

-- "name <address>" of each, and "group:" before a member's.
local function read(text)
  local list = {}
  for _, one in ipairs(mime.addresses(text)) do
    list[#list + 1] = (one.group and one.group .. ":" or "")
      .. one.name .. "<" .. one.address .. ">"
  end
  return list
end

local function check(cases)
  for text, expected in pairs(cases) do
    assert.same(expected, read(text), text)
  end
end

describe("an address list", function()
  it("is read as RFC 5322 appendix A has it", function()
    check {
      ['"Joe Q. Public" <john.q.public@example.com>'] =
        { "Joe Q. Public<john.q.public@example.com>" },
      ['Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>'] =
        { "Mary Smith<mary@x.test>", "<jdoe@example.org>",
          "Who?<one@y.test>" },
      ['<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>'] =
        { "<boss@nil.test>", 'Giant; "Big" Box<sysservices@example.net>' },
      ["A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"] =
        { "A Group:Ed Jones<c@a.test>", "A Group:<joe@where.test>",
          "A Group:John<jdoe@one.test>" },
      ["Undisclosed recipients:;"] = {},
      ["Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"] =
        { "Pete<pete@silly.test>" },
      ["A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)"
        .. "public.example>,\r\n  joe@example.org"] =
        { "A Group:Chris Jones<c@public.example>",
          "A Group:<joe@example.org>" },
      ["(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"] =
        {},
      ["Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example"] =
        { "Mary Smith<mary@example.net>", "<jdoe@test.example>" },
      ["John Doe <jdoe@machine(comment).  example>"] =
        { "John Doe<jdoe@machine.example>" },
      ["a <@x.test,@y.test:b@z.test>"] = { "a<b@z.test>" },
    }
  end)

  it("keeps quotes of a local part only where they are needed", function()
    check {
      ['"john doe"@example.com'] = { '<"john doe"@example.com>' },
      ['"john.doe"@example.com'] = { "<john.doe@example.com>" },
      ['"a\\"b"@example.com'] = { '<"a\\"b"@example.com>' },
      ['"a"."b c"@example.com'] = { '<a."b c"@example.com>' },
      ['""@example.com'] = { '<""@example.com>' },
      ['"a\\b c\\\\"@example.com'] = { '<"ab c\\\\"@example.com>' },
      ['"a b\\\0"@example.com'] = { '<"a b"@example.com>' },
    }
  end)

  it("may hold domain literals and UTF-8", function()
    check {
      ["a@[127.0.0.1], b@[IPv6:2001:db8::1], c@[ x\r\n y ]"] =
        { "<a@[127.0.0.1]>", "<b@[IPv6:2001:db8::1]>", "<c@[xy]>" },
      ["J\u{f6}rg <j\u{f6}rg@ex\u{e4}mple.org>"] =
        { "J\u{f6}rg<j\u{f6}rg@ex\u{e4}mple.org>" },
    }
  end)

  it("has encoded names, with commas and quotes around them", function()
    check {
      ["=?utf-8?Q?Doe,_J=C3=B6rg?= <j@x.test>"] =
        { "Doe, J\u{f6}rg<j@x.test>" },
      ['"=?utf-8?B?SsO2cmc=?=" <j@x.test>'] = { "J\u{f6}rg<j@x.test>" },
      ["=?utf-8?Q?J=C3?= =?utf-8?Q?=B6rg?= <j@x.test>"] =
        { "J\u{f6}rg<j@x.test>" },
      ["=?utf-8?Q?only=20a=20name?="] = { "only a name<>" },
    }
  end)

  it("takes the comment for a name where there is no other", function()
    check {
      ["ana@x.test (Ana M\u{fc}ller)"] = { "Ana M\u{fc}ller<ana@x.test>" },
      ["Ana <ana@x.test> (at home)"] = { "Ana<ana@x.test>" },
    }
  end)

  it("survives what real mail does to it", function()
    check {
      ["a@x.test b@y.test"] = { "<a@x.test>", "<b@y.test>" },
      ["A <a@x.test> B <b@y.test>"] = { "A<a@x.test>", "B<b@y.test>" },
      ["a@x.test; b@y.test;"] = { "<a@x.test>", "<b@y.test>" },
      ["a@x.test one two b@y.test"] = { "<a@x.test>", "one two<b@y.test>" },
      ["a@x.test <b@y.test>"] = { "a@x.test<b@y.test>" },
      ["info@x.test via List <list@y.test>"] =
        { "info@x.test via List<list@y.test>" },
      ["John Q. Public <a@x.test>"] = { "John Q. Public<a@x.test>" },
      ["[Team] <a@x.test>"] = { "[Team]<a@x.test>" },
      ['"never closed <a@x.test>, b@y.test'] =
        { "never closed<a@x.test>", "<b@y.test>" },
      ["name (never closed <a@x.test>, b@y.test"] =
        { "name never closed<a@x.test>", "<b@y.test>" },
      ["A <a@x.test, B <b@y.test>"] = { "A<a@x.test>", "B<b@y.test>" },
      ["<<a@x.test>>"] = { "<a@x.test>" },
      ["<mailto:a@x.test>"] = { "<a@x.test>" },
      ["MAILER-DAEMON"] = { "<MAILER-DAEMON>" },
      ["Mail Delivery System <>"] = { "Mail Delivery System<>" },
      [""] = {}, [" , ;,"] = {}, ["<>"] = { "<>" }, ["@"] = { "<@>" },
    }
  end)

  it("lets no line end or NUL through", function()
    for _, one in ipairs(mime.addresses(
      '"a\r\nBcc: x\0" <"c\r\nd\0"@x.\r\n y>, "\r\n"@z')) do
      assert.is_nil((one.name .. one.address):find("[\r\n%z]"))
    end
  end)

  it("lets no line end of a domain literal through", function()
    local found = mime.addresses(
      "[a\r\n b], <[a\r\n b]>, <[c\r\n d]@x>, a@[1.\r\n 2], [e\n]@f")
    assert.equal(5, #found)
    for _, one in ipairs(found) do
      assert.is_nil((one.name .. one.address):find("[%s%z]"))
    end
  end)

  it("passes over a name of nothing but blanks", function()
    assert.same({}, mime.addresses '"""""" " ')
    assert.equal("a@b", mime.addresses('" " , " " <a@b>')[1].address)
  end)

  it("takes time in line with its length", function()
    for _, piece in ipairs { "(", '"', "<", "@", "a@b ", "a b ", ":", "\\",
      "a@(c)", "[", "=?", "<@a:", "a@b (c) d ", ".", '"a"', "(a", "a@b c " } do
      growth.linear(300000 // #piece, function(n)
        mime.addresses(piece:rep(n))
      end, piece)
    end
  end)

  it("stops at its limit, and says so", function()
    local message = mime.parse("To: a@x, b@x, c@x\n\n",
      { limits = { addresses = 2 } })
    assert.equal(2, #message.to)
    assert.equal(405, message.defects[1].number)
  end)
end)
