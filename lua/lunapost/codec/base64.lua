--- base64, RFC 4648 and RFC 2045 6.8.

local check = require "lunapost.codec.check"
local filter = require "lunapost.codec.filter"

local M = {}

local encoding <const> = {
  columns = "integer", url = "boolean", unpadded = "boolean", lf = "boolean",
}
local decoding <const> = {
  strict = "boolean", url = "boolean", unpadded = "boolean",
}

local function check_columns(options)
  local columns = options.columns or 0
  if columns < 0 or columns % 4 ~= 0 or columns > 1 << 20 then
    error("option 'columns' of codec.base64 must be a multiple of 4", 3)
  end
end

local function describe(notes)
  local list = {}
  check.note(list, "junk", notes.junk, "%d octet%s of no base64 skipped")
  check.note(list, "truncated", notes.truncated,
    "the last group is incomplete")
  return list
end

--- RFC 4648 4; with columns, lines that end with CRLF (RFC 2045 6.8); with
--- url, RFC 4648 5. lf: lines end with LF, for files.
---@type fun(s: string, options?: { columns?: integer, url?: boolean,
---  unpadded?: boolean, lf?: boolean }): string
M.encode = check.call.base64_encode

--- Tolerant: skips what is no data, takes missing padding, and nothing
--- behind the padding. strict: RFC 4648 and nothing else.
---@type fun(s: string, options?: { strict?: boolean, url?: boolean,
---  unpadded?: boolean }): string?, lunapost.codec.defect[]|lunapost.err,
---  integer?
M.decode = check.call.base64_decode

--- The same in steps.
---@param options? { columns?: integer, url?: boolean,
---  unpadded?: boolean, lf?: boolean }
---@return lunapost.codec.filter
function M.encoder(options)
  local o = check.options("base64.encoder", options, encoding)
  check_columns(o)
  return assert(filter.new("base64 encoder", "base64_encoder", o))
end

--- The same in steps.
---@param options? { strict?: boolean, url?: boolean,
---  unpadded?: boolean }
---@return lunapost.codec.filter
function M.decoder(options)
  local o = check.options("base64.decoder", options, decoding)
  return assert(filter.new("base64 decoder", "base64_decoder", o,
    describe))
end

return M
