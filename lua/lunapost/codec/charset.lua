--- Charsets, by the iconv of the system.

local check = require "lunapost.codec.check"
local core = require "lunapost.core".codec
local err = require "lunapost.err"
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

local function unknown(name, kind, text)
  return nil, err.of(kind, ("charset %s: %s"):format(name,
    text == "malformed" and "the text does not fit it" or text))
end

--- UTF-8 text in a charset; nil where the charset lacks a character of it.
---@param s string  UTF-8
---@param name string|{ charset: string }
---@return string? octets, lunapost.err?
function M.encode(s, name)
  check.text("charset.encode", s)
  name = charset_of("encode", name)
  local out, kind, text = core.charset_encode(name, s)
  if out then return out end
  return unknown(name, kind, text)
end

--- Octets in a charset as UTF-8. Names are read as mail programs read them
--- (iso-8859-1 is windows-1252, gb2312 is gb18030 ...). What is ill-formed
--- becomes U+FFFD, as a defect.
---@param s string
---@param name string|{ charset: string }
---@return string? text, lunapost.codec.defect[]|lunapost.err
function M.decode(s, name)
  check.text("charset.decode", s)
  name = charset_of("decode", name)
  local out, kind, text = core.charset_decode(name, s)
  if not out then return unknown(name, kind, text) end
  return out, describe { faults = kind }
end

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
---@param name string
---@return boolean
function M.known(name)
  return core.charset_known(check.text("charset.known", name))
end

return M
