local core = require "lunapost.core"
local replies = require "lunapost.smtp.reply"

local write = core.client.write_reply

-- What the client's machine makes of octets, fed n at a time.
local function read(octets, n)
  local machine = core.client.new()
  machine:feed("220 x\r\n")
  assert(machine:next() == "reply" and machine:command("NOOP"))
  assert(#machine:output() > 0) -- sent: no reply comes before that
  for at = 1, #octets, n do
    machine:feed(octets:sub(at, at + n - 1))
    local event, kind, text = machine:next()
    if event == "reply" then return machine:reply() end
    if event ~= "more" then return nil, kind, text end
  end
  return nil, "more"
end

describe("a reply that is written", function()
  it("has one line for each line of the text", function()
    assert.equal("250 2.0.0 ok\r\n", write(250, "2.0.0", "ok"))
    assert.equal("250-2.0.0 a\r\n250-2.0.0\r\n250 2.0.0 b\r\n",
      write(250, "2.0.0", "a\n\r\nb\n"))
    assert.equal("354 \r\n", write(354, "", ""))
    assert.equal("250 2.0.0\r\n", write(250, "2.0.0", ""))
  end)

  it("lets nothing through that could begin another", function()
    assert.equal("550 a b\r\n", write(550, "", "a\rb"))
    assert.equal("550-a\r\n550 250 ok\r\n", write(550, "", "a\r\n250 ok"))
    assert.equal("550 a?b?c d\r\n", write(550, "", "a\0b\27c\td"))
    assert.equal("550 gr\xc3\xbc\xc3\x9fe\r\n",
      write(550, "", "gr\xc3\xbc\xc3\x9fe"))
  end)

  it("keeps each line within 512 octets, and loses no word", function()
    local words = {}
    for i = 1, 400 do words[i] = "word" .. i end
    local text = table.concat(words, " ")
    local octets = write(550, "5.7.1", text)
    local got = {}
    for line in octets:gmatch("(.-)\r\n") do
      assert.is_true(#line + 2 <= 512)
      got[#got + 1] = line:match("^550[- ]5%.7%.1 (.*)$")
    end
    assert.is_true(#got > 5)
    assert.equal(text, table.concat(got, " "))
  end)

  it("cuts no UTF-8 sequence", function()
    for shift = 0, 3 do
      local text = ("x"):rep(shift) .. ("\xf0\x9f\x8c\x99"):rep(500)
      local octets, got = write(250, "", text), {}
      for line in octets:gmatch("(.-)\r\n") do
        assert.is_true(#line + 2 <= 512)
        assert.is_truthy(utf8.len(line))
        got[#got + 1] = line:sub(5)
      end
      assert.equal(text, table.concat(got))
    end
  end)

  it("has a code of 200 to 599 and an enhanced code of its class", function()
    for _, case in ipairs { { 199, "" }, { 600, "" }, { 0, "" },
      { 250, "5.0.0" }, { 354, "3.0.0" }, { 250, "2.0" }, { 250, "2.0.0.0" },
      { 250, "2.0.0\r\n" }, { 250, "2.1000.0" }, { 250, "2..0" } } do
      local octets, kind = write(case[1], case[2], "x")
      assert.is_nil(octets)
      assert.equal("syntax", kind)
    end
  end)
end)

describe("a reply that is read", function()
  it("is what was written, in any pieces", function()
    for _, text in ipairs { "ok", "", "a\nb\n\nc", ("long "):rep(300) } do
      local octets = write(450, "4.2.1", text)
      for n = 1, 40 do
        local reply = read(octets, n)
        assert.equal(450, reply.code)
        assert.equal("4.2.1", reply.enhanced)
        assert.equal(#reply.raw, #reply.lines)
        assert.equal(octets, table.concat(reply.raw, "\r\n") .. "\r\n")
      end
    end
  end)

  it("trusts an enhanced code of its own class alone", function()
    local cases <const> = {
      ["250 2.1.5 ok"] = { "2.1.5", "ok" },
      ["250 2.1.5"] = { "2.1.5", "" },
      ["250 5.1.5 ok"] = { nil, "5.1.5 ok" },
      ["250 2.1.5ok"] = { nil, "2.1.5ok" },
      ["250 2.1 ok"] = { nil, "2.1 ok" },
      ["250 2.1.5.9 ok"] = { nil, "2.1.5.9 ok" },
      ["250 2.1234.5 ok"] = { nil, "2.1234.5 ok" },
      ["354 3.0.0 go"] = { nil, "3.0.0 go" },
      ["550-5.1.1 a\r\n550 b"] = { "5.1.1", "a\nb" },
    }
    for octets, expected in pairs(cases) do
      local reply = read(octets .. "\r\n", 3)
      assert.same(expected[1], reply.enhanced, octets)
      assert.equal(expected[2], reply.text, octets)
    end
  end)

  it("may have lines of 4,095 octets, and 64 KiB in all", function()
    local reply = read("220 " .. ("x"):rep(4090) .. "\n", 1000)
    assert.equal(4090, #reply.text)
    local _, kind = read("220 " .. ("x"):rep(4093) .. "\r\n", 1000)
    assert.equal("protocol", kind)
    local line = "220-" .. ("x"):rep(60) .. "\r\n"
    assert.is_truthy(read(line:rep(1000) .. "220 end\r\n", 5000))
    _, kind = read(line:rep(1100) .. "220 end\r\n", 5000)
    assert.equal("protocol", kind)
  end)

  it("prints on one line", function()
    local reply = read("550-5.1.1 a\r\n550 5.1.1 b\r\n", 99)
    assert.equal("550 5.1.1 a b", tostring(reply))
    assert.is_true(replies.fits(reply, 550))
    assert.is_true(replies.fits(reply, 5))
    assert.is_true(replies.fits(reply, { 250, 550 }))
    assert.is_false(replies.fits(reply, { 250, 4 }))
    assert.is_false(replies.fits(reply))
    local problem = replies.error(reply, { command = "X" })
    assert.equal("550 5.1.1 a b (X)", tostring(problem))
  end)
end)
