--- Commands for servers that trust the client: XCLIENT and XFORWARD, as
--- Postfix has them; and ETRN (RFC 1985).

local ascii = require "lunapost.ascii"
local M = {}

-- Octets of a line of a command, RFC 5321 4.5.3.1.4.
local LINE <const> = 500

local special <const> = { ["[UNAVAILABLE]"] = true, ["[TEMPUNAVAIL]"] = true }

local addresses <const> = { ADDR = true, DESTADDR = true }

-- xtext, but brackets stay where they are the value's own; Postfix wants an
-- IPv6 address with its prefix.
local function encoded(name, value)
  value = tostring(value)
  if special[value] then return value end
  if addresses[name] and value:find("^%x*:") then value = "IPV6:" .. value end
  return (value:gsub("[^\33-\42\44-\60\62-\126]", function(octet)
    return ("+%02X"):format(octet:byte())
  end))
end

-- NAME=value words, sorted; an error where the server takes no such name.
local function words_of(client, verb, attributes)
  local offered = client.extensions[verb]
  if not offered then
    return nil, client:failed("syntax", "the server offers no " .. verb, verb)
  end
  local known, words = {}, {}
  for _, name in ipairs(offered) do known[ascii.upper(name)] = true end
  for name, value in pairs(attributes) do
    name = ascii.upper(tostring(name))
    if not known[name] then
      return nil, client:failed("syntax", ("the server takes no %s (it takes "
        .. "%s)"):format(name, table.concat(offered, " ")), verb)
    end
    words[#words + 1] = name .. "=" .. encoded(name, value)
  end
  if #words == 0 then
    error(verb .. ": a table of attributes is expected", 3)
  end
  table.sort(words)
  return words
end

--- XFORWARD, in as many commands as it takes.
---@param client lunapost.client
---@param attributes table<string, string|number>
---@return lunapost.reply? reply
---@return lunapost.err? error
function M.xforward(client, attributes)
  local words, problem = words_of(client, "XFORWARD", attributes)
  if not words then return nil, problem end
  local line, reply = "", nil
  for i, word in ipairs(words) do
    line = line == "" and word or line .. " " .. word
    local behind = words[i + 1]
    if not behind or #line + #behind >= LINE then
      reply, problem = client:ask("XFORWARD", line)
      if not reply then return nil, problem end
      line = ""
    end
  end
  return reply
end

--- XCLIENT; the server starts anew, and so does the session: EHLO again.
---@param client lunapost.client
---@param attributes table<string, string|number>
---@return lunapost.reply? reply
---@return lunapost.err? error
function M.xclient(client, attributes)
  local words, problem = words_of(client, "XCLIENT", attributes)
  if not words then return nil, problem end
  local reply
  reply, problem = client:ask("XCLIENT", table.concat(words, " "))
  if not reply then return nil, problem end
  client.extensions, client.user = {}, nil
  local ok
  ok, problem = client:ehlo()
  if not ok then return nil, problem end
  return reply
end

--- ETRN: the server starts on the queue for a node ("@domain", "#queue").
---@param client lunapost.client
---@param node string
---@return lunapost.reply? reply
---@return lunapost.err? error
function M.etrn(client, node)
  return client:ask("ETRN", node)
end

return M
