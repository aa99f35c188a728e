--- The dots and line ends of a DATA body, RFC 5321 4.5.2.

local check = require "lunapost.codec.check"
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
---@type fun(s: string, options?: { mark?: boolean }): string
M.encode = check.call.dot_encode

--- The same without the end mark.
---@type fun(s: string): string
M.stuff = check.call.dot_stuff

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

--- The body of what came after DATA, up to CRLF.CRLF or the end of s. Bare
--- CR and LF stay, as a defect; fix makes them CRLF, strict refuses them.
--- The third result is where the next command stands, nil without an end;
--- of an error: where it is wrong.
---@type fun(s: string, options?: { strict?: boolean, fix?: boolean }):
---  string?, lunapost.codec.defect[]|lunapost.err, integer?
M.decode = check.call.dot_decode

--- The same for what has no end mark.
---@type fun(s: string, options?: { strict?: boolean, fix?: boolean }):
---  string?, lunapost.codec.defect[]|lunapost.err, integer?
M.unstuff = check.call.dot_unstuff

return M
