local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

-- What a script in a locale runs: it prints "well" at its end.
local SCRIPT <const> = [[
assert(os.setlocale(arg[1]))
local function same(a, b) assert(a == b, tostring(a) .. " is not " .. b) end

local ascii = require "lunapost.ascii"
same(ascii.lower "MIME-ID\u{130}I", "mime-id\u{130}i")
same(ascii.upper "mime-id\u{131}i", "MIME-ID\u{131}I")
same(ascii.format("%.1f %5.2f%% %d %s", 1.5, 0.25, 3, "1,5"),
  "1.5  0.25% 3 1,5")
same(ascii.text(1.5) .. ascii.text(2), "1.52")
assert(("CONTENT-ID:"):find("^" .. ascii.pattern "Content-ID:" .. "$"))

local mime = require "lunapost.mime"
local built = mime.message { from = "ana@EXAMPLE.org", to = "i@x.org",
  subject = "\u{c0}\u{dd}\u{9f}\u{131}", text = "I", seed = 1,
  headers = { ["X-HALF"] = 1.5, ["MIME-Version"] = 1.0 },
  attach = { { data = "GIF", name = "I.GIF" } } }
local message = mime.parse(built:render())
same(message.subject, "\u{c0}\u{dd}\u{9f}\u{131}")
same(message:header "x-half", "1.5")
same(#message:headers "mime-VERSION", 1)
same(message:attachments()[1].type, "image/gif")
assert(utf8.len(tostring(message)))
assert(not pcall(mime.part, { data = "x", type = "text/plain",
  headers = { ["Content-ID"] = "<i@x>" } }))
local report = mime.parse("Content-Type: MULTIPART/REPORT; boundary=b\n\n--b\n"
  .. "Content-Type: MESSAGE/DELIVERY-STATUS\n\nREPORTING-MTA: DNS; X\n\n"
  .. "FINAL-RECIPIENT: RFC822; i@x\nACTION: FAILED\nSTATUS: 5.1.1\n\n--b--\n")
same(report.report.recipients[1].final_recipient, "i@x")
same(#report.defects, 0)

local transcripts = require "lunapost.smtp.transcript"
local clock = 0
local transcript = transcripts.new { clock = function()
  clock = clock + 0.25
  return clock
end }
transcript:add("C", "AUTH PLAIN")
transcript:add("S", "334 \u{c0}\u{9f}")
local again = assert(transcripts.parse(transcript:text()))
same(again[2].text, transcript[2].text)
same(again[2].time, 0.25)
assert(not transcript:svg():find("%d,%d[\" ]"))

same(require("lunapost.json").encode { 0.5, "\u{c0}\u{9f}" },
  "[0.5,\"\u{c0}\\u009f\"]")
local sasl = require "lunapost.smtp.sasl"
same(sasl.choose({ offers = { PLAIN = true } }, { user = "\u{c0}\u{9f}",
  password = "x" }, "plain").name, "PLAIN")
local settings = require "lunapost.smtp.settings"
local s = settings.complete("option", { server = "SMTP://I.example:25" })
same(s.host .. s.port, "I.example25")
same(settings.complete("option", { host = "x", port = 25,
  proxy = "SOCKS5H://i.example:1" }).through.kind, "socks5")
same(require("lunapost.smtp.limits").of { "mailmax=3" }.mails, 3)
same(require("lunapost.smtp.results").field("x", { { method = "iprev",
  result = "pass", comment = "\u{c0}\u{9f}" } }):match "%b()",
  "(\u{c0}\u{9f})")
same(transcripts.veil { "abc" } "\u{2aa}abc\u{2aa}",
  "\u{2aa}********\u{2aa}")
same(tostring(require("lunapost.smtp.log").record { event = "rest",
  seconds = 0.5 }), "rest seconds=0.5")
print "well"
]]

-- Of each: a name that systems have, and what localedef makes one of.
local locales <const> = {
  { "tr_TR.UTF-8", "tr_TR", "UTF-8" },
  { "tr_TR.ISO8859-9", "tr_TR", "ISO-8859-9" },
}

-- Makes the locale in a folder, where the system tells how.
local function make(folder, name, language, charset)
  return select(2, peers.run(("localedef -i %s -f %s %s/%s"):format(language,
    charset, folder, name))) <= 1 -- 1: with warnings
end

local function has(name)
  local before = os.setlocale(nil, "time")
  local there = os.setlocale(name, "time")
  os.setlocale(before, "time")
  return there
end

describe("a script in another locale", function()
  for _, one in ipairs(locales) do
    it("meets no other rules in " .. one[1], function()
      local folder <close> = setmetatable({ path = peers.folder() },
        { __close = function(self) peers.remove(self.path) end })
      local name, script = one[1], folder.path .. "/script.lua"
      local path = ""
      if make(folder.path, table.unpack(one)) then
        path = "LOCPATH=" .. folder.path .. " "
      elseif not has(name) then
        return pending(name .. " is missing")
      end
      peers.write(script, SCRIPT)
      assert.same({ "well", 0 }, { peers.run(path
        .. tree.lua(script .. " " .. name)) })
    end)
  end
end)
