--- What mail is encoded in: each codec at once, or in steps.
---
--- Every codec has encode and decode, which take a string, and encoder and
--- decoder, which make objects with :update(s) and :finish() that are LTN12
--- filters too. Decoding is tolerant, and gives beside its result a list of
--- defects (empty where there were none); with strict = true it gives
--- nil, err, position instead.

local check = require "lunapost.codec.check"

local M = {
  base64 = require "lunapost.codec.base64",
  quoted_printable = require "lunapost.codec.quoted_printable",
  encoded_word = require "lunapost.codec.encoded_word",
  parameter = require "lunapost.codec.parameter",
  uu = require "lunapost.codec.uu",
  dot = require "lunapost.codec.dot",
  crlf = require "lunapost.codec.crlf",
  charset = require "lunapost.codec.charset",
}

--- Is all of it well-formed UTF-8?
---@type fun(s: string): boolean
M.is_utf8 = check.call.is_utf8

--- What a body is made of: size, lines, longest (line), eight_bit (how many
--- octets), bare_cr, bare_lf (how many), nul, trailing_blank, utf8, and the
--- encodings that suit it as text (text_encoding) and as octets (encoding).
---@type fun(s: string): table<string, any>
M.scan = check.call.scan

return M
