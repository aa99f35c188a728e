local built = require "spec.support.built"
local mime = require "lunapost.mime.build"

local split = built.split
local header = built.header
local longest_line = built.longest_line
local build = built.build
local types_of = built.types_of
local names = built.names

describe("a message from one table", function()
  it("has its fields in one order, whatever the table's", function()
    local octets = build {
      headers = { ["X-B"] = "2", ["x-a"] = "1", ["X-C"] = { "3", "4" } },
      references = "<r@x>", in_reply_to = "<i@x>", subject = "s",
      cc = "c@x", to = "t@x", reply_to = "r@x", sender = "s@x", text = "t",
    }:render()
    assert.equal("From Sender Reply-To To Cc Subject Date Message-ID "
      .. "In-Reply-To References x-a X-B X-C X-C MIME-Version Content-Type "
      .. "Content-Transfer-Encoding", names(octets))
    assert.equal("1.0", header(octets, "MIME-Version"))
  end)

  it("keeps a list of headers in its order", function()
    local octets = build { headers = { { "X-B", "1" }, { "X-A", "2" },
      { "X-B", 3 } } }:render()
    assert.matches("X%-B: 1\r\nX%-A: 2\r\nX%-B: 3\r\n", octets)
  end)

  it("gets Date and Message-ID unless they are given or switched off",
    function()
      local before = os.time()
      local message = assert(mime.message { from = "a@example.org" })
      assert.is_true(message.date >= before and message.date <= os.time())
      assert.matches("^<[%w_-]+@example.org>$",
        header(message:render(), "Message-ID"))
      local octets = build { date = false, message_id = false }:render()
      assert.is_nil(header(octets, "Date"))
      assert.is_nil(header(octets, "Message-ID"))
      octets = build { date = 784887151, message_id = "x@y" }:render()
      assert.equal("Tue, 15 Nov 1994 08:12:31 +0000", header(octets, "Date"))
      assert.equal("<x@y>", header(octets, "Message-ID"))
    end)

  it("has one MIME-Version, given or not", function()
    for _, headers in ipairs { {}, { ["MIME-Version"] = "1.0" },
      { { "mime-version", 1.0 } } } do
      local octets = build { headers = headers }:render()
      assert.equal("1.0", header(octets, "MIME-Version"))
      assert.equal(1, select(2, octets:lower():gsub("mime%-version:", "")))
    end
    assert.has_error(function()
      build { headers = { ["Mime-Version"] = "1.1" } }
    end, 'headers: MIME-Version must be "1.0", not "1.1"')
  end)

  it("never writes Bcc, but delivers to it", function()
    local message = build { to = "b@x.org", cc = "c@x.org",
      bcc = "Secret <d@x.org>, b@x.org", text = "t" }
    assert.is_nil(message:render():lower():find "bcc")
    assert.is_nil(message:render():find "d@x.org")
    assert.same({ from = "ana@example.org", utf8 = false,
      to = { "b@x.org", "c@x.org", "d@x.org" } }, message.envelope)
    assert.has_error(function() build { headers = { BCC = "d@x.org" } } end,
      "headers: BCC is not to be given here (use bcc)")
  end)

  it("takes the sender before the author into the envelope", function()
    assert.equal("s@x.org",
      build { from = "a@x, b@x", sender = "s@x.org" }.envelope.from)
    local given = build { envelope = { from = "", to = "x@y.org" },
      to = "list@x.org" }.envelope
    assert.equal("", given.from)
    assert.same({ "x@y.org" }, given.to)
  end)

  it("says when an address needs SMTPUTF8", function()
    assert.is_false(build { from = "Ana Müller <ana@x.org>" }.utf8)
    local message = build { to = "müller@bücher.example" }
    assert.is_true(message.utf8)
    assert.is_true(message.envelope.utf8)
    assert.matches("\r\nTo: müller@bücher.example\r\n", message:render())
    local carrier = build { attach = { message } }
    assert.is_true(carrier.utf8)
    assert.equal("multipart/mixed message/global text/plain",
      types_of(carrier))
  end)

  it("can be read before it is rendered", function()
    local message = build { from = "Ana <ana@x.org>", to = "b@x, c@x",
      subject = "Hi", text = "t" }
    assert.equal("Hi", message.subject)
    assert.equal("Ana", message.from[1].name)
    assert.equal("c@x", message.to[2].address)
    assert.equal("t", message:body())
    assert.equal('message from Ana <ana@x.org> to b@x and 1 more "Hi" '
      .. "text/plain", tostring(message))
  end)

  it("takes headers that have an option through either way", function()
    local octets = build { headers = { Subject = "s", ["reply-to"] = "r@x" } }
      :render()
    assert.equal("s", header(octets, "Subject"))
    assert.equal("r@x", header(octets, "Reply-To"))
    assert.has_error(function()
      build { subject = "a", headers = { SUBJECT = "b" } }
    end, "headers: SUBJECT is given twice")
  end)

  it("leaves structured values of the user's as they are", function()
    local url = "<https://example.org/?a=?utf-8?Q?b?=>"
    assert.equal(url, header(build {
      headers = { ["List-Unsubscribe"] = url } }:render(),
      "List-Unsubscribe"))
  end)

  it("marks its priority", function()
    assert.equal("urgent", header(build { priority = "high" }:render(),
      "Priority"))
    assert.is_nil(header(build { priority = "normal" }:render(), "Priority"))
  end)
end)

