--- Encoded words of headers, RFC 2047.

local check = require "lunapost.codec.check"
local filter = require "lunapost.codec.filter"

local M = {}

--- RFC 2047: UTF-8 text as ASCII for a header, words of at most 75
--- characters where it needs them. place: "text" (Subject), "phrase" (a
--- display name) or "comment". language: of the text, RFC 2231 5.
---@type fun(s: string, options?: { charset?: string, place?: string,
---  language?: string }): string?, lunapost.err?
M.encode = check.call.word_encode

--- A header value with its encoded words decoded. A word that is malformed
--- stays as it is; one in an unknown charset is read as raw text is, UTF-8 or
--- else windows-1252. Both are defects.
---@type fun(s: string): string, lunapost.codec.defect[]
M.decode = check.call.word_decode

--- The same for a value that comes in pieces, of at most 1 MiB.
---@param options? { charset?: string, place?: string, language?: string }
---@return lunapost.codec.filter
function M.encoder(options)
  check.options("encoded_word.encoder", options,
    { charset = "string", place = "string", language = "string" })
  M.encode("", options) -- raises for a place that there is not
  return filter.gather("word encoder", function(s)
    return M.encode(s, options)
  end)
end

---@return lunapost.codec.filter
function M.decoder()
  return filter.gather("word decoder", M.decode)
end

return M
