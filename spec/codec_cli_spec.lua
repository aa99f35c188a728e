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
    for words, problem in pairs {
      ["encode"] = "name of a codec", ["encode rot13"] = "unknown codec",
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

  it("write in bounded memory", function()
    local pipe = ("head -c 50000000 /dev/zero | (ulimit -v 65536; %s) | wc -c")
    for words, size in pairs { ["encode base64"] = "67543861",
      ["encode uu"] = "68888913", ["encode dot"] = "50000005" } do
      local result = assert(io.popen(pipe:format(command .. words)))
      local got = result:read "a"
      result:close()
      assert.equal(size, (got:gsub("%s", "")))
    end
  end)
end)