describe("misuse of mime.message", function()
  local cases <const> = {
    { { form = "x" }, "unknown option of mime.message 'form' "
      .. "(did you mean 'from'?)" },
    { { subject = 1 }, "option of mime.message 'subject' must be string, "
      .. "not number" },
    { { attach = { { data = "x", nmae = "y" } } },
      "unknown option of attach[1] 'nmae' (did you mean 'name'?)" },
    { { attach = { { name = "y" } } },
      "attach[1] needs one of data, path, file, source, message" },
    { { attach = { { data = "", path = "y" } } },
      "attach[1]: both 'data' and 'path' are given" },
    { { inline = { x = { data = "", tpye = "a/b" } } },
      "unknown option of inline.x 'tpye' (did you mean 'type'?)" },
    { { text = "\xc3(" }, "text is not UTF-8 (octet 1)" },
    { { subject = "\xff" }, "subject is not UTF-8 (octet 1)" },
    { { from = "ana" }, 'from: "ana" is no address' },
    { { sender = "a@x, b@x" }, "sender: one address is wanted, not 2" },
    { { date = "yesterday" }, 'date: "yesterday" is no date: give seconds '
      .. 'since 1970, a table of os.date, or "Thu, 26 Nov 2026 21:18:59 +0000"'
    },
    { { subject = "a\r\nBcc: x@y.example" }, "subject: holds CR, LF or NUL" },
    { { headers = { ["X A"] = "1" } },
      'headers: "X A": is no name of a field' },
    { { inline = { "logo.png" } }, "inline must map ids to paths or tables: "
      .. '{ logo = "logo.png" }, for cid:logo in the html' },
    { { date = 1 << 60 },
      "date: 1152921504606846976 is outside the years 0 to 9999" },
    { { priority = "urgent" },
      "unknown priority 'urgent' (known: high, low, normal)" },
    { { priority = "hihg" }, "unknown priority 'hihg' (did you mean 'high'?)" },
    { { attach = { { data = "é", encoding = "7bit" } } },
      "attach[1]: encoding '7bit' cannot carry these octets" },
    { { attach = { { data = "", encoding = "base46" } } },
      "unknown attach[1]: encoding 'base46' (did you mean 'base64'?)" },
    { { attach = { { data = "", type = "pdf" } } },
      "attach[1]: type \"pdf\" is not like \"text/plain\"" },
    { { headers = { ["Content-Type"] = "x" } },
      "headers: Content-Type is not to be given here (use type)" },
    { { body = {} }, "body must come from mime.part or mime.multipart" },
    { { message_id = "<a@b> <c@d>" }, "message_id: one id is wanted, not 2" },
  }
  for _, case in ipairs(cases) do
    it("raises: " .. case[2], function()
      assert.has_error(function() mime.message(case[1]) end, case[2])
    end)
  end

  it("points to the line of the caller", function()
    local _, text = pcall(function() mime.message { form = 1 } end)
    assert.matches("build_spec.lua:%d+: unknown option", text)
  end)

  it("raises for a field that is assigned to once it is built", function()
    local part = mime.part { data = "x", name = "x.bin" }
    assert.has_error(function() mime.multipart "mixed" end,
      "multipart/mixed needs a list of parts, not nil")
    local entities = { part, mime.multipart("mixed", { part }),
      mime.message { from = "a@b", subject = "old", body = part },
      mime.message { from = "a@b", subject = "old", text = "a",
        attach = "README.md" } }
    for _, entity in ipairs(entities) do
      local before = entity:render()
      for _, name in ipairs { "subject", "type", "boundary", "new" } do
        assert.has_error(function() entity[name] = "new" end,
          name .. ": a message that was built stays as it is; build another, "
          .. "or edit mime.parse(message:render())")
      end
      for inner in entity:walk() do
        assert.has_error(function() inner.filename = "y" end)
      end
      assert.equal(before, entity:render())
    end
    for _, entity in ipairs(entities) do
      local before, seen = entity:render(), 0
      assert.is_nil(next(entity)) -- nothing in it could be changed
      local _, state = pairs(entity)
      state.type, state.fields, state.content = "text/evil", nil, nil
      for name, value in pairs(entity) do
        assert.is_string(name)
        assert.equal(entity[name], value)
        assert.is_string(entity.raw) -- which is kept from now on
        seen = seen + 1
      end
      assert.truthy(seen > 3)
      assert.equal(before, entity:render())
      assert.are_not.equal("text/evil", entity.type)
    end
    assert.equal("old", entities[4].subject)
    entities[4].envelope = { from = "x@y", to = { "z@y" } }
    assert.equal("x@y", entities[4].envelope.from)
  end)

  it("is not a file that cannot be read: that is an error to handle",
    function()
      for _, path in ipairs { "/nonexistent/x.pdf", "/tmp" } do
        local message, err = mime.message { attach = path }
        assert.is_nil(message)
        assert.equal("file", err.kind)
        assert.matches(path, tostring(err), 1, true)
      end
    end)
end)

