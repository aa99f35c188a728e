--- A message of every kind of part is built, rendered and parsed again.

local mime = require "lunapost.mime"

local data = ("\0\1\2\255"):rep(5000)
local subject = "Gr\u{FC}\u{DF}e aus K\u{F6}ln"
local name = "Ergebnis f\u{FC}r 2025.bin"

local function build()
  return assert(mime.message {
    from = "Ana M\u{FC}ller <ana@example.org>",
    to = { "bob@example.net", "Carol <carol@example.net>" },
    subject = subject,
    text = "Gr\u{FC}\u{DF}e\r\n", html = '<img src="cid:logo">',
    inline = { logo = { data = "GIF89a", name = "logo.gif" } },
    attach = { { data = data, name = name } },
  })
end

local function part_named(message)
  for part in message:walk() do
    if part.filename == name then return part end
  end
end

return function()
  local bytes = assert(build():render())
  local message = assert(mime.parse(bytes))
  local part = part_named(message)
  if message.subject ~= subject then error "wrong: subject" end
  if not part or part:body() ~= data then error "wrong: attachment" end
  if message:render() ~= bytes then error "wrong: rendering" end
  if #message.to ~= 2 then error "wrong: recipients" end
  return message:tree() ~= nil
end
