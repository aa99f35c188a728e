--- Every codec, in one shot and in pieces.

local codec = require "lunapost.codec"

local text = ("Gr\u{FC}\u{DF}e, \u{20AC} 5.\r\n.dot\r\n" .. ("x"):rep(90)
  .. "\r\n"):rep(40)

local function same(what, got, want)
  if got == nil then error("no " .. what) end
  if got ~= want then error("wrong: " .. what) end
end

local function in_pieces(step, bytes)
  local pieces = {}
  for at = 1, #bytes, 700 do
    pieces[#pieces + 1] = assert(step:update(bytes:sub(at, at + 699)))
  end
  pieces[#pieces + 1] = assert(step:finish())
  return table.concat(pieces)
end

local function round(name, options)
  local c = codec[name]
  local coded = assert(c.encode(text, options))
  same(name, (c.decode(coded)), text)
  same(name .. " in pieces", in_pieces(c.encoder(options), text), coded)
  same(name .. " in pieces", in_pieces(c.decoder(), coded), text)
end

return function()
  round("base64", { columns = 76 })
  round("quoted_printable")
  local subject = "Gr\u{FC}\u{DF}e aus K\u{F6}ln, und noch viel mehr davon"
  same("encoded word", codec.encoded_word.decode(
    assert(codec.encoded_word.encode(subject))), subject)
  return true
end
