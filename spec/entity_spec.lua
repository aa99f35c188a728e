local built = require "spec.support.built"
local core = require "lunapost.core"
local tree = require "spec.support.tree"
local mime = require "lunapost.mime.build"

local split = built.split
local header = built.header
local longest_line = built.longest_line
local drain = built.drain
local build = built.build
local temporary = built.temporary
local random_octets = built.random_octets

describe("an attachment", function()
  it("takes its type and name from its path", function()
    local path = temporary "x"
    assert(os.rename(path, path .. ".pdf"))
    finally(function() os.remove(path .. ".pdf") end)
    local part = build { attach = path .. ".pdf" }.parts[1]
    assert.equal("application/pdf", part.type)
    assert.equal(path:match "[^/]+$" .. ".pdf", part.filename)
    assert.equal("attachment", part.disposition)
  end)

  it("may be unnamed, or named otherwise", function()
    local path = temporary "x"
    finally(function() os.remove(path) end)
    assert.is_nil(build { attach = { path = path, name = false } }
      .parts[1].filename)
    local part = build { attach = { path = path, name = "b.gif" } }.parts[1]
    assert.equal("image/gif", part.type)
  end)

  it("may have parameters in its type", function()
    local part = build { attach = { data = "", name = "x",
      type = 'Text/Calendar; method=REQUEST; x="a; b"; charset=utf-8' } }
      .parts[1]
    assert.equal("text/calendar", part.type)
    assert.same({ method = "REQUEST", x = "a; b", charset = "utf-8" },
      part.parameters)
    assert.is_false(pcall(build, { attach = { data = "",
      type = "text/plain charset=utf-8" } }))
  end)

  it("has its name once for each kind of reader", function()
    local octets = build { attach = { data = "", name = "Grüße.txt" } }
      :render()
    assert.matches("filename*=utf-8''Gr%C3%BC%C3%9Fe.txt", octets, 1, true)
    assert.matches('name="=?utf-8?', octets, 1, true)
  end)

  it("comes from a string, a file, a handle, a source, a message", function()
    local path = temporary "the same octets"
    local file <close> = assert(io.open(path, "rb"))
    finally(function() os.remove(path) end)
    local left = { "the same ", "oct", "", "ets" }
    local message = build { attach = {
      { data = "the same octets", name = "a.bin" },
      { path = path, name = "a.bin" },
      { file = file, name = "a.bin" },
      { source = function() return table.remove(left, 1) end, name = "a.bin" },
    } }
    assert.is_nil(message:size())
    local octets = message:render()
    local _, count = octets:gsub("dGhlIHNhbWUgb2N0ZXRz\r\n", "")
    assert.equal(4, count)
    local again, err = message:render()
    assert.is_nil(again)
    assert.equal("file: a source can be read only once",
      err.kind .. ": " .. err.text)
  end)

  it("keeps each octet of a text file", function()
    local octets = "Grüße\nzwei\r\ndrei\rvier \n.\n"
    local message = build { attach = { data = octets, name = "a.txt" } }
    assert.equal(octets, message.parts[1]:body())
    assert.matches(core.codec.base64_encode(octets, 76), message:render(), 1,
      true)
    assert.equal("utf-8", message.parts[1].parameters.charset)
  end)

  it("that changes while it is sent is an error, not a lie", function()
    local path = temporary(("x"):rep(1000))
    finally(function() os.remove(path) end)
    for _, change in ipairs { "shorter", ("longer"):rep(10000) } do
      local message = build { attach = path }
      local file = assert(io.open(path, "wb"))
      file:write(change):close()
      local octets, err = message:render()
      assert.is_nil(octets)
      assert.matches("changed in size", err.text)
      file = assert(io.open(path, "wb"))
      file:write(("x"):rep(1000)):close()
    end
    local message = build { attach = path }
    os.remove(path)
    local source = message:source()
    local chunk, err = source()
    assert.is_nil(chunk)
    assert.equal("file", err.kind)
    assert.is_nil((source()))
  end)

  it("as a message gets line ends of a message", function()
    local octets = build { attach = { message = "Subject: x\n\nbody\n" } }
      :render()
    assert.matches("\r\nSubject: x\r\n\r\nbody\r\n", octets, 1, true)
    assert.matches("Content%-Type: message/rfc822\r\n", octets)
  end)
end)

