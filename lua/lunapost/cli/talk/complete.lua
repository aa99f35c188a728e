--- What Tab gives in `lunapost talk`: verbs, what the server offers, and
--- the commands of talk itself.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"

local M = {}

-- Each verb, and what of its syntax is always the same.
local verbs <const> = {}
for _, syntax in pairs(core.server.verbs) do
  verbs[#verbs + 1] = syntax:match("^[%u:< ]+%f[%l]") or syntax:match("^%u+")
end

--- The commands of talk itself.
M.own = { "/auth ", "/bdat ", "/data ", "/help", "/quit", "/save ", "/svg ",
  "/tls", "/wait ", "/write " }

-- Parameters of a command, and the keyword that offers each.
local parameters <const> = {
  MAIL = { { "SIZE", "SIZE=" }, { "8BITMIME", "BODY=8BITMIME" },
    { "BINARYMIME", "BODY=BINARYMIME" }, { "SMTPUTF8", "SMTPUTF8" },
    { "DSN", "RET=HDRS" }, { "DSN", "RET=FULL" }, { "DSN", "ENVID=" },
    { "REQUIRETLS", "REQUIRETLS" }, { "DELIVERBY", "BY=" },
    { "FUTURERELEASE", "HOLDFOR=" }, { "MT-PRIORITY", "MT-PRIORITY=" } },
  RCPT = { { "DSN", "NOTIFY=" }, { "DSN", "ORCPT=rfc822;" },
    { "RRVS", "RRVS=" } },
}

local function begins(list, word)
  local out, head = {}, ascii.upper(word)
  for _, one in ipairs(list) do
    if ascii.upper(one:sub(1, #head)) == head then out[#out + 1] = one end
  end
  table.sort(out)
  return out
end

local function offered(extensions, verb)
  local list = {}
  for _, row in ipairs(parameters[verb] or {}) do
    if extensions[row[1]] then list[#list + 1] = row[2] end
  end
  return list
end

-- The keywords that a server offers are often verbs, too.
local function all_verbs(extensions)
  local list = table.move(verbs, 1, #verbs, 1, {})
  for name in pairs(extensions) do
    if name:find("^X") or name == "ETRN" then list[#list + 1] = name .. " " end
  end
  return list
end

--- The candidates for the word at the cursor.
---@param before string  the line up to the cursor
---@param extensions table<string, string[]>
---@return string[] candidates
---@return integer size  octets before the cursor that they replace
function M.at(before, extensions)
  if before:sub(1, 1) == "/" then return begins(M.own, before), #before end
  local verb, rest = before:match("^(%a+) (.*)$")
  if not verb then return begins(all_verbs(extensions), before), #before end
  verb = ascii.upper(verb)
  if verb == "AUTH" and not rest:find(" ", 1, true) then
    return begins(extensions.AUTH or {}, rest), #rest
  end
  local word = rest:match("> .-(%S*)$")
  if word then return begins(offered(extensions, verb), word), #word end
  return begins(all_verbs(extensions), before), #before
end

return M
