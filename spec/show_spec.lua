local corpus = require "spec.support.corpus"
local peers = require "spec.support.peers"
local json_reader = require "spec.support.json"
local tree = require "spec.support.tree"

local command <const> = tree.command .. " "

-- Runs the command; gives its output and exit code.
local function run(arguments, input)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(input or "")
  file:close()
  local pipe = assert(io.popen(command .. arguments .. " < " .. path, "r"))
  local output = pipe:read("a")
  local _, _, code = pipe:close()
  os.remove(path)
  return output, code
end

local letter <const> = "From: Ana <ana@example.org>\n"
  .. "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n"
  .. "Content-Type: multipart/mixed; boundary=b\n\n"
  .. "--b\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n"
  .. "--b\nContent-Type: application/octet-stream; name=x.bin\n"
  .. "Content-Transfer-Encoding: base64\n\nAP8NCgA=\n--b--\n"

describe("lunapost show", function()
  it("prints the tree", function()
    local output, code = run("show -", letter)
    assert.equal(0, code)
    local lines = {}
    for line in output:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal(3, #lines)
    assert.truthy(lines[1]:find('^multipart/mixed .*"Gr\u{fc}\u{df}e"$'))
    assert.truthy(lines[2]:find("text/plain; iso%-8859%-1 .* 7bit .*5 B  "
      .. '"Gr\u{fc}\u{df}e"$'))
    assert.truthy(lines[3]:find('"x.bin" +base64 +5 B$'))
  end)

  it("prints the neutral form, a line a file", function()
    local output, code = run("show --json - -", letter)
    assert.equal(0, code)
    local line = output:match("^[^\n]+")
    local shown = json_reader.decode(line)
    assert.equal("-", shown.file)
    local form = shown.form
    assert.equal("Gr\u{fc}\u{df}e", form.subject)
    assert.same({ { "Ana", "ana@example.org" } }, form.from)
    assert.same({ "from", "subject", "content-type" }, form.header_names)
    local part = form.parts["1.2"]
    assert.equal("x.bin", part.filename)
    assert.equal(4, part.body_lf_size)
    assert.equal("multipart/mixed", form.parts["1"].type)
    assert.is_nil(form.parts["1"].body_lf_size)
    assert.equal(64, #form.parts["1.1"].text_sha256)
  end)

  it("shows all messages of a Maildir and of an mbox", function()
    local folder = peers.folder()
    os.execute(("mkdir %s/cur %s/new"):format(folder, folder))
    peers.write(folder .. "/cur/1.a:2,S", letter)
    peers.write(folder .. "/new/2.b", "Subject: two\n\nx\n")
    local output, code = run("show " .. folder)
    assert.equal(0, code)
    assert.matches(folder .. "/cur/1.a:2,S\nmultipart/mixed ", output, 1, true)
    assert.matches(folder .. "/new/2.b\ntext/plain ", output, 1, true)
    output, code = run("check --json " .. folder)
    assert.equal(1, code)
    assert.equal(2, select(2, output:gsub("[^\n]+\n", "")))
    local box = ("From a@b Thu Nov 26 21:18:59 2026\n" .. letter .. "\n")
      :rep(2)
    output, code = run("show --mbox --json -", box)
    assert.equal(0, code)
    assert.matches('{"file":"-#1",', output, 1, true)
    assert.matches('{"file":"-#2",', output, 1, true)
    output, code = run("show --mbox - 2>&1", "")
    assert.same({ "", 0 }, { output, code })
    peers.remove(folder)
    output, code = run("show --mbox " .. folder .. " 2>&1")
    assert.same({ "lunapost: " .. folder .. ": No such file or directory\n",
      1 }, { output, code })
  end)

  it("draws the tree", function()
    local output, code = run("show --svg -", letter)
    assert.equal(0, code)
    assert.matches('^<svg xmlns="http://www.w3.org/2000/svg"', output)
    assert.matches("</svg>\n$", output)
    assert.matches(">&quot;Gr\u{fc}\u{df}e&quot;</text>", output, 1, true)
    assert.equal(2, select(2, output:gsub("<path ", "")))
    assert.equal(3 + 1, select(2, output:gsub("<rect ", "")))
    output = run("show --svg -", "\n<&>\"\27\xef\xbf\xbf\xff")
    assert.matches("&lt;&amp;&gt;&quot;", output, 1, true)
    assert.is_nil(output:find("[\27\xff]"))
    assert.has_error(function()
      require("lunapost.mime").parse(letter):tree "png"
    end)
  end)

  it("shows the bytes of each defect", function()
    local function shown(bytes) return (run("show --defects -", bytes)) end
    assert.matches("102 at 5: [^\n]*\n    no field\u{240d}\u{240a}\n    ^\n",
      (shown("A: 1\nno field\r\n\nx"):gsub("%^", "^")), 1)
    assert.matches("302 at 44: [^\n]*\n    QUJD\\xFF!QUI=\n        ^\n",
      shown("Content-Transfer-Encoding: base64\nA: 1\n\nQUJD\xff!QUI="))
    assert.matches("303 at 46: [^\n]*\n    a=zz\u{240a}\n     ^",
      shown("Content-Transfer-Encoding: quoted-printable\n\na=zz\n"))
    assert.matches("305 at 42: [^\n]*\n    a\\xFFb\n     ^",
      shown("Content-Type: text/plain; charset=utf-8\n\na\xffb"))
    assert.matches("304 at 5: [^\n]*\n    Content%-Type: text/plain; "
      .. "charset=nonsense", shown(
        "A: 1\nContent-Type: text/plain; charset=nonsense\n\n\xff"))
    local inner = "Content-Type: message/rfc822\n"
      .. "Content-Transfer-Encoding: base64\n\nbm8gZmllbGQKQTogMQoKeA==\n"
    assert.matches("of part 1.1: [^\n]*\n    no field\u{240a}\n    ^",
      shown(inner))
  end)

  it("lists defects", function()
    local output, code = run("show --defects -", "no field\nA: 1\n\nx")
    assert.equal(0, code)
    assert.truthy(output:find("\n102 at 0: ", 1, true))
    assert.truthy(run("show --defects -", "A: 1\n\nx")
      :find("no defects\n", 1, true))
  end)

  it("exits with 1 for a file that cannot be read, 64 without one",
    function()
      local output, code = run("show /nonexistent/x.eml - 2>&1", "A: 1\n\nx")
      assert.equal(1, code)
      assert.truthy(output:find("/nonexistent/x.eml", 1, true))
      assert.truthy(output:find("text/plain", 1, true))
      assert.equal(64, select(2, run("show 2>&1")))
    end)

  corpus.it("agrees with the corpus but where a reason is on record",
    function()
    local output = os.tmpname()
    local _, code = run("show --json " .. corpus.root .. "/messages/*.eml > "
      .. output)
    assert.equal(0, code)
    local pipe = assert(io.popen("python3 " .. corpus.root .. "/score.py "
      .. corpus.root .. "/expected.jsonl " .. output .. " --misses 1000"))
    local misses, differing = {}, {}
    local text = pipe:read("a"):gsub("MISS (%S+) (%S+)[^\n]*\n",
      function(id, field)
        misses[id .. " " .. field] = id
        return ""
      end)
    pipe:close()
    os.remove(output)
    for miss, id in pairs(misses) do
      assert(corpus.differs[id], "no reason is on record for " .. miss)
      differing[id] = true
    end
    for id in pairs(corpus.differs) do
      assert(differing[id], id .. " differs no longer: take it from the list")
    end
    local score = json_reader.decode(text)
    print(("\ncorpus: %s fields agree, %.2f %%; of those with a value %s")
      :format(score.fields, score.percent, score.nontrivial))
    assert.equal(score.messages, score.answered)
    assert.is_true(score.percent >= 99)
  end)
end)

describe("lunapost cat", function()
  it("writes the decoded octets of a part", function()
    assert.equal("\0\xff\r\n\0", (run("cat - --part 1.2", letter)))
    assert.equal("Gr\xfc\xdfe", (run("cat -", letter)))
  end)

  it("writes a part as it stands", function()
    local output = run("cat - --part 1.2 --raw", letter)
    assert.truthy(output:find("^Content%-Type: application"))
    assert.truthy(output:find("AP8NCgA=$"))
    assert.equal(letter, (run("cat - --part 1 --raw", letter)))
  end)

  it("exits with 1 where there is no such part, 64 without a file",
    function()
      local output, code = run("cat - --part 1.9 2>&1", letter)
      assert.equal(1, code)
      assert.truthy(output:find("no part 1.9 in -: it has 1 1.1 1.2", 1,
        true), output)
      assert.equal(64, select(2, run("cat 2>&1")))
    end)
end)
