--- Encoded words of headers, RFC 2047.

local check = require "lunapost.codec.check"
local core = require "lunapost.core".codec
local err = require "lunapost.err"
local filter = require "lunapost.codec.filter"
local options_of = require "lunapost.options"

local M = {}

local encoding <const> = { charset = "string", place = "string" }
local places <const> = { text = true, phrase = true, comment = true }

local function word_options(what, options)
  local o = check.options(what, options, encoding)
  if o.place and not places[o.place] then
    options_of.unknown("place of codec." .. what, o.place, places, 3)
  end
  return o
end

local unfit <const> = "the text has line ends or NUL, is no UTF-8, or has "
  .. "characters that the charset lacks"

local function word_encode(s, o)
  local out, kind, text = core.word_encode(s, o.charset, o.place)
  if out then return out end
  if kind == "syntax" and text == "malformed" then text = unfit end
  return nil, err.of(kind, "encoded word: " .. text)
end

--- RFC 2047: UTF-8 text as ASCII for a header, words of at most 75
--- characters where it needs them. place: "text" (Subject), "phrase" (a
--- display name) or "comment".
---@param s string  UTF-8
---@param options? { charset?: string, place?: string }
---@return string?, lunapost.err?
function M.encode(s, options)
  check.text("encoded_word.encode", s)
  return word_encode(s, word_options("encoded_word.encode", options))
end

--- A header value with its encoded words decoded. A word that cannot be
--- decoded stays as it is, and is a defect.
---@param s string
---@return string text, lunapost.codec.defect[]
function M.decode(s)
  check.text("encoded_word.decode", s)
  local out, faults = core.word_decode(s)
  local defects = {}
  check.note(defects, "word", faults, "%d fault%s in encoded words or raw text")
  return out, defects
end

--- The same in steps.
---@param options? { charset?: string, place?: string }
---@return lunapost.codec.filter
function M.encoder(options)
  local o = word_options("encoded_word.encoder", options)
  return filter.gather("word encoder", function(s) return word_encode(s, o) end)
end

---@return lunapost.codec.filter
function M.decoder()
  return filter.gather("word decoder", core.word_decode)
end

return M
