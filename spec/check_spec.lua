local growth = require "spec.support.growth"
local json_reader = require "spec.support.json"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local head <const> = "Date: Tue, 15 Nov 1994 10:12:31 +0200\r\n"
  .. "From: ana@example.org\r\nTo: b@example.net\r\n"
  .. "Message-ID: <1@example.org>\r\n"
local mime_head <const> = head .. "MIME-Version: 1.0\r\n"

local function numbers(bytes)
  local list, worst = mime.parse(bytes):check()
  local out = {}
  for i, one in ipairs(list) do out[i] = one.number end
  return out, worst, list
end

local function html(body, more)
  return mime_head .. "Content-Type: multipart/related; boundary=b\r\n\r\n"
    .. "--b\r\nContent-Type: text/html\r\n\r\n" .. body
    .. "\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a%b@x>\r\n\r\nx\r\n"
    .. (more or "") .. "--b--\r\n"
end

describe("check", function()
  it("has nothing to object to in what is right", function()
    local list, worst = numbers(mime_head .. "Subject: x\r\n\r\nfine\r\n")
    assert.same({}, list)
    assert.equal("none", worst)
    assert.same({}, (numbers(html("<img src='CID:a%25b@x'>"))))
  end)

  it("has none in what we build", function()
    local message = assert(mime.message { from = "ana@example.org",
      to = "Bj\u{f6}rn <b@example.net>", subject = ("\u{fc}"):rep(99),
      text = "a\n", html = '<img src="cid:l">', attach = {
        { data = ("\0\xff"):rep(999), name = "\u{fc}.bin" } },
      inline = { l = { data = "x", type = "image/png" } } })
    local list = numbers(message:render())
    assert.same({}, list)
  end)

  local function finds(number, severity, offset, bytes)
    local list, worst, found = numbers(bytes)
    assert.same({ number }, list)
    assert.equal(severity, worst)
    assert.equal(severity, found[1].severity)
    assert.equal(offset, found[1].offset, found[1].text)
  end

  it("finds what breaks lines", function()
    local n = #mime_head + 2
    local function body(text) return mime_head .. "\r\n" .. text end
    finds(501, "interoperability", n, body(("x"):rep(999) .. "\r\n"))
    assert.same({}, (numbers(body(("x"):rep(998) .. "\r\n"))))
    finds(502, "interoperability", n + 1, body("a\nb\r\n"))
    finds(503, "interoperability", n + 1, body("a\rb\r\n"))
    finds(504, "interoperability", n + 1, body("a\0b\r\n"))
    finds(506, "harmless", 37, (body("a\r\n"):gsub("\r\n", "\n")))
    assert.same({ 501, 501 }, (numbers(body((("x"):rep(999) .. "\r\n")
      :rep(2)))))
  end)

  it("finds dots that end DATA for some", function()
    for _, smuggled in ipairs { "\n.\r\n", "\n.\n", "\r\n.\n", "\r.\r\n",
      "\r\n.\r", "\r.\r" } do
      local list, worst = numbers(mime_head .. "\r\nx" .. smuggled .. "y\r\n")
      assert.equal("attack", worst, ("%q"):format(smuggled))
      assert.equal(505, list[#list])
    end
    assert.same({}, (numbers(mime_head .. "\r\nx\r\n.\r\ny\r\n")))
    assert.equal("harmless", select(2, numbers(
      (mime_head .. "\r\nx\r\n.\r\ny\r\n"):gsub("\r\n", "\n"))))
  end)

  it("finds what is missing in a header, or there too often", function()
    assert.same({ 511, 512, 515 }, (numbers "Subject: x\r\n\r\n"))
    finds(513, "interoperability", #head, head .. "to: c@d\r\n\r\n")
    finds(514, "attack", #head, head .. "From: c@d\r\n\r\n")
    finds(516, "interoperability", 39, (head:gsub("org\r\n",
      "org, c@d\r\n", 1)) .. "\r\n")
    finds(517, "interoperability", #head + 5, head .. "X-A: \xff\r\n\r\n")
    finds(518, "harmless", #head, head .. "Content-Type: text/plain\r\n\r\n")
    finds(519, "harmless", #head, head .. "Bcc: c@d\r\n\r\n")
  end)

  it("looks into messages, but not at what came back", function()
    local inner = "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny"
    assert.same({ 511, 512, 515 }, (numbers(mime_head .. inner)))
    assert.same({}, (numbers(mime_head .. "Content-Type: multipart/report; "
      .. "boundary=b\r\n\r\n--b\r\n" .. inner .. "\r\n--b--\r\n")))
  end)

  it("finds bodies that are not what they say", function()
    local list = numbers(mime_head .. "\r\n\xfc\r\n")
    assert.same({ 305, 521 }, list)
    assert.same({ 522 }, (numbers(mime_head .. "Content-Transfer-Encoding: "
      .. "base64\r\n\r\n" .. ("AAAA"):rep(20) .. "\r\n")))
    assert.same({ 523 }, (numbers(mime_head .. "Content-Type: message/rfc822"
      .. "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      .. head .. "\r\n")))
    assert.same({ 524 }, (numbers(mime_head .. "Content-Type: multipart/mixed;"
      .. " boundary=b\r\n\r\n--b--\r\n")))
    list = numbers(mime_head .. "Content-Type: multipart/mixed; boundary=b"
      .. "\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
      .. "--b\r\n\r\nx\r\n--b--\r\n--b--\r\n")
    assert.same({ 525 }, list)
  end)

  it("finds names that are not what they seem", function()
    local list, worst, found = numbers(html("<img src=cid:none>"))
    assert.same({ 531 }, list)
    assert.equal("interoperability", worst)
    assert.truthy(found[1].offset > #mime_head)
    assert.same({ 532 }, (numbers(html("", "--b\r\nContent-ID: <a%b@x>\r\n"
      .. "\r\nx\r\n"))))
    local inline = "--b\r\nContent-ID: <c@x>\r\nContent-Disposition: inline"
      .. "\r\n\r\nx\r\n"
    list, worst, found = numbers(html("<img src=cid:none>", inline))
    assert.same({ 531, 534 }, list)
    assert.equal("interoperability", worst)
    assert.equal("harmless", found[2].severity)
    assert.same({}, (numbers(html("<img src='cid:c@x'>", inline))))
    assert.same({}, (numbers(html("", inline):gsub("text/html",
      "text/plain"))))
    for _, name in ipairs { "../x", "c:\\x", "a\u{202e}gpj.exe", "..",
      "a\tb" } do
      list, worst = numbers(mime_head .. "Content-Disposition: attachment; "
        .. "filename*=utf-8''" .. name:gsub("[^%w.]", function(c)
          return ("%%%02X"):format(c:byte())
        end) .. "\r\n\r\n")
      assert.same({ 533 }, list, name)
      assert.equal("attack", worst)
    end
  end)

  it("tells of each kind a hundred times at most", function()
    local list = numbers(mime_head .. "\r\n" .. ("x\ny\r\n"):rep(5000))
    assert.equal(100, #list)
  end)

  it("takes linear time", function()
    for _, bomb in ipairs { "\n", "\r", ".\n", "\r\n.", "cid:", "<img cid:",
      "=\r\n", "From: x\r\n", "\0", "\xff", "x" } do
      for _, first in ipairs { "Content-Type: text/html\r\n\r\n", "" } do
        growth.linear(500000 // #bomb, function(n)
          mime.parse(first .. bomb:rep(n)):check()
        end, first .. bomb)
      end
    end
  end)
end)

describe("lunapost check", function()
  local path
  local function run(bytes, arguments)
    peers.write(path, bytes)
    return peers.run(tree.command .. " check " .. (arguments or "") .. " "
      .. path, 20)
  end
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("tells by its exit code how bad it is", function()
    local output, code = run(mime_head .. "\r\nx\r\n")
    assert.equal("nothing to object to", output)
    assert.equal(0, code)
    assert.equal(0, select(2, run(head .. "Bcc: c@d\r\n\r\n")))
    assert.equal(1, select(2, run("Subject: x\r\n\r\n")))
    assert.equal(2, select(2, run(head .. "From: c@d\r\n\r\n")))
    assert.equal(66, select(2, peers.run(tree.command .. " check /none", 5)))
    assert.equal(64, select(2, peers.run(tree.command .. " check", 5)))
  end)

  it("shows the bytes", function()
    local output = run(mime_head .. "\r\na\rb\27\xff\u{fc}\r\n")
    assert.matches("503 at 132: a CR stands without its LF", output, 1, true)
    assert.matches("    a\u{240d}b\u{241b}\\xFF\u{fc}\u{240d}\u{240a}\n"
      .. "     ^\n", output, 1, true)
  end)

  it("writes JSON, a line a file", function()
    local output, code = run("Subject: x\r\n\r\n", "--json")
    assert.equal(1, code)
    local told = json_reader.decode(output)
    assert.equal(path, told.file)
    assert.equal("interoperability", told.severity)
    assert.equal(511, told.findings[1].number)
    assert.equal(3, #told.findings)
  end)
end)