describe("the transfer encoding", function()
  local function chosen(given, peer)
    local octets = assert(mime.part(given)):render(peer)
    return header(octets, "Content-Transfer-Encoding"), select(2, split(octets))
  end
  local function text(data, peer)
    return (chosen({ type = "text/plain", data = data },
      peer and { encoding = peer }))
  end

  it("of text follows from what it holds", function()
    assert.equal("7bit", text "plain\n")
    assert.equal("7bit", text "")
    assert.equal("7bit", text(("x"):rep(998)))
    assert.equal("quoted-printable", text(("x"):rep(999)))
    assert.equal("quoted-printable", text "viele schöne Grüße aus Köln")
    assert.equal("base64", text "山田太郎")
    assert.equal("quoted-printable",
      text(("many words "):rep(20) .. "a\0b"))
  end)

  it("follows what the peer takes", function()
    assert.equal("8bit", text("schöne Grüße", "8bit"))
    assert.equal("7bit", text("plain", "binary"))
    assert.equal("base64", text(("ö"):rep(999), "8bit"))
    assert.equal("binary", text(("ö"):rep(999), "binary"))
    local octets = "\0\1\2\r\255"
    local message = build { attach = { data = octets, name = "a.bin" } }
    assert.matches("\r\n\r\n" .. octets .. "\r\n--",
      message:render { encoding = "binary" }, 1, true)
    assert.matches("\r\n\r\nAAECDf8=\r\n--",
      message:render { encoding = "8bit" }, 1, true)
    assert.has_error(function() message:render { encoding = "9bit" } end,
      "unknown encoding '9bit' (did you mean '7bit'?)")
    for _, method in ipairs { "render", "source", "size", "class" } do
      local _, raised = pcall(function()
        message[method](message, { encodnig = "8bit" })
        return true
      end)
      assert.matches("^[^:]*entity_spec.lua:%d+: unknown option", raised)
    end
  end)

  it("of a multipart covers its parts", function()
    local message = build { text = "ö", html = "h",
      attach = { data = "x", name = "x.bin" } }
    assert.is_nil(header(message:render(), "Content-Transfer-Encoding"))
    assert.equal("8bit", header(message:render { encoding = "8bit" },
      "Content-Transfer-Encoding"))
    assert.equal("8bit", header(build { attach = { message } }
      :render { encoding = "8bit" }, "Content-Transfer-Encoding"))
  end)

  it("is told beforehand as a class", function()
    local message = build { text = "ö", attach = { data = "\0", name = "x" } }
    assert.equal("7bit", message:class())
    assert.equal("8bit", message:class { encoding = "8bit" })
    assert.equal("binary", message:class { encoding = "binary" })
    assert.equal("8bit", build { to = "ö@x.org" }:class())
  end)

  it("is the one asked for, where it can be", function()
    assert.equal("base64", (chosen { type = "text/plain", data = "x",
      encoding = "base64" }))
    assert.equal("quoted-printable", (chosen { data = "x\n", name = "a.bin",
      encoding = "quoted-printable" }))
    assert.equal("8bit", (chosen({ data = "é", name = "a.bin",
      encoding = "8bit" }, { encoding = "8bit" })))
    assert.equal("base64", (chosen { data = "é", name = "a.bin",
      encoding = "8bit" }))
  end)

  it("leaves no line end but CRLF and no line over 998", function()
    local message = build {
      text = "a\nb\r\nc\rd" .. ("é"):rep(5000) .. "\n",
      html = ("<p>\n"):rep(3) .. ("x"):rep(5000),
      attach = { { data = random_octets(9999), name = "a.bin" },
        { data = "a\nb\rc", name = "b.txt" } },
    }
    local octets = message:render()
    assert.is_true(longest_line(octets) <= 998)
    local rest = octets:gsub("\r\n", "")
    assert.is_nil(rest:find "[\r\n]")
  end)
end)

describe("an encoder that takes a piece of a string", function()
  it("takes no more than is there", function()
    local function encoder()
      return assert(core.stream.open("base64_encoder", {}))
    end
    local one = encoder()
    assert.equal("YmNk", one:update("abcde", 2, 4) .. one:finish())
    one = encoder()
    assert.equal("ZQ==", one:update("abcde", 5) .. one:finish())
    one = encoder()
    assert.equal("", one:update("abcde", 6) .. one:update("", 1, 0)
      .. one:finish())
    for _, bad in ipairs { { 0 }, { 7 }, { 1, 6 }, { 3, 1 }, { -1 },
      { math.maxinteger }, { 1, math.mininteger } } do
      assert.has_error(function() encoder():update("abcde", bad[1], bad[2]) end)
    end
  end)
end)

