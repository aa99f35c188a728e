--- uuencode.

local check = require "lunapost.codec.check"
local err = require "lunapost.err"
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
---@param s string
---@param options? { name?: string, mode?: integer }
---@return string?, lunapost.err?
function M.encode(s, options)
  check.text("uu.encode", s)
  local o = check.options("uu.encode", options, known)
  local f, problem = filter.new("uu encoder", "uu_encoder", o)
  if not f then return nil, problem end
  return filter.all(f, s)
end

--- The first file of a text; what stands before "begin" is passed over.
---@param s string
---@return string? octets, lunapost.codec.defect[]|lunapost.err
---@return { name: string, mode: integer }? file
function M.decode(s)
  check.text("uu.decode", s)
  local f = M.decoder()
  local out, problem = filter.all(f, s)
  if not out then
    return nil, err.of(problem.kind, "uuencode: there is no 'begin'")
  end
  local notes = f:notes()
  return out, describe(notes), { name = notes.name, mode = notes.mode }
end

return M
