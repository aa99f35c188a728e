-- The codecs against independent implementations, both ways, on every message
-- of the fixture corpus and on random input. What differs must be allowed
-- by name, with the RFC's reason.
local codec = require "lunapost.codec"
local corpus = require "spec.support.corpus"
local draw = require "spec.support.random"
local peers = require "spec.support.peers"
local programs = require "spec.support.programs"

local many <const> = math.min(draw.cases, 2000)

-- The same at each run, unless told.
local seed <const> = os.getenv "LUNAPOST_SEED" and draw.seed or 1

local messages <const> = {}
for i, path in ipairs(corpus.messages()) do
  messages[i] = corpus.read(path)
end

-- The corpus, and random ones beside it.
local function inputs(make)
  math.randomseed(seed)
  local list = table.move(messages, 1, #messages, 1, {})
  for _ = 1, many do list[#list + 1] = make() end
  return list
end

local function mapped(list, f)
  local out = {}
  for i, s in ipairs(list) do out[i] = f(s) or "" end
  return out
end

local function lf(s)
  return (s:gsub("\r\n", "\n"))
end

-- What each makes of the inputs must be the same, unless allowed(input, ours,
-- theirs) gives a reason.
local function agree(list, ours, theirs, allowed)
  for i, s in ipairs(list) do
    local mine, other = ours(s) or false, theirs[i]
    if mine ~= other and not (allowed and allowed(s, mine, other)) then
      error(("LUNAPOST_SEED=%d: of %q\nlunapost %q\nother    %q")
        :format(seed, s:sub(1, 600), tostring(mine):sub(1, 600),
        tostring(other):sub(1, 600)))
    end
  end
end

-- Adds an `it` that is pending, or fails in CI, where a program is missing.
local function against(name, text, run)
  it(text .. ": " .. name, function()
    local command = programs.find[name]()
    if not peers.need(name, command) then return end
    run(function(operation, list)
      return programs.ask(command, operation, list)
    end)
  end)
end

local lines <const> = { columns = 76 }
local function base64(s) return codec.base64.encode(s) end
local function unbase64(s) return (codec.base64.decode(s)) end
local function strict(s)
  return (codec.base64.decode(s, { strict = true }))
end
local function qp(s) return codec.quoted_printable.encode(s) end
local function unqp(s) return (codec.quoted_printable.decode(s)) end

describe("base64 beside others", function()
  local function damaged(s)
    return mapped(s, function(text)
      return draw.mutated(text, "*-_ \nA=")
    end)
  end

  against("OpenSSL", "is the same both ways", function(ask)
    local list = inputs(draw.octets)
    agree(list, base64, ask("base64", list))
    agree(list, function(s)
      return codec.base64.encode(s, { columns = 64, lf = true })
    end, ask("lines", list))
    local coded = mapped(list, base64)
    agree(coded, strict, ask("unbase64", coded))
  end)

  against("OpenSSL", "takes no more when strict", function(ask)
    local list = damaged(mapped(inputs(draw.octets), base64))
    agree(list, strict, ask("unbase64", list), function(_, mine)
      return mine == false -- RFC 4648 3.3, 3.5: it takes blanks and loose bits
    end)
  end)

  against("Python", "is the same both ways", function(ask)
    local list = inputs(draw.octets)
    agree(list, function(s) return base64(s) .. "\n" end, ask("base64", list))
    agree(list, function(s)
      return codec.base64.encode(s, { columns = 76, lf = true })
    end, ask("base64_lines", list))
    agree(list, function(s) return codec.base64.encode(s, { url = true }) end,
      ask("base64_url", list))
    local coded = mapped(list, function(s)
      return codec.base64.encode(s, lines)
    end)
    agree(coded, unbase64, ask("unbase64", coded))
  end)

  against("Python", "takes no more when strict", function(ask)
    local list = damaged(mapped(inputs(draw.octets), base64))
    agree(list, strict, ask("unbase64_strict", list), function(_, mine)
      return mine == false -- RFC 4648 3.5: it takes loose bits
    end)
  end)

  against("GMime", "is the same both ways", function(ask)
    local list = inputs(draw.octets)
    agree(list, function(s)
      return codec.base64.encode(s, { columns = 76, lf = true })
    end, ask("base64", list), function(s, mine, other)
      return #s == 0 or mine == other .. "\n" -- RFC 2045 6.8: a last line end
    end)
    local coded = mapped(list, function(s)
      return codec.base64.encode(s, lines)
    end)
    agree(coded, unbase64, ask("unbase64", coded))
  end)
end)

describe("quoted-printable beside others", function()
  for name, operation in pairs { Python = "unqp", GMime = "unqp" } do
    against(name, "is read by it", function(ask)
      local list = mapped(inputs(draw.octets), function(s)
        return codec.quoted_printable.encode(s, { binary = true })
      end)
      agree(list, unqp, ask(operation, list))
      list = mapped(inputs(draw.text), qp)
      agree(list, unqp, ask(operation, list))
    end)
  end

  -- Text whose line ends are LF: what each does with a bare CR is its own.
  for _, name in ipairs { "Python", "GMime" } do
    against(name, "reads what it writes", function(ask)
      local list = mapped(inputs(draw.octets), function(s)
        return (s:gsub("\r", ""))
      end)
      local coded = ask("qp", list)
      agree(list, function(s) return s end, mapped(coded, unqp))
    end)
  end

  against("Python", "reads what it writes of octets", function(ask)
    local list = inputs(draw.octets)
    agree(list, function(s) return s end,
      mapped(ask("qp_binary", list), unqp))
  end)
end)

describe("uuencode beside others", function()
  local function body(s)
    return codec.uu.encode(s):match "^begin[^\n]*\n(.*)`\nend\n$"
  end

  local function whole(s)
    return (codec.uu.decode("begin 644 x\n" .. s .. "`\nend\n"))
  end

  against("Python", "is the same both ways", function(ask)
    local list = inputs(draw.octets)
    agree(list, body, ask("uu", list))
    local coded = mapped(list, body)
    agree(coded, whole, ask("unuu", coded))
  end)

  against("GMime", "is the same both ways", function(ask)
    local list = inputs(draw.octets)
    agree(list, function(s) return body(s) .. "`\n" end, ask("uu", list))
    local coded = mapped(list, body)
    agree(coded, whole, ask("unuu", coded))
  end)
end)

-- Header values of the corpus, unfolded, that have encoded words.
local function values(name)
  local list = {}
  for _, bytes in ipairs(messages) do
    local head = ("\n" .. lf(bytes) .. "\n\n"):match "^.-\n\n"
      :gsub("\n[ \t]", " ")
    for value in head:gmatch("\n" .. name .. ":%s*([^\n]*)") do
      if not value:find "%z" then list[#list + 1] = value end
    end
  end
  return list
end

local function texts()
  local list = {}
  for i = 1, many do list[i] = draw.text() end
  return list
end

describe("encoded words beside others", function()
  local function word(s) return codec.encoded_word.encode(s) end
  local function unword(s) return (codec.encoded_word.decode(s)) end

  local function trimmed(s)
    return s and s:match "^%s*(.-)%s*$"
  end

  -- Two B words, the first of them with padding.
  local two <const> = "=%?= +=%?[^?]+%?[Bb]%?"

  local function allowed(name, s, mine, other)
    if trimmed(mine) == trimmed(other) then
      return true -- RFC 5322 2.2.3: blanks that begin or end a field fold
    end
    -- RFC 2047 5: a word stands for itself; it joins them first, and takes
    -- the padding of one for the end of all
    return name == "GMime" and s:find(two)
  end

  -- The same, for what others wrote.
  local function allowed_of_corpus(name, s, mine, other)
    return allowed(name, s, mine, other)
      or s:find "[\128-\255]" -- RFC 5322 2.2: no 8 bits; a guess of each
      or name == "Python" and (not other -- RFC 2047 6.2: unknown to it only
        -- RFC 2047 6.2: it puts blanks between words and beside them
        or mine:gsub("%s", "") == other:gsub("%s", ""))
  end

  -- RFC 2047 5: text that looks like a word has to be one; it leaves it bare.
  local function looks_like_words(s)
    return s:find "=%?.*%?="
  end

  for _, name in ipairs { "Python", "GMime" } do
    against(name, "are read by it", function(ask)
      math.randomseed(seed)
      local list = mapped(texts(), word)
      agree(list, unword, ask("unword", list), function(...)
        return allowed(name, ...)
      end)
    end)

    against(name, "of the corpus are read as it reads them", function(ask)
      local list = values "Subject"
      agree(list, unword, ask("unword", list), function(...)
        return allowed_of_corpus(name, ...)
      end)
    end)

    against(name, "read what it writes", function(ask)
      math.randomseed(seed)
      local list = texts()
      local coded = mapped(ask("word", list), function(s)
        return s and (lf(s):gsub("\n([ \t])", "%1"))
      end)
      agree(list, trimmed, mapped(coded, function(s)
        return trimmed(unword(s))
      end), function(s, mine, other)
        -- RFC 5322 2.2.3: it folds at a tab, and at what Unicode calls the
        -- end of a line, and writes a space
        local function solid(text)
          return (text:gsub("\u{2028}", ""):gsub("\u{2029}", "")
            :gsub("\u{85}", ""):gsub("%s", ""))
        end
        return looks_like_words(s) or solid(mine) == solid(other)
      end)
    end)
  end
end)

describe("parameters beside others", function()
  local function param(s)
    return "; " .. assert(codec.parameter.encode("filename", s))
  end
  local function unparam(s)
    return (codec.parameter.decode(s)).filename
  end

  for _, name in ipairs { "Python", "GMime" } do
    against(name, "are read by it", function(ask)
      math.randomseed(seed)
      local list = mapped(texts(), param)
      agree(list, unparam, ask("unparam", list), function(s)
        -- RFC 2045 5.1: "'" and "*" are of a token, and "=?" of a quoted
        -- string; RFC 2231 has a meaning for "'" behind "*=" only
        return name == "Python" and s:find "['*]"
          or s:find "=%?.*%?="
      end)
    end)

    against(name, "read what it writes", function(ask)
      math.randomseed(seed)
      local list = texts()
      local coded = mapped(ask("param", list), function(s)
        return s and lf(s):gsub("\n([ \t])", "%1"):gsub("^;?", ";")
      end)
      agree(list, function(s) return s end, mapped(coded, unparam),
        function(s)
          return s:find "=%?.*%?=" -- RFC 2047 5: read as a word, a habit
        end)
    end)
  end
end)
