--- Charsets, words, parameters, uuencode and dots, where iconv and more than
--- one buffer are at work.

local codec = require "lunapost.codec"

local text <const> = ("日本語の件名、"):rep(4)
local body <const> = ("Gr\u{FC}\u{DF}e\r\n.dot\r\n"):rep(40)

local function same(what, got, want)
  if got ~= want then error("wrong: " .. what) end
end

return function()
  local words = assert(codec.encoded_word.encode(text,
    { charset = "iso-2022-jp" }))
  same("words", (codec.encoded_word.decode(words)), text)
  local field = assert(codec.parameter.encode("filename", text))
  same("parameter", codec.parameter.decode(field).filename, text)
  local octets = assert(codec.charset.encode(text, "euc-jp"))
  same("charset", (codec.charset.decode(octets, "euc-jp")), text)
  same("signs", (codec.charset.decode("\27$B-!\27(B", "iso-2022-jp")), "①")
  local reader = assert(codec.charset.decoder "euc-jp")
  same("charset in pieces",
    reader:update "\xa4" .. reader:update "\xa2" .. reader:finish(), "あ")
  same("uu", (codec.uu.decode(assert(codec.uu.encode(body)))), body)
  same("dots", (codec.dot.decode(codec.dot.encode(body))), body)
  return true
end
