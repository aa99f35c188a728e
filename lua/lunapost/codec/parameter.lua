--- Parameters of MIME fields, RFC 2045 5.1 and RFC 2231.

local check = require "lunapost.codec.check"
local filter = require "lunapost.codec.filter"

local M = {}

--- name=value for a MIME field: bare, quoted, or RFC 2231, in pieces
--- separated by "; " where it is long. A value that is not ASCII goes in the
--- charset, utf-8 unless given; a language (RFC 5646) is for RFC 2231 only.
---@type fun(name: string, value: string, options?: { charset?: string,
---  language?: string }): string?, lunapost.err?
M.encode = check.call.param_encode

--- The parameters of a field value ("text/plain; charset=x", or from the
--- first name on): decoded values by lower-case name, and, where any was
--- said, languages by name.
---@type fun(field: string): table<string, string>,
---  lunapost.codec.defect[], table<string, string>?
M.decode = check.call.param_decode

--- Gathers a value of at most 1 MiB, and gives name=value at the end.
---@param options { name: string, charset?: string, language?: string }
---@return lunapost.codec.filter
function M.encoder(options)
  local o = check.options("parameter.encoder", options, { name = "string",
    charset = "string", language = "string" })
  local name = o.name or error("codec.parameter.encoder needs a name", 2)
  local how <const> = { charset = o.charset, language = o.language }
  return filter.gather("parameter encoder",
    function(s) return M.encode(name, s, how) end)
end

--- Gathers a field of at most 1 MiB, and gives a line "name=value" for each
--- parameter, in the order of the names.
---@return lunapost.codec.filter
function M.decoder()
  return filter.gather("parameter decoder", function(s)
    local lines = {}
    for name, value in pairs((M.decode(s))) do
      lines[#lines + 1] = name .. "=" .. value .. "\n"
    end
    table.sort(lines)
    return table.concat(lines)
  end)
end

return M
