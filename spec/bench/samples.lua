--- What the benchmarks encode: text in three scripts, and octets without
--- any pattern.

local M = {}

local lines <const> = {
  english = "The quick brown fox jumps over the lazy dog, and then it sleeps "
    .. "in the sun = warm.",
  french = "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens, je dîne "
    .. "d’exquis rôtis.",
  cjk = "敏捷的棕色狐狸跳过懒狗，然后在阳光下睡觉。いろはにほへと",
}

--- Lines that end with CRLF, of about that size.
---@param sample "english"|"french"|"cjk"
---@param size integer
---@return string
function M.text(sample, size)
  local line = lines[sample] .. "\r\n"
  local whole = line:rep(size // #line + 1):sub(1, size - 4)
  return whole:gsub("[\x80-\xff]+$", "") .. "\r\n"
end

---@param size integer
---@return string
function M.octets(size)
  local parts, state = {}, 12345
  for i = 1, size do
    state = (state * 1103515245 + 12345) & 0x7fffffff
    parts[i] = string.char(state >> 16 & 255)
  end
  return table.concat(parts)
end

return M
