local codec = require "lunapost.codec"
local form = require "lunapost.cli.form"
local growth = require "spec.support.growth"
local json = require "lunapost.json"
local mime = require "lunapost.mime"
local picture = require "lunapost.mime.picture"

local FIELD <const> = 72 * 1024

local structured <const> = {
  "Content-Type", "Content-Disposition", "Content-Transfer-Encoding",
  "Content-ID", "Message-ID", "From", "Date", "Subject", "References",
  "In-Reply-To", "Received", "Return-Path", "Reply-To", "Content-Description",
}

local accessors <const> = {
  "type", "parameters", "disposition", "filename", "encoding", "id",
  "message_id", "description", "subject", "from", "to", "date", "zone",
  "parts", "text", "html", "references", "in_reply_to", "received",
  "return_path", "reply_to", "report", "defects",
}

-- A MiB in all, where the fields are of the full length.
local function letter(prefix, unit, length)
  local value = prefix .. unit:rep(length // #unit)
  local lines = {}
  for i, name in ipairs(structured) do lines[i] = name .. ": " .. value end
  return table.concat(lines, "\r\n") .. "\r\n\r\nbody\r\n"
end

local function read_all(message)
  for _, name in ipairs(accessors) do
    local _ = message[name]
  end
  for _, name in ipairs(structured) do
    message:header(name)
    message:headers(name)
  end
  message:attachments()
  assert.is_string(message:tree())
  assert.is_string(tostring(message))
  assert.is_string(json.encode(form.of(message)))
end

local function linear(prefix, unit)
  growth.linear(FIELD, function(length)
    read_all(mime.parse(letter(prefix, unit, length),
      { limits = { header = 1 << 24 } }))
  end, prefix .. unit)
end

describe("a MiB of one character in the fields", function()
  local units <const> = {
    "<", ">", " ", "\t", "(", ")", ";", ":", ",", "@", "[", "\"", "\\", "'",
    "=?", "?=", "=?utf-8?q?a?= ", "=?utf-8?b?", "\\\"", "< ", "<a ", "a ",
    "<a@b>,", "x*0=a;", "\r\n ", "1 ", "12:", "\0", "\u{e9}", "\x80",
    "a", "a@", "a(", "from ", "-", ".", "=", "%", "*",
  }
  for _, unit in ipairs(units) do
    it(("costs linear time: %q"):format(unit), function()
      linear("", unit)
    end)
  end

  it("costs linear time behind a value", function()
    for _, unit in ipairs { " ", "(", ";", "\"", "a=", "=?", "\\" } do
      linear("text/plain; a=", unit)
      linear("<", unit)
    end
  end)
end)

describe("ten thousand multiparts within each other", function()
  local open <const> = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
  local function nested(n) return mime.parse((open .. "--b\r\n"):rep(n)) end

  local message = nested(10000)

  it("have a tree that ends, and is no wider than a page", function()
    growth.linear(10000, function(n) nested(n):tree() end)
    local tree = message:tree()
    assert.equal(501, select(2, tree:gsub("\n", "")))
    assert.truthy(tree:find("\n... 9,500 more parts\n", 1, true))
    for line in tree:gmatch("[^\n]+") do assert.is_true(#line < 300) end
  end)

  it("are all walked", function()
    local count = 0
    for _ in message:walk() do count = count + 1 end
    assert.equal(10000, count)
  end)
end)

describe("the tree of a message", function()
  it("has a row for each part where there are few", function()
    local tree = mime.parse("Content-Type: multipart/mixed; boundary=b\n\n"
      .. ("--b\n\nx\n"):rep(499)):tree()
    assert.equal(500, select(2, tree:gsub("\n", "")))
    assert.is_nil(tree:find("more part", 1, true))
  end)

  it("counts one part that is left out", function()
    local tree = mime.parse("Content-Type: multipart/mixed; boundary=b\n\n"
      .. ("--b\n\nx\n"):rep(500)):tree()
    assert.truthy(tree:find("\n... 1 more part\n$"))
  end)

  it("has the first words of a text without blanks", function()
    local tree = mime.parse("Content-Type: text/plain; charset=utf-8\n\n"
      .. ("\u{6f22}"):rep(1000)):tree()
    assert.truthy(tree:find('"\u{6f22}\u{6f22}', 1, true))
  end)

  it("tells of a long text what it tells of a short one, but its size",
    function()
      local function shown(charset, encoding, words, times)
        local encode = codec[encoding:gsub("%-", "_")].encode
        local octets = codec.charset.encode(words, charset):rep(times)
        local tree = mime.parse("Content-Type: text/plain; charset=" .. charset
          .. "\nContent-Transfer-Encoding: " .. encoding .. "\n\n"
          .. encode(octets)):tree()
        assert.equal(picture.size(#octets), tree:match "  ([%d.]+ k?M?B)  ")
        return tree:match '".*"'
      end
      for charset, words in pairs { ["utf-8"] = "na\u{ef}ve \u{6f22} ",
        ["utf-16be"] = "na\u{ef}ve \u{6f22} ", ["iso-8859-1"] = "\u{fc}ber ",
        ["iso-2022-jp"] = "\u{65e5}\u{672c} " } do
        for _, encoding in ipairs { "base64", "quoted-printable" } do
          assert.equal(shown(charset, encoding, words, 100),
            shown(charset, encoding, words, 100000))
        end
      end
    end)

  it("shows raw bytes in a Content-ID, and no long encoding", function()
    local tree = mime.parse("Content-ID: <a\xff\x1b[2Jb>\n"
      .. "Content-Transfer-Encoding: " .. ("x"):rep(1000) .. "\n\nx"):tree()
    assert.truthy(tree:find("cid:a\u{fffd} [2Jb", 1, true))
    assert.truthy(utf8.len(tree))
    assert.is_true(#tree < 200)
  end)
end)

describe("an identifier", function()
  local function id(value)
    return mime.parse("Content-ID: " .. value .. "\n\n").id
  end

  it("is what stands between the angles, without blanks", function()
    assert.equal("a@b", id "<a@b>")
    assert.equal("a@b", id "junk < a@b\t> <c@d>")
    assert.equal("", id "<>")
    assert.equal("b", id "> <b>")
  end)

  it("is the whole where they are missing", function()
    assert.equal("a@b", id " a@b ")
    assert.equal("a@b", id "< a@b")
    assert.equal("a <b", id "a <b")
  end)
end)

describe("multiparts nested as deep as a caller allows", function()
  it("have their text and their attachments", function()
    local open, n = {}, 100000
    for i = 1, n do
      open[i] = "Content-Type: multipart/mixed; boundary=b" .. i .. "\n\n--b"
        .. i .. "\n"
    end
    local message = mime.parse(table.concat(open) .. "\ndeep\n",
      { limits = { depth = n + 1, parts = n + 1 } })
    assert.equal("deep\n", message.text)
    assert.same({}, { table.unpack(message:attachments()) })
  end)
end)
