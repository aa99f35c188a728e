-- The parser of messages as a machine: events, splits, limits, defects.
local growth = require "spec.support.growth"
local parts = require("lunapost.core").parts
local mime = require "lunapost.mime"
local corpus = require "spec.support.corpus"

local function line_of(kind, offset, depth, a, b)
  if kind == "defect" then a = a.number end
  return ("%s %d %d %s %s"):format(kind, offset, depth, a or "", b or "")
end

-- Adds a piece to the body that ends the list, or begins one.
local function add_body(lines, offset, depth, bytes)
  local body = lines[#lines]
  if type(body) ~= "table" then
    body = { ("body %d %d "):format(offset, depth), behind = offset }
    lines[#lines + 1] = body
  end
  if offset ~= body.behind then error("a gap at " .. offset) end
  body[#body + 1] = bytes
  body.behind = offset + #bytes
end

local function add_event(lines, kind, offset, depth, a, b)
  if kind == "body" then return add_body(lines, offset, depth, a) end
  lines[#lines + 1] = line_of(kind, offset, depth, a, b)
end

local function joined(lines)
  for i, line in ipairs(lines) do
    if type(line) == "table" then lines[i] = table.concat(line) end
  end
  return table.concat(lines, "\n")
end

-- All events as lines; body chunks that follow each other are one.
local function events(bytes, size, limits)
  local machine, at, lines = parts.machine(limits), 1, {}
  while true do
    local event = table.pack(machine:pull())
    if event[1] == nil then return joined(lines) end
    if event[1] == "more" then
      machine:push(at <= #bytes and bytes:sub(at, at + size - 1) or nil)
      at = at + size
    else
      add_event(lines, table.unpack(event, 1, 5))
    end
  end
end

local function shape(bytes, limits)
  local list = {}
  for line in (events(bytes, #bytes + 1, limits) .. "\n"):gmatch("(.-)\n") do
    local kind, rest = line:match("^(%a+) %d+ (.*)")
    if kind == "part" or kind == "head" or kind == "defect" then
      list[#list + 1] = (kind .. " " .. rest):gsub("%s+$", "")
    end
  end
  return list
end

local function defects(bytes, limits)
  local list = {}
  for _, line in ipairs(shape(bytes, limits)) do
    list[#list + 1] = tonumber(line:match("^defect %d+ (%d+)"))
  end
  return list
end

local function bodies(bytes)
  local list = {}
  for part in mime.parse(bytes):walk() do
    local _, _, from, to = part:_offsets()
    if part:_kind() == "leaf" then
      list[#list + 1] = bytes:sub(from + 1, to)
    end
  end
  return list
end

local function multipart(boundary, body)
  return "Content-Type: multipart/mixed; boundary=\"" .. boundary
    .. "\"\r\n\r\n" .. body
end

describe("a message in events", function()
  it("is its header, its body, its end", function()
    assert.equal("part 0 0  \nfield 0 0 A  1\nhead 8 0 leaf \n"
      .. "body 8 0 x\r\ny\nend 12 0  ",
      events("A: 1\r\n\r\nx\r\ny", 1))
    assert.equal("part 0 0  \nhead 0 0 leaf \nend 0 0  ", events("", 1))
    assert.equal("part 0 0  \nfield 0 0 A  1\nhead 4 0 leaf \nend 4 0  ",
      events("A: 1", 1))
  end)

  it("has the same events in every split of the input", function()
    for _, bytes in ipairs {
      multipart("b", "pre\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nepi"),
      multipart("b", "--b\n\n-\n--\n--bb\n--b-\n--b \t\n\nx\n--b --\n--b-- \n"),
      multipart("b", "--b\r\n\r\n\r\r\n\r\n\r\n--b\r\nA: 1\r\n--b--"),
      "\xef\xbb\xbfFrom x\r\nA: 1\r\nno field\r\n\tat all\r\nB: 2\r\n\r\nx",
      "From ana\r\n\r\n", " first\nA: b\n\n", "A:\0\n\n", "\r", "\r\n", "\n\r",
      "A: b\r", "A: b\r\n \r\n c\r\n\r\n", "\xef\xbb", "--b--\n\n",
    } do
      local whole = events(bytes, #bytes + 1)
      for size = 1, #bytes do
        assert.equal(whole, events(bytes, size), ("%q"):format(bytes))
      end
    end
  end)

  -- Every size for messages of up to 2 KB, from 1 to 80 for those of up to
  -- 4 KB, a few primes for longer ones; the longest (over 300 KB) whole and
  -- in large chunks only.
  corpus.it("has the same events however the corpus is cut", function(list)
    for _, path in ipairs(list) do
      local bytes = corpus.read(path)
      local whole = events(bytes, #bytes + 1)
      local sizes = { 1, 7, 61, 997, 4093 }
      if #bytes <= 4000 then
        sizes = {}
        local most = #bytes <= 2000 and #bytes or 80
        for size = 1, most do sizes[size] = size end
      elseif #bytes > 300000 then
        sizes = { 4093, 65521 }
      end
      for _, size in ipairs(sizes) do
        if events(bytes, size) ~= whole then
          error(("%s differs in chunks of %d"):format(path, size))
        end
      end
    end
  end)
end)

describe("a boundary", function()
  it("takes the line end before it, and no more", function()
    assert.same({ "one", "two\r\n", "" }, bodies(multipart("b",
      "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n\r\n--b\r\n\r\n--b--\r\n")))
    assert.same({ "a\nb\r" }, bodies(multipart("b", "--b\n\na\nb\r\n\n--b--")
      :gsub("\r\n\n", "\r\r\n")))
  end)

  it("is not the beginning of another one, nor in the midst of a line",
    function()
      assert.same({ "--bc\n x--b\n--b x\n---b" },
        bodies(multipart("b", "--b\n\n--bc\n x--b\n--b x\n---b\n--b--")))
    end)

  it("may have blanks behind it", function()
    assert.same({ "x", "y" },
      bodies(multipart("b", "--b \t \r\n\r\nx\r\n--b\t\n\ny\n--b--  \r\n")))
  end)

  it("of an outer multipart closes the inner ones", function()
    local inner = "Content-Type: multipart/mixed; boundary=i\n\n"
    local text = multipart("o", "--o\n" .. inner .. "--i\n\nx\n--o\n\ny\n--o--")
    assert.same({ "x", "y" }, bodies(text))
    assert.same({ 205 }, defects(text))
  end)

  it("may be the same for parts within parts", function()
    local inner = "Content-Type: multipart/mixed; boundary=b\n\n"
    assert.same({ "x", "y", "z" }, bodies(multipart("b",
      "--b\n" .. inner .. "--b\n\nx\n--b\n\ny\n--b--\n--b\n\nz\n--b--")))
  end)

  it("that never comes is a defect, and the body stays", function()
    assert.same({ "part 0", "head 0 multipart", "defect 0 204" },
      shape(multipart("b", "text\n--c\n")))
    assert.same({ "part 0", "head 0 leaf", "defect 0 203" },
      shape("Content-Type: multipart/mixed\n\ntext"))
    assert.same({ "text" }, bodies("Content-Type: multipart/mixed\n\ntext"))
  end)

  it("that is not closed is a defect", function()
    assert.same({ 205 }, defects(multipart("b", "--b\n\nx\n")))
    assert.same({ "x\n" }, bodies(multipart("b", "--b\n\nx\n")))
  end)

  it("may end a part within its header", function()
    assert.same({ "", "" }, bodies(multipart("b", "--b\nA: 1\n--b\n--b--\n")))
    assert.same({ 103, 103 },
      defects(multipart("b", "--b\nA: 1\n--b\n--b--\n")))
  end)

  it("may be folded, encoded or long", function()
    local long = ("x"):rep(300)
    assert.same({ "one" }, bodies("Content-Type: multipart/mixed;\r\n"
      .. " boundary*0=\"a\";\r\n boundary*1=\"b\"\r\n\r\n--ab\r\n\r\none"
      .. "\r\n--ab--"))
    assert.same({ "one" },
      bodies(multipart(long, "--" .. long .. "\n\none\n--" .. long .. "--")))
    assert.same({ 206 },
      defects(multipart(long, "--" .. long .. "\n\none\n--" .. long .. "--")))
  end)
end)

describe("a part", function()
  it("of a digest is a message unless it says otherwise", function()
    local text = "Content-Type: multipart/digest; boundary=b\n\n"
      .. "--b\n\nSubject: a\n\nx\n--b\nContent-Type: text/plain\n\ny\n--b--"
    assert.same({ "part 0", "head 0 multipart", "part 1", "head 1 message",
      "part 2", "head 2 leaf", "part 1", "head 1 leaf" }, shape(text))
  end)

  it("that is an encoded message is a leaf here", function()
    assert.same({ "part 0", "head 0 leaf" }, shape(
      "Content-Type: message/rfc822\nContent-Transfer-Encoding: Base64\n\n"))
    assert.same({ "part 0", "head 0 message", "part 1", "head 1 leaf" },
      shape("Content-Type: message/rfc822\n\nA: 1\n\nx"))
  end)

  it("has the type of its first Content-Type", function()
    local text = "Content-Type: text/plain\nContent-Type: multipart/mixed;"
      .. " boundary=b\n\n--b\n\nx\n--b--"
    assert.same({ "part 0", "defect 0 202", "head 0 leaf" }, shape(text))
  end)

  it("whose type cannot be read has the default", function()
    assert.same({ "part 0", "defect 0 201", "head 0 leaf" },
      shape("Content-Type: ;;;\n\nx"))
  end)
end)

describe("a header in events", function()
  it("passes over what is no field", function()
    assert.same({ 102, 102 }, defects("A: 1\nno field\nB: 2\nnone: x y\n"
      .. "neither this\n more of it\nC: 3\n\n"))
    assert.same({ 104 }, defects("From ana Mon Jan  1\nA: 1\n\n"))
    assert.same({ 105 }, defects("\xef\xbb\xbfA: 1\n\n"))
    assert.same({ 101 }, defects("\tx\nA: 1\n\n"))
    assert.same({ 106 }, defects("A: \0\n\n"))
  end)
end)

describe("lines that are no fields", function()
  -- body, and numbers of defects, however the input is cut
  local function read(bytes)
    local whole = events(bytes, #bytes + 1)
    for size = 1, 20 do assert.equal(whole, events(bytes, size), bytes) end
    return bodies(bytes), defects(bytes)
  end

  it("are passed over where the header goes on behind them", function()
    for _, header in ipairs { "A: 1\njunk\nB: 2\n", "junk\nmore\nA: 1\n",
      "A: 1\njunk\nmore junk\n" } do
      local list, found = read(header .. "\nbody\n")
      assert.same({ "body\n" }, list)
      assert.equal(102, found[1])
    end
    assert.same({ "" }, (read "A: 1\njunk\n"))
  end)

  it("are the body where a boundary follows, and no field", function()
    local list, found = read(multipart("b", "--b\nA: 1\none\n two\nthree\n"
      .. "--b\nfour\n--b--\n"))
    assert.same({ "one\n two\nthree", "four" }, list)
    assert.same({ 103, 103 }, found)
  end)

  it("are the body of a message in which nothing is a field", function()
    local list, found = read "one\ntwo\n"
    assert.same({ "one\ntwo\n" }, list)
    assert.same({ 103 }, found)
    assert.same({ "" }, (read "From a@b Thu Jan  1 00:00:00 1970\n"))
  end)

  it("are looked at once", function()
    growth.linear(150000, function(n)
      assert.same({ "" }, bodies(multipart("b", "--b\nA: 1\n"
        .. ("junk\n"):rep(n) .. "\n--b--\n")))
    end)
  end)
end)

describe("a limit", function()
  it("on depth keeps what lies deeper whole", function()
    local bomb = ("Content-Type: message/rfc822\n\n"):rep(300) .. "\nx"
    local message = mime.parse(bomb)
    assert.equal(100, message:_count())
    local _, _, from, to = message:_at(100):_offsets()
    assert.equal(#bomb, to)
    assert.equal("Content-Type: message/rfc822",
      bomb:sub(from + 1, from + 28))
    assert.same({ 401 }, defects(bomb))
    assert.equal(3, mime.parse(bomb, { limits = { depth = 3 } })
      :_count())
  end)

  it("on parts keeps the rest in the multipart", function()
    local bomb = multipart("b", ("--b\n\nx\n"):rep(20000))
    local message = mime.parse(bomb)
    assert.equal(10000, message:_count())
    assert.same({ 402 }, defects(bomb))
    local _, _, from, to = message:_at(10000):_offsets()
    assert.equal("x", bomb:sub(from + 1, to))
    assert.equal(#bomb, (select(4, message:_offsets())))
  end)

  it("on a header keeps the rest of it raw, and finds the body", function()
    for _, bytes in ipairs { ("A: 1\n"):rep(100) .. "\nbody",
      "A: " .. ("x"):rep(1000) .. "\n\nbody" } do
      local limits = { header = 200, fields = 50 }
      local whole = events(bytes, #bytes + 1, limits)
      assert.truthy(whole:find("\nbody %d+ 0 body\n"))
      assert.truthy(whole:find("defect %d+ 0 40[34]"))
      for size = 1, 90 do
        assert.equal(whole, events(bytes, size, limits))
      end
    end
  end)

  it("on what is held keeps memory bounded", function()
    local machine = parts.machine { header = 1000 }
    local line = ("x"):rep(65536)
    machine:push("Content-Type: multipart/mixed; boundary=b\n")
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 200 do
      repeat local kind = machine:pull() until kind == "more"
      machine:push(line)
    end
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 300)
  end)
end)

describe("time", function()
  local b <const> = multipart("b", "")

  -- Of each: what is before, what is repeated, how often, what is behind.
  local bombs <const> = {
    ["nested 100,000 deep"] = { "", "Content-Type: message/rfc822\n\n",
      100000 },
    ["nested multiparts"] = { "", b .. "--b\n", 50000 },
    ["1,000,000 boundaries"] = { b, "--b\n", 1000000 },
    ["a 10 MiB field"] = { "A: ", "x", 10 << 20, "\n\nx" },
    ["a 10 MiB header"] = { "", "A: 1\n", 2 << 20, "\nx" },
    ["a 10 MiB header of folds"] = { "A: 1", "\n 1", 3 << 20, "\n\nx" },
    ["one 20 MiB line"] = { b, "-x", 10 << 20 },
    ["dashes"] = { b, "-", 10 << 20 },
    ["dashed lines"] = { b, "--\n", 3 << 20 },
    ["almost boundaries"] = { multipart("bbbbbbbb", ""), "--bbbbbbb\n",
      1 << 20 },
    ["boundaries with long tails"] = { b, "--b" .. (" "):rep(1100) .. "\n",
      5000 },
    ["line ends"] = { b, "\r\n", 5 << 20 },
  }

  for name, bomb in pairs(bombs) do
    it("is in line with the length of " .. name, function()
      growth.linear(bomb[3], function(n)
        local octets = bomb[1] .. bomb[2]:rep(n) .. (bomb[4] or "")
        assert.is_true(mime.parse(octets):_count() <= 10000)
      end)
    end)
  end
end)
