local growth = require "spec.support.growth"
local mime = require "lunapost.mime"

local function plain(kind, text)
  return mime.parse("Content-Type: " .. kind .. "\r\n\r\n" .. text).text
end

local function enriched(text) return plain("text/enriched", text) end
local function richtext(text) return plain("text/richtext", text) end

describe("enriched text", function()
  it("loses its tags and what they are told", function()
    assert.equal("Now is the time for all good men",
      enriched("<bold>Now</bold> is the <Fixed>time</FIXED> for "
        .. "<color><param>red</param>all</color> good <x-tag>men</x-tag>"))
    assert.equal("ab", enriched("a<param>x <bold>y</bold>\r\n</param>b"))
  end)

  it("has one line end less in each run of them", function()
    assert.equal("a b\nc\n\nd", enriched("a\r\nb\r\n\r\nc\n\n\nd"))
    assert.equal("a b\n", enriched("a\nb\n"))
  end)

  it("keeps its line ends where it is not to be filled", function()
    assert.equal("a b\n c\n\nd e",
      enriched("a\nb<nofill>\n c\n\nd</nofill>\ne"))
  end)

  it("doubles the angle, and keeps what is no tag", function()
    assert.equal("a < b <bold> <", enriched("a << b <<bold> <"))
    assert.equal("1 < 2 <> <a b>", enriched("1 < 2 <> <a b>"))
  end)
end)

describe("richtext", function()
  it("names its line ends and angles", function()
    assert.equal("a\nb <c> d e",
      richtext("<bold>a</bold><nl>b <lt>c> d\r\n\r\ne"))
    assert.equal("a\n\nb", richtext("<paragraph>a</paragraph>b"))
  end)

  it("does not show its comments", function()
    assert.equal("ab", richtext("a<comment>x<comment>y</comment></comment>b"))
  end)
end)

describe("the text of a message with an enriched part", function()
  local function alternative(first)
    return mime.parse(table.concat({
      "Content-Type: multipart/alternative; boundary=b", "",
      "--b", "Content-Type: " .. first, "", "one <b>",
      "--b", "Content-Type: text/enriched; charset=iso-8859-1", "",
      "<bold>zw\xf6lf</bold>", "--b--", "" }, "\r\n"))
  end

  it("is its rendering where there is no plain one", function()
    assert.equal("zw\u{f6}lf", alternative("text/html").text)
    assert.equal("one <b>", alternative("text/html").html)
    assert.equal("one <b>", alternative("text/plain").text)
  end)

  it("is not what is attached", function()
    assert.is_nil(mime.parse("Content-Type: text/enriched\n"
      .. "Content-Disposition: attachment\n\nx").text)
  end)

  it("is rendered in linear time", function()
    for _, unit in ipairs { "<", "<a", "<<", "\n", "<param>", "</",
      "a<b>\n" } do
      for _, render in ipairs { enriched, richtext } do
        growth.linear((1 << 20) // #unit, function(n)
          render(unit:rep(n))
        end, unit)
      end
    end
  end)
end)
