--- Parameters of MIME fields, RFC 2045 5.1 and RFC 2231.

local check = require "lunapost.codec.check"
local core = require "lunapost.core".codec
local err = require "lunapost.err"
local filter = require "lunapost.codec.filter"

local M = {}

--- name=value for a MIME field: bare, quoted, or RFC 2231 with charset
--- utf-8, in pieces separated by "; " where it is long.
---@param name string
---@param value string  UTF-8
---@return string?, lunapost.err?
function M.encode(name, value)
  check.text("parameter.encode", name)
  check.text("parameter.encode", value)
  local out, kind = core.param_encode(name, value)
  if out then return out:sub(3) end
  return nil, err.of(kind, "parameter: the name must be a token, the value "
    .. "UTF-8 without line ends and NUL")
end

-- Where the parameters of a field begin: at once, or behind its value.
local function parameters_of(field)
  if field:find "^%s*;" or not field:find "^%s*[%w!#-'*+.^_`{|}~-]+%s*=" then
    return field:match ";.*$" or ""
  end
  return ";" .. field
end

--- The parameters of a field value ("text/plain; charset=x", or from the
--- first name on): decoded values by lower-case name.
---@param field string
---@return table<string, string>, lunapost.codec.defect[]
function M.decode(field)
  check.text("parameter.decode", field)
  local list, faults = core.param_parse(parameters_of(field))
  local values, defects = {}, {}
  for _, pair in ipairs(list) do values[pair[1]] = pair[2] end
  check.note(defects, "parameter", faults, "%d fault%s in parameters")
  return values, defects
end

--- Gathers a value, and gives name=value at the end.
---@param options { name: string }
---@return lunapost.codec.filter
function M.encoder(options)
  local o = check.options("parameter.encoder", options, { name = "string" })
  local name = o.name or error("codec.parameter.encoder needs a name", 2)
  return filter.gather("parameter encoder",
    function(s) return M.encode(name, s) end)
end

--- Gathers a field, and gives a line "name=value" for each parameter.
---@return lunapost.codec.filter
function M.decoder()
  return filter.gather("parameter decoder", function(s)
    local lines = {}
    for i, pair in ipairs(core.param_parse(parameters_of(s))) do
      lines[i] = pair[1] .. "=" .. pair[2] .. "\n"
    end
    return table.concat(lines)
  end)
end

return M
