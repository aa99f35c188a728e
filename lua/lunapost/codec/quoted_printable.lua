--- Quoted-printable, RFC 2045 6.7.

local check = require "lunapost.codec.check"
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
---@type fun(s: string, options?: { binary?: boolean, keep?: boolean }): string
M.encode = check.call.qp_encode

--- Tolerant: keeps what is no quoted-printable. strict: refuses it.
---@type fun(s: string, options?: { strict?: boolean }): string?,
---  lunapost.codec.defect[]|lunapost.err, integer?
M.decode = check.call.qp_decode

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
