-- Every type, subtype and encoding that MIME began with, in one message, and
-- what a reader makes of it. Run as
--
--   lua5.4 examples/anatomy.lua

local mime = require "lunapost.mime"

-- type, encoding, body as it stands in the message
local leaves <const> = {
  { "text/plain; charset=us-ascii", "7bit", "seven bits" },
  { "text/richtext", "7bit", "<bold>rich</bold> text" },
  { "text/enriched", "7bit", "<bold>enriched</bold> text" },
  { "text/html; charset=utf-8", "quoted-printable", "<p>Gr=C3=BC=C3=9Fe" },
  { "text/x-unheard-of", "8bit", "Grüße" },
  { "application/octet-stream", "binary", "\0\1\2\255" },
  { "application/postscript", "7bit", "%!PS\nshowpage" },
  { "image/jpeg", "base64", "/9j/4A==" },
  { "image/gif", "base64", "R0lGODlh" },
  { "audio/basic", "base64", "LnNuZA==" },
  { "video/mpeg", "base64", "AAABug==" },
  { "message/rfc822", "7bit", "Subject: within\n\na message" },
  { "message/partial; id=\"1@x\"; number=1; total=2", "7bit", "Subject: half" },
  { "message/external-body; access-type=anon-ftp; site=ftp.example.org;"
    .. " name=rfc822.txt", "7bit", "Content-Type: text/plain\n" },
  { "message/delivery-status", "7bit", "Reporting-MTA: dns; mx.example.org\n\n"
    .. "Final-Recipient: rfc822; bob@example.org\nAction: failed\n"
    .. "Status: 5.1.1" },
}

-- Each of these holds two texts; those of a digest are messages.
local multiparts <const> = { "mixed", "parallel", "digest", "alternative",
  "related", "report", "signed", "encrypted" }

local function leaf(kind, encoding, body)
  return ("Content-Type: %s\nContent-Transfer-Encoding: %s\n\n%s"):format(kind,
    encoding, body)
end

local function multipart(subtype, bodies)
  local out = { ("Content-Type: multipart/%s; boundary=%s\n"):format(subtype,
    subtype) }
  for _, body in ipairs(bodies) do
    out[#out + 1] = "\n--" .. subtype .. "\n" .. body
  end
  return table.concat(out) .. "\n--" .. subtype .. "--\n"
end

local parts = {}
for i, row in ipairs(leaves) do parts[i] = leaf(table.unpack(row)) end
for _, subtype in ipairs(multiparts) do
  parts[#parts + 1] = multipart(subtype, { "\none", "\ntwo" })
end
local message = mime.parse("Subject: anatomy\n" .. multipart("all", parts))

io.write(message:tree())
for part, body in message:walk "bodies" do -- decoded, texts in UTF-8
  if part.type == "message/external-body" then
    print("elsewhere:", part:external().site, part:external().name)
  elseif part.report then
    print("failed:", part.report.recipients[1].final_recipient)
  elseif part.type == "message/partial" then
    print("fragment:", part.parameters.number, part.parameters.total)
  elseif part.type:find "^text/.*rich" then
    print(part.type, mime.parse(part.raw).text) -- without its tags
  elseif body then
    print(part.type, part.encoding, #body)
  end
end
assert(message:render() == "Subject: anatomy\n" .. multipart("all", parts))
