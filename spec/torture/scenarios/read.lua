--- A damaged message is parsed, looked at in every way, and read in pieces.

local mime = require "lunapost.mime"

local inner = "Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\n\nbody"
local text = table.concat({
  "From ana Mon Jan  1 00:00:00 2001",
  'From: =?utf-8?Q?Ana?= <"a b"@[127.0.0.1]>, Team: b@x.test (Bob), c@x;',
  "no field",
  "Date: Tue, 15 Nov 1994 08:12:31 +0200",
  "Content-Type: multipart/mixed; x*0=a; x*1*=b%20; boundary=b",
  "", "--b",
  "Content-Type: text/plain; charset=iso-8859-1",
  "Content-Transfer-Encoding: quoted-printable", "", "Gr=FC=DFe =", "",
  "--b", "Content-Type: message/rfc822",
  "Content-Transfer-Encoding: base64", "",
  "U3ViamVjdDogPT9pc28tODg1OS0xP1E/R3I9RkM9REZlPz0KCmJvZHk=",
  "--b", "Content-Transfer-Encoding: x-uuencode",
  "", "begin 644 x", "#0V%T", "`", "end", "--b",
  "Content-Type: multipart/digest; boundary=c", "", "--c", "", inner, "--b--",
}, "\n")

local function source()
  local at = 1
  return function()
    local piece = text:sub(at, at + 16)
    at = at + 17
    return piece ~= "" and piece or nil
  end
end

local function count_events()
  local n = 0
  for event in mime.reader(source()) do
    if event.kind == "part" then n = n + 1 end
  end
  return n
end

local function check(fact, what)
  if not fact then error("wrong: " .. what, 0) end
end

-- Changes, findings, pictures: all that makes new trees of an old one.
local function change(message)
  local list, worst = message:check()
  check(#list > 5 and worst ~= "none", "findings")
  local inner_one = message.parts[2].parts[1]
  inner_one:set("Subject", "new")
  check(mime.parse(message.parts[2]:body()).subject == "new", "inner")
  message.parts[1]:set_text("other"):add("X-A", "1")
  message.parts[3]:remove()
  check(#message.parts == 3, "removal")
  check(message.parts[1]:body() == "other", "change")
  check(#message:tree "svg" > 500, "picture")
end

return function()
  local message = mime.parse(text)
  check(message.from[2].group == "Team", "group")
  check(message.from[1].address == '"a b"@[127.0.0.1]', "address")
  check(message.date == 784879951, "date")
  check(message.parameters.x == "ab ", "parameter")
  check(message.parts[1]:body("utf-8") == "Gr\u{FC}\u{DF}e ", "text")
  check(message.parts[2].parts[1].subject == "Gr\u{FC}\u{DF}e", "subject")
  check(message.parts[3]:body() == "Cat", "uuencode")
  check(message.parts[4].parts[1].parts[1].text == "body", "digest")
  check(message:render() == text, "rendering")
  check(#message:tree() > 0 and #message.defects >= 2, "defects")
  check(count_events() == 7, "events")
  change(message)
  return true
end
