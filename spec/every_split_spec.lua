-- Whole and in two pieces, cut at every octet, and octet by octet: the same.
local codec = require "lunapost.codec"

local text <const> = "Grüße, 日本語 \u{1F600}.\r\n..\r\n. = \t\r\nFrom a\n"
  .. "\rb\0\xff\xe2\x82 end" .. ("é"):rep(40) .. " \r\n"
local words <const> = "a =?utf-8?Q?=E2=82?= =?UTF-8?Q?=AC?= "
  .. "=?iso-2022-jp?B?GyRCJA==?= =?iso-2022-jp?B?IhsoQg==?= =?x-no?q?b?= c"
local field <const> = "; name*0*=utf-8''%e2%82; name*1*=%ac%20; "
  .. 'name*2="x\\""; a=b'

-- { what, encoder, what it encodes, decoder, what it decodes (or what the
-- encoder gave) }
local function of(c, name, options, input, coded)
  return { name, function() return assert(c.encoder(options)) end,
    input or text, function()
      return assert(c.decoder(name:find "URL" and options or nil))
    end, coded }
end

local cases <const> = {
  of(codec.base64, "base64"),
  of(codec.base64, "base64 in lines", { columns = 76 }),
  of(codec.base64, "base64 for URLs", { url = true }),
  of(codec.quoted_printable, "quoted-printable"),
  of(codec.quoted_printable, "quoted-printable, binary", { binary = true }),
  of(codec.uu, "uuencode"),
  of(codec.dot, "dots", nil, "a\r\n.b\n..\r\n. c\r\n", "a\r\n..b\r\n.\r\n"),
  of(codec.crlf, "line ends"),
  of(codec.encoded_word, "encoded words", nil,
    "Grüße aus Köln, 日本語の件名 " .. ("я"):rep(50), words),
  of(codec.parameter, "parameters", { name = "filename" },
    ("fünf "):rep(20), field),
}
for _, name in ipairs { "utf-8", "utf-7", "utf-16", "iso-2022-jp",
  "shift_jis", "gb18030", "us-ascii" } do
  cases[#cases + 1] = { "charset " .. name,
    function() return assert(codec.charset.encoder(name)) end,
    name == "us-ascii" and "plain" or "日本語 かな abc.",
    function() return assert(codec.charset.decoder(name)) end,
    name == "utf-8" and text or nil }
end

local function run(make, ...)
  local f, out = make(), {}
  for i, piece in ipairs { ... } do out[i] = assert(f:update(piece)) end
  out[#out + 1] = assert(f:finish())
  return table.concat(out)
end

local function same_at_every_split(make, s)
  local whole = run(make, s)
  for at = 0, #s do
    assert.equal(whole, run(make, s:sub(1, at), s:sub(at + 1)), "at " .. at)
  end
  local one_by_one = { s:byte(1, -1) }
  for i, c in ipairs(one_by_one) do one_by_one[i] = string.char(c) end
  assert.equal(whole, run(make, table.unpack(one_by_one)))
  return whole
end

describe("a codec, cut at every octet,", function()
  for _, case in ipairs(cases) do
    local name, encoder, plain, decoder, coded = table.unpack(case, 1, 5)

    it("writes the same: " .. name, function()
      assert.is_true(#same_at_every_split(encoder, plain) > 0)
    end)

    it("reads the same: " .. name, function()
      local s = coded or run(encoder, plain)
      assert.is_true(#same_at_every_split(decoder, s) > 0)
      same_at_every_split(decoder, s:sub(1, -2))          -- cut short
      same_at_every_split(decoder, s .. "=\xe2*" .. s)    -- broken
    end)
  end
end)
