-- Builds a message with a plain and an html text, an inline image and an
-- attachment, and writes it to standard output:
--
--   lua5.4 examples/build.lua > hello.eml

local mime = require "lunapost.mime"

-- The smallest GIF there is, in place of a logo from a file.
local logo <const> = "GIF89a\1\0\1\0\0\0\0;"

local message = assert(mime.message {
  from = "Ana Müller <ana@example.org>",
  to = { "bob@example.net", { name = "Builder, Carl",
    address = "carl@example.net" } },
  bcc = "archive@example.org", -- told to the server, never written
  subject = "Grüße aus Köln",
  text = "Hello,\n\nthe report is attached.\n",
  html = [[<p>Hello,</p><p>the report is attached.</p><img src="cid:logo">]],
  inline = { logo = { data = logo, name = "logo.gif" } },
  attach = {
    { data = "year;result\n2025;42\n", name = "Ergebnis für 2025.csv" },
  },
  headers = { ["X-Phone"] = "+49 221 1234" },
})

-- Its length is known before anything is rendered (SIZE= of MAIL FROM).
io.stderr:write(tostring(message), ", ", message:size(), " octets, for ",
  table.concat(message.envelope.to, " "), "\n")

-- A source gives it in steps: attachments of any size need little memory.
for chunk in message:source() do io.write(chunk) end
