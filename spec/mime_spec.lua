local mime = require "lunapost.mime"
local corpus = require "spec.support.corpus"

local function lines(...)
  return table.concat({ ... }, "\r\n")
end

local letter <const> = lines(
  "From: =?utf-8?Q?Ana_M=C3=BCller?= <ana@example.org>",
  "To: Bob <bob@example.net>, Team: a@x.test, b@x.test;",
  "Cc: cleo@example.net",
  "Subject: =?utf-8?B?R3LDvMOfZQ==?=,",
  " folded",
  "Date: Tue, 15 Nov 1994 10:12:31 +0200",
  "Message-ID: <1@example.org>",
  "X-A: 1",
  "x-a: 2",
  "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=outer",
  "",
  "not shown",
  "--outer",
  "Content-Type: multipart/related; boundary=middle",
  "",
  "--middle",
  "Content-Type: multipart/alternative; boundary=inner",
  "",
  "--inner",
  "Content-Type: text/plain; charset=iso-8859-1",
  "Content-Transfer-Encoding: quoted-printable",
  "",
  "Gr=FC=DFe",
  "--inner",
  "Content-Type: text/html; charset=utf-8",
  "",
  "<p>Gr\u{fc}\u{df}e</p>",
  "--inner--",
  "--middle",
  "Content-Type: image/png; name=logo.png",
  "Content-Disposition: INLINE",
  "Content-ID: <logo>",
  "Content-Transfer-Encoding: BASE64",
  "",
  "iVBORw0KGgo=",
  "--middle--",
  "--outer",
  "Content-Type: application/pdf",
  "Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.pdf",
  "Content-Transfer-Encoding: base64",
  "",
  "JVBERi0x",
  "LjQ=",
  "--outer",
  "Content-Type: message/rfc822",
  "",
  "Subject: inside",
  "",
  "body of it",
  "--outer--",
  "")

