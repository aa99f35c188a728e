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

-- Where RFC 2045 6.7 does not allow what stands there.
local function qp_problem(s)
  local at
  for _, pattern in ipairs { "[^\t\r\n -~]", "=[a-f]%x", "=%x[a-f]",
    "[ \t]\r?\n", "[ \t]$", "\r[^\n]", "\r$", ("[^\r\n]"):rep(77) } do
    local found = s:find(pattern)
    if found and (not at or found < at) then at = found end
  end
  return at
end

--- Tolerant: keeps what is no quoted-printable. strict: refuses it.
---@param s string
---@param options? { strict?: boolean }
---@return string? octets, lunapost.codec.defect[]|lunapost.err, integer?
function M.decode(s, options)
  check.text("quoted_printable.decode", s)
  local o = check.options("quoted_printable.decode", options, decoding)
  local out, invalid, at = core.qp_decode(s)
  if o.strict then
    local problem = qp_problem(s)
    if invalid > 0 then problem = math.min(problem or at, at) end
    if problem then
      return nil, err.of("syntax",
        "quoted-printable: malformed at octet " .. problem), problem
    end
  end
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
---@param options? table  none yet
---@return lunapost.codec.filter
function M.decoder(options)
  check.options("quoted_printable.decoder", options, {})
  return assert(filter.new("quoted-printable decoder", "qp_decoder", nil,
    describe))
end

return M
