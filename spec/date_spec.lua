local core = require("lunapost.core").mime

describe("a date", function()
  local known <const> = {
    -- RFC 5322 3.3, 4.3, A.5, A.6.2
    { "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -21600 },
    { "Thu, 13 Feb 1969 23:32 -0330", -27723480, -12600 },
    { "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
      .. "               -0330 (Newfoundland Time)", -27723480, -12600 },
    { "21 Nov 97 09:55:06 GMT", 880106106, 0 },
    { "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 7200 },
    { "Sat, 24 Nov 2035 11:45:15 -0500", 2079535515, -18000 },
    -- zones
    { "1 Jan 2000 00:00:00 EST", 946702800, -18000 },
    { "1 Jan 2000 00:00:00 PDT", 946710000, -25200 },
    { "1 Jan 2000 00:00:00 -0000", 946684800, nil },
    { "1 Jan 2000 00:00:00", 946684800, nil },
    { "1 Jan 2000 00:00:00 Q", 946684800, nil },
    { "1 Jan 2000 00:00:00 +01:00", 946681200, 3600 },
    { "1 Jan 2000 00:00:00 GMT+0100", 946681200, 3600 },
    { "1 Jan 2000 00:00:00+0530", 946665000, 19800 },
    { "1 Jan 2000 00:00:00 +0100\0", 946681200, 3600 },
    { "1 Jan 2000 00:00:00 +0100 +0200", 946681200, 3600 },
    { "1 Jan 2000 00:00:00 GMT +0100", 946681200, 3600 },
    -- years
    { "1 Jan 49 00:00 GMT", 2493072000, 0 },
    { "1 Jan 50 00:00 GMT", -631152000, 0 },
    { "1 Jan 103 00:00 GMT", 1041379200, 0 },
    { "29 Feb 2000 12:00:00 +0000", 951825600, 0 },
    -- other orders
    { "Tue Nov 15 08:12:31 1994", 784887151, nil },
    { "Nov 15, 1994 8:12:31 PM GMT", 784930351, 0 },
    { "15 November 1994 12:00:00 AM GMT", 784857600, 0 },
    { "Tuesday, 15-Nov-94 08:12:31 GMT", 784887151, 0 },
    { "1994-11-15T08:12:31Z", 784887151, 0 },
    { "1994-11-15 08:12:31.5 +0000", 784887151, 0 },
    { "15.11.1994 08:12:31 GMT", 784887151, 0 },
    { "Tue,15 Nov 1994 08.12.31 GMT", 784887151, 0 },
    { "(a (nested) comment) 15 Nov(x)1994 08:12 (y) GMT", 784887120, 0 },
  }

  it("is read in every form that is found in the wild", function()
    for _, case in ipairs(known) do
      local epoch, zone = core.date(case[1])
      assert.equal(case[2], epoch, case[1])
      assert.equal(case[3], zone, case[1])
    end
  end)

  it("is refused where the calendar has no such day", function()
    for _, text in ipairs { "", "x", "30 Feb 2000 00:00 GMT", "29 Feb 1900",
      "32 Jan 2000", "0 Jan 2000", "Jan 2000", "12:00:00 +0000",
      "11/12/2000", "((((" } do
      assert.is_nil((core.date(text)), text)
    end
  end)

  it("is written in the form of RFC 5322", function()
    assert.equal("Tue, 15 Nov 1994 08:12:31 +0000",
      core.format_date(784887151))
    assert.equal("Tue, 15 Nov 1994 10:12:31 +0200",
      core.format_date(784887151, 7200))
    assert.equal("Thu, 13 Feb 1969 23:32:00 -0330",
      core.format_date(-27723480, -12600))
    assert.equal("Thu, 1 Jan 1970 00:00:00 +0000", core.format_date(0))
    assert.is_nil((core.format_date(math.maxinteger)))
    assert.is_nil((core.format_date(math.mininteger)))
  end)

  it("comes back from what was written", function()
    for epoch = -60000000000, 250000000000, 1234567891 do
      for _, zone in ipairs { 0, -43200, 19800, 50400 } do
        local text = core.format_date(epoch, zone)
        local year = tonumber(text:match("(%d%d%d%d) "))
        local again, seen = core.date(text)
        assert.equal(epoch, again, text)
        assert.equal(zone, seen, text)
        assert.truthy(year)
      end
    end
  end)
end)
