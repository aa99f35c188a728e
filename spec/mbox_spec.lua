local mime = require "lunapost.mime"
local built = require "spec.support.built"

local mark <const> = "From ana@example.org Tue Nov 15 10:12:31 1994\n"

-- All that an mbox of these bytes gives: messages as rendered, postmarks.
local function all(bytes, options)
  local path = built.temporary(bytes)
  local list, marks = {}, {}
  for message, postmark in assert(mime.mbox(path, options)) do
    list[#list + 1], marks[#marks + 1] = message:render(), postmark
  end
  os.remove(path)
  return list, marks
end

describe("an mbox", function()
  it("gives its messages, and what their postmarks say", function()
    local list, marks = all(mark .. "Subject: 1\n\none\n\n"
      .. "From - Tue, 15 Nov 1994 10:12 +0200\n\ntwo\n\n"
      .. "From Tue Nov 15 10:12:31 1994 remote from x\nA: 3\n\n")
    assert.same({ "Subject: 1\n\none\n", "\ntwo\n", "A: 3\n" }, list)
    assert.equal("ana@example.org", marks[1].sender)
    assert.equal(784894351, marks[1].date)
    assert.equal(0, marks[1].offset)
    assert.equal(17, marks[1].length)
    assert.equal("", marks[2].sender)
    assert.equal(784887120, marks[2].date)
    assert.equal(#mark + 17, marks[2].offset)
    assert.equal("", marks[3].sender)
    assert.equal(784894351, marks[3].date)
  end)

  it("may have CRLF, no empty line, no line end", function()
    local dos = mark:gsub("\n", "\r\n")
    assert.same({ "A: 1\r\n\r\nx\r\n", "B: 2\r\n\r\ny" },
      (all(dos .. "A: 1\r\n\r\nx\r\n\r\n" .. dos .. "B: 2\r\n\r\ny")))
    assert.same({ "A: 1\n", "\nx" }, (all(mark .. "A: 1\n" .. mark .. "\nx")))
    assert.same({ "" }, (all(mark)))
    assert.same({}, (all("")))
  end)

  it("is read from its first postmark on", function()
    assert.same({ "A: 1\n" }, (all("\n\nnothing\n" .. mark .. "A: 1\n")))
    assert.same({}, (all("Subject: no mbox\n\nx\n")))
  end)

  it("is not cut by what only looks like a postmark", function()
    local body = "\nFrom here on, 10:30\nFrom Bob, 12 May 2024 10:30:00\n"
      .. "From x@y.example\nFrom \n"
    assert.same({ body }, (all(mark .. body)))
  end)

  it("loses one quote where the format says so", function()
    local body = "\n>From a\n>>From b\n> From c\n"
    local bytes = mark .. body
    assert.same({ "\nFrom a\n>From b\n> From c\n" }, (all(bytes)))
    assert.same({ "\nFrom a\n>>From b\n> From c\n" },
      (all(bytes, { format = "mboxo" })))
    assert.same({ body }, (all(bytes, { format = "mboxcl2" })))
  end)

  it("is cut by Content-Length where the format says so", function()
    local body = "one\n" .. mark .. "\ntwo\n"
    local head = "Content-Length: " .. #body .. "\n\n"
    local bytes = mark .. head .. body .. "\n" .. mark .. "A: 2\n\nx\n"
    for _, format in ipairs { "mboxcl", "mboxcl2" } do
      assert.same({ head .. body, "A: 2\n\nx\n" },
        (all(bytes, { format = format })))
    end
    assert.equal(3, #all(bytes))
    assert.same({ head .. body }, (all(mark .. head .. body .. "\n",
      { format = "mboxcl2" })))
  end)

  it("trusts no Content-Length that leads to no postmark", function()
    for _, n in ipairs { "3", "99999999999999999999", "9223372036854775807",
      "5000000", "0" } do
      local head = "Content-Length: " .. n .. "\n\n"
      assert.same({ head .. "one\n", "\ntwo\n" }, (all(mark .. head
        .. "one\n\n" .. mark .. "\ntwo\n", { format = "mboxcl2" })), n)
    end
  end)

  it("may have messages without a body, as many as one likes", function()
    local clock, one = os.clock(), "Subject: 1\n"
    for _, format in ipairs { "mboxrd", "mboxo", "mboxcl", "mboxcl2" } do
      local list = all((mark .. one):rep(20000), { format = format })
      assert.same({ 20000, one, one }, { #list, list[1], list[20000] })
    end
    assert(os.clock() - clock < 20) -- what is not linear takes minutes
  end)

  it("has headers that end wherever reads are cut", function()
    for n = 8100, 8200 do
      local header = "X: " .. ("x"):rep(n) .. "\nY: y\nFrom : ana@example.org\n"
        .. "Content-Length: 8\n\n"
      assert.same({ header .. "one\ntwo\n", "\ntwo\n" }, (all(mark .. header
        .. "one\ntwo\n\n" .. mark .. "\ntwo\n", { format = "mboxcl" })), n)
    end
  end)

  it("finds postmarks wherever its reads are cut", function()
    for n = 8192 - 60, 8192 + 10 do
      local first = "\n" .. ("x"):rep(n - #mark - 2) .. "\n"
      assert.same({ first, "\ny\n" }, (all(mark .. first .. mark .. "\ny\n")))
    end
  end)

  it("holds one message in memory, and of that a limit", function()
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    for _ = 1, 20 do
      file:write(mark, "\n", ("x"):rep(999, "\n"), "\n",
        ("y\n"):rep(500000), "\n")
    end
    file:flush()
    collectgarbage()
    local before, most, n = collectgarbage "count", 0, 0
    for message, postmark in assert(mime.mbox(path,
      { limits = { size = 100000 } })) do
      n = n + 1
      assert.equal(100000, message:size())
      assert.is_true(postmark.cut)
      assert.equal(1002000, postmark.length)
      collectgarbage()
      most = math.max(most, collectgarbage "count" - before)
    end
    os.remove(path)
    assert.equal(20, n)
    assert(most < 1024, most .. " KiB")
  end)

  it("may be an open file; closes it when the loop is left", function()
    local path = built.temporary(mark .. "A: 1\n\n" .. mark .. "A: 2\n")
    local file = assert(io.open(path, "rb"))
    for message in assert(mime.mbox(file)) do
      if message:header "A" == "1" then break end
    end
    assert.equal("closed file", io.type(file))
    os.remove(path)
  end)

  it("that is not there is an error of kind file", function()
    local iterator, err = mime.mbox "/nowhere/at/all"
    assert.is_nil(iterator)
    assert.equal("file", err.kind)
    assert.has_error(function()
      for _ in assert(mime.mbox "/") do error "not reached" end
    end)
    assert.has_error(function() mime.mbox(1) end)
    assert.has_error(function() mime.mbox("x", { formats = "mboxo" }) end)
    assert.has_error(function() mime.mbox("x", { format = "mbx" }) end)
  end)
end)

describe("a Maildir", function()
  local folder
  local function put(name, bytes)
    local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(bytes)
  end

  before_each(function()
    folder = require("spec.support.peers").folder()
    assert(require("lunapost.maildir").open(folder .. "/box"))
  end)
  after_each(function() require("spec.support.peers").remove(folder) end)

  it("gives its messages, those of cur first", function()
    put("box/new/3.a", "Subject: three\n")
    put("box/cur/2.a:2,RS", "Subject: two\n")
    put("box/cur/1.a:2,", "Subject: one\n")
    put("box/cur/.hidden", "Subject: no\n")
    put("box/tmp/4.a", "Subject: no\n")
    local seen = {}
    for message, entry in assert(mime.maildir(folder .. "/box")) do
      seen[#seen + 1] = { message.subject, entry.name, entry.flags,
        entry.new }
    end
    assert.same({ { "one", "1.a", "", false }, { "two", "2.a", "RS", false },
      { "three", "3.a", "", true } }, seen)
  end)

  it("may all be moved by its reader meanwhile", function()
    for i = 10, 99 do put("box/new/" .. i, "Subject: " .. i .. "\n") end
    local seen = 0
    for message, entry in assert(mime.maildir(folder .. "/box")) do
      seen = seen + 1
      assert.equal(tostring(9 + seen), message.subject)
      assert.equal(seen == 1 and "" or "S", entry.flags)
      for i = 11, seen == 1 and 99 or 0 do
        os.rename(("%s/box/new/%d"):format(folder, i),
          ("%s/box/cur/%d:2,S"):format(folder, i))
      end
    end
    assert.equal(90, seen)
  end)

  it("may be changed by others meanwhile", function()
    for i = 1, 3 do put("box/new/" .. i, "Subject: " .. i .. "\n") end
    local seen = {}
    for message, entry in assert(mime.maildir(folder .. "/box")) do
      seen[#seen + 1] = message.subject .. entry.flags
      if #seen == 1 then
        os.remove(folder .. "/box/new/2")
        os.rename(folder .. "/box/new/3", folder .. "/box/cur/3:2,S")
      end
    end
    assert.same({ "1", "3S" }, seen)
  end)

  it("that is none is an error of kind file", function()
    local iterator, err = mime.maildir(folder)
    assert.is_nil(iterator)
    assert.equal("file", err.kind)
    assert.has_error(function() mime.maildir {} end)
  end)
end)
