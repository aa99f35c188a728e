--- The rules of lunapost.mime.check, by number: 50. of lines, 51. of
--- headers, 52. of bodies and structure, 53. of names.

local M = {}

local LINE <const> = 998 -- RFC 5322 2.1.1
local ENCODED <const> = 76 -- RFC 2045 6.7, 6.8

--- Severity and text by number.
---@type table<integer, { [1]: string, [2]: string }>
M.known = {
  [501] = { "interoperability", "a line is longer than 998 bytes" },
  [502] = { "interoperability", "a line ends with LF alone among CRLF" },
  [503] = { "interoperability", "a CR stands without its LF" },
  [504] = { "interoperability", "a body holds NUL" },
  [505] = { "attack", "a line of one dot ends without CRLF" },
  [506] = { "harmless", "all lines end with LF: on the wire CRLF is needed" },
  [511] = { "interoperability", "no Date" },
  [512] = { "interoperability", "no From" },
  [513] = { "interoperability", "a field that stands once stands again" },
  [514] = { "attack", "From stands again: readers differ in which they show" },
  [515] = { "harmless", "no Message-ID" },
  [516] = { "interoperability", "several authors, but no Sender" },
  [517] = { "interoperability", "a field holds 8-bit octets" },
  [518] = { "harmless", "MIME fields without MIME-Version" },
  [519] = { "harmless", "Bcc is in the header: whoever gets this sees it" },
  [521] = { "interoperability", "8-bit octets in a body that is not 8bit" },
  [522] = { "harmless", "an encoded line is longer than 76 characters" },
  [523] = { "interoperability", "a message is encoded, which it must not be" },
  [524] = { "interoperability", "a multipart has no part" },
  [525] = { "interoperability", "the boundary is that of what is around it" },
  [531] = { "interoperability", "the HTML wants a cid that no part has" },
  [532] = { "interoperability", "a Content-ID stands on two parts" },
  [533] = { "attack", "a file name leads elsewhere, or hides what it is" },
  [534] = { "harmless", "no HTML wants a part that is inline by its cid" },
}

-- Lines

-- Calls found for each place of a pattern.
local function each_match(pattern, number, shift)
  return function(bytes, found)
    for at in bytes:gmatch(pattern) do found(number, at - 1 + (shift or 0)) end
  end
end

local function each_long(bytes, found)
  local from = 1
  while true do
    local stop = bytes:find("\n", from, true) or #bytes + 1
    local n = stop - from - (bytes:byte(stop - 1) == 13 and 1 or 0)
    if n > LINE then found(501, from - 1) end
    if stop > #bytes then return end
    from = stop + 1
  end
end

-- A file whose lines all end with LF is how Unix keeps mail.
local function each_lf(bytes, found)
  if not bytes:find("\r\n", 1, true) then
    return found(506, bytes:find("\n", 1, true) - 1)
  end
  if bytes:byte() == 10 then found(502, 0) end
  for at in bytes:gmatch("[^\r]()\n") do found(502, at - 1) end
end

-- What a server that takes LF for a line end would take for the end of DATA.
local function each_dot(bytes, found)
  if not bytes:find("\r\n", 1, true) then return end
  for before, at, after in bytes:gmatch("(.?[\r\n])()%.(\r?.)") do
    local ends = after == "\n" or after == "\r\n" or after:byte() == 13
    local clean = before == "\r\n" and after == "\r\n"
    if ends and not clean then found(505, at - 1) end
  end
end

--- Rules of lines: whether a scan of all the bytes says that they are
--- broken, and where.
M.of_lines = {
  { wanted = function(scan) return scan.longest > LINE end,
    each = each_long },
  { wanted = function(scan) return scan.bare_lf > 0 end, each = each_lf },
  { wanted = function(scan) return scan.bare_cr > 0 end,
    each = each_match("()\r%f[^\r\n]", 503) },
  { wanted = function(scan) return scan.bare_cr + scan.bare_lf > 0 end,
    each = each_dot },
  { wanted = function(scan) return scan.nul end,
    each = each_match("()%z", 504) },
}

-- Headers

