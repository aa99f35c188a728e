local built = require "spec.support.built"
local mime = require "lunapost.mime"
local tree = require "spec.support.tree"

local function big()
  return built.build { from = "Ana <ana@example.org>", to = "b@x.org",
    subject = "Gr\u{FC}\u{DF}e", text = "t", headers = { ["X-A"] = "1" },
    attach = { { data = built.random_octets(20000), name = "a.bin" } } }
end

-- What RFC 2046 5.2.2.1 makes of the pieces again.
local function joined(pieces)
  local out, first = {}, mime.parse(pieces[1])
  for i, octets in ipairs(pieces) do out[i] = mime.parse(octets):body() end
  local whole, head = table.concat(out), {}
  local function inner(name)
    name = name:lower()
    return name:find "^content%-" or name == "subject"
      or name == "message-id" or name == "encrypted" or name == "mime-version"
  end
  for _, pair in ipairs(first:headers()) do
    if not inner(pair[1]) then
      head[#head + 1] = pair[1] .. ":" .. pair[2]:gsub("\r\n$", "") .. "\r\n"
    end
  end
  return table.concat(head) .. whole
end

local function rendered(list)
  local out = {}
  for i, piece in ipairs(list) do out[i] = piece:render() end
  return out
end

describe("a message in pieces", function()
  it("is no larger than asked, and whole again when joined", function()
    local message = big()
    for _, size in ipairs { 2000, 5000, 5001, 20000 } do
      local pieces = assert(mime.split(message, size))
      assert.is_true(#pieces > 1)
      for i, piece in ipairs(pieces) do
        assert.is_true(piece:size() <= size)
        local read = mime.parse(piece:render())
        assert.equal("message/partial", read.type)
        assert.equal(tostring(i), read.parameters.number)
        assert.equal(tostring(#pieces), read.parameters.total)
        assert.equal(pieces[1].parameters.id, read.parameters.id)
        assert.equal("7bit", read.encoding)
        assert.equal("ana@example.org", read.from[1].address)
        assert.equal(("Gr\u{FC}\u{DF}e (part %d of %d)"):format(i, #pieces),
          read.subject)
      end
      assert.equal(joined(rendered(pieces)),
        assert(mime.join(rendered(pieces))):render())
      local whole = mime.parse(joined(rendered(pieces)))
      assert.equal("Gr\u{FC}\u{DF}e", whole.subject)
      assert.equal(message.message_id, whole.message_id)
      assert.equal("1", whole:header "X-A")
      assert.equal(message.parts[2]:body(), whole.parts[2]:body())
    end
  end)

  it("carries the fields of the whole in its first only", function()
    local first, second = table.unpack(rendered(assert(
      mime.split(big(), 5000))))
    assert.equal("From To Date X-A Subject Message-ID MIME-Version "
      .. "Content-Type Content-Transfer-Encoding", built.names(first))
    assert.equal("Subject Message-ID MIME-Version Content-Type",
      built.names(mime.parse(first):body()))
    assert.is_nil(mime.parse(second):body():find "Subject:")
    assert.not_equal(mime.parse(first).message_id,
      mime.parse(second).message_id)
  end)

  it("is left alone where it is small enough", function()
    local message = big()
    local pieces = assert(mime.split(message, message:size()))
    assert.equal(1, #pieces)
    assert.equal(message, pieces[1])
    pieces = assert(mime.split("Subject: x\n\nbody\n", 100))
    assert.equal("Subject: x\r\n\r\nbody\r\n", pieces[1]:render())
  end)

  it("has an envelope, and is the same with the same seed", function()
    local message = big()
    local one = assert(mime.split(message, 5000, { seed = 1 }))
    assert.equal(message.envelope, one[2].envelope)
    local two = assert(mime.split(message, 5000, { seed = 1 }))
    assert.same(rendered(one), rendered(two))
  end)

  it("comes from a message that was read, or from octets", function()
    local octets = big():render()
    local pieces = mime.split(octets, 5000, { seed = 1 })
    assert.same(rendered(pieces),
      rendered(mime.split(mime.parse(octets), 5000, { seed = 1 })))
    assert.same(rendered(pieces), rendered(mime.split(
      octets:gsub("\r\n", "\n"), 5000, { seed = 1 })))
  end)

  it("raises for what cannot be", function()
    assert.has_error(function() mime.split(big(), 300) end,
      "split: 300 octets are too few for a piece")
    assert.has_error(function()
      mime.split("Subject: x\n\n" .. ("x"):rep(900), 800)
    end, "split: 800 octets are too few for a piece")
    assert.has_error(function() mime.split(big(), 0) end,
      "mime.split needs a size in octets")
    assert.has_error(function() mime.split(1, 1) end,
      "mime.split needs a message or its octets, not number")
    assert.has_error(function() mime.split(big(), 5000, { sede = 1 }) end,
      "unknown option of mime.split 'sede' (did you mean 'seed'?)")
  end)

  it("is an error where the message cannot be read", function()
    local path = built.temporary "x"
    local message = built.build { attach = path }
    os.remove(path)
    local pieces, err = mime.split(message, 5000)
    assert.is_nil(pieces)
    assert.equal("file", err.kind)
  end)
end)

describe("lunapost split", function()
  it("writes the pieces beside the file", function()
    local path = built.temporary(big():render())
    local lines, ok = tree.lines(tree.command .. " split " .. path
      .. " --size 9000")
    finally(function()
      os.remove(path)
      for _, line in ipairs(lines) do os.remove(line) end
    end)
    assert.is_true(ok)
    local octets = {}
    for i, line in ipairs(lines) do
      assert.equal(path .. "." .. i, line)
      octets[i] = tree.read(line)
      assert.is_true(#octets[i] <= 9000)
    end
    assert.is_true(#octets > 1)
    assert.equal("Gr\u{FC}\u{DF}e", mime.parse(joined(octets)).subject)
  end)

  local cases <const> = {
    { "", 64, "one FILE is needed" },
    { "x", 64, "--size N is needed, in octets" },
    { "- --size 1000", 64, "standard input needs --out PREFIX" },
    { "/nonexistent --size 1000", 1, "/nonexistent: No such file" },
    { "README.md --size 10", 64, "split: 10 octets are too few for a piece" },
  }
  for _, case in ipairs(cases) do
    it("says: " .. case[3], function()
      local lines = tree.lines(("%s split %s 2>&1 </dev/null; echo $?")
        :format(tree.command, case[1]))
      assert.equal(tostring(case[2]), lines[#lines])
      assert.matches(case[3], lines[1], 1, true)
    end)
  end
end)

describe("lunapost build", function()
  local function run(arguments)
    local lines = tree.lines(("%s build %s 2>&1 </dev/null; echo $?")
      :format(tree.command, arguments))
    local code = table.remove(lines)
    return table.concat(lines, "\n") .. "\n", math.tointeger(code)
  end

  it("writes what mime.message makes of its flags", function()
    local text = built.temporary "Gr\u{FC}\u{DF}e\n"
    local ics = built.temporary "BEGIN:VCALENDAR\nMETHOD:REQUEST\n"
    finally(function() os.remove(text) os.remove(ics) end)
    local output, code = run(("--from 'Ana <a@x.org>' --to b@x --to c@x "
      .. "--bcc d@x --subject 'a b' --text-file %s --html '<b>' --attach %s "
      .. "--inline logo=%s --calendar %s --header 'X-A: b' --priority low "
      .. "--reply-to r@x --list-unsubscribe https://x.org/ --one-click "
      .. "--seed 7 --date 'Mon, 5 Jan 2026 10:00:00 +0000' "
      .. "--message-id m@x.org"):format(text, text, text, ics))
    assert.equal(0, code)
    assert.equal(output:gsub("\r\n", "\n"), mime.message {
      from = "Ana <a@x.org>", to = { "b@x", "c@x" }, subject = "a b",
      text = "Gr\u{FC}\u{DF}e\n", html = "<b>", attach = text,
      inline = { logo = text }, calendar = { path = ics },
      headers = { ["X-A"] = "b" }, priority = "low", reply_to = "r@x",
      list_unsubscribe = { "https://x.org/", one_click = true }, seed = "7",
      date = "Mon, 5 Jan 2026 10:00:00 +0000", message_id = "m@x.org",
    }:render():gsub("\r\n", "\n"))
  end)

  it("may use eight bits where it is told to", function()
    local path = built.temporary "\u{FC}\n"
    finally(function() os.remove(path) end)
    local output = run("--from a@x --encoding 8bit --text-file " .. path)
    assert.matches("\nContent%-Transfer%-Encoding: 8bit\r\n\r\n\u{FC}\r\n",
      output)
  end)

  local cases <const> = {
    { "", "--from is missing" }, { "x --from a@x", "unexpected word 'x'" },
    { "--from a@x --header X", '--header "X": not \'Name: value\'' },
    { "--from a@x --inline x", '--inline "x": not CID=FILE' },
    { "--from a@x --text a --text-file b", "--text beside --text-file" },
    { "--from a@x --attach /nonexistent", "/nonexistent: No such file" },
    { "--from a@x --text-file /nonexistent", "/nonexistent: No such file" },
    { "--from a@x --encoding 9bit", "unknown encoding '9bit'" },
    { "--from a", 'from: "a" is no address' },
  }
  for _, case in ipairs(cases) do
    it("says: " .. case[2], function()
      local output, code = run(case[1])
      assert.equal(64, code)
      assert.matches("^lunapost: build: ", output)
      assert.matches(case[2], output, 1, true)
    end)
  end
end)
