local growth = require "spec.support.growth"
local mime = require "lunapost.mime"

local function received(value)
  return mime.parse("Received: " .. value .. "\r\n\r\n").received[1]
end

describe("Received fields", function()
  it("are data, the youngest first", function()
    local list = mime.parse("Received: from a by b\r\n"
      .. "Received: from c (HELO d) by e\r\n\twith SMTP id 7\r\n\r\n").received
    assert.equal(2, #list)
    assert.equal("b", list[1].by)
    assert.equal("c", list[2].from)
    assert.equal("HELO d", list[2].from_comment)
    assert.equal("SMTP", list[2].with)
    assert.equal("7", list[2].id)
    assert.same({}, mime.parse("\n").received)
  end)

  it("of Postfix, Exim, qmail, Exchange are understood", function()
    local one = received("from mail.example.org (mail.example.org "
      .. "[192.0.2.1])\r\n\t(using TLSv1.3 with cipher X (256/256 bits))\r\n\t"
      .. "(No client certificate requested)\r\n\tby mx.example.net (Postfix)"
      .. " with ESMTPS id 4ABC\r\n\tfor <bob@example.net>; "
      .. "Tue, 15 Nov 1994 10:12:31 +0200 (CEST)")
    assert.equal("mail.example.org", one.from)
    assert.equal("mail.example.org [192.0.2.1]", one.from_comment)
    assert.equal("mx.example.net", one.by)
    assert.equal("ESMTPS", one.with)
    assert.equal("4ABC", one.id)
    assert.equal("bob@example.net", one["for"])
    assert.equal(784887151, one.date)
    assert.equal(7200, one.zone)
    one = received("from [192.0.2.9] (helo=x.example) by m.example with "
      .. "esmtpsa (TLS1.3) tls X (Exim 4.96)\r\n\t(envelope-from <a@b>) id "
      .. "1rABcd-0001-2e; Tue, 15 Nov 1994 10:12:31 +0200")
    assert.equal("[192.0.2.9]", one.from)
    assert.equal("helo=x.example", one.from_comment)
    assert.equal("esmtpsa", one.with)
    assert.equal("1rABcd-0001-2e", one.id)
    one = received("(qmail 12345 invoked by uid 89); 15 Nov 1994 08:12:31 "
      .. "-0000")
    assert.is_nil(one.from)
    assert.equal(784887151, one.date)
    assert.is_nil(one.zone)
    one = received("from S01.example ([fe80::1]) by S02.example "
      .. "([fe80::2%3]) with mapi id 15.20.1; Tue, 15 Nov 1994 08:12:31 +0000")
    assert.equal("mapi", one.with)
    assert.equal("[fe80::1]", one.from_comment)
  end)

  it("keep a semicolon of a comment", function()
    local one = received("from a (b; c (d) \\) e) by f; 15 Nov 1994 08:12:31 "
      .. "+0000")
    assert.equal("f", one.by)
    assert.equal("b; c (d) \\) e", one.from_comment)
    assert.equal(784887151, one.date)
  end)

  it("of no use have their value", function()
    for _, value in ipairs { "", ";", "(", "from", "from (", "<", "\"", "\\",
      ";;;;", "by by by", "for <" } do
      assert.equal(value, received(value).value)
    end
  end)

  it("are read in linear time", function()
    for _, bomb in ipairs { "(", "<", "\"", ";", "from ", "()", "\\(" } do
      growth.linear(400000 // #bomb, function(n)
        assert.is_truthy(received(bomb:rep(n)).value)
      end, bomb)
    end
  end)
end)

describe("identifiers of other messages", function()
  it("are read with all that stands between them", function()
    local message = mime.parse("References: <a@b>\r\n <c@ d>,<e@f> (x)\r\n"
      .. "In-Reply-To: Your message of Tue, 15 Nov 94 <x@y>\r\n\r\n")
    assert.same({ "a@b", "c@d", "e@f" }, message.references)
    assert.same({ "x@y" }, message.in_reply_to)
    message = mime.parse("References: a@b, c@d\nIn-Reply-To: you\n\n")
    assert.same({ "a@b", "c@d" }, message.references)
    assert.same({}, message.in_reply_to)
    assert.same({}, mime.parse("\n").references)
    message = mime.parse("References: <a@b>\nReferences: @x c@d @e x@ y\n\n")
    assert.same({ "a@b", "c@d" }, message.references)
  end)

  it("are read in linear time", function()
    for _, bomb in ipairs { "<", " ", "< ", "<a ", "@", "a@", "a", "a," } do
      for _, first in ipairs { "<", "" } do
        growth.linear(400000 // #bomb, function(n)
          assert.is_table(mime.parse("References: " .. first .. bomb:rep(n)
            .. "\n\n").references)
        end, first .. bomb)
      end
    end
  end)
end)

describe("the return path", function()
  it("is the envelope's sender", function()
    assert.equal("a@b", mime.parse("Return-Path: <a@b>\n\n").return_path)
    assert.equal("a@b", mime.parse("Return-Path: a@b\n\n").return_path)
    assert.equal("", mime.parse("Return-Path: <>\n\n").return_path)
    assert.is_nil(mime.parse("\n").return_path)
  end)
end)
