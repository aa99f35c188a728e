--- A transcript as a picture: two lifelines, an arrow for each turn, on the
--- left when it was, on the right how long its answer took.

local ascii = require "lunapost.ascii"
local err = require "lunapost.err"
local svg = require "lunapost.svg"
local turns_of = require "lunapost.smtp.transcript.turns"

local M = {}

local add <const> = svg.add

local LINE <const>, GAP <const> = 16, 14 -- pixels: a line; below a turn
local TOP <const>, MARGIN <const> = 78, 20
local CLIENT <const> = 112 -- x of the client's lifeline
local PAD <const> = 16 -- from a lifeline to the words
local BAR <const>, AFTER <const> = 150, 24
local WIDEST <const>, NARROWEST <const> = 88, 44 -- columns of words
local MOST <const> = 16 -- lines of one reply
local SHORTEST <const> = 5e-5 -- seconds: what was here already was not awaited

local INK <const>, FAINT <const>, RULE <const> = "#1d2733", "#7a8794",
  "#c8d0d9"
local BLUE <const>, GREEN <const>, AMBER <const>, RED <const> = "#2f6fd0",
  "#2e8b57", "#b7791f", "#c5364b"

local of_class <const> = { ["2"] = GREEN, ["3"] = GREEN, ["4"] = AMBER,
  ["5"] = RED }

local function colour_of(turn)
  if turn.who == "C" then return BLUE end
  return of_class[turn.code and turn.code:sub(1, 1)] or GREEN
end

local marks <const> = { [""] = " \u{2026}", ["\n"] = "\\n" }

