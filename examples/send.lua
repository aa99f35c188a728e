-- Sends a message with a text, a page, a picture in it and an attachment.
--
--   lua examples/send.lua smtp://localhost:2525 ana@example.org \
--     bob@example.net report.pdf
local post = require "lunapost"

local server, from, to, report = table.unpack(arg)

local result = assert(post.send {
  server = server or "smtp://localhost:2525",
  from = ("Ana Müller <%s>"):format(from or "ana@example.org"),
  to = to or "bob@example.net",
  subject = "Grüße aus Köln",
  text = "The report is attached.\n\nAna\n",
  html = "<p><img src='cid:dot'> The report is attached.</p><p>Ana</p>",
  inline = { dot = { name = "dot.gif", type = "image/gif",
    data = "GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
  } },
  attach = { report or arg[0] },
})

print("accepted: " .. table.concat(result.accepted, ", "))
for _, one in ipairs(result.rejected) do
  print(("refused:  %s (%d %s)"):format(one.address, one.code, one.text))
end
