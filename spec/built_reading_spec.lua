local built = require "spec.support.built"
local mime = require "lunapost.mime"

local function letter(more)
  local given = {
    from = "Ana M\u{fc}ller <ana@example.org>", to = "bob@example.net",
    subject = "Gr\u{fc}\u{df}e", text = "body \u{e9}\n",
    headers = { { "X-A", "1" }, { "X-A", "2" } },
    attach = { { data = "%PDF", name = "\u{fc}.pdf" } },
  }
  for key, value in pairs(more or {}) do given[key] = value end
  return assert(mime.message(given))
end

local function source_of(...)
  local pieces, i = { ... }, 0
  return function()
    i = i + 1
    return pieces[i]
  end
end

local function gather()
  local out = {}
  return out, function(chunk)
    out[#out + 1] = chunk
    return 1
  end
end

describe("a message that was built", function()
  it("has the accessors of one that was read", function()
    local message = letter()
    assert.equal("Gr\u{fc}\u{df}e", message:header("subject"))
    assert.same({ "1", "2" }, message:headers("x-a"))
    assert.equal("From", message:headers()[1][1])
    assert.equal("7bit", message.encoding)
    assert.equal(message:render(), message.raw)
    assert.same({}, message.defects)
    local attached = message:attachments()
    assert.equal(1, #attached)
    assert.equal("\u{fc}.pdf", attached[1].filename)
    assert.equal("%PDF", attached[1]:body())
    local names = {}
    for part in message:attachments() do names[#names + 1] = part.filename end
    assert.same({ "\u{fc}.pdf" }, names)
  end)

  it("is checked, walked with its bodies, and looked through", function()
    local message = letter { html = "<p>", attach = { { type =
      "message/external-body", parameters = { ["access-type"] = "ftp",
      site = "x.example", name = "y" }, data = "Content-Type: a/b\r\n\r\n" } },
      inline = { logo = { data = "x", type = "image/png" } } }
    local list, worst = message:check()
    assert.equal(534, list[1].number)
    assert.equal("harmless", worst)
    local bodies = {}
    for part, body in message:walk "bodies" do
      bodies[#bodies + 1] = part.type .. " " .. tostring(body)
    end
    assert.same({ "multipart/mixed nil", "multipart/related nil",
      "multipart/alternative nil", "text/plain body \u{e9}\r\n",
      "text/html <p>", "image/png x" }, { table.unpack(bodies, 1, 6) })
    assert.equal("y", message.parts[2]:external().name)
    assert.is_nil(message:external())
    assert.same({}, message:uuencoded())
    local once = letter { attach = { { source = source_of "x" } } }
    for _, name in ipairs { "check", "tree", "attachments", "uuencoded",
      "external" } do
      local none, problem = once[name](once)
      assert.is_nil(none)
      assert.equal("file", problem.kind, name)
    end
  end)

  it("has parts that have them", function()
    local text, file = table.unpack(letter().parts)
    assert.equal("quoted-printable", text.encoding)
    assert.equal("base64", file.encoding)
    assert.equal("text/plain; charset=utf-8", text:header("Content-Type"))
    local out, sink = gather()
    assert.is_true(file:decode(sink))
    assert.equal("%PDF", table.concat(out))
    out, sink = gather()
    assert.is_true(letter():decode(sink))
    assert.truthy(table.concat(out):find("JVBERg==", 1, true))
  end)

  it("has texts, whatever they were made of", function()
    local enriched = assert(mime.part { type = "text/enriched",
      data = "<bold>x</bold> y" })
    local message = built.build { body = enriched, attach = {
      { data = "x", name = "x.bin" } } }
    assert.equal("x y", message.text)
    assert.is_nil(message.html)
    assert.equal(1, #message:attachments())
    message = built.build { body = assert(mime.multipart("alternative", {
      assert(mime.part { type = "text/plain", data = "p" }),
      assert(mime.part { type = "text/html", data = "<p>" }) })) }
    assert.equal("p", message.text)
    assert.equal("<p>", message.html)
  end)

  it("is parsed once", function()
    local message = letter()
    assert.equal(message:parsed(), message:parsed())
  end)

  it("is not used up by looking: a source can be read only once", function()
    local message = letter { attach = { { source = source_of("a", "b"),
      name = "x" } } }
    assert.equal("Gr\u{fc}\u{df}e", message:header("Subject"))
    local list, problem = message:attachments()
    assert.is_nil(list)
    assert.equal("file", problem.kind)
    assert.truthy(tostring(problem):find("render the message", 1, true))
    assert.is_nil((message:tree()))
    local ok, raised = pcall(function() return message.defects end)
    assert.is_false(ok)
    assert.equal("file", raised.kind)
    local _, octets = message:render():gsub("YWI=", "")
    assert.equal(1, octets)
  end)

  it("streams a source to a sink, and says what the sink says", function()
    local part = assert(mime.part { source = source_of("a", "b") })
    local out, sink = gather()
    assert.is_true(part:decode(sink))
    assert.equal("ab", table.concat(out))
    local done, problem = part:decode(sink)
    assert.is_nil(done)
    assert.equal("file", problem.kind)
    part = assert(mime.part { data = "x" })
    assert.same({ nil, "full" },
      { part:decode(function() return nil, "full" end) })
  end)
end)
