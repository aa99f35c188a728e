--- Line ends.

local check = require "lunapost.codec.check"
local filter = require "lunapost.codec.filter"

local M = {}

--- Every line end, bare CR and LF too, as CRLF.
---@type fun(s: string): string
M.encode = check.call.crlf_encode

M.normalise = M.encode

--- The same in steps.
---@param options? table  none yet
---@return lunapost.codec.filter
function M.encoder(options)
  check.options("crlf.encoder", options, {})
  return assert(filter.new("crlf encoder", "dot_encoder", { plain = true }))
end

--- Every CRLF as LF; bare CRs stay.
---@type fun(s: string): string
M.decode = check.call.crlf_decode

--- The same in steps.
---@param options? table  none yet
---@return lunapost.codec.filter
function M.decoder(options)
  check.options("crlf.decoder", options, {})
  return assert(filter.new("crlf decoder", "crlf_decoder"))
end

return M