local singletons <const> = {}
for name in ([[Date From Sender Reply-To To Cc Bcc Message-ID In-Reply-To
  References Subject MIME-Version Content-Transfer-Encoding Content-ID
  Content-Disposition Content-Description]]):gmatch "%S+" do
  singletons[#singletons + 1] = name -- RFC 5322 3.6, RFC 2045
end

local function is_message(part)
  local up = part:_up()
  return not up or up:_kind() == "message"
end

local function repeated(part, find)
  for _, name in ipairs(singletons) do
    local _, again = part:_field(name, 2)
    if again then find(name == "From" and 514 or 513, part, again) end
  end
end

local function missing(part, find)
  local at = part:_offsets()
  if not part:_field("Date") then find(511, part, at) end
  if not part:_field("From") then find(512, part, at) end
  if not part:_field("Message-ID") then find(515, part, at) end
  if #part.from > 1 and not part:_field("Sender") then
    find(516, part, select(2, part:_field("From")))
  end
  local typed, place = part:_field("Content-Type")
  if typed and not part:_field("MIME-Version") then find(518, part, place) end
  local _, bcc = part:_field("Bcc")
  if bcc then find(519, part, bcc) end
end

-- What came back with a report need not be whole.
local function is_returned(part)
  local up = part:_up()
  local around = up and up:_up()
  return around and around.type == "multipart/report"
end

local function header(part, find)
  repeated(part, find)
  if is_message(part) and not is_returned(part) then missing(part, find) end
end

local function octets(part, find)
  local _, from, to = part:_offsets()
  local at = part:_slice(from, to):find("[\x80-\xff]")
  if at then find(517, part, from + at - 1) end
end

-- Bodies

local function raw_body(part)
  local _, _, from, to = part:_offsets()
  return part:_slice(from, to), from
end

local function long_line(body)
  local from = 1
  while from <= #body do
    local stop = body:find("\n", from, true) or #body + 1
    local n = stop - from - (body:byte(stop - 1) == 13 and 1 or 0)
    if n > ENCODED then return from end
    from = stop + 1
  end
end

local encoded <const> = { base64 = true, ["quoted-printable"] = true }

local function body(part, find)
  if part:_kind() ~= "leaf" then return end
  local bytes, from = raw_body(part)
  local plain = part.encoding == "8bit" or part.encoding == "binary"
  local at = not plain and bytes:find("[\x80-\xff]")
  if at then find(521, part, from + at - 1) end
  at = encoded[part.encoding] and long_line(bytes)
  if at then find(522, part, from + at - 1) end
end

local whole <const> = {
  ["message/rfc822"] = true, ["message/partial"] = true,
  ["message/external-body"] = true,
}

local function structure(part, find)
  if whole[part.type] and encoded[part.encoding] then
    find(523, part, select(2, part:_field("Content-Transfer-Encoding")))
  end
  if not part.type:find("^multipart/") then return end
  if part.parts and #part.parts == 0 then find(524, part) end
  local own, around = part.parameters.boundary, part
  while own do
    around = around:_up()
    if not around then break end
    if around.parameters.boundary == own then
      return find(525, part, select(2, part:_field("Content-Type")))
    end
  end
end

-- Names

-- Controls that turn the order of letters around, so that "gpj.exe" may
-- read "exe.jpg".
local bidi <const> = { "\u{202a}", "\u{202b}", "\u{202c}", "\u{202d}",
  "\u{202e}", "\u{2066}", "\u{2067}", "\u{2068}", "\u{2069}" }

local function misleads(name)
  if name:find("[/\\\0-\31\127]") or name:find("^%.%.?$") then return true end
  for _, mark in ipairs(bidi) do
    if name:find(mark, 1, true) then return true end
  end
end

local function filename(part, find)
  if not (part.filename and misleads(part.filename)) then return end
  local _, at = part:_field("Content-Disposition")
  find(533, part, at or select(2, part:_field("Content-Type")))
end

local function unescaped(text)
  return (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

local function ids(part, find, seen)
  local id = part.id
  if id and seen.ids[id] and not part._state.origin then
    find(532, part, select(2, part:_field("Content-ID")))
  end
  if id then
    seen.ids[id] = true
    if part.disposition == "inline" then table.insert(seen.inline, part) end
  end
  if part.type ~= "text/html" then return end
  seen.html = true
  for cid in part:body("utf-8"):gmatch("[\"'(=]%s?[cC][iI][dD]:([^\"'%s<>)]+)")
  do
    seen.cids[#seen.cids + 1] = { part, unescaped(cid) }
  end
end

--- Rules of parts.
---@type (fun(part: lunapost.mime.part, find: function, seen: table))[]
M.of_part = { header, octets, body, structure, filename, ids }

--- What only all parts together tell.
---@param find function
---@param seen table
function M.at_end(find, seen)
  local told = {}
  for _, one in ipairs(seen.cids) do
    local part, cid = one[1], one[2]
    if not seen.ids[cid] and not told[cid] then find(531, part) end
    told[cid] = true
  end
  for _, part in ipairs(seen.html and seen.inline or {}) do
    if not told[part.id] then
      find(534, part, select(2, part:_field("Content-ID")))
    end
  end
end

return M
