--- What a session came to, for people and for scripts: exit codes, and the
--- object of --json.

local err = require "lunapost.err"
local json = require "lunapost.json"

local M = {
  OK = 0, REFUSED = 1, USAGE = 64, LATER = 75, PROTOCOL = 76,
}

local kinds <const> = { protocol = M.PROTOCOL, tls = M.PROTOCOL,
  file = M.USAGE, usage = M.USAGE, unconfirmed = M.LATER }

-- What errors tell scripts to write, as flags.
local flags <const> = {
  { "auth = { cleartext = true }", "--tls none" },
  { 'tls = "(%a+)"', "--tls %1" }, { 'pin = "([^"]+)"', "--pin %1" },
}

local function for_people(problem)
  local text = err.printable(tostring(problem))
  for _, row in ipairs(flags) do text = text:gsub(row[1], row[2]) end
  return text
end

--- Says on standard error what went wrong.
---@param verb string
---@param problem any
function M.complain(verb, problem)
  io.stderr:write("lunapost: ", verb, ": ", for_people(problem), "\n")
end

local function refusal_code(rejected)
  for _, one in ipairs(rejected) do
    if one.code >= 500 then return M.REFUSED end
  end
  return M.LATER
end

--- The exit code of a result or an error.
---@param result? table
---@param problem? lunapost.err
---@return integer
function M.code(result, problem)
  local rejected = (result or problem).rejected or {}
  if not problem then
    return #rejected == 0 and M.OK or refusal_code(rejected)
  end
  if kinds[problem.kind] then return kinds[problem.kind] end
  if #rejected > 0 then return refusal_code(rejected) end
  return problem.transient and M.LATER or M.REFUSED
end

local function fields_of(reply)
  if not reply then return json.null end
  return json.ordered { { "code", reply.code },
    { "enhanced", reply.enhanced or json.null }, { "text", reply.text } }
end

local function rejected_of(list)
  local out = {}
  for i, one in ipairs(list or {}) do
    out[i] = json.ordered { { "address", one.address }, { "code", one.code },
      { "enhanced", one.enhanced or json.null }, { "text", one.text } }
  end
  return json.list(out)
end

local function error_of(problem)
  if not problem then return json.null end
  local fields = {}
  for i, name in ipairs { "kind", "code", "enhanced", "text", "command" } do
    fields[i] = { name, problem[name] or json.null }
  end
  return json.ordered(fields)
end

--- The one object that --json promises.
---@param result? table
---@param problem? lunapost.err
---@param replies? lunapost.reply[]  to the commands of --command
---@return string
function M.json(result, problem, replies)
  local told = result or problem
  local rejected = told.rejected or {}
  local fields = {
    { "ok", not problem and #rejected == 0 },
    { "accepted", json.list(told.accepted or {}) },
    { "rejected", rejected_of(rejected) },
    { "reply", fields_of(told.reply) },
    { "error", error_of(problem or told.error) },
  }
  if replies then
    local list = {}
    for i, reply in ipairs(replies) do list[i] = fields_of(reply) end
    fields[#fields + 1] = { "replies", json.list(list) }
  end
  return json.encode(json.ordered(fields))
end

return M
