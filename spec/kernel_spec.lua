local codec = require "lunapost.core".codec
local stream = require "lunapost.core".stream
local survey = require "lunapost.core".client.survey
local texts = require "lunapost.codec"
local tree = require "spec.support.tree"

local chosen <const> = codec.kernel()

-- Those of this machine, best first, the portable code left out.
local vectors <const> = {}
for _, name in ipairs { "avx512", "avx2", "ssse3", "neon" } do
  if codec.kernel(name) then vectors[#vectors + 1] = name end
end
codec.kernel(chosen)

local function octets(n)
  local t = {}
  for i = 1, n do t[i] = string.char(math.random(0, 255)) end
  return table.concat(t)
end

local function by(kernel, f, ...)
  assert.equal(kernel, codec.kernel(kernel))
  local result = table.pack(f(...))
  codec.kernel(chosen)
  return result
end

-- Its size and whether any octet is 8-bit: how much of it a kernel looked at
-- depends on its steps.
local function surveyed(s)
  local size, eight_bit = survey(s)
  return size, eight_bit
end

-- Both kernels give the same results, all of them.
local function same(kernel, f, ...)
  assert.same(by("scalar", f, ...), by(kernel, f, ...))
end

local function stepped(name, options, s, sizes)
  local f, out, at = stream.open(name, options), {}, 1
  while at <= #s do
    local n = sizes(#s)
    local piece, _, text = f:update(s:sub(at, at + n - 1))
    if not piece then return table.concat(out), text end
    out[#out + 1] = piece
    at = at + n
  end
  out[#out + 1] = f:finish() or ""
  return table.concat(out), f:notes()
end

-- What a script says that prints its kernel.
local function run(kernel)
  local script <const> = os.tmpname()
  local file <close> = assert(io.open(script, "w"))
  file:write 'print(require "lunapost.core".codec.kernel())'
  file:close()
  local pipe <close> = assert(io.popen(("LUNAPOST_KERNEL=%s %s 2>&1")
    :format(kernel, tree.lua(script))))
  local said = pipe:read "a"
  os.remove(script)
  return said
end

describe("a kernel", function()
  after_each(function() codec.kernel(chosen) end)

  it("is the one that the environment pins", function()
    assert.equal("scalar\n", run "scalar")
    for _, name in ipairs(vectors) do assert.equal(name .. "\n", run(name)) end
    assert.truthy(run "abacus":find(
      "LUNAPOST_KERNEL: no kernel 'abacus' here", 1, true))
  end)

  it("is the best of the machine, or the one that is pinned", function()
    local pinned = os.getenv "LUNAPOST_KERNEL"
    assert.equal(pinned or vectors[1] or "scalar", chosen)
    assert.equal("scalar", codec.kernel "scalar")
    assert.equal("scalar", codec.kernel())
    assert.is_nil(codec.kernel "abacus")
    assert.equal("scalar", codec.kernel())
  end)

  it("differs from no other at any length and alignment", function()
    local program <const> = tree.build .. "/compare"
    assert(io.open(program), "first: make kernels"):close()
    local pipe = assert(io.popen(program .. " 1024"))
    local said = pipe:read "a"
    local ended = pipe:close()
    assert.truthy(ended, said)
    assert.equal(table.concat(vectors, "\n", 1, #vectors)
      .. (#vectors > 0 and "\n" or "") .. "scalar\n", said)
  end)

  for _, kernel in ipairs(vectors) do
    it("encodes and decodes as the portable code: " .. kernel, function()
      math.randomseed(7)
      for n = 0, 700 do
        local s = octets(n)
        local columns = ({ 0, 76, 64, 4 })[n % 4 + 1]
        local url, lf = n % 3 == 0, n % 5 == 0
        same(kernel, codec.base64_encode, s, columns, url, false, lf)
        local coded = codec.base64_encode(s, columns, url, n % 7 == 0, lf)
        local damaged = #coded > 0 and coded:gsub("()(.)", function(at, c)
          if math.random(#coded) == 1 then return octets(at % 3) end
          return c
        end) or "="
        for _, text in ipairs { coded, damaged } do
          for _, strict in ipairs { false, true } do
            same(kernel, codec.base64_decode, text, strict, url, n % 7 == 0)
          end
        end
      end
    end)

    it("encodes quoted-printable as the portable code: " .. kernel, function()
      math.randomseed(9)
      local pieces <const> = { "懒狗，然后在阳光下", "睡", "é", "\xe6",
        "\xe6\x95", "\xff", "x", "=", " ", "\r", "\n", "\r\n", "." }
      for _ = 1, 3000 do
        local t = {}
        for i = 1, math.random(0, 40) do t[i] = pieces[math.random(#pieces)] end
        local s = table.concat(t)
        for _, o in ipairs { {}, { binary = true }, { keep = true } } do
          same(kernel, codec.qp_encode, s, o.binary, o.keep)
          local function sizes() return math.random(1, 30) end
          assert.equal(by("scalar", codec.qp_encode, s, o.binary, o.keep)[1],
            by(kernel, stepped, "qp_encoder", o, s, sizes)[1])
        end
        assert.equal(s, codec.qp_decode((codec.qp_encode(s, true))))
      end
    end)

    it("treats lines and UTF-8 as the portable code: " .. kernel, function()
      math.randomseed(10)
      local pieces <const> = { "\r\n", "\r\n", "\n", "\r", ".", "\r\n.",
        "a line as others are, with forty octets.", "天地玄黄", "é", "\xed",
        "\xa0", " ", "\t", "\0" }
      for round = 1, 600 do
        local t = {}
        for i = 1, math.random(0, 60) do
          t[i] = pieces[math.random(round % 2 == 0 and 2 or 1, #pieces)]
        end
        local s = table.concat(t)
        same(kernel, texts.scan, s)
        same(kernel, texts.dot.encode, s)
        same(kernel, texts.dot.decode, s)
        same(kernel, texts.dot.decode, s, { fix = true })
        same(kernel, codec.is_utf8, s)
        same(kernel, surveyed, s)
        local function sizes() return math.random(1, 200) end
        local o <const> = { plain = round % 3 == 0 }
        assert.equal(by("scalar", stepped, "dot_encoder", o, s, sizes)[1],
          by(kernel, stepped, "dot_encoder", o, s, sizes)[1])
      end
    end)

    it("gives the same in any steps: " .. kernel, function()
      math.randomseed(8)
      for round = 1, 300 do
        local s = octets(math.random(0, 900))
        local function sizes() return round % 9 == 0 and 1
          or math.random(1, 300) end
        local columns = round % 3 == 0 and 0 or 76
        local whole = codec.base64_encode(s, columns)
        local coded = by(kernel, stepped, "base64_encoder",
          { columns = columns }, s, sizes)[1]
        assert.equal(whole, coded)
        local at = math.random(0, #whole)
        local damaged = whole:sub(1, at) .. octets(round % 3)
          .. whole:sub(at + round % 2)
        for _, text in ipairs { whole, damaged } do
          local plain = by("scalar", codec.base64_decode, text)
          local result = by(kernel, stepped, "base64_decoder", {}, text, sizes)
          assert.equal(plain[1], result[1])
          assert.equal(plain[2], result[2].junk)
          assert.equal(plain[3], result[2].truncated)
        end
      end
    end)
  end
end)
