--- Random input for properties of codecs: octets that decoders stumble over,
--- text in many scripts, mutations, and pieces. Each case draws from a seed
--- of its own, so that one that fails can be had again alone:
--- LUNAPOST_SEED=n LUNAPOST_CASE=m.

local M = {}

local random <const> = math.random

--- How many cases of each property are tried.
M.cases = math.tointeger(os.getenv "LUNAPOST_CASES") or 1000

--- What all cases are drawn from.
M.seed = math.tointeger(os.getenv "LUNAPOST_SEED") or os.time()

local only <const> = math.tointeger(os.getenv "LUNAPOST_CASE")

-- Pieces of it are cheaper than octets one by one.
local function pool_of(n, draw)
  local parts = {}
  for i = 1, n do parts[i] = draw() end
  return table.concat(parts)
end

math.randomseed(1)
local pool <const> = pool_of(1 << 15, function()
  return string.char(random(0, 255))
end)

local awkward <const> = { "\r\n", "\n", "\r", "\r\r\n", "\n\r", ".", "..",
  "\r\n.\r\n", "=", "=\r\n", "=20", "=3d", " ", "\t", " \r\n", "\0", "\xff",
  "From ", "é", "€", "😀", "begin 644 x\n", "end\n", "`", "~{", "~}", "\27$B",
  "=?utf-8?q?", "?=", '"', "\\", "%41", "*0*=", ";", ("x"):rep(75),
  ("x"):rep(76), ("x"):rep(77), ("é"):rep(40), "a", "text ", "+/", "==" }

-- Most cases are short; one in 40 is long enough for whole vectors.
local function size()
  if random(40) == 1 then return random(0, 3000) end
  return random(0, random(0, 160))
end

local function slice()
  local n = size()
  local at = random(1, #pool - n)
  return pool:sub(at, at + n - 1)
end

--- Octets of all kinds, the troublesome ones often.
---@return string
function M.octets()
  if random(3) == 1 then return slice() end
  local parts = {}
  for i = 1, random(0, 12) do
    parts[i] = random(6) == 1 and slice():sub(1, 9)
      or awkward[random(#awkward)]
  end
  return table.concat(parts)
end

local scripts <const> = {
  ascii = { 0x20, 0x7e }, latin = { 0xa1, 0xff }, greek = { 0x3b1, 0x3c9 },
  cyrillic = { 0x410, 0x44f }, kana = { 0x3041, 0x3093 },
  han = { 0x4e00, 0x4e0f }, hangul = { 0xac00, 0xd7a3 },
  emoji = { 0x1f600, 0x1f64f }, any = { 0xa0, 0xd7ff },
}

local names <const> = {}
for name in pairs(scripts) do names[#names + 1] = name end
table.sort(names)

local words <const> = { "a", "Re:", "=?", "?=", "=?utf-8?q?x?=", "  ", " ",
  "\t", '"', "\\", "(", ")", "%", "'", "utf-8''", "filename.pdf", "<a@b>",
  ("long"):rep(30), "é", "日本語", "_", "=", "?" }

local function letters(script)
  local low, high = table.unpack(scripts[script])
  local list = {}
  for i = 1, random(1, 12) do list[i] = utf8.char(random(low, high)) end
  return table.concat(list)
end

--- UTF-8 on one line, in the scripts named, or in any.
---@param of? string  words: "ascii latin"
---@return string
function M.text(of)
  local choice = names
  if of then
    choice = {}
    for name in of:gmatch "%a+" do choice[#choice + 1] = name end
  end
  local parts = {}
  for i = 1, random(0, random(1, 14)) do
    if not of and random(3) == 1 then
      parts[i] = words[random(#words)]
    else
      parts[i] = letters(choice[random(#choice)])
        .. (random(2) == 1 and " " or "")
    end
  end
  return table.concat(parts)
end

--- One octet replaced, taken out or put in, and never the same string.
---@param s string
---@param alphabet string  what is put in is of these, or any octet
---@return string
function M.mutated(s, alphabet)
  local at, kind = random(1, #s + 1), random(3)
  local pick = random(1, #alphabet)
  local c = random(4) == 1 and string.char(random(0, 255))
    or alphabet:sub(pick, pick)
  local behind = kind == 3 and at or at + 1
  local other = s:sub(1, at - 1) .. (kind == 2 and "" or c) .. s:sub(behind)
  return other ~= s and other or s .. c
end

--- All that a filter gives for s in random pieces, or nil and why not.
---@param f lunapost.codec.filter
---@param s string
---@return string? out, any err, integer? position
function M.stepped(f, s)
  local out, at = {}, 1
  local most = random(3) == 1 and 3 or 200
  while at <= #s do
    local n = random(0, most)
    local piece, problem, position = f:update(s:sub(at, at + n - 1))
    if not piece then return nil, problem, position end
    out[#out + 1] = piece
    at = at + n
  end
  local rest, problem, position = f:finish()
  if not rest then return nil, problem, position end
  return table.concat(out) .. rest
end

--- Raises unless two values are equal.
---@param wanted any
---@param got any
---@param what string
function M.same(wanted, got, what)
  if wanted ~= got then
    error(("%s: %q, not %q"):format(what, got, wanted), 2)
  end
end

--- Raises unless a fact holds.
---@param fact any
---@param what string
---@param value? any
function M.need(fact, what, value)
  if not fact then
    error(("%s: %q"):format(what, tostring(value)), 2)
  end
end

--- Adds an `it` that runs one case again and again.
---@param text string
---@param case fun()
---@param share? integer  one in so many of the cases is enough
function M.it(text, case, share)
  local busted = require "busted"
  busted.it(text, function()
    for i = only or 1, only or M.cases // (share or 1) do
      math.randomseed(M.seed, i)
      local ok, why = pcall(case)
      if not ok then
        error(("LUNAPOST_SEED=%d LUNAPOST_CASE=%d: %s"):format(M.seed, i, why),
          0)
      end
    end
  end)
end

return M
