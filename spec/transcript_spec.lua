local transcripts = require "lunapost.smtp.transcript"

describe("a transcript", function()
  it("keeps who said what, and when", function()
    local t = transcripts.new { clock = function() return 42 end }
    t:add("S", "250-a\r\n250 b\r\n")
    t:add("C", "NOOP")
    t:add("*", "TLS")
    assert.same({ who = "S", text = "250-a", time = 42 }, t[1])
    assert.equal("S: 250-a\nS: 250 b\nC: NOOP\n-- TLS\n", tostring(t))
  end)

  it("keeps the last 50 lines at least, and never many more", function()
    local t, all = transcripts.new(), transcripts.new { limit = false }
    for i = 1, 1000 do
      t:add("C", tostring(i))
      all:add("C", tostring(i))
      assert.is_true(#t >= math.min(i, 50) and #t <= 100)
      assert.equal(tostring(i), t[#t].text)
    end
    assert.equal(tostring(1000 - #t + 1), t[1].text)
    assert.equal(1000, #all)
  end)

  it("masks secrets before it keeps them", function()
    local t = transcripts.new()
    for line, kept in pairs {
      ["AUTH PLAIN AGEAYg=="] = "AUTH PLAIN ********",
      ["auth  xoauth2  abc def"] = "auth  xoauth2  ********",
      ["AUTH LOGIN"] = "AUTH LOGIN",
      ["AUTH EXTERNAL ="] = "AUTH EXTERNAL =",
      ["AUTHOR me you"] = "AUTHOR me you",
    } do
      t:add("C", line)
      assert.equal(kept, t[#t].text)
    end
    t:add("C", "c2VjcmV0", true)
    assert.equal("********", t[#t].text)
    t:add("C", "*", true)
    assert.equal("*", t[#t].text)
    t:add("C", "NOOP\r\nAUTH PLAIN x\r\nNOOP\r\n")
    assert.equal("AUTH PLAIN ********", t[#t - 1].text)
  end)

  it("prints in colour, and never what a terminal would obey", function()
    local t = transcripts.new()
    t:add("C", "NOOP")
    t:add("S", "250 \27[2Jok")
    t:add("S", "451 later")
    t:add("S", "550 no")
    t:add("*", "TLS")
    local out = {}
    local file = { write = function(_, ...)
      for _, text in ipairs { ... } do out[#out + 1] = text end
    end }
    t:print(file, { color = true })
    assert.equal("\27[34mC: NOOP\27[0m\n\27[32mS: 250 ?[2Jok\27[0m\n"
      .. "\27[33mS: 451 later\27[0m\n\27[31mS: 550 no\27[0m\n"
      .. "\27[35m-- TLS\27[0m\n", table.concat(out))
    out = {}
    t:print(file)
    assert.is_nil(table.concat(out):find("\27", 1, true))
  end)

  it("tells each line to who wants to see it at once", function()
    local t, seen = transcripts.new { limit = 1 }, {}
    function t.on_line(line) seen[#seen + 1] = line.text end
    t:add("S", "220-a\r\n220 b")
    assert.same({ "220-a", "220 b" }, seen)
  end)
end)
