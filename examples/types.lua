-- Builds a message with every content type and transfer encoding that MIME
-- began with, sends nothing, and draws its tree. Run as
--
--   lua5.4 examples/types.lua

local mime = require "lunapost.mime"

local function part(type, data, more)
  local spec = { type = type, data = data }
  for key, value in pairs(more or {}) do spec[key] = value end
  return assert(mime.part(spec))
end

local function multipart(subtype, list)
  return assert(mime.multipart(subtype, list))
end

local letter <const> = assert(mime.message { from = "ana@example.org",
  subject = "a message within", text = "Grüße\n" })

-- Texts: an encoding is chosen by what they hold, or asked for.
local texts <const> = multipart("alternative", {
  part("text/plain", "Plain words.\n"),                              -- 7bit
  part("text/richtext", "<bold>Rich</bold> words.<nl>\n"),
  part("text/enriched", "<bold>Enriched</bold> words.\n"),
  part("text/html", "<p>Grüße aus Köln, und viele gute Wünsche.</p>"),
})

local files <const> = multipart("parallel", {
  part("application/octet-stream", "\0\1\2", { name = "data.bin" }), -- base64
  part("application/postscript", "%!PS\nshowpage\n", { name = "page.ps",
    encoding = "quoted-printable" }),
  part("image/jpeg", "\xFF\xD8\xFF\xE0", { name = "photo.jpeg" }),
  part("image/gif", "GIF89a", { name = "logo.gif" }),
  part("audio/basic", ".snd", { name = "call.au" }),
  part("video/mpeg", "\0\0\1\xBA", { name = "clip.mpeg" }),
})

local messages <const> = multipart("mixed", {
  multipart("digest", { letter, letter }),                   -- message/rfc822
  multipart("related", { part("text/html", "<img src=cid:a>"),
    part("image/gif", "GIF89a", { id = "a", disposition = "inline" }),
    parameters = { type = "text/html" } }),
  assert(mime.external { access = "anon-ftp", site = "ftp.example.org",
    name = "rfc2046.txt", directory = "rfc", type = "text/plain" }),
  assert(mime.external { access = "url", type = "image/png",
    url = "https://example.org/logo.png" }),
})

-- What is signed or encrypted is made by others; here is where it goes.
local sealed <const> = multipart("mixed", {
  multipart("signed", { part("text/plain", "Signed.\n"),
    part("application/pgp-signature", "...\n"), parameters = {
      protocol = "application/pgp-signature", micalg = "pgp-sha256" } }),
  multipart("encrypted", { part("application/pgp-encrypted", "Version: 1\n"),
    part("application/octet-stream", "..."), parameters = {
      protocol = "application/pgp-encrypted" } }),
})

-- multipart/report with message/delivery-status.
local report <const> = assert(mime.report { kind = "delivery-status",
  text = "Nobody of that name is here.\n",
  fields = { ["Reporting-MTA"] = "mx.example.org" },
  recipients = { { ["Final-Recipient"] = "bob@example.org",
    Action = "failed", Status = "5.1.1" } },
  original = letter, headers_only = true })

local invitation <const> = "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\n"
  .. "BEGIN:VEVENT\nUID:1@example.org\nSUMMARY:Tea\nEND:VEVENT\n"
  .. "END:VCALENDAR\n"

local message = assert(mime.message {
  from = "ana@example.org", to = "bob@example.net", subject = "Everything",
  body = texts, calendar = invitation,
  attach = { files, messages, sealed, report },
  list_unsubscribe = { "https://example.org/leave", one_click = true },
})
print(message:tree())

-- As a peer takes it: 7bit unless more is offered, 8bit, binary.
for _, encoding in ipairs { "7bit", "8bit", "binary" } do
  print(encoding, message:size { encoding = encoding } .. " octets")
end

-- message/partial: smaller messages that mime.join makes one again.
local pieces = assert(mime.split(message, 2000))
print(#pieces .. " pieces of at most 2,000 octets, each " .. pieces[1].type)
assert(mime.join(pieces).subject == "Everything")
