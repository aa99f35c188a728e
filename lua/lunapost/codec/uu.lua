--- uuencode.

local check = require "lunapost.codec.check"
local filter = require "lunapost.codec.filter"

local M = {}

local known <const> = { name = "string", mode = "integer" }

local function describe(notes)
  local list = {}
  check.note(list, "junk", notes.junk, "%d line%s of no data skipped")
  check.note(list, "truncated", notes.ended and 0 or 1, "there is no 'end'")
  return list
end

--- The same in steps.
---@param options? { name?: string, mode?: integer }
---@return lunapost.codec.filter?, lunapost.err?
function M.encoder(options)
  local o = check.options("uu.encoder", options, known)
  return filter.new("uu encoder", "uu_encoder", o)
end

--- The same in steps.
---@param options? table  none yet
---@return lunapost.codec.filter
function M.decoder(options)
  check.options("uu.decoder", options, {})
  return assert(filter.new("uu decoder", "uu_decoder", nil, describe))
end

--- uuencode, with "begin", "end" and LF. mode is that of the file, 0644
--- unless given (mode = tonumber("755", 8)).
---@type fun(s: string, options?: { name?: string, mode?: integer }): string?,
---  lunapost.err?
M.encode = check.call.uu_encode

--- The first file of a text; what stands before "begin" is passed over.
---@type fun(s: string): string?, lunapost.codec.defect[]|lunapost.err,
---  { name: string, mode: integer }?
M.decode = check.call.uu_decode

return M
