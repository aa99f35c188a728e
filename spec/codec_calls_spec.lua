-- What a one-shot call of a codec costs beside its result: nothing that
-- grows with the input, and no memory that stays.
local codec = require "lunapost.codec"

local text <const> = ("Gr\u{fc}\u{df}e = . \r\n.dot \u{20ac}\r\n"):rep(4000)
local words <const> = ("=?utf-8?Q?Gr=C3=BC?= and "):rep(500)

-- Name, function, input, more arguments.
local function calls(s)
  local coded = codec.base64.encode(s, { columns = 76 })
  return {
    { "base64.encode", codec.base64.encode, s },
    { "base64.decode", codec.base64.decode, coded },
    { "quoted_printable.encode", codec.quoted_printable.encode, s },
    { "quoted_printable.decode", codec.quoted_printable.decode,
      codec.quoted_printable.encode(s) },
    { "dot.encode", codec.dot.encode, s },
    { "dot.stuff", codec.dot.stuff, s },
    { "dot.decode", codec.dot.decode, codec.dot.encode(s) },
    { "dot.unstuff", codec.dot.unstuff, codec.dot.stuff(s) },
    { "crlf.encode", codec.crlf.encode, s },
    { "crlf.decode", codec.crlf.decode, s },
    { "uu.encode", codec.uu.encode, s },
    { "uu.decode", codec.uu.decode, codec.uu.encode(s) },
    { "encoded_word.decode", codec.encoded_word.decode, words },
    { "charset.decode", codec.charset.decode, s, "iso-8859-1" },
    { "charset.encode", codec.charset.encode, s, "utf-16le" },
  }
end

-- Octets that Lua allocates for a call, and what the call returned.
local function allocated(f, ...)
  f(...)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  local result, defects = f(...)
  local octets = (collectgarbage "count" - before) * 1024
  collectgarbage "restart"
  return octets, result, defects
end

local header <const> = 64   -- of a Lua string, its final NUL, and rounding
local file_table <const> = 256 -- what uu.decode says of the file

