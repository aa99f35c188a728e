-- What is read at a glance, since most of it is written alike, is the same
-- as what the readers of all forms make of it. These are asked for by what
-- the quick ones do not take: a comment, a tab.
local mime = require "lunapost.mime"

math.randomseed(20)

local function one_of(list) return list[math.random(#list)] end

-- Pieces put together in most orders, and now and then a wrong octet.
local function made_of(pieces, count)
  local out = {}
  for i = 1, math.random(count) do out[i] = one_of(pieces) end
  local text = table.concat(out)
  if math.random(8) == 1 and text ~= "" then
    local at = math.random(#text)
    text = text:sub(1, at - 1) .. string.char(math.random(32, 126))
      .. text:sub(at + 1)
  end
  return text
end

local CASES <const> = 4000

describe("a date in the standard form", function()
  local days <const> = { "Sun, ", "Mon, ", "tue, ", "Xyz, ", "Fri,", "", "" }
  local months <const> = { "Jan", "feb", "NOV", "Dec", "Foo" }
  local zones <const> = { " +0100", " -0000", " +0000", " -0530", " +2400",
    " +9999", " GMT", " +01:00", "+0100" }
  local rest <const> = { "", "", " (UTC)", " (a(b)", " (x", "  (y) ",
    " (a) (b)", " z" }

  it("is what the reader of all forms makes of it", function()
    local read = 0
    for _ = 1, CASES do
      local text = one_of(days) .. ("%d %s %d %02d:%02d:%02d"):format(
        math.random(0, 33), one_of(months), math.random(990, 2100),
        math.random(0, 25), math.random(0, 61), math.random(0, 62))
        .. one_of(zones) .. one_of(rest)
      local epoch, zone = mime.date(text)
      local other_epoch, other_zone = mime.date("() " .. text)
      assert.equal(other_epoch, epoch, text)
      assert.equal(other_zone, zone, text)
      read = read + (epoch and 1 or 0)
    end
    assert.is_true(read > CASES // 4)
  end)
end)

describe("an address without any trouble", function()
  local pieces <const> = { "a", "a.b", "@", "@", "example.org", " ", " ", "<",
    "<", ">", ">", ",", '"', '"', "Ana", "=?utf-8?q?=C3=BC?=", ".", "  ",
    "\\", "(x)", ";", ":", "\u{fc}", "[1.2.3.4]", "\r\n " }
  local whole <const> = { "a@b", "Ana Maria <a.b@c.d>", '"A, B" <a@b>',
    "<a@b>", "A. B. <c@d> ", " a@b ", '"" <a@b>' }

  it("is what the reader of all forms makes of it", function()
    for _ = 1, CASES do
      local text = math.random(3) == 1 and one_of(whole)
        or made_of(pieces, 9)
      assert.same(mime.addresses("()" .. text), mime.addresses(text), text)
    end
  end)

  it("stands among others", function()
    local list = mime.addresses('a@b, "C, D" <e@f>,,g: h@i, j <k@l>;, m@n,')
    local addresses = {}
    for i, one in ipairs(list) do
      addresses[i] = one.address .. (one.group and "+" .. one.group or "")
    end
    assert.same({ "a@b", "e@f", "h@i+g", "k@l+g", "m@n" }, addresses)
  end)
end)

describe("text with well-formed words", function()
  local pieces <const> = { "=?utf-8?q?a=C3=BC_b?=", "=?UTF-8?B?w7w=?=",
    "=?utf-8?q?=C3?=", "=?utf-8?q?=BC?=", "=?utf-8?b?w7w?=", " ", "  ",
    "text", "=?", "?=", "=", "=?utf-8?q?a b?=", "=?utf-8?q??=",
    "=?iso-8859-1?q?=FC?=", "=?utf-8*de?q?x?=", "=?utf-8?q?=0A?=" }

  local function subject(text)
    local message = mime.parse("Subject: x" .. text .. "\n\n")
    return message.subject, #message.defects
  end

  it("is what the reader of all forms makes of it", function()
    for _ = 1, CASES do
      local text = made_of(pieces, 6)
      local quick, few = subject(text .. " y")
      local slow, many = subject(text .. "\ty")
      assert.equal(slow, (quick:gsub(" y$", "\ty")), text)
      assert.equal(many, few, text)
    end
  end)
end)

describe("a parameter among plain ones", function()
  local pieces <const> = { "; a=b", ";charset=utf-8", '; charset="UTF-8"',
    "; charset = latin1", ";", " ", "; x*=utf-8''a", '; a="b\\"c"', "; a=(b)",
    "; charset=koi8-r", "; =", "; a=b c", "\r\n ", '; charset=""', "; a=",
    "; a=b=c", "charset" }

  it("is what the reader of all forms makes of it", function()
    for _ = 1, CASES do
      local rest = made_of(pieces, 5)
      local message = mime.parse("Content-Type: text/plain" .. rest
        .. "\r\n\r\n\xc3\xbc")
      local charset = message.parameters.charset
      local twin = mime.parse("Content-Type: text/plain"
        .. (charset and '; charset="' .. charset:gsub('["\\]', "\\%0") .. '"'
          or "")
        .. "\r\n\r\n\xc3\xbc")
      assert.equal(twin:body "utf-8", message:body "utf-8", rest)
    end
  end)
end)

describe("what follows the first header", function()
  local bytes <const> = "Subject: x\nContent-Type: multipart/mixed;\n"
    .. "\tboundary=b\nContent-Type: text/plain\n\n--b\n\none\n--b\n"
    .. "Content-Type: message/rfc822\n\nSubject: in\n\ntwo\n--b--\n"

  local function seen(message)
    local list = {}
    for part in message:walk() do
      list[#list + 1] = part.path .. " " .. part.type .. " "
        .. table.concat({ part:_offsets() }, " ")
    end
    for _, defect in ipairs(message.defects) do
      list[#list + 1] = tostring(defect)
    end
    return list
  end

  it("is the same whether it is read at once or when it is asked for",
    function()
      mime.parse "A: 1\n\n" -- nobody asks for more
      local later = mime.parse(bytes)
      assert.equal("x", later.subject)
      local first = seen(later)
      local at_once = mime.parse(bytes)
      assert.same(first, seen(at_once))
      assert.equal(5, #first)
    end)
end)
