local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

-- RFC 2046 5.2.2.2
local first <const> = table.concat({
  "X-Weird-Header-1: Foo", "From: Bill@host.com", "To: joe@otherhost.com",
  "Date: Fri, 26 Mar 1993 12:59:38 -0500 (EST)",
  "Subject: Audio mail (part 1 of 2)", "Message-ID: <id1@host.com>",
  "MIME-Version: 1.0",
  'Content-type: message/partial; id="ABC@host.com"; number=1; total=2', "",
  "X-Weird-Header-1: Bar", "X-Weird-Header-2: Hello",
  "Message-ID: <anotherid@foo.com>", "Subject: Audio mail",
  "MIME-Version: 1.0", "Content-type: audio/basic",
  "Content-transfer-encoding: base64", "", "AAAA", "" }, "\r\n")
local second <const> = table.concat({
  "From: Bill@host.com", "Subject: Audio mail (part 2 of 2)",
  "MIME-Version: 1.0", "Message-ID: <id2@host.com>",
  'Content-type: message/partial; id="ABC@host.com"; number=2; total=2', "",
  "BBBB", "" }, "\r\n")

local function piece(id, number, total, body)
  return mime.parse(('Content-Type: message/partial; id="%s"; number=%s%s\n\n')
    :format(id, number, total and "; total=" .. total or "") .. (body or ""))
end

describe("joined fragments", function()
  it("are the message of RFC 2046's example", function()
    for _, parts in ipairs { { first, second }, { second, first },
      { mime.parse(second), mime.parse(first), second } } do
      local message = assert(mime.join(parts))
      assert.equal(table.concat({
        "X-Weird-Header-1: Foo", "From: Bill@host.com",
        "To: joe@otherhost.com",
        "Date: Fri, 26 Mar 1993 12:59:38 -0500 (EST)",
        "Message-ID: <anotherid@foo.com>", "Subject: Audio mail",
        "MIME-Version: 1.0", "Content-type: audio/basic",
        "Content-transfer-encoding: base64", "", "AAAA", "BBBB", "" },
        "\r\n"), message:render())
      assert.equal("\0\0\0\4\16\65", message:body())
    end
  end)

  it("need the total of one of them only", function()
    local message = assert(mime.join {
      piece("a", 2, nil, "two"), piece("a", 3, 3, "three"),
      piece("a", 1, nil, "Subject: x\n\none") })
    assert.equal("one\ntwo\nthree", message.text)
    assert.equal("x", message.subject)
  end)

  it("may be parts of a message, and encoded by a gateway", function()
    local outer = mime.parse("Content-Type: multipart/mixed; boundary=b\n\n"
      .. "--b\nContent-Type: message/partial; id=a; number=1; total=2\n\n"
      .. "Content-Type: text/html\n\n<p>\n--b\n"
      .. "Content-Type: message/partial; id=a; number=2; total=2\n"
      .. "Content-Transfer-Encoding: base64\n\nPC9wPg==\n--b--\n")
    assert.equal("<p>\n</p>", assert(mime.join(outer.parts)).html)
  end)

  it("hold whatever the cut went through", function()
    local whole = "A: 1\n\n" .. ("line of text\n"):rep(50)
    for at = 7, #whole, 13 do
      local message = assert(mime.join {
        piece("a", 1, 2, whole:sub(1, at + 12)),
        piece("a", 2, 2, whole:sub(at + 13)) })
      assert.equal(whole:sub(7), message:body())
    end
  end)

  local function refused(pattern, parts)
    local message, err = mime.join(parts)
    assert.is_nil(message)
    assert.equal("syntax", err.kind)
    assert.matches(pattern, tostring(err), 1, true)
  end

  it("tell what is missing", function()
    refused('fragment 2, 4 of 4 of "a" is missing',
      { piece("a", 1, 4), piece("a", 3, 4) })
    refused('no fragment of "a" says how many', { piece("a", 1) })
    refused('fragment 5 of "a", which has 4', { piece("a", 1, 4),
      piece("a", 5) })
  end)

  it("tell what does not belong together", function()
    refused('two messages, "a" and "b"', { piece("a", 1, 2),
      piece("b", 2, 2) })
    refused("say that there are 2 and 3", { piece("a", 1, 2),
      piece("a", 2, 3) })
    refused("is there twice, with different bodies", { piece("a", 1, 1, "x"),
      piece("a", 1, 1, "y") })
    refused("file 1 is text/plain", { "\n\nx" })
  end)

  it("tell what has no number", function()
    for _, number in ipairs { "0", "x", "-1", "1.5", "10001", "9999999999999",
      "" } do
      refused("has no number", { piece("a", number, 1) })
    end
    refused("has no id", { piece("", 1, 1) })
  end)

  it("are messages: all else is misuse", function()
    assert.has_error(function() mime.join {} end)
    assert.has_error(function() mime.join "x" end)
    assert.has_error(function() mime.join { 1 } end)
  end)
end)

describe("a fragment of very many", function()
  it("is missed by the first of them", function()
    local message, problem = mime.join {
      "Content-Type: message/partial; id=x; number=2; total="
        .. math.maxinteger .. "\n\nSubject: x\n\nbody\n" }
    assert.is_nil(message)
    assert.matches("fragment 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 of "
      .. math.maxinteger, problem.text, 1, true)
  end)
end)

describe("lunapost join", function()
  it("writes the message, or says what is missing", function()
    local folder <close> = setmetatable({ path = peers.folder() },
      { __close = function(self) peers.remove(self.path) end })
    local one, two = folder.path .. "/1", folder.path .. "/2"
    peers.write(one, first)
    peers.write(two, second)
    local output, code = peers.run(tree.command .. " join " .. two .. " "
      .. one, 10)
    assert.equal(0, code)
    assert.equal(mime.join({ first, second }):render(), output .. "\n")
    output, code = peers.run(tree.command .. " join " .. two, 10)
    assert.equal(1, code)
    assert.matches("fragment 1 of 2", output, 1, true)
    assert.equal(64, select(2, peers.run(tree.command .. " join", 10)))
    assert.equal(1, select(2, peers.run(tree.command .. " join /none", 10)))
  end)
end)
