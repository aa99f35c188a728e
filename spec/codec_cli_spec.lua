local command <const> = "build/bin/lunapost "

-- Runs a verb over a file that holds input; gives stdout, stderr, exit code.
local function run(words, input)
  local from, out, err = os.tmpname(), os.tmpname(), os.tmpname()
  local file = assert(io.open(from, "wb"))
  file:write(input)
  file:close()
  local _, _, code = os.execute(("%s%s <%s >%s 2>%s"):format(command, words,
    from, out, err))
  local results = {}
  for i, name in ipairs { out, err } do
    local result = assert(io.open(name, "rb"))
    results[i] = result:read "a"
    result:close()
    os.remove(name)
  end
  os.remove(from)
  return results[1], results[2], code
end

describe("lunapost encode and decode", function()
  local binary = {}
  for i = 1, 200000 do binary[i] = string.char((i * i + i // 7) % 256) end
  binary = table.concat(binary)

  for codec, flags in pairs { base64 = "", uu = "", qp = "--binary" } do
    it("are the inverse of each other: " .. codec, function()
      local coded, noise, code = run(("encode %s %s"):format(codec, flags),
        binary)
      assert.equal("", noise)
      assert.equal(0, code)
      assert.is_nil(coded:find "[^\t\n -~]")
      local back
      back, noise, code = run("decode " .. codec, coded)
      assert.equal("", noise)
      assert.equal(0, code)
      assert.is_true(back == binary)
    end)
  end

  it("keep the line ends of text", function()
    local text <const> = "caf\u{e9} \n.\r\nFrom me\n" .. ("long "):rep(50)
    local coded = run("encode qp", text)
    assert.equal(text, (run("decode qp", coded)))
    assert.equal("a=20\r\nb\r\n", (run("encode qp --crlf", "a \nb\r\n")))
  end)

  it("write base64 in lines of one's own", function()
    assert.equal("aGVsbG8=\n", (run("encode base64", "hello")))
    assert.equal("aGVsbG8=\r\n", (run("encode base64 --crlf", "hello")))
    assert.equal("__8=", (run("encode base64 --url --columns 0", "\xff\xff")))
    assert.equal("YWJj\nZA==\n", (run("encode base64 --columns 4", "abcd")))
  end)

  it("write and read dots", function()
    assert.equal("..a\r\nb\r\n.\r\n", (run("encode dot", ".a\nb")))
    assert.equal("..a\r\nb", (run("encode dot --no-mark", ".a\nb")))
    assert.equal(".a\r\nb\r\n", (run("decode dot", "..a\r\nb\r\n.\r\nQUIT")))
    local body, noise = run("decode dot --fix", "a\n.\r\n.\r\n")
    assert.equal("a\r\n.\r\n", body)
    assert.equal("lunapost decode: bare LF\n", noise)
  end)

  it("write and read words and parameters, a line each", function()
    local words = run("encode word --place phrase", "Ana Müller\nBob\n")
    assert.equal("Ana =?utf-8?Q?M=C3=BCller?=\nBob\n", words)
    assert.equal("Ana Müller\nBob\n", (run("decode word", words)))
    assert.equal("éé\nb", (run("decode word",
      "=?utf-8?q?=C3=A9?=\n =?utf-8?q?=C3=A9?=\nb")))
    assert.equal("name*=utf-8''%C3%A9\n", (run("encode 2231 --name name",
      "é\n")))
    assert.equal("a=é\nb=c\n", (run("decode 2231",
      "inline; b=c;\n a*=utf-8''%C3%A9\n")))
  end)

  it("tell what was wrong, and by their exit code", function()
    local out, noise, code = run("decode base64", "aGVsbG8")
    assert.equal("hello", out)
    assert.equal("lunapost decode: the last group is incomplete\n", noise)
    assert.equal(0, code)
    out, noise, code = run("decode base64 --strict", "aGVs!")
    assert.equal("", out)
    assert.truthy(noise:find("at octet 5", 1, true))
    assert.equal(65, code)
    out, noise, code = run("decode uu", "nothing")
    assert.equal("", out)
    assert.truthy(noise:find "uu decoder")
    assert.equal(65, code)
    for _, name in ipairs { "qp", "quoted-printable", "Quoted_Printable" } do
      assert.equal("x=3Dy\n", (run("encode " .. name, "x=y\n")), name)
    end
    out, noise, code = run("encoed base64", "x")
    assert.same({ "", "lunapost: unknown verb 'encoed' (did you mean "
      .. "encode?)\n", 64 }, { out, noise, code })
    out, noise, code = run("help decode", "")
    assert.equal((run("decode --help", "")), out)
    assert.same({ "", 0 }, { noise, code })
    out, noise, code = run("help decoed", "")
    assert.same({ "", "lunapost: unknown verb 'decoed' (did you mean "
      .. "decode?)\n", 64 }, { out, noise, code })
    assert.equal((run("--version", "")), (run("version", "")))
    out, noise, code = run("--version", "")
    assert.matches("^lunapost %S+, Lua 5%.4, OpenSSL 3[^,]+, kernel %w+\n$",
      out)
    assert.same({ "", 0 }, { noise, code })
    for words, problem in pairs {
      ["encode"] = "name of a codec", ["encode rot13"] = "unknown codec "
        .. "'rot13' (there are 2231 base64 dot qp uu word)",
      ["encode base64 --columns 7"] = "multiple of 4",
      ["encode uu --mode x"] = "octal", ["decode base64 a b"] = "one file",
      ["encode word --place here"] = "unknown place",
    } do
      out, noise, code = run(words, "x")
      assert.equal("", out)
      assert.truthy(noise:find(problem, 1, true), noise)
      assert.equal(64, code, words)
    end
    code = select(3, run("decode qp /no/such/file", ""))
    assert.equal(66, code)
  end)

  -- 64 MiB of address space are room for Lua, OpenSSL and some pieces.
  local bounded <const> = "%s | (ulimit -v 65536; %s%s 2>&1 >/dev/null; "
    .. "echo $?) | tail -n 2"

  local function under_a_limit(source, words)
    local result = assert(io.popen(bounded:format(source, command, words)))
    local said = result:read "a"
    result:close()
    return said
  end

  it("write in bounded memory", function()
    local pipe = ("head -c 50000000 /dev/zero | (ulimit -v 65536; %s) | wc -c")
    for words, size in pairs { ["encode base64"] = "67543861",
      ["encode uu"] = "68888913", ["encode dot"] = "50000005" } do
      local result = assert(io.popen(pipe:format(command .. words)))
      local got = result:read "a"
      result:close()
      assert.equal(size, (got:gsub("%s", "")))
    end
    for _, words in ipairs { "qp", "word", "2231" } do
      assert.equal("0\n", under_a_limit(
        "yes 'Gr\u{fc}\u{df}e = aus' | head -c 5000000", "encode " .. words))
    end
  end)

  it("read in bounded memory", function()
    local text <const> = "head -c 60000000 /dev/zero | tr '\\0' A"
    for _, case in ipairs { { "base64", text }, { "qp", text },
      { "dot", "yes abc | head -c 60000000 | sed 's/$/\\r/'" },
      { "word", "yes '=?utf-8?q?=C3=BC?=' | head -c 5000000" },
      { "2231", "yes 'a; n*=utf-8%%27%%27%C3' | head -c 5000000" },
      { "uu", "(echo begin 644 x; yes '#0V%T' | head -c 6000000; "
        .. "printf '`\\nend\\n')" } } do
      assert.truthy(under_a_limit(case[2], "decode " .. case[1])
        :find "^[^\n]*\n?0\n$", case[1])
    end
  end)

  it("hold no more of an endless line than a line may have", function()
    for _, words in ipairs { "encode word", "decode word", "encode 2231",
      "decode 2231" } do
      local said = under_a_limit("head -c 200000000 /dev/zero | tr '\\0' x",
        words)
      assert.truthy(said:find "a line is too long\n65\n$", words .. said)
    end
  end)

  it("keep what ends a line, and the last line without an end", function()
    assert.equal("a\r\n=?utf-8?B?w7w=?=\n\nb",
      (run("encode word", "a\r\n\u{fc}\n\nb")))
    assert.equal("\u{fc} c\r\nd\r",
      (run("decode word", "=?utf-8?q?=C3=BC?=\r\n c\r\nd\r")))
    local long <const> = ("x"):rep(70000)
    assert.equal(long .. "\r\n" .. long, (run("decode word",
      long .. "\r\n" .. long)))
  end)
end)