describe("a parsed message", function()
  local message

  before_each(function() message = mime.parse(letter) end)

  it("has decoded fields", function()
    assert.equal("Gr\u{fc}\u{df}e, folded", message.subject)
    assert.same({ { name = "Ana M\u{fc}ller", address = "ana@example.org" } },
      message.from)
    assert.equal("bob@example.net", message.to[1].address)
    assert.same({ name = "", address = "b@x.test", group = "Team" },
      message.to[3])
    assert.equal("cleo@example.net", message.cc[1].address)
    assert.same({}, message.bcc)
    assert.same({}, message.reply_to)
    assert.same({}, message.sender)
    assert.equal(784887151, message.date)
    assert.equal(7200, message.zone)
    assert.equal("1@example.org", message.message_id)
  end)

  it("has nil where nothing is", function()
    local bare = mime.parse("\r\nbody")
    for _, name in ipairs { "subject", "date", "zone", "message_id",
      "disposition", "filename", "id", "description", "parts", "html" } do
      assert.is_nil(bare[name], name)
    end
    assert.equal("text/plain", bare.type)
    assert.equal("7bit", bare.encoding)
    assert.same({}, bare.parameters)
    assert.equal("body", bare.text)
    assert.is_nil(bare.nonsense)
  end)

  it("takes the words of Content-* fields as programs write them", function()
    for field, expected in pairs {
      ['Type: "text/html"; charset=utf-8'] = { "text/html", "utf-8" },
      ["Type: text/html, charset=utf-8"] = { "text/html", "utf-8" },
      ["Type: text/html charset=utf-8"] = { "text/html", "utf-8" },
      ["Type: charset=utf-8"] = { "text/plain", "utf-8" },
      ["Disposition: filename=a.txt"] = { nil, "a.txt" },
      ['Disposition: filename="a b.txt"; size=3'] = { nil, "a b.txt" },
      ["Disposition: ; filename=a.txt"] = { nil, "a.txt" },
      ['Disposition: "attachment"; filename=a'] = { "attachment", "a" },
      ["Disposition: attachment, filename=a"] = { "attachment", "a" },
      ["Disposition: attachment (x) filename=a"] = { "attachment", "a" },
    } do
      local part = mime.parse("Content-" .. field .. "\n\nx")
      if field:find "^Type" then
        assert.same(expected, { part.type, part.parameters.charset }, field)
      else
        assert.equal(expected[1], part.disposition, field)
        assert.equal(expected[2], part.filename, field)
      end
    end
    local parts = mime.parse('Content-Type: "multipart/mixed"; boundary=b\n'
      .. "\n--b\n\nx\n--b--\n").parts
    assert.equal(1, #parts)
  end)

  it("gives header fields by name, and in order as they stand", function()
    assert.equal("1", message:header("X-A"))
    assert.same({ "1", "2" }, message:headers("x-a"))
    assert.is_nil(message:header("X-B"))
    assert.same({}, message:headers("X-B"))
    local all = message:headers()
    assert.same({ "Subject", " =?utf-8?B?R3LDvMOfZQ==?=,\r\n folded" },
      all[4])
    assert.equal(10, #all)
  end)

  it("has parts", function()
    assert.equal("multipart/mixed", message.type)
    assert.equal("outer", message.parameters.boundary)
    assert.equal(3, #message.parts)
    local image = message.parts[1].parts[2]
    assert.equal("image/png", image.type)
    assert.equal("inline", image.disposition)
    assert.equal("base64", image.encoding)
    assert.equal("logo", image.id)
    assert.equal("logo.png", image.filename)
    assert.is_nil(image.parts)
    assert.equal("\u{dc}bersicht.pdf", message.parts[2].filename)
    assert.equal("1.1.2", image.path)
    assert.equal(image, message.parts[1].parts[2])
  end)

  it("decodes bodies to octets and to text", function()
    local plain = message.parts[1].parts[1].parts[1]
    assert.equal("Gr\xfc\xdfe", plain:body())
    assert.equal("Gr\u{fc}\u{df}e", plain:body("utf-8"))
    assert.equal("%PDF-1.4", message.parts[2]:body())
    assert.has_error(function() plain:body("latin1") end)
  end)

  it("has a text, an HTML, and the rest is attached", function()
    assert.equal("Gr\u{fc}\u{df}e", message.text)
    assert.equal("<p>Gr\u{fc}\u{df}e</p>", message.html)
    local types = {}
    for i, part in ipairs(message:attachments()) do types[i] = part.type end
    assert.same({ "image/png", "application/pdf", "message/rfc822" }, types)
    local n = 0
    for part in message:attachments() do
      n = n + 1
      assert.equal(types[n], part.type)
    end
    assert.equal(3, n)
  end)

  it("holds the message inside message/rfc822", function()
    local inner = message.parts[3].parts[1]
    assert.equal("inside", inner.subject)
    assert.equal("body of it", inner.text)
    assert.equal("1.3.1", inner.path)
    assert.equal("Subject: inside\r\n\r\nbody of it", inner:render())
  end)

  it("is walked depth first, the root first", function()
    local paths = {}
    for part in message:walk() do paths[#paths + 1] = part.path end
    assert.same({ "1", "1.1", "1.1.1", "1.1.1.1", "1.1.1.2", "1.1.2", "1.2",
      "1.3", "1.3.1" }, paths)
  end)

  it("is walked with what its leaves hold, texts in UTF-8", function()
    local parts, bodies = {}, 0
    for part, body in message:walk "bodies" do
      parts[#parts + 1] = part
      local text = part.type:find "^text/" and "utf-8" or nil
      assert.equal(not part.parts and part:body(text) or nil, body)
      bodies = bodies + (body and 1 or 0)
    end
    local i = 0
    for part in message:walk() do
      i = i + 1
      assert.equal(part, parts[i])
    end
    assert.equal(i, #parts)
    assert.equal(5, bodies)
    local _, body = message.parts[2]:walk "bodies" ()
    assert.equal(message.parts[2]:body(), body)
    assert.has_error(function() message:walk "leaves" end,
      'part:walk gives parts, or with "bodies" these, too')
    assert.has_error(function() message:walk(true) end)
  end)

  it("is walked with bodies in encoded messages, and of any text", function()
    local bytes = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
      .. "Content-Type: message/rfc822\r\n"
      .. "Content-Transfer-Encoding: base64\r\n\r\n"
      .. "U3ViamVjdDogeA0KDQppbm5lcg==\r\n--b\r\n"
      .. "Content-Type: TEXT/x-odd; charset=latin1\r\n\r\n\xe9\r\n--b\r\n"
      .. "Content-Type: ?\r\n\r\nno type\r\n--b\r\n"
      .. "Content-Type: x/y; charset=latin1\r\n\r\n\xe9\r\n--b--\r\n"
    local found = {}
    for _, body in mime.parse(bytes):walk "bodies" do
      found[#found + 1] = body or "-"
    end
    assert.same({ "-", "-", "inner", "\u{e9}", "no type", "\xe9" }, found)
    local plain = bytes:gsub("message/rfc822", "application/x")
    found = {}
    for _, body in mime.parse(plain):walk "bodies" do
      found[#found + 1] = body or "-"
    end
    assert.same({ "-", "Subject: x\r\n\r\ninner", "\u{e9}", "no type",
      "\xe9" }, found)
  end)

  it("renders as the bytes that were read", function()
    assert.equal(letter, message:render())
    assert.equal(#letter, message:size())
    local pieces = {}
    for piece in message:source() do pieces[#pieces + 1] = piece end
    assert.equal(letter, table.concat(pieces))
    assert.truthy(message.parts[2].raw:find("^Content%-Type: application"))
  end)

  it("prints as a summary", function()
    assert.equal('message: "Gr\u{fc}\u{df}e, folded" from ana@example.org, '
      .. "9 parts, " .. #letter .. " bytes", tostring(message))
    assert.equal('message: "", 1 part, 0 bytes', tostring(mime.parse("")))
  end)

  it("shows its tree", function()
    local tree = message:tree()
    assert.equal(9, select(2, tree:gsub("\n", "")))
    assert.truthy(tree:find(
      '\u{2502}  \u{2514}\u{2500} image/png "logo.png"', 1, true))
    assert.truthy(tree:find("8 B", 1, true))
    local mean = mime.parse("Content-Type: text/plain; name=\"a\27[31mb\"\n\n"
      .. "\27[2J\a\u{9b}1mx")
    assert.is_nil(mean:tree():find("[\27\a]"))
    assert.is_nil(mean:tree():find("\u{9b}", 1, true))
  end)

  it("shares its parts with nobody who did not ask", function()
    local weak = setmetatable({ mime.parse(letter) }, { __mode = "v" })
    local part = weak[1].parts[2]
    collectgarbage()
    assert.equal("%PDF-1.4", part:body())
    part = nil
    collectgarbage()
    assert.is_nil(weak[1] or part)
  end)
end)

describe("an identifier", function()
  it("is read without the comments and blanks of obsolete syntax", function()
    for given, id in pairs { ["<1234   @   local(blah)  .machine .example>"] =
      "1234@local.machine.example", [" (c) <a@b> (d)"] = "a@b", ["a@b"] =
      "a@b", ["<a@[127.0.0.1]>"] = "a@[127.0.0.1]", ['<"a (b"@c>'] =
      '"a (b"@c', ["<a b@c>"] = "a b@c",
      ["<abc.123 (some comment)>"] = "abc.123", ["<abc (x@y)>"] = "abc",
      ["<1@(none)>"] = "1@(none)", ["<(none)>"] = "(none)" } do
      assert.equal(id, mime.parse("Message-ID: " .. given .. "\n\n").message_id)
    end
  end)
end)

describe("a comment of an address", function()
  it("is a name behind the address only", function()
    for given, name in pairs { ["a@b (x)"] = "x", ["(y) a@b (x)"] = "x",
      ["(x) a@b"] = "", ["a (x) @ (y) b"] = "", ["DAEMON (x)"] = "x",
      ["(x) <a@b>"] = "", ["Bob (x) <a@b>"] = "Bob" } do
      assert.equal(name, mime.addresses(given)[1].name, given)
    end
  end)
end)

describe("the text of a message", function()
  local function of(kind, ...)
    local parts = { ... }
    for i, part in ipairs(parts) do parts[i] = "--b\n" .. part .. "\n" end
    return mime.parse("Content-Type: multipart/" .. kind .. "; boundary=b\n\n"
      .. table.concat(parts) .. "--b--\n")
  end
  local plain <const> = "Content-Type: text/plain\n\nplain"
  local html <const> = "Content-Type: text/html\n\n<p>html"
  local image <const> = "Content-Type: image/png\n\nx"
  local named <const> = "Content-Type: text/plain; name=a.txt\n\nnamed"

  it("may come in pieces", function()
    local message = of("mixed", plain, image, plain)
    assert.equal("plain\nplain", message.text)
    assert.is_nil(message.html)
    assert.equal(0, #message:attachments())
  end)

  it("is not what is attached or has a name", function()
    local message = of("mixed", plain, named,
      "Content-Disposition: attachment\n\nattached")
    assert.equal("plain", message.text)
    assert.equal(2, #message:attachments())
  end)

  it("may be HTML alone", function()
    local message = of("related", html, image)
    assert.is_nil(message.text)
    assert.equal("<p>html", message.html)
    assert.equal(1, #message:attachments())
  end)

  it("may be missing", function()
    local message = mime.parse("Content-Type: image/png\n\nx")
    assert.is_nil(message.text)
    assert.is_nil(message.html)
    assert.equal(1, #of("mixed", named:gsub("text/plain", "text/csv"))
      :attachments())
  end)

  it("is UTF-8 whatever its charset, with U+FFFD for what is not in it",
    function()
      local function text(charset, body)
        return mime.parse("Content-Type: text/plain" .. charset .. "\n\n"
          .. body)
      end
      assert.equal("\u{fc}", text("; charset=iso-8859-1", "\xfc").text)
      assert.equal("\u{fc}", text("", "\u{fc}").text)
      local broken = text("", "a\xfcb\u{fc}")
      assert.equal("a\u{fffd}b\u{fffd}\u{fffd}", broken.text)
      assert.equal(305, broken.defects[1].number)
      local unknown = text("; charset=x-klingon", "a\u{fc}")
      assert.equal("a\u{fc}", unknown.text)
      assert.equal(304, unknown.defects[1].number)
    end)
end)

describe("an encoded message in a message", function()
  local inner <const> = "U3ViamVjdDogaW5zaWRlCgpib2R5" -- base64
  local text <const> = "Content-Type: message/rfc822\n"
    .. "Content-Transfer-Encoding: base64\n\n" .. inner

  it("is decoded and parsed when it is asked for", function()
    local message = mime.parse(text)
    assert.equal("inside", message.parts[1].subject)
    assert.equal("1.1", message.parts[1].path)
    assert.equal("body", message.parts[1].text)
    assert.equal(text, message:render())
  end)

  it("counts for the limit on depth", function()
    local message = mime.parse(text, { limits = { depth = 1 } })
    assert.equal("inside", message.parts[1].subject)
    local nested = "Content-Type: message/rfc822\n\n" .. text
    local deep = mime.parse(nested, { limits = { depth = 2 } })
    local last = deep.parts[1].parts[1]
    assert.equal("inside", last.subject)
    assert.is_nil(last.parts)
  end)

  it("tells its defects with the others", function()
    local message = mime.parse((text:gsub("b2R5$", "b2R5!!!!")))
    assert.equal("body", message.parts[1].text)
    assert.equal(302, message.defects[1].number)
    assert.equal(message.defects, message.parts[1].defects)
    local damaged = mime.parse("Content-Type: message/rfc822\n"
      .. "Content-Transfer-Encoding: quoted-printable\n\nA: 1\nno=20field\n"
      .. "Date: x\n\n")
    assert.is_nil(damaged.parts[1].date)
    assert.same({ 102, 107 },
      { damaged.defects[1].number, damaged.defects[2].number })
    assert.equal("1.1", damaged.defects[1].part)
    assert.equal("102 at 5 of part 1.1: ",
      tostring(damaged.defects[1]):match("^.-: "))
  end)
end)

describe("defects", function()
  it("have number, text, severity, offset, and print", function()
    local message = mime.parse("A: 1\nno field\nB: 2\n\n")
    local defect = message.defects[1]
    assert.equal(102, defect.number)
    assert.equal("interoperability", defect.severity)
    assert.equal(5, defect.offset)
    assert.equal("102 at 5: a line between header fields is no field "
      .. "(interoperability)", tostring(defect))
  end)

  it("are noted once, when decoding finds them", function()
    local message = mime.parse("Date: never\nFrom: \"x\nContent-Transfer-"
      .. "Encoding: base64\n\n!!!")
    for _ = 1, 3 do
      message:body()
      assert.is_nil(message.date)
      assert.equal("x", message.from[1].address)
    end
    local numbers = {}
    for i, defect in ipairs(message.defects) do numbers[i] = defect.number end
    assert.same({ 302, 107, 108 }, numbers)
  end)

  it("stay within a limit", function()
    local message = mime.parse(("no field\n"):rep(5000) .. "\n")
    assert.equal(1000, #message.defects)
  end)
end)

describe("mime", function()
  it("opens files", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(letter)
    file:close()
    assert.equal(letter, assert(mime.open(path)):render())
    os.remove(path)
    local message, err = mime.open(path)
    assert.is_nil(message)
    assert.equal("file", err.kind)
    assert.is_false(err.transient)
    assert.truthy(tostring(err):find(path, 1, true))
  end)

  it("maps files where it is asked to", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local function write(bytes)
      local file <close> = assert(io.open(path, "wb"))
      file:write(bytes)
    end
    write(letter)
    local message = assert(mime.open(path, { map = true }))
    local read = mime.parse(letter)
    assert.equal(letter, message:render())
    assert.equal(letter, message.raw)
    assert.equal(read:tree(), message:tree())
    assert.same(read:check(), message:check())
    message.subject = "changed"
    read.subject = "changed"
    assert.equal(read:render(), message:render())
    write ""
    assert.equal("", assert(mime.open(path, { map = true })):render())
    local none, err = mime.open("/", { map = true })
    assert.is_nil(none)
    assert.equal("file", err.kind)
    assert.truthy(tostring(err):find("regular file", 1, true))
    none, err = mime.open(path .. ".none", { map = true })
    assert.is_nil(none)
    assert.truthy(tostring(err):find(path, 1, true))
  end)

  it("raises on misuse, naming the nearest good key", function()
    assert.has_error(function() mime.parse(1) end,
      "mime.parse needs a string, not number")
    local function fails(run, text)
      local ok, problem = pcall(run)
      assert.is_false(ok)
      assert.truthy(tostring(problem):find(text, 1, true), problem)
      assert.truthy(tostring(problem):find("mime_spec", 1, true), problem)
    end
    fails(function() mime.parse("", { limit = {} }) end,
      "did you mean 'limits'")
    fails(function() mime.parse("", { limits = { dept = 1 } }) end,
      "did you mean 'depth'")
    fails(function() mime.parse("", { limits = { depth = -1 } }) end,
      "0 or more")
    fails(function() mime.reader(nil) end, "mime.reader needs")
  end)

  it("reads dates and addresses alone", function()
    assert.equal(784887151, (mime.date("15 Nov 1994 08:12:31 GMT")))
    assert.equal("b@c", mime.addresses("a <b@c>")[1].address)
  end)
end)

describe("a reader", function()
  local function kinds(reader)
    local list = {}
    for event in reader do
      local last = list[#list]
      if event.kind ~= "body" or last ~= "body" then
        list[#list + 1] = event.kind
      end
    end
    return list
  end

  it("gives events from a string or a source", function()
    local expected = { "part", "field", "head", "body", "end" }
    assert.same(expected, kinds(mime.reader("A: 1\n\nbody")))
    local chunks = { "A", ": 1\n", "", "\n", "bo", "dy" }
    assert.same(expected, kinds(mime.reader(function()
      return table.remove(chunks, 1)
    end)))
  end)

  it("tells names, kinds, bytes, offsets, depths", function()
    local seen = {}
    for event in mime.reader(letter) do
      if event.kind == "field" and event.name == "Content-ID" then
        seen.id = event.value
      elseif event.kind == "head" then
        seen[event.depth .. event.holds] = event.offset
      elseif event.kind == "body" then
        assert.equal(letter:sub(event.offset + 1,
          event.offset + #event.bytes), event.bytes)
      end
    end
    assert.equal(" <logo>", seen.id)
    assert.truthy(seen["0multipart"] and seen["3leaf"] and seen["1message"])
  end)

  it("says what its source said", function()
    local function failing() return nil, "the disk is gone" end
    local reader = mime.reader(failing)
    assert.equal("part", reader:next().kind)
    local event, problem = reader:next()
    assert.is_nil(event)
    assert.equal("the disk is gone", problem)
    assert.has_error(function()
      for _ in mime.reader(failing) do assert.truthy(true) end
    end)
  end)

  it("holds little of a long message", function()
    local chunk, left = ("0123456789abcdef\n"):rep(4096), 500
    local head = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"
    local reader = mime.reader(function()
      left = left - 1
      if left == 499 then return head end
      return left > 0 and chunk or nil
    end)
    collectgarbage()
    local before, most, total = collectgarbage "count", 0, 0
    for event in reader do
      total = total + #(event.bytes or "")
      if left % 50 == 0 then collectgarbage() end
      most = math.max(most, collectgarbage "count")
    end
    assert.equal(498 * #chunk, total)
    assert.is_true(most - before < 4096, most - before)
  end)
end)

describe("the corpus", function()
  corpus.it("renders as it was read, and never fails", function(list)
    for _, path in ipairs(list) do
      local bytes = corpus.read(path)
      local message = mime.parse(bytes)
      if message:render() ~= bytes then error(path .. " renders otherwise") end
      for part in message:walk() do
        part:body("utf-8")
        if part.raw:sub(-part:size()) ~= part.raw then error(path) end
      end
      assert.is_string(message:tree())
      assert.is_string(tostring(message))
    end
  end)

  corpus.it("survives damage", function(list)
    for n, path in ipairs(list) do
      local bytes = corpus.read(path):sub(1, 8000)
      for i = 1, 6 do
        local at = (n * 7919 + i * 104729) % (#bytes + 1)
        local cut = bytes:sub(1, at) .. ("\0\r\n--=?\xff"):sub(i, i + 1)
          .. bytes:sub(at + i)
        local message = mime.parse(cut)
        if message:render() ~= cut then error(path .. " renders otherwise") end
        for part in message:walk() do part:body("utf-8") end
      end
    end
  end)
end)

describe("a body that says it is uuencoded, and is not", function()
  it("is streamed as it is given: as it stands", function()
    local message = mime.parse("Content-Transfer-Encoding: x-uuencode\n\n"
      .. "plain\n")
    local pieces = {}
    assert.is_true(message:decode(function(piece)
      pieces[#pieces + 1] = piece
      return true
    end))
    assert.equal("plain\n", table.concat(pieces))
    assert.equal("plain\n", message:body())
  end)
end)
