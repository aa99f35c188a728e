--- Extensions that a server offers: the standard ones by name, any other by
--- the parameters that it opens (RFC 5321 2.2).

local ascii = require "lunapost.ascii"
local options_of = require "lunapost.options"

local M = {}

---@class lunapost.extension
---@field words? string  what stands behind the keyword in EHLO's answer
---@field mail? string[]  parameters of MAIL that it opens
---@field rcpt? string[]  parameters of RCPT
---@field tls? boolean  offered within TLS only

local known <const> = { words = "string", mail = "table", rcpt = "table",
  tls = "boolean" }

-- Those that the script has to serve, hence offered where it says so. The
-- machine in core knows the grammar of their parameters.
local standard <const> = {
  BINARYMIME = { mail = { "BODY=BINARYMIME" } },           -- RFC 3030
  CONNEG = { rcpt = { "CONNEG" } },                        -- RFC 4141
  CONPERM = { mail = { "CONPERM" } },                      -- RFC 4141
  DELIVERBY = { mail = { "BY" } },                         -- RFC 2852
  DSN = { mail = { "RET", "ENVID" }, rcpt = { "NOTIFY", "ORCPT" } }, -- 3461
  ETRN = {},                                               -- RFC 1985
  FUTURERELEASE = { mail = { "HOLDFOR", "HOLDUNTIL" } },   -- RFC 4865
  ["MT-PRIORITY"] = { mail = { "MT-PRIORITY" } },          -- RFC 6710
  MTRK = { mail = { "MTRK" } },                            -- RFC 3885
  ["NO-SOLICITING"] = { mail = { "SOLICIT" } },            -- RFC 3865
  PRDR = { mail = { "PRDR" } },                            -- draft-hall-prdr
  REQUIRETLS = { mail = { "REQUIRETLS" }, tls = true },    -- RFC 8689
  RRVS = { rcpt = { "RRVS" } },                            -- RFC 7293
  SUBMITTER = { mail = { "SUBMITTER" } },                  -- RFC 4405
}

-- Parameters of what is always offered (RFC 1870, 6152, 6531, 4954).
local opens <const> = { SIZE = "SIZE", ["8BITMIME"] = "BODY",
  SMTPUTF8 = "SMTPUTF8", AUTH = "AUTH" }

--- Raises for what is no keyword.
---@param what string
---@param word any
function M.check_word(what, word)
  if type(word) ~= "string" or not word:find("^[A-Za-z0-9][A-Za-z0-9%-]*$") then
    error(("%s '%s' must be letters, digits and hyphens"):format(what,
      tostring(word)), 0)
  end
end

local function check(keyword, extension)
  options_of.check("option of extension " .. keyword, extension, known, 0)
  for _, list in ipairs { extension.mail or {}, extension.rcpt or {} } do
    for _, parameter in ipairs(list) do M.check_word("parameter", parameter) end
  end
  if (extension.words or ""):find("[^\33-\126 ]") then
    error(("words of extension %s: visible ASCII is expected")
      :format(keyword), 0)
  end
end

local function complete(keyword, extension)
  M.check_word("extension", keyword)
  local model = standard[keyword] or {}
  if extension == true then return model end
  check(keyword, extension)
  return { words = extension.words, mail = extension.mail or model.mail,
    rcpt = extension.rcpt or model.rcpt, tls = extension.tls or model.tls }
end

--- Extensions by keyword, in upper case; true stands for a standard one.
---@param given? table<string, lunapost.extension|true>
---@return table<string, lunapost.extension>
function M.complete(given)
  local list = {}
  for keyword, extension in pairs(given or {}) do
    local name = ascii.upper(tostring(keyword))
    if extension == true and not standard[name] then
      options_of.unknown("standard extension", name, standard, 0)
    end
    list[name] = complete(name, extension)
  end
  return list
end

--- Adds to a list the lines of EHLO's answer, in order of their keywords.
---@param list string[]
---@param extensions table<string, lunapost.extension>
---@param tls boolean  the session has TLS
function M.announce(list, extensions, tls)
  local lines = {}
  for keyword, extension in pairs(extensions) do
    if tls or not extension.tls then
      lines[#lines + 1] = extension.words and keyword .. " "
        .. extension.words or keyword
    end
  end
  table.sort(lines)
  table.move(lines, 1, #lines, #list + 1, list)
end

--- The parameters that lines of EHLO's answer open.
---@param extensions table<string, lunapost.extension>
---@param lines string[]
---@return string mail  words with blanks between, as the machine takes them
---@return string rcpt
function M.parameters(extensions, lines)
  local mail, rcpt = {}, {}
  for _, line in ipairs(lines) do
    local keyword = line:match("^%S+")
    local extension = extensions[keyword] or {}
    mail[#mail + 1] = opens[keyword]
    for _, word in ipairs(extension.mail or {}) do mail[#mail + 1] = word end
    for _, word in ipairs(extension.rcpt or {}) do rcpt[#rcpt + 1] = word end
  end
  return table.concat(mail, " "), table.concat(rcpt, " ")
end

return M
