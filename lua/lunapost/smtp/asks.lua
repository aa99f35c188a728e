--- Parameters of MAIL and RCPT: those that are understood here, checked and
--- written as their RFC has them, and any other by its name.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local options_of = require "lunapost.options"

local M = {}

local allowed <const> = core.client.parameter

---@class lunapost.asked  what one parameter asks for
---@field name string  as the script called it
---@field extension string  that has to be offered
---@field text string  "RET=HDRS"
---@field beyond? fun(words: string[], tls: table?): string?  why the server
--- does not go as far

--- xtext, RFC 3461 4: what is no visible ASCII, "+" and "=" become +HH.
---@param text string
---@return string
function M.xtext(text)
  return (text:gsub("[^\33-\42\44-\60\62-\126]", function(octet)
    return ("+%02X"):format(octet:byte())
  end))
end

-- utf-8-addr-xtext, RFC 6533 3: characters outside ASCII by their numbers.
local function utf8_xtext(text)
  return (text:gsub(utf8.charpattern, function(char)
    if char:find("^[\33-\42\44-\60\62-\91%]\94-\126]$") then return char end
    return ("\\x{%02X}"):format(utf8.codepoint(char))
  end))
end

local function misuse(name, value, expected)
  error(("parameter '%s': %s is expected, not %s"):format(name, expected,
    type(value) == "string" and ("%q"):format(value) or tostring(value)), 0)
end

local function word_of(name, value, words)
  local word = ascii.upper(tostring(value))
  if not words[word] then
    misuse(name, value, table.concat(words, " or "))
  end
  return word
end

local function words(...)
  local list = { ... }
  for _, word in ipairs { ... } do list[word] = true end
  return list
end

local function number(name, value, least, most)
  if math.type(value) ~= "integer" or value < least or value > most then
    misuse(name, value, ("a whole number of %d to %d"):format(least, most))
  end
  return ("%d"):format(value)
end

-- RFC 3339, of seconds since 1970 or as it is.
local function date_time(name, value)
  local ok, text = true, value
  if math.type(value) == "integer" then
    ok, text = pcall(os.date, "!%Y-%m-%dT%H:%M:%SZ", value)
  end
  if not ok or type(text) ~= "string" or not allowed("HOLDUNTIL", text) then
    misuse(name, value, "seconds since 1970, or YYYY-MM-DDTHH:MM:SSZ,")
  end
  return ascii.upper(text)
end

-- Looks at the keys of a parameter that is a table.
local function fields(name, value, known)
  return options_of.check(("key of '%s'"):format(name), value, known, 0)
end

local contents <const> = words("FULL", "HDRS")

local function ret(value)
  return "RET=" .. word_of("ret", value, contents)
end

-- RFC 3461 4.4: 100 octets at most; what it encodes is visible ASCII or a
-- blank.
local function envid(value)
  local text = M.xtext(value)
  if value == "" or #text > 100 or value:find("[^\32-\126]") then
    misuse("envid", value, "ASCII of at most 100 octets as xtext")
  end
  return "ENVID=" .. text
end

local occasions <const> = words("SUCCESS", "FAILURE", "DELAY", "NEVER")

