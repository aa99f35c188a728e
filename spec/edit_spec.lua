local corpus = require "spec.support.corpus"
local mime = require "lunapost.mime"

local letter <const> = table.concat({
  "Received: from a\r\n\tby b",
  "Subject:  =?utf-8?q?odd?=\r\n\tfolds",
  "From: Ana <ana@example.org>",
  "X-A: 1", "x-a: 2",
  "Content-Type: multipart/mixed; boundary=b", "",
  "preamble", "--b", "Content-Type: text/plain", "", "one", "--b",
  "Content-Type: text/html; charset=iso-8859-1; x=y",
  "Content-Transfer-Encoding: quoted-printable", "", "=FC", "--b",
  "Content-Type: message/rfc822", "", "Subject: inside", "", "three",
  "--b--", "epilogue", "" }, "\r\n")

local function changed(from, to)
  local at, upto = letter:find(from, 1, true)
  return letter:sub(1, at - 1) .. to .. letter:sub(upto + 1)
end

describe("a message that was read", function()
  local message
  before_each(function() message = mime.parse(letter) end)

  it("has a field replaced where it stands", function()
    message:set("subject", "Gr\u{fc}\u{df}e")
    assert.equal(changed("Subject:  =?utf-8?q?odd?=\r\n\tfolds\r\n",
      "subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"), message:render())
    assert.equal("Gr\u{fc}\u{df}e", message.subject)
  end)

  it("has fields assigned to", function()
    message.subject = "Gr\u{fc}\u{df}e"
    message.from = { name = "Bob", address = "bob@example.org" }
    message.to = "Zo\u{eb} <zoe@example.org>"
    message.date = 0
    message.message_id = "a@b"
    message.parts[2].description = "the HTML"
    local again = mime.parse(message:render())
    assert.equal("Gr\u{fc}\u{df}e", again.subject)
    assert.equal("Bob", again.from[1].name)
    assert.equal("Zo\u{eb}", again.to[1].name)
    assert.equal(0, again.date)
    assert.equal("a@b", again.message_id)
    assert.equal("the HTML", again.parts[2].description)
    message.subject = nil
    assert.is_nil(message.subject)
    assert.is_nil(message:header "Subject")
  end)

  it("says what to call where nothing can be assigned", function()
    for name, call in pairs { text = "set_text", body = "set_body",
      filename = 'set%("Content%-Disposition"', parts = "replace",
      my_own = "part:set%(name, value%)" } do
      local ok, problem = pcall(function() message[name] = "x" end)
      assert.is_false(ok)
      assert.truthy(problem:find(call), problem)
      assert.truthy(problem:find("'" .. name .. "'", 1, true), problem)
      assert.truthy(problem:find("edit_spec", 1, true), problem)
    end
    assert.equal(letter, message:render())
  end)

  it("has others of its name removed", function()
    message:set("X-A", "3")
    assert.equal(changed("X-A: 1\r\nx-a: 2\r\n", "X-A: 3\r\n"),
      message:render())
    message:set("X-A", nil)
    assert.equal(changed("X-A: 1\r\nx-a: 2\r\n", ""), message:render())
    message:set("X-B", nil)
    assert.equal(changed("X-A: 1\r\nx-a: 2\r\n", ""), message:render())
  end)

  it("has new fields at the end of its header", function()
    message:set("To", { "bob@example.net", "J\u{fc}rg <j@example.net>" })
    message:add("X-A", "4"):set("Date", 784887151)
    assert.equal(changed("boundary=b\r\n", "boundary=b\r\n"
      .. "To: bob@example.net, =?utf-8?B?SsO8cmc=?= <j@example.net>\r\n"
      .. "X-A: 4\r\nDate: Tue, 15 Nov 1994 08:12:31 +0000\r\n"),
      message:render())
    assert.same({ "1", "2", "4" }, message:headers "X-A")
    assert.equal("J\u{fc}rg", message.to[2].name)
  end)

  it("has the body of a part replaced", function()
    message.parts[1]:set_body("other\r\nlines")
    assert.equal(changed("\r\none\r\n", "\r\nother\r\nlines\r\n"),
      message:render())
  end)

  it("has bodies encoded as they need it", function()
    local one, two = message.parts[1], message.parts[2]
    two:set_body("\xe4")
    assert.equal(changed("=FC", "=E4"), message:render())
    one:set_body(("x"):rep(2000))
    assert.equal("quoted-printable", one.encoding)
    assert.equal(("x"):rep(2000), one:body())
    message.parts[3].parts[1]:set_body("\0")
    assert.equal("base64", message.parts[3].parts[1].encoding)
    assert.equal("\0", message.parts[3].parts[1]:body())
    one:set_body("a\0\r\rb")
    assert.equal("a\0\r\rb", mime.parse(message:render()).parts[1]:body())
    assert.equal("=E4", two.raw:sub(-3))
  end)

  it("takes no boundary of its own from a body", function()
    for _, body in ipairs { "--b", "x\r\n--b--\r\ny", "--bc" } do
      message.parts[1]:set_body(body)
      assert.equal(3, #message.parts)
      assert.equal(body, mime.parse(message:render()).parts[1]:body())
    end
    assert.has_error(function() message.parts[1]:replace "\n\n--b\nx" end)
  end)

  it("has a text written in its charset, or in UTF-8", function()
    local one, two = message.parts[1], message.parts[2]
    two:set_text("\u{e4}\n")
    assert.equal(changed("=FC\r\n", "=E4\r\n\r\n"), message:render())
    two:set_text("\u{416}")
    assert.equal("\u{416}", two:body "utf-8")
    assert.same({ charset = "utf-8", x = "y" }, two.parameters)
    one:set_text("a\nb")
    assert.equal("a\r\nb", one:body())
    one:set_text("\u{fc}")
    assert.equal("\u{fc}", one:body "utf-8")
    assert.equal("quoted-printable", one.encoding)
    assert.has_error(function() one:set_text "\xff" end)
    assert.has_error(function() message:set_text "x" end)
  end)

  it("has parts replaced by others", function()
    local entity = assert(mime.part { data = "new", type = "text/plain" })
    assert(message.parts[1]:replace(entity))
    assert.equal("new", message.parts[1]:body())
    message.parts[3]:replace(mime.parse "X: 1\n\ny")
    assert.equal("1", message.parts[3]:header "X")
    assert.equal("=FC", message.parts[2].raw:sub(-3))
    local none, err = message.parts[1]:replace { render = function()
      return nil, "not there"
    end }
    assert.is_nil(none)
    assert.equal("not there", err)
  end)

  it("has parts removed, with their boundaries", function()
    local one, two, three = table.unpack(message.parts)
    two:remove()
    assert.equal(2, #message.parts)
    assert.equal(changed("\r\n--b\r\nContent-Type: text/html; "
      .. "charset=iso-8859-1; x=y\r\nContent-Transfer-Encoding: "
      .. "quoted-printable\r\n\r\n=FC", ""), message:render())
    assert.equal(one, message.parts[1])
    assert.equal(three, message.parts[2])
    assert.equal("1.2", three.path)
    assert.equal("\u{fc}", two:body "utf-8")
    one:remove()
    three:remove()
    assert.same({}, message.parts)
    assert.equal("preamble\r\n--b--\r\nepilogue\r\n",
      message:render():match "\r\n\r\n(.*)")
    assert.has_error(function() message:remove() end)
  end)

  it("may have a part at once behind its header", function()
    local bare = mime.parse "Content-Type: multipart/x; boundary=b\n\n--b\n\n1"
    bare.parts[1]:remove()
    assert.equal("Content-Type: multipart/x; boundary=b\n\n", bare:render())
  end)

  it("may be changed deep inside", function()
    local inner = message.parts[3].parts[1]
    inner:set("Subject", "changed"):set_body("four")
    assert.equal(changed("Subject: inside\r\n\r\nthree",
      "Subject: changed\r\n\r\nfour"), message:render())
    assert.equal(inner, message.parts[3].parts[1])
  end)

  it("keeps the line ends of its header", function()
    local unix = mime.parse((letter:gsub("\r\n", "\n")))
    unix:set("Subject", ("word "):rep(30)):add("X-B", "2")
    unix.parts[1]:set_body(("x"):rep(2000))
    unix.parts[2]:set_body(("\0"):rep(2000))
    assert.is_nil(unix:render():find("\r", 1, true))
  end)

  it("may have a header that nothing ends, or none", function()
    for _, bytes in ipairs { "A: 1", "A: 1\n", "", "\n", "\n\nx" } do
      local one = mime.parse(bytes)
      one:set("B", "2")
      assert.equal("2", mime.parse(one:render()):header "B")
      one:set_body("body")
      local again = mime.parse(one:render())
      assert.equal("body", again:body())
      assert.equal("2", again:header "B")
      assert.equal(bytes:find "A" and "1" or nil, again:header "A")
    end
  end)

  it("is not changed by what raises", function()
    assert.has_error(function() message:set("Subject", "a\r\nBcc: x") end)
    assert.has_error(function() message:set("Sub ject", "a") end)
    assert.has_error(function() message:set("Sub\nject", nil) end)
    assert.has_error(function() message:set("To", "no address") end)
    assert.has_error(function() message:set(1, "a") end)
    assert.has_error(function() message:set(1) end)
    assert.has_error(function()
      message:set("Content-Transfer-Encoding", "8bit")
    end)
    assert.has_error(function() message:set_body "x" end)
    assert.has_error(function() message.parts[1]:set_body(1) end)
    assert.has_error(function() message.parts[1]:replace(1) end)
    assert.equal(letter, message:render())
  end)
end)

describe("a message inside an encoded part", function()
  it("is encoded again", function()
    local message = mime.parse("Content-Type: message/rfc822\n"
      .. "Content-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKYgo=\n")
    local inner = message.parts[1]
    assert.equal("a", inner.subject)
    inner:set("Subject", "c")
    assert.equal("c", inner.subject)
    assert.equal(inner, message.parts[1])
    assert.equal("c", mime.parse(message:render()).parts[1].subject)
    inner:set_body("d\n")
    assert.equal("Subject: c\n\nd\n", message:body())
  end)
end)

describe("a file that stands in a text", function()
  it("is changed by the text alone", function()
    local message = mime.parse("\nbegin 644 x\n#0V%T\n`\nend\n")
    local file = message:attachments()[1]
    assert.has_error(function() file:set_body "x" end)
    assert.has_error(function() file:set("A", "1") end)
    message:set_body("none")
    assert.equal(0, #message:attachments())
  end)
end)

-- So many parts in one multipart.
local function many(n)
  return "Subject: s\n" .. "Content-Type: multipart/mixed; boundary=b\n\n"
    .. ("--b\n\nx\n"):rep(n) .. "--b--\n"
end

describe("a message that is changed while it is walked", function()
  for _, n in ipairs { 1, 5, 63, 64, 200 } do
    it("shows each of its parts once: " .. n, function()
      local message = mime.parse(many(n))
      local before, seen, bodies = {}, {}, {}
      for part in message:walk() do before[#before + 1] = part end
      for part, body in message:walk "bodies" do
        seen[#seen + 1], bodies[#bodies + 1] = part, body
        part:add("X-Seen", tostring(#seen))
        if part.parts then message.parts[n]:set_body "new" end
      end
      assert.equal(n + 1, #seen)
      for i, part in ipairs(seen) do
        assert.equal(before[i], part)
        assert.equal(tostring(i), part:header "X-Seen")
      end
      assert.equal(("x"):rep(n - 1) .. "new", table.concat(bodies))
      assert.equal(message, seen[1])
      assert.equal(seen[2], message.parts[1])
    end)
  end
end)

describe("every message of the corpus", function()
  corpus.it("changes by what is changed alone", function(list)
    for _, path in ipairs(list) do
      local bytes = corpus.read(path)
      local message = mime.parse(bytes)
      local count = 0
      for _ in message:walk() do count = count + 1 end
      message:add("X-Added", "1")
      local _, at = message:_field "X-Added"
      local line = "X-Added: 1" .. bytes:match("\r?\n")
      local now = message:render()
      assert.equal(line, now:sub(at + 1, at + #line), path)
      assert.equal(bytes, now:sub(1, at) .. now:sub(at + #line + 1), path)
      message:set("X-Added", nil)
      assert.equal(bytes, message:render(), path)
      for _ in message:walk() do count = count - 1 end
      assert.equal(0, count, path)
    end
  end)
end)