-- The words of a turn, as many lines as there is room for.
local function words_of(turn)
  local list = {}
  for i, text in ipairs(turn.texts) do
    if i == MOST and #turn.texts > MOST then
      list[i] = ("\u{2026} %d more lines"):format(#turn.texts - MOST + 1)
      break
    end
    text = svg.clean(err.printable(text)) .. (marks[turn.ending] or "")
    list[i] = svg.cut(text, WIDEST)
  end
  return list
end

local function measure(turns)
  local columns = NARROWEST
  for _, turn in ipairs(turns) do
    turn.words = words_of(turn)
    for _, text in ipairs(turn.words) do
      columns = math.max(columns, svg.columns(text))
    end
  end
  return columns
end

-- 0.0004 -> "0.4 ms", 12.3 -> "12.3 s"
local function duration(seconds)
  local ms = seconds * 1000
  if ms >= 1000 then return ascii.format("%.1f s", seconds) end
  return ascii.format(ms < 10 and "%.1f ms" or "%.0f ms", ms)
end

-- How long each reply was waited for: since the turn before it.
local function waits_of(turns)
  local longest = 0
  for i, turn in ipairs(turns) do
    local before = turns[i - 1]
    local waited = turn.who == "S" and before and turn.time - before.time
    if waited and waited >= SHORTEST then
      turn.waited, longest = waited, math.max(longest, waited)
    end
  end
  return longest
end

local function text(out, x, y, words, more)
  if words == "" then return end
  add(out, '<text x="%d" y="%d"%s>%s</text>', x // 1, y // 1, more or "",
    svg.escape(words))
end

local function heads(out, d)
  local name = svg.cut(svg.clean(turns_of.server(d.turns)), 40)
  for _, row in ipairs { { CLIENT, "client" }, { d.server, name } } do
    local x, label = row[1], row[2]
    local width = math.max(svg.columns(label) * svg.CHAR + 24, 72)
    add(out, '<rect x="%.1f" y="34" width="%.1f" height="26" rx="6" '
      .. 'fill="#eef2f6" stroke="%s"/>', x - width / 2, width, RULE)
    text(out, x, 51, label, ' text-anchor="middle" font-weight="bold"')
  end
end

local function arrow(out, d, y, turn, dashes)
  local from, to, back = CLIENT, d.server, -7
  if turn.who == "S" then from, to, back = to, from, 7 end
  local colour = colour_of(turn)
  add(out, '<path d="M%d %.1fH%d" stroke="%s" stroke-width="1.5"%s/>', from,
    y, to + back // 2, colour, dashes or "")
  add(out, '<path d="M%d %.1fl%d -4v8z" fill="%s"/>', to, y, back, colour)
end

-- A bar beside a reply, as long as it was waited for.
local function wait(out, d, y, turn)
  local x = d.server + AFTER
  local width = d.longest > 0 and turn.waited / d.longest * BAR or 0
  add(out, '<rect x="%d" y="%.1f" width="%.1f" height="8" rx="2" '
    .. 'fill="%s" fill-opacity="0.55"/>', x, y - 4, math.max(width, 1.5),
    colour_of(turn))
  text(out, x + math.max(width, 1.5) + 6, y + 4, duration(turn.waited),
    (' fill="%s" font-size="11"'):format(FAINT))
end

local function message(out, d, y, turn)
  for i, words in ipairs(turn.words) do
    text(out, CLIENT + PAD, y + i * LINE - 4, words,
      (' fill="%s"'):format(turn.who == "C" and INK or colour_of(turn)))
  end
  y = y + #turn.words * LINE + 3
  arrow(out, d, y, turn)
  if turn.waited then wait(out, d, y, turn) end
  return y
end

-- The body: a broad arrow.
local function body(out, d, y, turn)
  local top = y + 4
  add(out, '<path d="M%d %.1fH%dl10 11l-10 11H%dz" fill="%s" '
    .. 'fill-opacity="0.14"/>', CLIENT + 1, top, d.server - 10, CLIENT + 1,
    BLUE)
  text(out, CLIENT + PAD, top + 15, turn.words[1],
    (' fill="%s"'):format(BLUE))
  return top + 22
end

local kinds <const> = { tls = "#1f7a4d", ["end"] = RED }

-- What happened: across both lifelines.
local function event(out, d, y, turn)
  local words = turn.words[1]
  local width = svg.columns(words) * svg.CHAR + 24
  local middle = (CLIENT + d.server) / 2
  local colour = kinds[turn.kind] or FAINT
  add(out, '<rect x="%.1f" y="%.1f" width="%.1f" height="20" rx="10" '
    .. 'fill="#ffffff" stroke="%s"/>', middle - width / 2, y + 2, width,
    colour)
  text(out, middle, y + 16, words,
    (' text-anchor="middle" fill="%s" font-size="11"'):format(colour))
  return y + 22
end

local function turn_of(out, d, y, turn)
  if turn.kind == "body" then return body(out, d, y, turn) end
  if turn.who == "*" then return event(out, d, y, turn) end
  return message(out, d, y, turn)
end

-- Draws the turns; returns the height, and where TLS began.
local function rows(out, d)
  local y, secure = TOP, nil
  for _, turn in ipairs(d.turns) do
    local begin = y
    y = turn_of(out, d, y, turn)
    if turn.kind == "tls" then secure = secure or begin + 12 end
    text(out, CLIENT - PAD - 8, y - (turn.who == "*" and 7 or -4),
      ascii.format("%.3f", turn.time - d.turns[1].time),
      (' text-anchor="end" fill="%s" font-size="11"'):format(FAINT))
    y = y + GAP
  end
  return y, secure
end

local function lifelines(out, d, height, secure)
  if secure then
    add(out, '<rect x="%d" y="%.1f" width="%d" height="%.1f" '
      .. 'fill="#e9f6ee"/>', CLIENT, secure, d.server - CLIENT,
      height - secure)
  end
  for _, x in ipairs { CLIENT, d.server } do
    add(out, '<path d="M%d 60V%.1f" stroke="%s" stroke-width="2"/>', x,
      height, RULE)
  end
end

local function legend(out, d, height)
  local turns, said = d.turns, 0
  for _, turn in ipairs(turns) do
    if turn.who == "C" then said = said + 1 end
  end
  local seconds = #turns > 0 and turns[#turns].time - turns[1].time or 0
  text(out, CLIENT, height + 18, ("%d line%s said, %s"):format(said,
    said == 1 and "" or "s", duration(seconds)),
    (' fill="%s" font-size="11"'):format(FAINT))
end

---@param transcript lunapost.transcript
---@param options? { title: string }
---@return string svg
function M.draw(transcript, options)
  local turns = turns_of.of(transcript)
  local d = { turns = turns, longest = waits_of(turns) }
  d.server = CLIENT + 2 * PAD + math.ceil(measure(turns) * svg.CHAR)
  local front, back = {}, {}
  local height, secure = rows(front, d)
  lifelines(back, d, height, secure)
  heads(back, d)
  legend(front, d, height)
  text(back, MARGIN, 21, options and options.title or "",
    ' font-weight="bold" font-size="13"')
  text(back, CLIENT - PAD - 8, 72, "seconds", (' text-anchor="end" '
    .. 'fill="%s" font-size="11"'):format(FAINT))
  text(back, d.server + AFTER, 72, "answered after",
    (' fill="%s" font-size="11"'):format(FAINT))
  local width, bottom = d.server + AFTER + BAR + 70, (height + 32) // 1
  return table.concat({ ('<svg xmlns="http://www.w3.org/2000/svg" '
    .. 'width="%d" height="%d" viewBox="0 0 %d %d" font-family="%s" '
    .. 'font-size="12" fill="%s">'):format(width, bottom, width, bottom,
    svg.FONTS, INK), '<rect width="100%" height="100%" fill="#ffffff"/>',
    table.concat(back, "\n"), table.concat(front, "\n"), "</svg>\n" },
    "\n")
end

return M