describe("an encoder that reads a file", function()
  local function encoder()
    return assert(core.stream.open("base64_encoder", {}))
  end

  it("gives what it gives of the same octets, and how many", function()
    local octets = random_octets(1000)
    local path = temporary(octets)
    finally(function() os.remove(path) end)
    for _, step in ipairs { 1, 7, 57, 999, 1000, 4096 } do
      local file <close> = assert(io.open(path, "rb"))
      local one, out, total = encoder(), {}, 0
      repeat
        local chunk, n = one:pull(file, step)
        out[#out + 1], total = chunk, total + n
      until n == 0
      assert.equal(1000, total)
      assert.equal(core.codec.base64_encode(octets, 0),
        table.concat(out) .. one:finish())
    end
  end)

  it("tells that it cannot be read, and takes nothing else", function()
    local folder <close> = assert(io.open("/", "rb"))
    local chunk, why = encoder():pull(folder, 10)
    assert.is_nil(chunk)
    assert.is_string(why)
    local closed = assert(io.open("/", "rb"))
    closed:close()
    for _, bad in ipairs { closed, "/", 1 } do
      assert.has_error(function() encoder():pull(bad, 10) end)
    end
    assert.has_error(function() encoder():pull(folder, -1) end)
    assert.has_error(function() encoder():pull(folder, 1 << 21) end)
  end)
end)

describe("a message's source", function()
  it("gives what render gives, and size its length", function()
    local path = temporary(random_octets(200000))
    finally(function() os.remove(path) end)
    local shapes <const> = {
      {}, { text = "x" }, { text = ("Grüße\n"):rep(30000) },
      { text = ("山田\n"):rep(30000), html = "<b>" },
      { attach = { path } }, { attach = { data = "", name = "empty" } },
      { attach = { { data = ("x"):rep(57), name = "57" },
        { data = ("x"):rep(58), name = "58" },
        { data = ("x"):rep(47880), name = "step" },
        { data = ("x"):rep(47881), name = "step and one" } } },
      { html = "h", inline = { a = path, b = path }, attach = path },
    }
    for i, given in ipairs(shapes) do
      local message = build(given)
      for _, peer in ipairs { "7bit", "8bit", "binary" } do
        local octets = assert(message:render { encoding = peer })
        local drained, chunks = drain(message:source { encoding = peer })
        assert.is_true(octets == drained, "shape " .. i)
        assert.equal(#octets, message:size { encoding = peer })
        for _, chunk in ipairs(chunks) do
          assert.is_true(#chunk <= 160 * 1024)
        end
      end
    end
  end)

  -- Peaks in KiB while an interpreter of its own drains a message: Lua's
  -- memory, and what the process holds.
  local function peaks(path)
    local script = ([[
      local mime = require "lunapost.mime.build"
      local function held()
        for line in io.lines "/proc/self/status" do
          local n = line:match "^VmHWM:%%s*(%%d+)"
          if n then return tonumber(n) end
        end
      end
      local message = assert(mime.message { from = "a@x", attach = %q })
      local size, total, most = message:size(), 0, 0
      local before, idle = held(), collectgarbage "count"
      for chunk in message:source() do
        total = total + #chunk
        most = math.max(most, collectgarbage "count")
      end
      assert(total == size, total)
      print(size, most - idle, held() - before)]]):format(path)
    local name = temporary(script)
    local pipe <close> = assert(io.popen(tree.lua(name)))
    local line = pipe:read "a"
    os.remove(name)
    return line:match "(%d+)%s+([%d.]+)%s+(%d+)"
  end

  it("streams 16 MiB in bounded memory", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    do
      local file <close> = assert(io.open(path, "wb"))
      local block = random_octets(65536)
      for _ = 1, 256 do file:write(block) end
    end
    local size, lua, process = peaks(path)
    assert.is_true(tonumber(size) > (16 << 20) * 4 // 3)
    assert.is_true(tonumber(lua) < 2048, lua)
    -- freed memory stays with a sanitizer
    if not tree.build:find "asan" then
      assert.is_true(tonumber(process) < 4096, process)
    end
  end)

  it("is the same on a second run with the same seed", function()
    local function run(seed)
      return assert(mime.message { from = "a@x.org", to = "b@x.org",
        subject = "Grüße", text = "t", html = "h", seed = seed,
        headers = { ["X-A"] = "1", ["X-B"] = "2", ["x-c"] = "3" },
        inline = { a = { data = "1", type = "image/png" },
          b = { data = "2", type = "image/png" } },
        attach = { { data = "x", name = "x", parameters = {
          a = "1", b = "2", c = "3" } } } }):render()
    end
    assert.equal(run(7), run(7))
    assert.equal(run "seed", run "seed")
    assert.not_equal(run(7), run(8))
    assert.not_equal(run(nil), run(nil))
  end)
end)
