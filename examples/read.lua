-- What a message may hold beside text and files: a report of its delivery,
-- a body that is elsewhere, a fragment. Run as
--
--   lua5.4 examples/read.lua

local mime = require "lunapost.mime"

local function lines(text) return (text:gsub("\n", "\r\n")) end

-- A bounce: who did not get it, and why.
local bounce = mime.parse(lines [[
Subject: Delivery Status Notification (Failure)
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; bob@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Subject: hello
--b--
]])
local report = bounce.report
for _, one in ipairs(report.recipients) do
  print(report.message.reporting_mta, one.final_recipient, one.action,
    one.status, one.diagnostic_code)
end
print("it was about", report.original.subject)

-- A body that is elsewhere: the caller decides whether and how to fetch it.
local elsewhere = mime.parse(lines [[
Content-Type: message/external-body; access-type=local-file;
 name="/etc/hostname"

Content-Type: text/plain
Content-ID: <name@example.org>

]])
local part = elsewhere:external(function(place)
  print("wanted: " .. place.access, place.name)
  return "example\n"
end)
print(part.type, part.id, part:body())

-- Fragments, in any order.
local function fragment(number, body)
  return mime.parse(lines(([[
Subject: part %d
Content-Type: message/partial; id="1@example.org"; number=%d; total=2

%s]]):format(number, number, body)))
end
local message = assert(mime.join {
  fragment(2, "second half\n"),
  fragment(1, "Subject: whole\n\nfirst half\n"),
})
print(message.subject, #message.text)

-- An mbox file: one message after another, one in memory at a time.
local path = os.tmpname()
local file = assert(io.open(path, "wb"))
for i = 1, 2 do
  file:write("From ana@example.org Tue Nov 15 10:12:31 1994\n",
    "Subject: number ", i, "\nReceived: from a.example by b.example",
    " with ESMTPS; Tue, 15 Nov 1994 10:12:30 +0200\n\n",
    "begin 644 cat.txt\n#0V%T\n`\nend\n\n")
end
file:close()
for one, postmark in assert(mime.mbox(path)) do
  print(postmark.sender, one.subject, one.received[1].with)
  for attached in one:attachments() do -- uuencoded in the text
    print(attached.filename, attached:body())
  end
end
os.remove(path)

-- A change in place: all other bytes stay what they were.
bounce:set("Subject", "Grüße"):add("X-Seen", "1")
bounce.parts[1]:set_text("Sorry, it did not get there.\n")
print(bounce.subject, #bounce.parts, bounce.text)