describe("a header field", function()
  local scripts <const> = { "Ana Müller ", "Иван Петров ", "山田太郎",
    "محمد ", "😀 ", "plain words ", "a,b; \"c\" <d> ", "x@y (z) ", "=?utf-8?q?",
    "N.N. ", "\\ \" " }

  -- Texts of several scripts, from a fixed stream of numbers.
  local function texts(count, most)
    local state = 42
    local function pick(n)
      state = (state * 1103515245 + 12345) & 0x7fffffff
      return (state >> 8) % n + 1
    end
    local out = {}
    for i = 1, count do
      local words = {}
      for j = 1, pick(most) do words[j] = scripts[pick(#scripts)] end
      out[i] = table.concat(words):gsub("^ +", ""):gsub(" +$", "")
    end
    return out
  end

  it("stays within 78 columns in every script", function()
    for _, text in ipairs(texts(300, 30)) do
      local message = build { subject = text,
        to = { { name = text, address = "b@example.org" },
          { name = text:reverse():gsub("[\128-\255]", ""),
            address = "c@example.org" } },
        attach = { data = "", name = text, description = text },
        headers = { ["X-Text"] = text } }
      local octets = message:render()
      assert.is_true(longest_line(octets) <= 78, octets)
      assert.is_nil(octets:find "[\128-\255]")
      assert.is_nil(octets:find("=%?[^?]*%?[BQ]%?%?=", 1), octets)
    end
  end)

  it("is never folded inside a quoted string or an address", function()
    for n = 1, 90 do
      local octets = build { to = {
        { name = ("n"):rep(n) .. ", Bob", address = "b@example.org" },
        { name = "Carl, Jr.", address = ("c"):rep(n) .. "@example.org" },
      } }:render()
      local _, _, head = split(octets)
      for line in head:gmatch "[^\r\n]+" do
        local _, quotes = line:gsub('"', "")
        assert.equal(0, quotes % 2, line)
        local _, opened = line:gsub("<", "")
        local _, closed = line:gsub(">", "")
        assert.equal(opened, closed, line)
      end
    end
  end)

  it("keeps what it cannot fold whole, up to 998 octets", function()
    local id = "<" .. ("x"):rep(900) .. "@example.org>"
    assert.equal(id, header(build { references = id }:render(), "References"))
    assert.is_false(pcall(build, {
      references = "<" .. ("x"):rep(1000) .. "@example.org>" }))
  end)

  it("holds a list of a thousand addresses", function()
    local to = {}
    for i = 1, 1000 do
      to[i] = { name = "Müller, " .. i, address = i .. "@example.org" }
    end
    local message = build { to = to }
    assert.is_true(longest_line(message:render()) <= 78)
    assert.equal(1000, #message.envelope.to)
  end)
end)

describe("the nesting of parts", function()
  local png <const> = { data = "\137PNG", name = "logo.png" }
  local pdf <const> = { data = "%PDF", name = "report.pdf" }
  local cases <const> = {
    { {}, "text/plain" },
    { { text = "t" }, "text/plain" },
    { { html = "h" }, "text/html" },
    { { text = "t", html = "h" },
      "multipart/alternative text/plain text/html" },
    { { html = "h", inline = { logo = png } },
      "multipart/related text/html image/png" },
    { { text = "t", html = "h", inline = { logo = png } },
      "multipart/related multipart/alternative text/plain text/html "
      .. "image/png" },
    { { text = "t", attach = { pdf } },
      "multipart/mixed text/plain application/pdf" },
    { { text = "t", html = "h", inline = { logo = png }, attach = pdf },
      "multipart/mixed multipart/related multipart/alternative text/plain "
      .. "text/html image/png application/pdf" },
    { { text = "t", inline = { logo = png } },
      "multipart/mixed text/plain image/png" },
    { { attach = { pdf, pdf } },
      "multipart/mixed application/pdf application/pdf" },
  }
  for _, case in ipairs(cases) do
    it("is " .. case[2], function()
      assert.equal(case[2], types_of(build(case[1])))
    end)
  end

  it("names the root's type of multipart/related", function()
    local message = build { html = "h", inline = { logo = png } }
    assert.matches('^multipart/related; type="text/html"; boundary="=_',
      header(message:render(), "Content-Type"))
    assert.matches("\r\nContent%-ID: <logo>\r\n", message:render())
    assert.matches("\r\nContent%-Disposition: inline; filename=logo.png\r\n",
      message:render())
  end)

  it("is the user's own where parts are given", function()
    local digest = assert(mime.multipart("digest", {
      build { text = "1" }, build { text = "2" }, preamble = "old\nreader",
      epilogue = "end", boundary = "x y" }))
    local octets = build { body = digest }:render()
    assert.matches('multipart/digest; boundary="x y"',
      header(octets, "Content-Type"), 1, true)
    assert.matches("\r\n\r\nold\r\nreader\r\n--x y\r\n", octets, 1, true)
    assert.matches("\r\n--x y--\r\nend\r\n", octets, 1, true)
    assert.equal("multipart/digest message/rfc822 text/plain message/rfc822 "
      .. "text/plain", types_of(digest))
    assert.equal("multipart/mixed multipart/digest message/rfc822 text/plain "
      .. "message/rfc822 text/plain application/pdf",
      types_of(build { body = digest, attach = pdf }))
  end)

  it("takes any subtype with its parameters", function()
    local part = assert(mime.part { type = "message/delivery-status",
      data = "Reporting-MTA: dns; x\r\n" })
    local report = assert(mime.multipart("report", { part,
      parameters = { ["report-type"] = "delivery-status" } }))
    assert.matches('^multipart/report; report%-type=delivery%-status; bound',
      header(report:render(), "Content-Type"))
  end)

  it("carries a message with its octets unchanged", function()
    local inner = build { text = "Grüße", attach = { pdf } }
    local octets = build { attach = { inner, { message = inner:render() } } }
      :render()
    local _, count = octets:gsub((inner:render()
      :gsub("%p", "%%%0")), "")
    assert.equal(2, count)
  end)

  it("has no boundary that occurs in its parts", function()
    local first = build { text = "1", attach = { pdf } }
    local again = build { text = "2", attach = { first, pdf } }
    local seen = {}
    for part in again:walk() do
      if part.boundary then
        assert.is_nil(seen[part.boundary])
        seen[part.boundary] = true
      end
    end
    assert.has_error(function()
      mime.multipart("mixed", { assert(mime.part { type = "text/plain",
        data = "--xyz\n" }), boundary = "xyz" })
    end, 'multipart/mixed: boundary "xyz" occurs in its parts')
    for _, around in ipairs { "preamble", "epilogue" } do
      assert.has_error(function()
        mime.multipart("mixed", { assert(mime.part { type = "text/plain",
          data = "x" }), boundary = "xyz", [around] = "a\n--xyz\nb" })
      end, 'multipart/mixed: boundary "xyz" occurs in its parts')
    end
    local trap = build { text = "1", attach = { pdf } }.boundary
    assert.not_equal(trap, build { text = "--" .. trap .. "--\r\n",
      attach = { pdf } }.boundary)
  end)
end)
