--- Charsets, by the iconv of the system.

local check = require "lunapost.codec.check"
local filter = require "lunapost.codec.filter"

local M = {}

-- The second argument: a name, or { charset = name }.
local function charset_of(what, given)
  if type(given) == "string" then return given end
  local o = check.options("charset." .. what, given, { charset = "string" })
  return o.charset
    or error(("codec.charset.%s needs the name of a charset"):format(what), 3)
end

local function describe(notes)
  local list = {}
  check.note(list, "charset", notes.faults, "%d fault%s replaced by U+FFFD")
  return list
end

--- UTF-8 text in a charset; nil where the charset lacks a character of it.
---@type fun(s: string, name: string|{ charset: string }): string?,
---  lunapost.err?
M.encode = check.call.charset_encode

--- Octets in a charset as UTF-8. Names are read as mail programs read them
--- (iso-8859-1 is windows-1252, gb2312 is gb18030 ...). What is ill-formed
--- becomes U+FFFD, as a defect.
---@type fun(s: string, name: string|{ charset: string }): string?,
---  lunapost.codec.defect[]|lunapost.err
M.decode = check.call.charset_decode

--- The same in steps.
---@param name string|{ charset: string }
---@return lunapost.codec.filter?, lunapost.err?
function M.encoder(name)
  return filter.new("charset encoder", "charset_encoder",
    { charset = charset_of("encoder", name) })
end

--- The same in steps.
---@param name string|{ charset: string }
---@return lunapost.codec.filter?, lunapost.err?
function M.decoder(name)
  return filter.new("charset decoder", "charset_decoder",
    { charset = charset_of("decoder", name) }, describe)
end

--- Is there such a charset?
---@type fun(name: string): boolean
M.known = check.call.charset_known

return M