-- RFC 3461 4.1: NEVER stands by itself, another word once.
local function notify(value)
  local given, list = value, {}
  if type(value) == "table" then value = table.concat(value, ",") end
  for one in (value .. ","):gmatch("%s*([^,]-)%s*,") do
    local word = word_of("notify", one, occasions)
    if list[word] then misuse("notify", value, "each word once") end
    list[#list + 1], list[word] = word, true
  end
  if list.NEVER and #list > 1 then
    misuse("notify", value, "NEVER by itself, or the others")
  end
  if #list == 0 then misuse("notify", given, "a word") end
  return "NOTIFY=" .. table.concat(list, ",")
end

-- RFC 3461 4.2: an address, or "type;address".
local function orcpt(value)
  local kind, address = value:match("^([A-Za-z0-9%-]+);(.+)$")
  if not kind then
    kind = value:find("[\128-\255]") and "utf-8" or "rfc822"
    address = value
  end
  if ascii.lower(kind) == "utf-8" and not utf8.len(address) then
    misuse("orcpt", value, "UTF-8")
  end
  local text = ascii.lower(kind) == "utf-8" and utf8_xtext(address)
    or M.xtext(address)
  if address == "" or #text + #kind >= 500 then
    misuse("orcpt", value, "an address of at most 500 octets as xtext")
  end
  return ("ORCPT=%s;%s"):format(kind, text)
end

-- RFC 8689 4.2.1: only where the session itself is secured, and the server
-- has proven who it is.
local function requiretls()
  return "REQUIRETLS", function(_, tls)
    if not tls then return 'this session has no TLS (tls = "starttls")' end
    local certificate = tls.certificate
    return not (certificate and certificate.verified) and "nothing proves "
      .. "who the server is: name its ca or pin, not insecure = true" or nil
  end
end

local BY <const> = 999999999
local modes <const> = words("N", "R")

-- RFC 2852 4: what happens after so many seconds; the server's word is the
-- least time that it returns a message after.
local function deliver_by(value)
  local by = type(value) == "table" and value or { seconds = value }
  fields("deliver_by", by, { seconds = "number", mode = "string",
    trace = "boolean" })
  local mode = word_of("deliver_by", by.mode or "N", modes)
  local seconds = number("deliver_by", by.seconds, mode == "R" and 1 or -BY,
    BY)
  return ("BY=%s;%s%s"):format(seconds, mode, by.trace and "T" or ""),
    mode == "R" and function(given)
      local least = tonumber(given[1])
      if least and by.seconds < least then
        return ("the server returns messages after %d seconds at the "
          .. "earliest"):format(least)
      end
    end or nil
end

local HOLD <const> = 999999999

-- RFC 4865 4: the words are the longest time, and the last date.
local function hold_for(value)
  return "HOLDFOR=" .. number("hold_for", value, 1, HOLD), function(given)
    local most = tonumber(given[1])
    if most and value > most then
      return ("the server holds messages for %d seconds at most"):format(most)
    end
  end
end

local function hold_until(value)
  local text = date_time("hold_until", value)
  return "HOLDUNTIL=" .. text, function(given)
    local last = given[2]
    if last and text:find("Z$") and last:find("Z$") and text > last then
      return "the server holds messages until " .. last .. " at most"
    end
  end
end

-- RFC 6710
local function mt_priority(value)
  return "MT-PRIORITY=" .. number("mt_priority", value, -9, 9)
end

local how <const> = words("C", "R")

-- RFC 7293 3.2: C(ontinue) or R(eject) where the server cannot tell.
local function rrvs(value)
  local since = type(value) == "table" and value or { since = value }
  fields("rrvs", since, { since = "integer|string", mode = "string" })
  local text = "RRVS=" .. date_time("rrvs", since.since)
  if not since.mode then return text end
  return text .. ";" .. word_of("rrvs", since.mode, how)
end

-- RFC 4954 5: who submitted the message; "<>": unknown.
local function submitter(value)
  return "AUTH=" .. (value == "<>" and value or M.xtext(value))
end

local writers <const> = {
  ret = { "DSN", ret, "string" },
  envid = { "DSN", envid, "string" },
  requiretls = { "REQUIRETLS", requiretls, "boolean" },
  deliver_by = { "DELIVERBY", deliver_by, "number|table" },
  hold_for = { "FUTURERELEASE", hold_for, "integer" },
  hold_until = { "FUTURERELEASE", hold_until, "integer|string" },
  mt_priority = { "MT-PRIORITY", mt_priority, "integer" },
  submitter = { "AUTH", submitter, "string" },
  notify = { "DSN", notify, "string|table" },
  orcpt = { "DSN", orcpt, "string" },
  rrvs = { "RRVS", rrvs, "integer|string|table" },
}

local function types_of(...)
  local known = {}
  for _, name in ipairs { ... } do known[name] = writers[name][3] end
  return known
end

--- Those of MAIL and of RCPT that are understood, and their types.
M.mail = types_of("ret", "envid", "requiretls", "deliver_by", "hold_for",
  "hold_until", "mt_priority", "submitter")
M.rcpt = types_of("notify", "orcpt", "rrvs")

--- What a table asks for; raises where that is not as its RFC has it.
---@param given table
---@param known table<string, string>  M.mail or M.rcpt
---@return lunapost.asked[]? asked  nil: nothing
function M.typed(given, known)
  if given.hold_for and given.hold_until then -- RFC 4865 4
    error("'hold_for' beside 'hold_until'", 0)
  end
  local list
  for name, value in pairs(given) do
    if known[name] and value then
      options_of.typed("parameter", name, value, known[name], 0)
      local writer = writers[name]
      local text, beyond = writer[2](value)
      list = list or {}
      list[#list + 1] = { name = name, extension = writer[1], text = text,
        beyond = beyond }
    end
  end
  if list then
    table.sort(list, function(a, b) return a.text < b.text end)
  end
  return list
end

-- Why the server does not do what is asked, or nil.
local function objection(client, asked)
  local offered = client.extensions[asked.extension]
  if not offered then
    return ("'%s' needs %s, which the server does not offer"):format(
      asked.name, asked.extension)
  end
  local why = asked.beyond and asked.beyond(offered, client.tls)
  if why then return ("'%s': %s"):format(asked.name, why) end
end

local function raw_word(name, value)
  if type(name) == "number" then return ascii.text(value) end
  if value == true then return name end
  return value and name .. "=" .. ascii.text(value)
end

local function by_name(a, b)
  return tostring(a) < tostring(b)
end

-- Adds parameters by name, sorted.
local function add_raw(list, params)
  local names = {}
  for name in pairs(params) do names[#names + 1] = name end
  table.sort(names, by_name)
  for _, name in ipairs(names) do
    local word = raw_word(name, params[name])
    if word and word:find("[\0-\32\127]") then
      return nil, ("the parameter %q holds a blank or a control character")
        :format(word)
    end
    list[#list + 1] = word or nil
  end
  return true
end

--- What is asked for, as text: the same text, the same wishes.
---@param asked? lunapost.asked[]
---@param params? table
---@return string
function M.digest(asked, params)
  local list = {}
  for i, one in ipairs(asked or {}) do list[i] = one.text end
  for name, value in pairs(params or {}) do
    list[#list + 1] = raw_word(name, value) or nil
  end
  table.sort(list)
  return table.concat(list, " ")
end

--- Adds parameters to a command's line.
---@param client lunapost.client
---@param line string
---@param asked? lunapost.asked[]  typed ones
---@param params? table  { NAME = value, FLAG = true } or a list of words
---@return string? line
---@return string? problem
function M.append(client, line, asked, params)
  if not (asked or params) then return line end
  local list = { line }
  for _, one in ipairs(asked or {}) do
    local why = objection(client, one)
    if why then return nil, why end
    list[#list + 1] = one.text
  end
  local ok, problem = add_raw(list, params or {})
  if not ok then return nil, problem end
  return table.concat(list, " ")
end

--- Sorts what mail and rcpt are given into typed parameters and others.
---@param params table
---@param known table<string, string>
---@return lunapost.asked[]? asked
---@return table others
function M.sorted(params, known)
  local others = {}
  for name, value in pairs(params) do
    if not known[name] then others[name] = value end
  end
  return M.typed(params, known), others
end

return M
