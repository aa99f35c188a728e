--- Authentication-Results: what a server found out about a message, for those
--- who read it later (RFC 8601).

local options_of = require "lunapost.options"

local M = {}

---@class lunapost.result
---@field method string  spf, dkim, dmarc, auth, iprev ...
---@field result string  pass, fail, none, neutral, softfail, policy, temperror,
--- permerror
---@field reason? string  in words
---@field comment? string
---@field properties? table<string, string>  "smtp.mailfrom" = "a@b.example"

local known <const> = { method = "string", result = "string",
  reason = "string", comment = "string", properties = "table" }

-- One word of the grammar: no blank, no special (RFC 2045 5.1).
local TOKEN <const> = "^[^\0-\32\127()<>@,;:\\\"/%[%]?=]+$"

local LINE_MOST <const> = 78

-- No control character leaves, whoever chose the text.
local function clean(text)
  return (text:gsub("[\0-\31\127]", "?"))
end

local function quoted(text)
  return '"' .. clean(text):gsub('[\\"]', "\\%0") .. '"'
end

-- RFC 8601 2.2 pvalue: a token, an address without blanks, or quoted.
local function value(text)
  text = tostring(text)
  if text:find(TOKEN) or text:find "^[A-Za-z0-9%.%-_+=]*@[A-Za-z0-9%.%-]+$" then
    return text
  end
  return quoted(text)
end

local function word(what, text)
  if not text:find(TOKEN) then
    error(("the %s of a result is one word, not '%s'"):format(what,
      clean(text)), 0)
  end
  return text
end

local function property(name, text)
  if not name:find "^[A-Za-z0-9][A-Za-z0-9%-]*%.[A-Za-z0-9%-_]+$" then
    error(("a property is named ptype.property, not '%s'"):format(
      clean(name)), 0)
  end
  return name .. "=" .. value(text)
end

local function properties_of(one)
  local names, words = {}, {}
  for name in pairs(one.properties or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    words[i] = property(name, one.properties[name])
  end
  return words
end

-- The words of one result, in the order of the grammar.
local function words_of(one)
  options_of.check("field of a result", one, known, 0)
  if not one.method or not one.result then
    error("a result has a method and a result", 0)
  end
  local words = { word("method", one.method) .. "="
    .. word("result", one.result) }
  if one.comment then
    words[#words + 1] = "(" .. clean(one.comment):gsub("[()\\]", "\\%0") .. ")"
  end
  if one.reason then words[#words + 1] = "reason=" .. quoted(one.reason) end
  local properties = properties_of(one)
  return table.move(properties, 1, #properties, #words + 1, words)
end

-- Words on lines as long as they may be, folded by CRLF and a tab.
local function folded(lines, words)
  local line = "\t"
  for i, text in ipairs(words) do
    if i > 1 and #line + 1 + #text > LINE_MOST then
      lines[#lines + 1] = line
      line = "\t" .. text
    else
      line = line .. (i > 1 and " " or "") .. text
    end
  end
  lines[#lines + 1] = line
end

local function build(server, results)
  local lines = { "Authentication-Results: " .. value(server) .. ";" }
  for i, one in ipairs(results) do
    folded(lines, words_of(one))
    if i < #results then lines[#lines] = lines[#lines] .. ";" end
  end
  if #results == 0 then lines[1] = lines[1] .. " none" end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- The field, folded, with its CRLF.
---@param server string  who found it out: the authserv-id
---@param results lunapost.result[]
---@return string
M.field = options_of.placed(build)

--- What a session itself knows: who logged in, whether the peer's name and
--- address agree.
---@param session lunapost.session
---@return lunapost.result[]
function M.of_session(session)
  local peer, list = session.peer, {}
  if session.user then
    list[1] = { method = "auth", result = "pass",
      properties = { ["smtp.auth"] = session.user } }
  end
  if peer.address and peer.named and peer.via == nil then
    local result = peer.confirmed and "pass" or peer.confirmed == nil
      and peer.name and "temperror" or "fail"
    list[#list + 1] = { method = "iprev", result = result,
      comment = peer.name,
      properties = { ["policy.iprev"] = peer.address } }
  end
  return list
end

return M
