local codec = require "lunapost.codec"
local mime = require "lunapost.mime"

-- A message whose header is in a charset that only its body names.
local function letter(charset, text)
  local raw = assert(codec.charset.encode(text, charset))
  return mime.parse("Subject: " .. raw .. "\nFrom: " .. raw .. " <a@b>\n"
    .. "To: =?utf-8?q?=C3=BC?= <c@d>\n"
    .. "Content-Type: text/plain; charset=" .. charset .. "\n"
    .. 'Content-Disposition: inline; filename="' .. raw .. '"\n\n' .. raw)
end

describe("a header in a charset that it does not name", function()
  it("is in that of the body", function()
    local told = { ["windows-1251"] = "\u{41f}\u{440}\u{438}",
      ["koi8-r"] = "\u{41f}\u{440}\u{438}", ["iso-8859-2"] = "\u{17b}\u{f3}",
      ["euc-jp"] = "\u{65e5}\u{672c}", ["gb2312"] = "\u{4e2d}\u{6587}",
      ["iso-8859-1"] = "\u{fc}", ["big5"] = "\u{4e2d}\u{6587}",
      ["iso-2022-jp"] = "\u{65e5}\u{672c}" }
    for charset, text in pairs(told) do
      local message = letter(charset, text)
      assert.equal(text, message.subject, charset)
      assert.equal(text, message.from[1].name, charset)
      assert.equal(text, message.filename, charset)
      assert.equal("\u{fc}", message.to[1].name)
      assert.equal(text, message:body "utf-8", charset)
    end
  end)

  it("is in that of the first text of a multipart", function()
    local message = mime.parse("Subject: \xcf\nContent-Type: multipart/mixed;"
      .. " boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b\n"
      .. "Content-Type: text/html; charset=windows-1251\n\nx\n--b--\n")
    assert.equal("\u{41f}", message.subject)
  end)

  it("is in UTF-8 where it is UTF-8", function()
    assert.equal("\u{fc}", mime.parse("Subject: \u{fc}\n"
      .. "Content-Type: text/plain; charset=windows-1251\n\n").subject)
  end)

  it("is in windows-1252 where nothing is named", function()
    for _, charset in ipairs { "utf-8", "us-ascii", "utf-16", "nonsense" } do
      assert.equal("\u{20ac}", mime.parse("Subject: \x80\nContent-Type: "
        .. "text/plain; charset=" .. charset .. "\n\n").subject, charset)
    end
    assert.equal("\u{20ac}", mime.parse("Subject: \x80\n\n").subject)
  end)

  it("leaves the octets of encoded words to what these name", function()
    assert.equal("\u{fc}", mime.parse("Subject: =?iso-8859-1?Q?\xfc?=\n"
      .. "Content-Type: text/plain; charset=windows-1251\n\n").subject)
  end)

  it("keeps escapes that are none", function()
    local message = mime.parse("Subject: \27[31m \xff\nContent-Type: "
      .. "text/plain; charset=iso-2022-jp\n\n")
    assert.equal("\27[31m \u{ff}", message.subject)
  end)
end)
