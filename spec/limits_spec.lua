-- The limits of reading, as they are unless set: what is within them is read
-- without a word; what passes them is a defect, and stays there as raw bytes.
local mime = require "lunapost.mime"

local function numbers(message)
  local out = {}
  for i, defect in ipairs(message.defects) do
    assert.equal("attack", defect.severity)
    out[i] = defect.number
  end
  return out
end

local function count(message)
  local n = 0
  for _ in message:walk() do n = n + 1 end
  return n
end

-- n multiparts in one another, and a text in the innermost.
local function nested(n)
  local out = {}
  for i = 1, n do
    out[i] = ("Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n")
      :format(i, i)
  end
  out[n + 1] = "\ntext at the bottom\n"
  for i = n, 1, -1 do out[#out + 1] = ("--b%d.--\n"):format(i) end
  return table.concat(out)
end

local function parts(n)
  return "Content-Type: multipart/mixed; boundary=b\n\n"
    .. ("--b\n\nx\n"):rep(n) .. "--b--\n"
end

describe("the limit", function()
  it("on depth is 100", function()
    local message = mime.parse(nested(99))
    assert.same({}, numbers(message))
    assert.equal(100, count(message))
    local deep = nested(100)
    message = mime.parse(deep)
    assert.same({ 401 }, numbers(message))
    assert.equal(100, count(message))
    local last
    for part in message:walk() do last = part end
    assert.is_nil(last.parts)
    assert.equal("multipart/mixed", last.type)
    assert.matches("text at the bottom", last.raw, 1, true)
    assert.matches("text at the bottom", last:body(), 1, true)
    assert.equal(deep, message:render())
  end)

  it("on depth counts messages within messages", function()
    local message = mime.parse(("Content-Type: message/rfc822\n\n"):rep(200)
      .. "Subject: x\n\ny")
    assert.same({ 401 }, numbers(message))
    assert.equal(100, count(message))
  end)

  it("on parts is 10,000", function()
    local message = mime.parse(parts(9999))
    assert.same({}, numbers(message))
    assert.equal(10000, count(message))
    message = mime.parse(parts(20000))
    assert.same({ 402 }, numbers(message))
    assert.equal(10000, count(message))
    assert.equal(parts(20000), message:render())
  end)

  it("on a header is 1 MiB", function()
    local line = "A: " .. ("x"):rep(1020) .. "\n"
    local message = mime.parse(line:rep(1024) .. "\nbody")
    assert.same({}, numbers(message))
    assert.equal(1024, #message:headers())
    message = mime.parse(line:rep(1024) .. "B: 1\n\nbody")
    assert.same({ 403 }, numbers(message))
    assert.equal(1024, #message:headers())
    assert.equal("body", message:body())
    assert.matches("\nB: 1\n", message.raw, 1, true)
  end)

  it("on fields is 10,000", function()
    local message = mime.parse(("A: 1\n"):rep(10000) .. "\nbody")
    assert.same({}, numbers(message))
    message = mime.parse(("A: 1\n"):rep(10000) .. "B: 1\n\nbody")
    assert.same({ 404 }, numbers(message))
    assert.equal(10000, #message:headers())
    assert.is_nil(message:header "B")
    assert.equal("body", message:body())
    assert.matches("\nB: 1\n", message.raw, 1, true)
  end)

  it("on addresses is 10,000", function()
    local message = mime.parse("To: " .. ("a@b,"):rep(9999) .. "c@d\n\n")
    assert.equal(10000, #message.to)
    assert.same({}, numbers(message))
    message = mime.parse("To: " .. ("a@b,"):rep(10000) .. "c@d\n\n")
    assert.equal(10000, #message.to)
    assert.same({ 405 }, numbers(message))
    assert.matches("c@d$", (message:_field "To"))
  end)

  it("on parameters and their pieces is 128", function()
    local function field(n)
      local out = {}
      for i = 1, n do out[i] = ("; name*%d=x"):format(i - 1) end
      return "Content-Type: text/plain" .. table.concat(out) .. "\n\n"
    end
    local message = mime.parse(field(128))
    assert.equal(128, #message.parameters.name)
    assert.same({}, numbers(message))
    message = mime.parse(field(129))
    assert.equal(128, #message.parameters.name)
    assert.same({ 406 }, numbers(message))
    assert.matches("name%*128=x", (message:_field "Content-Type"))
    message = mime.parse((field(500):gsub("Type: text/plain",
      "Disposition: attachment")))
    assert.equal("attachment", message.disposition)
    assert.same({ 406 }, numbers(message))
  end)

  it("may be set", function()
    local limits = { depth = 2, parts = 3, fields = 2, addresses = 1 }
    assert.equal(2, count(mime.parse(nested(10), { limits = limits })))
    assert.equal(3, count(mime.parse(parts(10), { limits = limits })))
    local message = mime.parse("To: a@b, c@d\nA: 1\nB: 1\n\n",
      { limits = limits })
    assert.equal(1, #message.to)
    assert.is_nil(message:header "B")
    assert.same({ 404, 405 }, numbers(message))
  end)

  it("holds for a reader, too", function()
    local seen = {}
    for event in mime.reader(nested(150)) do
      if event.kind == "defect" then seen[#seen + 1] = event.defect.number end
    end
    assert.same({ 401 }, seen)
  end)
end)