describe("a one-shot call", function()
  for _, call in ipairs(calls(text)) do
    it("makes its result and nothing else: " .. call[1], function()
      local octets, result = allocated(table.unpack(call, 2))
      assert.is_true(octets >= #result)
      assert.is_true(octets <= #result + header
        + (call[1] == "uu.decode" and file_table or 0), octets - #result)
    end)
  end

  it("makes no list where there are no defects", function()
    local _, one = codec.base64.decode "Zm9v"
    local _, other = codec.quoted_printable.decode "foo"
    assert.equal(one, other)
    assert.equal(0, #one)
    assert.is_nil(next(one))
    assert.has_error(function() table.insert(one, "x") end,
      "the list of no defects cannot be added to: make a new one")
  end)

  it("makes lists of defects whose size is theirs", function()
    local junk <const> = ("Zm9v*"):rep(20000)
    for _, case in ipairs {
      { codec.base64.decode, junk },
      { codec.quoted_printable.decode, ("a=z"):rep(20000) },
      { codec.dot.decode, ("\n.a\rb\0"):rep(20000) },
      { codec.encoded_word.decode, ("=?nope?Q?x?= "):rep(20000) },
      { codec.charset.decode, ("\xff"):rep(20000), "utf-8" },
    } do
      local octets, result, defects = allocated(table.unpack(case))
      assert.is_true(#defects > 0)
      assert.is_true(octets <= #result + 2048, octets - #result)
      assert.is_true(#tostring(defects[1]) > 0)
    end
  end)

  -- Peak and present size of the data of a Lua that runs a script.
  local function sizes(script)
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write([[
local codec = require "lunapost.codec"
local function size(what)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. what .. ":%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end
]], script)
    file:close()
    local pipe = assert(io.popen(("LUA_PATH='%s' LUA_CPATH='%s' %s %s"):format(
      package.path, package.cpath, arg[-1] or "lua5.4", name)))
    local before, after = pipe:read("n", "n")
    pipe:close()
    os.remove(name)
    return before, after
  end

  -- AddressSanitizer keeps for a while what is given back.
  local seen <const> = io.open "/proc/self/status"
    and not (os.getenv "LUNAPOST_BUILD" or ""):find "asan"

  it("gives back what a big input needed", function()
    if not seen then return pending "no size is told here" end
    local before, after = sizes [[
local s = ("x"):rep(1 << 20)
codec.base64.encode(s)
collectgarbage() collectgarbage()
local before = size "VmRSS"
for _ = 1, 3 do
  local big = ("x"):rep(48 << 20)
  local coded = codec.base64.encode(big)
  big = codec.quoted_printable.encode(big)
  big = codec.dot.decode(big)
  big = codec.base64.decode("*" .. coded, { strict = true })
  big, coded = nil, nil
end
collectgarbage() collectgarbage()
print(before, size "VmRSS")]]
    assert.is_true(after - before < 8192, after - before)
  end)

  it("keeps its memory from call to call, up to a ceiling", function()
    if not seen then return pending "no size is told here" end
    local before, after = sizes [[
local s = ("x"):rep(1 << 20)
local coded = codec.base64.encode(s)
codec.base64.decode(coded)
collectgarbage() collectgarbage()
local before = size "VmHWM"
for _ = 1, 200 do
  codec.base64.encode(s)
  codec.base64.decode(coded)
  collectgarbage()
end
print(before, size "VmHWM")]]
    assert.is_true(after - before < 4096, after - before)
  end)

  it("raises for misuse, at its caller's line", function()
    local cases <const> = {
      { "takes a string, not nothing", codec.base64.encode },
      { "takes a string, not number", codec.crlf.decode, 7 },
      { "takes a string, not table", codec.scan, {} },
      { "unknown option of codec.base64.decode 'strct' (did you mean "
        .. "'strict'?)", codec.base64.decode, "x", { strct = true } },
      { "option of codec.base64.decode 'strict' must be boolean, not string",
        codec.base64.decode, "x", { strict = "yes" } },
      { "option of codec.base64.encode 'columns' must be integer, not number",
        codec.base64.encode, "x", { columns = 76.5 } },
      { "multiple of 4", codec.base64.encode, "x", { columns = 5 } },
      { "unknown option of codec.dot.encode '1'", codec.dot.encode, "x",
        { "mark" } },
      { "a table of options is expected, not string", codec.uu.encode, "x",
        "name" },
      { "unknown place of codec.encoded_word.encode 'phrse' (did you mean "
        .. "'phrase'?)", codec.encoded_word.encode, "x", { place = "phrse" } },
      { "needs the name of a charset", codec.charset.decode, "x" },
      { "takes a string, not boolean", codec.charset.known, true },
    }
    for _, case in ipairs(cases) do
      local called <const> = table.pack(table.unpack(case, 3))
      local ok, problem = pcall(function()
        local out = case[2](table.unpack(called, 1, called.n))
        return out
      end)
      assert.is_false(ok)
      assert.truthy(problem:find(case[1], 1, true), problem)
      assert.truthy(problem:find("codec_calls_spec.lua:", 1, true), problem)
    end
  end)
end)

describe("charsets in one call", function()
  local names <const> = { "koi8-r", "big5", "euc-kr", "iso-8859-2", "utf-16",
    "iso-2022-jp", "utf-7", "shift_jis", "gb18030", "iso-2022-kr", "hz",
    "windows-1251", "utf-32", "unicode", "euc-jp", "tcvn", "big5-hkscs" }

  it("give the same from a descriptor that was used before", function()
    math.randomseed(7)
    for _ = 1, 1500 do
      local name, bytes = names[math.random(#names)], {}
      if not codec.charset.known(name) then name = "koi8-r" end
      for i = 1, math.random(0, 40) do
        bytes[i] = string.char(math.random(0, 255))
      end
      bytes = (math.random(3) == 1 and "\xff\xfe" or "")
        .. (math.random(3) == 1 and "\27$B" or "") .. table.concat(bytes)
      local f = assert(codec.charset.decoder(name)) -- opens its own
      local fresh = assert(f:update(bytes)) .. assert(f:finish())
      assert.equal(fresh, (codec.charset.decode(bytes, name)), name)
    end
  end)
end)

describe("a language", function()
  local function back(...)
    local values, defects, languages =
      codec.parameter.decode(assert(codec.parameter.encode(...)))
    assert.equal(0, #defects)
    return values.n, (languages or {}).n
  end

  it("of a parameter goes both ways", function()
    assert.equal("n*=utf-8'de'sch%C3%B6n",
      codec.parameter.encode("n", "sch\u{f6}n", { language = "de" }))
    assert.equal("n*=iso-8859-1'en-GB'caf%E9", codec.parameter.encode("n",
      "caf\u{e9}", { charset = "iso-8859-1", language = "en-GB" }))
    assert.same({ "x", "de" }, { back("n", "x", { language = "de" }) })
    local long <const> = ("\u{44f}\u{431}c "):rep(60)
    for _, charset in ipairs { "utf-8", "koi8-r", "utf-16be", "gb18030" } do
      local options <const> = { charset = charset, language = "ru" }
      assert.same({ long, "ru" }, { back("n", long, options) })
      for line in codec.parameter.encode("n", long, options):gmatch "%S+" do
        assert.is_true(#line <= 75)
      end
    end
    local values, _, languages = codec.parameter.decode "n=a; m*=utf-8''b"
    assert.same({ n = "a", m = "b" }, values)
    assert.is_nil(languages)
  end)

  it("of an encoded word is written, and passed over in reading", function()
    assert.equal("=?utf-8*de?B?c2Now7Zu?=",
      codec.encoded_word.encode("sch\u{f6}n", { language = "de" }))
    local long <const> = ("Gr\u{fc}\u{df}e, "):rep(30)
    local coded = codec.encoded_word.encode(long, { language = "de-CH" })
    for word in coded:gmatch "%S+" do assert.is_true(#word <= 75) end
    assert.equal(long, (codec.encoded_word.decode(coded)))
  end)

  it("or a charset that is none is refused", function()
    for _, options in ipairs { { language = "d'e" }, { charset = "no-such" },
      { language = ("x"):rep(36) }, { language = "de\r\n" },
      { charset = "'utf-16'" } } do
      assert.is_nil((codec.parameter.encode("n", "\u{e9}", options)))
      assert.is_nil((codec.encoded_word.encode("\u{e9}", options)))
    end
  end)
end)
