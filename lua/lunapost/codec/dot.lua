--- The dots and line ends of a DATA body, RFC 5321 4.5.2.

local check = require "lunapost.codec.check"
local core = require "lunapost.core".codec
local err = require "lunapost.err"
local filter = require "lunapost.codec.filter"

local M = {}

local encoding <const> = { mark = "boolean" }
local decoding <const> = { strict = "boolean", fix = "boolean" }

local function bare(notes)
  return notes.bare_cr and (notes.bare_lf and "CR and LF" or "CR") or "LF"
end

local function describe(notes)
  local list, at = {}, notes.offset and notes.offset + 1
  check.note(list, "bare", at and 1 or 0, "bare " .. bare(notes), at)
  check.note(list, "nul", notes.nul and 1 or 0, "NUL in the body")
  return list
end

--- A body as it goes out after DATA: every line end CRLF, dots that begin a
--- line doubled, and, unless mark = false, the end mark.
---@param s string
---@param options? { mark?: boolean }
---@return string
function M.encode(s, options)
  check.text("dot.encode", s)
  local o = check.options("dot.encode", options, encoding)
  return core.dot_encode(s, false, o.mark == false)
end

--- The same without the end mark.
---@param s string
---@return string
function M.stuff(s)
  check.text("dot.stuff", s)
  return core.dot_encode(s, false, true)
end

--- The same in steps.
---@param options? { mark?: boolean }
---@return lunapost.codec.filter
function M.encoder(options)
  local o = check.options("dot.encoder", options, encoding)
  return assert(filter.new("dot encoder", "dot_encoder",
    { unmarked = o.mark == false }))
end

--- The same in steps.
---@param options? { strict?: boolean, fix?: boolean }
---@return lunapost.codec.filter
function M.decoder(options)
  local o = check.options("dot.decoder", options, decoding)
  return assert(filter.new("dot decoder", "dot_decoder", o, describe))
end

local function decode(what, s, options)
  check.text(what, s)
  local o = check.options(what, options, decoding)
  local f = assert(filter.new("dot decoder", "dot_decoder",
    { fix = o.fix }))
  local out, notes = filter.all(f, s), f:notes()
  local at = notes.offset and notes.offset + 1
  if at and o.strict then
    return nil, err.of("syntax", ("bare %s at octet %d"):format(bare(notes),
      at)), at
  end
  return out, describe(notes), notes
end

--- The body of what came after DATA, up to CRLF.CRLF or the end of s. Bare
--- CR and LF stay, as a defect; fix makes them CRLF, strict refuses them.
---@param s string
---@param options? { strict?: boolean, fix?: boolean }
---@return string? body, lunapost.codec.defect[]|lunapost.err
---@return integer? next  where the next command stands, nil without an end;
---  of an error: where it is wrong
function M.decode(s, options)
  local out, defects, notes = decode("dot.decode", s, options)
  if not out then return nil, defects, notes end
  check.note(defects, "unended", notes.ended and 0 or 1,
    "there is no end mark")
  return out, defects, notes.ended and notes.used + 1 or nil
end

--- The same for what has no end mark.
---@param s string
---@param options? { strict?: boolean, fix?: boolean }
---@return string? body, lunapost.codec.defect[]|lunapost.err, integer?
function M.unstuff(s, options)
  local out, defects, notes = decode("dot.unstuff", s, options)
  if not out then return nil, defects, notes end
  return out, defects, notes.ended and notes.used + 1 or nil
end

return M
