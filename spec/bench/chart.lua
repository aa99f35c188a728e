--- A bar chart of ratios as SVG: for each kind of work a bar a peer, on a
--- logarithmic scale that begins at 1, as fast as the peer.

local M = {}

local left <const>, right <const> = 204, 56 -- names, and figures
local plot <const> = 470
local bar <const>, gap <const>, above <const> = 13, 11, 92
local peers <const> = { "LuaSocket", "GMime", "Python" }
local legend <const> = { LuaSocket = "LuaSocket", GMime = "GMime, in C",
  Python = "Python" }
local marks <const> = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 }

local style <const> = [[
<style>
text { font: 12px -apple-system, "Segoe UI", "DejaVu Sans", Helvetica, Arial,
  sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.small { font-size: 11px; fill: #59636e; }
.paper { fill: #ffffff; }
.grid { stroke: #d1d9e0; }
.axis { stroke: #59636e; }
.LuaSocket { fill: #2867b2; }
.GMime { fill: #d9822b; }
.Python { fill: #7a8590; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .small { fill: #9198a1; }
  .paper { fill: #0d1117; }
  .grid { stroke: #3d444d; }
  .axis { stroke: #9198a1; }
  .LuaSocket { fill: #58a6ff; }
  .GMime { fill: #e3993f; }
  .Python { fill: #8b949e; }
}
</style>]]

local function escape(s)
  return (s:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;",
    [">"] = "&gt;" }))
end

local function text(x, y, s, class, anchor)
  return ('<text x="%.1f" y="%.1f"%s%s>%s</text>'):format(x, y,
    class and ' class="' .. class .. '"' or "",
    anchor and ' text-anchor="' .. anchor .. '"' or "", escape(s))
end

local function figure(ratio)
  return (ratio < 9.95 and "%.1f\u{d7}" or "%.0f\u{d7}"):format(ratio)
end

local function highest(rows)
  local most = 1
  for _, row in ipairs(rows) do
    for _, peer in ipairs(peers) do
      local one = row.seen[peer]
      most = one and one.ratio > most and one.ratio or most
    end
  end
  return most
end

-- Where a ratio stands; slower than the peer stands on the axis.
local function scale(rows)
  local last = 1
  for _, mark in ipairs(marks) do
    last = mark
    if mark >= highest(rows) then break end
  end
  return function(ratio)
    return left + plot * math.max(0, math.log(ratio) / math.log(last))
  end, last
end

local function grid(out, x, last, height)
  for _, mark in ipairs(marks) do
    if mark > last then break end
    out[#out + 1] = ('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" class="%s"/>')
      :format(x(mark), x(mark), above - 6, height - 14,
      mark == 1 and "axis" or "grid")
    out[#out + 1] = text(x(mark), above - 12, mark .. "\u{d7}", "small",
      "middle")
  end
end

local function bars(out, x, row, y)
  local middle, first = 0, y
  for _, peer in ipairs(peers) do
    local one = row.seen[peer]
    if one then
      out[#out + 1] = ('<rect x="%d" y="%.1f" width="%.1f" height="%d" '
        .. 'class="%s"/>'):format(left, y, x(one.ratio) - left, bar - 2, peer)
      out[#out + 1] = text(x(one.ratio) + 5, y + bar - 3, figure(one.ratio),
        "small")
      y = y + bar
      middle = (first + y) / 2
    end
  end
  out[#out + 1] = text(left - 10, middle + 3, row.title, nil, "end")
  return y + gap
end

local function head(out, rows, note)
  out[#out + 1] = text(12, 24, "lunapost, from Lua string to Lua string: "
    .. "how many times as fast", "title")
  out[#out + 1] = text(12, 42, note .. "; logarithmic scale", "small")
  local at = 12
  for _, peer in ipairs(peers) do
    local there = false
    for _, row in ipairs(rows) do there = there or row.seen[peer] end
    if there then
      out[#out + 1] = ('<rect x="%d" y="52" width="11" height="11" '
        .. 'class="%s"/>'):format(at, peer)
      out[#out + 1] = text(at + 17, 62, "as " .. legend[peer])
      at = at + 45 + 7 * #legend[peer]
    end
  end
end

--- Writes the picture.
---@param path string
---@param rows { title: string, seen: table<string, { ratio: number }> }[]
---@param note string  what was measured, and where
function M.write(path, rows, note)
  local x, last = scale(rows)
  local body, y = {}, above
  for _, row in ipairs(rows) do y = bars(body, x, row, y) end
  local width, height = left + plot + right, y + 8
  local out = { ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" '
    .. 'height="%d" viewBox="0 0 %d %d" role="img">')
    :format(width, height, width, height),
    "<title>Codecs: how many times as fast as others</title>", style,
    ('<rect width="%d" height="%d" class="paper"/>'):format(width, height) }
  head(out, rows, note)
  grid(out, x, last, height)
  table.move(body, 1, #body, #out + 1, out)
  out[#out + 1] = "</svg>\n"
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(table.concat(out, "\n")))
end

return M
