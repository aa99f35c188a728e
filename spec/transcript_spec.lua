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

  it("raises for what is no option of it", function()
    local ok, problem = pcall(function() transcripts.new { limt = 5 } end)
    assert.is_false(ok)
    assert.matches("^spec/transcript_spec%.lua:%d+: unknown option of a "
      .. "transcript 'limt' %(did you mean 'limit'%?%)$", problem)
  end)

  it("tells each line to who wants to see it at once", function()
    local t, seen = transcripts.new { limit = 1 }, {}
    function t.on_line(line) seen[#seen + 1] = line.text end
    t:add("S", "220-a\r\n220 b")
    assert.same({ "220-a", "220 b" }, seen)
  end)

  it("keeps the octets that were written, and hides secrets in pieces",
    function()
    local t = transcripts.new()
    t:octets("C", "NO")
    t:octets("C", "OP\r\nRSET\nx\r\n")
    assert.same({ "NO", "", "OP", nil, "RSET", "\n", "x", nil }, { t[1].text,
      t[1].ending, t[2].text, t[2].ending, t[3].text, t[3].ending, t[4].text,
      t[4].ending })
    assert.equal("C: NO\\\nC: OP\nC: RSET\\n\nC: x\n", tostring(t))
    for _, size in ipairs { 1, 2, 3, 7, 11, 12, 16, 50 } do
      t = transcripts.new { limit = false }
      local said = "AUTH PLAIN AGEAc2VjcmV0\r\nNOOP\r\n"
      for at = 1, #said, size do t:octets("C", said:sub(at, at + size - 1)) end
      local last = {}
      for i = 1, #t do last[i] = t[i].text end
      assert.matches("^AUTH PLAIN %*[%*\r]+NOOP\r?$", table.concat(last))
    end
  end)

  describe("as a text", function()
    local function sample()
      local time = 99
      local t = transcripts.new { limit = false, clock = function()
        time = time + 0.25
        return time
      end }
      t:add("*", "connected to mx.example.org:25")
      t:add("S", "220-gr\xc3\xbc\xc3\x9fe\r\n220 \xff\0\t\27[2J")
      t:octets("C", "NO")
      t:octets("C", "OP\r\n\\\r\na\\")
      t:octets("C", "\r\nb\n\r\n#x\r\n")
      t:add("C", "AUTH PLAIN AGEAYg==")
      return t
    end

    it("loses no octet", function()
      local t = sample()
      local u = assert(transcripts.parse(t:text()))
      assert.equal(#t, #u)
      for i, line in ipairs(t) do
        assert.same({ line.who, line.text, line.ending, line.time - t[1].time },
          { u[i].who, u[i].text, u[i].ending, u[i].time })
      end
      assert.equal(t:text(), u:text())
      assert.is_nil(t:text():find("[^%g \n\x80-\xff]"))
      assert.matches("\n +0%.250000 S: 220%-gr\xc3\xbc\xc3\x9fe\n", t:text())
      assert.matches("%*%*%*%*%*%*%*%*\n$", t:text())
    end)

    it("loses none, whatever the octets and however they are cut", function()
      local alphabet = { "a", "\\", "\r", "\n", "\r\n", "\0", "\xff", "\xc3",
        "\xbc", " ", "#", "x41", "n", "\t" }
      math.randomseed(5)
      for _ = 1, 500 do
        local t, said = transcripts.new { limit = false }, {}
        for i = 1, math.random(6) do
          local word = {}
          for j = 1, math.random(8) do
            word[j] = alphabet[math.random(#alphabet)]
          end
          said[i] = table.concat(word)
          t:octets("C", said[i])
        end
        local u = assert(transcripts.parse(t:text()))
        local heard = {}
        for i, line in ipairs(u) do
          heard[i] = line.text .. (line.ending or "\r\n")
        end
        assert.equal(table.concat(said), table.concat(heard))
        assert.equal(t:text(), u:text())
      end
    end)

    it("may be written by hand", function()
      local t = assert(transcripts.parse("# a remark\n\nS: 220 x\r\n"
        .. "  1.5 C: AUTH PLAIN abc\nC:\n-- TLSv1.3"))
      assert.equal("S: 220 x\nC: AUTH PLAIN ********\nC: \n-- TLSv1.3\n",
        tostring(t))
      assert.same({ 0, 1.5, 1.5 }, { t[1].time, t[2].time, t[3].time })
    end)

    it("is saved to a file and loaded again", function()
      local path = os.tmpname()
      assert(sample():save(path))
      assert.equal(sample():text(), assert(transcripts.load(path)):text())
      local file = assert(io.open(path, "wb"))
      file:write("S: 220 x\nC: a\\q\n")
      file:close()
      local t, problem = transcripts.load(path)
      os.remove(path)
      assert.is_nil(t)
      assert.equal("syntax", problem.kind)
      assert.equal(path .. ": line 2 of the transcript: no such escape: \\q",
        tostring(problem))
      t, problem = transcripts.parse("hello")
      assert.is_nil(t)
      assert.matches("line 1 of the transcript: C:, S:", tostring(problem))
      t, problem = transcripts.load("/no/such/file")
      assert.is_nil(t)
      assert.equal("file", problem.kind)
      local ok
      ok, problem = sample():save("/no/such/file")
      assert.is_nil(ok)
      assert.equal("file", problem.kind)
    end)

    it("is what smtp.transcript gives", function()
      assert.equal(transcripts, require("lunapost.smtp").transcript)
    end)
  end)

  describe("as a picture", function()
    local function sample()
      return assert(transcripts.parse([[
0 -- connected to mx.example.org:25
0.1 S: 220 mx <ready> & "willing"
0.2 C: EHLO me
0.3 S: 250-mx
0.3 S: 250-SIZE
0.3 S: 250 HELP
0.3 C: STARTTLS
0.4 S: 220 go
0.5 -- TLSv1.3, TLS_AES_256_GCM_SHA384
0.5 C: AUTH PLAIN abc
0.6 S: 535 5.7.8 no; end
0.6 C: NO\
0.7 C: x\xFF\n\
0.7 -- 12 octets of message, then the dot
2.7 S: 451 4.0.0 \x1b[2J
2.7 -- the peer closed the connection
]]))
    end

    it("is a Mermaid sequence diagram", function()
      assert.equal([[
sequenceDiagram
  participant C as client
  participant S as mx.example.org:25
  Note over C,S: connected to mx.example.org:25
  S-->>C: 220 mx #60;ready#62; #38; #34;willing#34; (100 ms)
  C->>S: EHLO me
  S-->>C: 250-mx<br/>250-SIZE<br/>250 HELP (100 ms)
  C->>S: STARTTLS
  S-->>C: 220 go (100 ms)
  Note over C,S: TLSv1.3, TLS_AES_256_GCM_SHA384
  C->>S: AUTH PLAIN ********
  S-->>C: 535 5.7.8 no#59; end (100 ms)
  C->>S: NO …
  C->>S: x�#92;n
  C-)S: 12 octets of message, then the dot
  S-->>C: 451 4.0.0 ?[2J (2000 ms)
  Note over C,S: the peer closed the connection
]], sample():mermaid())
    end)

    -- Well-formed, as far as pictures of this kind go: tags close in order.
    local function check_xml(text)
      assert.truthy(utf8.len(text))
      assert.is_nil(text:find("[%z\1-\8\11-\31]"))
      local open = {}
      for closing, name, rest in text:gmatch("<(/?)(%a+)([^<>]*)>") do
        if closing == "/" then
          assert.equal(name, table.remove(open))
        elseif rest:sub(-1) ~= "/" then
          open[#open + 1] = name
        end
      end
      assert.same({}, open)
      for word in text:gmatch("&[^;]*;?") do
        assert.truthy(({ ["&amp;"] = 1, ["&lt;"] = 1, ["&gt;"] = 1,
          ["&quot;"] = 1 })[word], word)
      end
    end

    it("is an SVG with times, and without secrets", function()
      local picture = sample():svg { title = "a < b & c" }
      check_xml(picture)
      for _, words in ipairs { "a &lt; b &amp; c", "mx.example.org:25",
        "220 mx &lt;ready&gt; &amp; &quot;willing&quot;", ">0.500<", ">2.0 s<",
        ">100 ms<", "AUTH PLAIN ********", "451 4.0.0 ?[2J" } do
        assert.truthy(picture:find(words, 1, true), words)
      end
      assert.is_nil(picture:find("abc", 1, true))
      check_xml(transcripts.new():svg())
      assert.equal("sequenceDiagram\n  participant C as client\n"
        .. "  participant S as server\n", transcripts.new():mermaid())
    end)

    it("stays small, however much is said", function()
      local t = transcripts.new { limit = false }
      local lines = {}
      for i = 1, 300 do lines[i] = "250-" .. ("x"):rep(i) end
      t:add("S", table.concat(lines, "\n") .. "\n250 end")
      local picture = t:svg()
      check_xml(picture)
      assert.truthy(picture:find("286 more lines", 1, true))
      assert.is_true(#picture < 8000)
    end)
  end)
end)
