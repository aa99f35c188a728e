local core = require "lunapost.core"
local transcript = require "spec.support.transcript"

-- One machine as a driver of transcripts.
local function driver()
  local machine = core.client.new()
  local self, said, over, notes = { hears = "S" }, {}, false, {}

  function self.feed(octets)
    local at = 1
    while at <= #octets and not over do
      local taken = machine:feed(octets:sub(at))
      at = at + taken
      self.gather()
    end
  end

  function self.gather()
    while not over do
      local event, kind, text = machine:next()
      if event == "more" then return end
      if event == "reply" then
        local reply = machine:reply()
        local words = table.concat(reply.lines, "|")
        local code = reply.enhanced and reply.enhanced .. " " or ""
        notes[#notes + 1] = ("reply %d %s%s"):format(reply.code, code, words)
      else
        over = true
        notes[#notes + 1] = event or ("error %s %s"):format(kind, text)
      end
    end
  end

  function self.output()
    local octets = table.concat(said) .. machine:output()
    said = {}
    return octets
  end

  function self.event()
    self.gather()
    return table.remove(notes, 1)
  end

  local acts = {}

  function acts.command(text)
    assert(machine:command(text:match("^(%S*) ?(.*)$")))
  end

  function acts.refused(text)
    local ok, kind, why = machine:command(text, "")
    assert(not ok)
    notes[#notes + 1] = ("refused %s %s"):format(kind, why)
  end

  function acts.raw(text)
    assert(machine:raw(text))
  end

  function acts.body(text)
    assert(machine:body(text, 1, false))
  end

  acts["end"] = function()
    assert(machine:body("", 1, true))
  end

  function acts.starttls()
    assert(machine:starttls())
  end

  function acts.offers()
    local names, offers = { "offers" }, machine:offers()
    for name, words in pairs(offers) do
      local list = #words > 0 and "(" .. table.concat(words, ",") .. ")" or ""
      names[#names + 1] = name .. list
    end
    table.sort(names, function(a, b)
      if a == "offers" or b == "offers" then return a == "offers" end
      return a < b
    end)
    notes[#notes + 1] = table.concat(names, " ")
  end

  function self.act(text)
    local name, rest = text:match("^(%S+) ?(.*)$")
    acts[name](rest)
  end

  return self
end

local function greeted()
  local machine = core.client.new()
  machine:feed("220 x\r\n")
  assert.equal("reply", machine:next())
  return machine
end

describe("the client machine", function()
  for _, path in ipairs(transcript.files("client")) do
    it("speaks " .. path .. " in every chunk size", function()
      transcript.run_split(transcript.load(path), driver)
    end)
  end

  it("lets no line end and no NUL into a command", function()
    local machine = greeted()
    for _, evil in ipairs { "a\rb", "a\nb", "a\0b", "\r\n" } do
      local ok, kind = machine:command("MAIL", evil)
      assert.is_nil(ok)
      assert.equal("syntax", kind)
      ok, kind = machine:command(evil, "x")
      assert.is_nil(ok)
      assert.equal("syntax", kind)
    end
    assert.equal("", machine:output())
  end)

  it("bounds commands and their queue", function()
    local machine = greeted()
    local ok, kind = machine:command("NOOP", ("x"):rep(20000))
    assert.is_nil(ok)
    assert.equal("limit", kind)
    for _ = 1, 256 do assert(machine:command("NOOP")) end
    ok, kind = machine:command("NOOP")
    assert.is_nil(ok)
    assert.equal("limit", kind)
    assert.equal(256, (machine:due()))
    machine:output()
    machine:feed("250 ok\r\n")
    assert.equal("reply", machine:next())
    assert.is_true(machine:command("NOOP"))
  end)

  it("takes only part of a body when the rest has to be sent first", function()
    local machine = greeted()
    machine:command("DATA")
    assert.equal("DATA\r\n", machine:output())
    machine:feed("354 go\r\n")
    assert.equal("reply", machine:next())
    local body = ("\n"):rep(1000000)
    local at, sent, steps = 1, {}, 0
    repeat
      at = machine:body(body, at, true)
      local out = machine:output()
      assert.is_true(#out <= 200000)
      sent[#sent + 1], steps = out, steps + 1
    until at > #body
    assert.is_true(steps > 5)
    assert.equal(("\r\n"):rep(1000000) .. ".\r\n", table.concat(sent))
  end)

  it("is in doubt between the final dot and its reply", function()
    local machine = greeted()
    machine:command("DATA")
    machine:output()
    machine:feed("354 go\r\n")
    assert.equal("reply", machine:next())
    machine:body("x", 1, false)
    machine:output()
    assert.is_false(machine:doubt())
    machine:body("", 1, true)
    assert.is_false(machine:doubt())
    machine:output()
    assert.is_true(machine:doubt())
    machine:feed("250 ok\r\n")
    assert.equal("reply", machine:next())
    assert.is_false(machine:doubt())
  end)

  it("takes no reply to what has not left", function()
    local machine = greeted()
    machine:command("MAIL", "FROM:<>")
    machine:command("RCPT", "TO:<b@y>")
    machine:output()
    machine:command("DATA")
    machine:feed("250 ok\r\n250 ok\r\n")
    assert.equal("reply", machine:next())
    assert.equal("reply", machine:next())
    machine:feed("354 go\r\n")
    local event, kind, text = machine:next()
    assert.is_nil(event)
    assert.equal("protocol", kind)
    assert.matches("before what it answers was sent", text)
  end)

  -- A machine that waits for the reply to its dot, which has not left.
  local function before_dot(reply)
    local machine = greeted()
    machine:command("DATA")
    machine:output()
    machine:feed("354 go\r\n")
    assert.equal("reply", machine:next())
    machine:body("x", 1, true)
    machine:feed(reply)
    return machine:next()
  end

  it("takes no 250 before its dot for the reply to it", function()
    local event, kind = before_dot("250 kept\r\n")
    assert.is_nil(event)
    assert.equal("protocol", kind)
    for _, refusal in ipairs { "421 bye\r\n", "451 full\r\n", "552 big\r\n" } do
      assert.equal("reply", before_dot(refusal))
    end
  end)

  it("answers closed when the peer ends within a reply", function()
    local machine = core.client.new()
    machine:feed("220 x")
    assert.equal("more", machine:next())
    machine:finish()
    assert.equal("closed", machine:next())
  end)

  it("keeps its first error", function()
    local machine = core.client.new()
    machine:feed("hello\r\n")
    assert.is_nil(machine:next())
    machine:feed("220 x\r\n")
    local event, kind = machine:next()
    assert.is_nil(event)
    assert.equal("protocol", kind)
    local ok
    ok, kind = machine:command("NOOP")
    assert.is_nil(ok)
    assert.equal("protocol", kind)
  end)

  it("tells the size of a body on the wire, and whether it is 8-bit",
    function()
    local survey = core.client.survey
    for _, case in ipairs { { "", 0 }, { "a", 3 }, { "a\n", 3 },
      { "a\r\n", 3 }, { "a\r\nb\n\nc", 11 }, { ("ab\n"):rep(9999), 39996 },
      { ("ab\r\n"):rep(9999), 39996 }, { ("\n"):rep(5001), 10002 } } do
      local size, eight_bit = survey(case[1])
      assert.equal(case[2], size, #case[1])
      assert.is_false(eight_bit)
    end
    for n = 0, 40 do
      local text = ("x"):rep(n) .. "\xe9" .. ("x"):rep(40 - n)
      assert.is_true(select(2, survey(text)))
    end
  end)

  it("tells of each long body what is in it, whoever was there before",
    function()
    local survey = core.client.survey
    local plain = ("x"):rep(20000) .. "\r\n"
    for i = 1, 200 do -- one body may come to lie where another was
      local head = ("x"):rep(20000 - i % 3)
      local text = head .. (i % 2 == 0 and "\xe9\r\n" or "\n\r\n")
      local size, eight_bit = survey(text)
      for _ = 1, 2 do
        assert.equal(i % 2 == 0 and #text or #text + 1, size)
        assert.equal(i % 2 == 0, eight_bit)
        size, eight_bit = survey(text)
      end
      text = nil -- luacheck: ignore
      collectgarbage()
      if i % 5 == 0 then
        size, eight_bit = survey(plain)
        assert.same({ #plain, false }, { size, eight_bit })
      end
    end
  end)

  it("holds one long body at most, and none above 4 MiB", function()
    local survey = core.client.survey
    local function held(octets, n)
      collectgarbage()
      collectgarbage()
      local before = collectgarbage "count" * 1024
      for _ = 1, n do survey(("x"):rep(octets - 2) .. "\r\n") end
      collectgarbage()
      collectgarbage()
      return collectgarbage "count" * 1024 - before
    end
    survey(("x"):rep(1 << 14))
    assert.is_true(held(5 << 20, 3) < 1 << 19)
    local most = held(1 << 20, 3)
    assert.is_true(most > 1 << 19 and most < 3 << 19)
    survey(("x"):rep(1 << 14))
    assert.is_true(held(1 << 13, 3) < 1 << 19)
  end)
end)

describe("several commands at once", function()
  local most <const> = 16384 -- octets of a command, CRLF included

  it("are all written, or none", function()
    for text, line in pairs { ["too long"] = ("x"):rep(most),
      ["must not hold"] = "RCPT TO:<a@x>\rDATA" } do
      local machine = greeted()
      local lines = { "MAIL FROM:<>", "RCPT TO:<a@x>", "NOOP", line }
      local behind, kind, why, at = machine:commands(lines, 1, 2)
      assert.equal(4, at)
      assert.is_nil(behind)
      assert.is_string(kind)
      assert.matches(text, why)
      assert.equal(0, (machine:due()))
      assert.equal("", machine:output())
      assert.is_false(machine:failed())
      lines[4] = 5
      assert.has_error(function() machine:commands(lines, 1, 2) end,
        "a list of commands is expected")
      assert.equal("", machine:output())
      lines[4] = "DATA"
      assert.equal(5, machine:commands(lines, 1, 100))
      assert.equal(4, (machine:due()))
    end
  end)

  it("go as far as their octets may wait, and on from there", function()
    local machine = greeted()
    local lines = {}
    for i = 1, 100 do lines[i] = "RCPT " .. ("x"):rep(most - 8) end
    local at, turns = 1, 0
    while at <= #lines do
      local behind = assert(machine:commands(lines, at, 200))
      assert.is_true(behind > at)
      assert.equal(behind, machine:commands(lines, behind, 200))
      assert.equal((behind - at) * (most - 1), #machine:output())
      for _ = at, behind - 1 do
        machine:feed("250 ok\r\n")
        assert.equal("reply", machine:next())
      end
      at, turns = behind, turns + 1
    end
    assert.equal(2, turns)
  end)

  it("of a message are not begun where they cannot end", function()
    local conn, child = core.process.start { "cat" }
    local function refused(machine, from, to)
      local due = machine:due()
      machine:offered(0, true, false)
      assert.equal("no", machine:post(conn, false, false, from, to,
        "x\r\n"))
      assert.equal(due, (machine:due()))
      assert.equal("", machine:output())
    end
    local long, many = ("u"):rep(most), {}
    refused(greeted(), "a@x", { "ok@x", long })
    refused(greeted(), long, { "ok@x" })
    for i = 1, 100 do many[i] = ("u"):rep(most - 100) end
    refused(greeted(), "a@x", many)
    local machine = greeted()
    machine:command("NOOP")
    machine:output()
    refused(machine, "a@x", { "b@x", "c@x" })
    local fits = greeted()
    fits:offered(0, true, false)
    assert.equal("read", (fits:post(conn, false, false, "a@x",
      { long:sub(65) }, "x\r\n")))
    assert.equal(3, (fits:due()))
    assert.equal("no", (fits:post(conn, false, false, "a@x", { "b@x" }, "x")))
    local behind <const> = { "a@x", { "b@x" }, "x" }
    assert.is_false(fits:behind(false, table.unpack(behind)))
    assert.is_true(fits:behind(true, table.unpack(behind)))
    assert.is_true(fits:behind(true, { "MAIL FROM:<a@x>", "RCPT TO:<b@x>" }))
    many = {}
    for i = 1, 200 do many[i] = "NOOP" end
    for _, lines in ipairs { {}, { "MAIL\r\nRSET" }, { "a\0b" }, { long },
      many } do
      assert.is_false(fits:behind(true, lines))
    end
    assert.is_false(greeted():behind(true, table.unpack(behind)))
    for _, body in ipairs { 1, {}, { 1 }, { {} }, false } do
      assert.error_matches(function()
        fits:go_on(conn, false, false, body)
      end, "the body of the message that was begun")
    end
    child:terminate(true)
    conn:close()
  end)
end)
