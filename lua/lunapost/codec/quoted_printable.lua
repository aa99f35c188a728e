--- Quoted-printable, RFC 2045 6.7.

local check = require "lunapost.codec.check"
local core = require "lunapost.core".codec
local err = require "lunapost.err"
local filter = require "lunapost.codec.filter"

local M = {}

local encoding <const> = { binary = "boolean", keep = "boolean" }
local decoding <const> = { strict = "boolean" }

local function describe(notes)
  local list = {}
  check.note(list, "invalid", notes.invalid, "%d '=' of no meaning kept",
    notes.offset and notes.offset + 1)
  return list
end

--- RFC 2045 6.7. Line ends, CRLF or LF, become CRLF; binary encodes them,
--- keep leaves LF where it is LF, for files.
---@param s string
---@param options? { binary?: boolean, keep?: boolean }
---@return string
function M.encode(s, options)
  check.text("quoted_printable.encode", s)
  local o = check.options("quoted_printable.encode", options, encoding)
  return core.qp_encode(s, o.binary, o.keep)
end

local function decode_strict(s)
  local f = M.decoder { strict = true }
  local out, _, position = filter.all(f, s)
  if out then return out, {} end
  return nil, err.of("syntax",
    "quoted-printable: malformed at octet " .. position), position
end

--- Tolerant: keeps what is no quoted-printable. strict: refuses it.
---@param s string
---@param options? { strict?: boolean }
---@return string? octets, lunapost.codec.defect[]|lunapost.err, integer?
function M.decode(s, options)
  check.text("quoted_printable.decode", s)
  local o = check.options("quoted_printable.decode", options, decoding)
  if o.strict then return decode_strict(s) end
  local out, invalid, at = core.qp_decode(s)
  return out, describe { invalid = invalid, offset = at - 1 }
end

--- The same in steps.
---@param options? { binary?: boolean, keep?: boolean }
---@return lunapost.codec.filter
function M.encoder(options)
  local o = check.options("quoted_printable.encoder", options, encoding)
  return assert(filter.new("quoted-printable encoder", "qp_encoder", o))
end

--- The same in steps.
---@param options? { strict?: boolean }
---@return lunapost.codec.filter
function M.decoder(options)
  local o = check.options("quoted_printable.decoder", options, decoding)
  return assert(filter.new("quoted-printable decoder", "qp_decoder", o,
    describe))
end

return M
