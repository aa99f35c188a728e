--- lunapost decode CODEC: a filter from standard input to standard output.

local codec = require "lunapost.codec"
local filter = require "lunapost.cli.filter"

local M = {
  summary = "decode standard input (base64, qp, word, 2231, uu, dot)",
  usage = [[lunapost decode CODEC [options] [FILE]

  base64  [--strict] [--url]
  qp      [--strict]          quoted-printable
  word                        RFC 2047, header values, folded or not
  2231                        field values: a line NAME=VALUE for each
                              parameter
  uu                          the first file of a text
  dot     [--strict] [--fix]  a body as it came after DATA; --fix: bare CR
                              and LF become CRLF

What had to be repaired is told on standard error.]],
  flags = { strict = "flag", url = "flag", fix = "flag" },
}

local function decoded(decoder, input, out)
  filter.pump(decoder, input, out)
  for _, defect in ipairs(decoder:defects()) do
    filter.say("decode", tostring(defect))
  end
end

local codecs = {}

function codecs.base64(options, input, out)
  decoded(codec.base64.decoder {
    strict = options.strict, url = options.url,
  }, input, out)
end

function codecs.qp(options, input, out)
  decoded(codec.quoted_printable.decoder { strict = options.strict },
    input, out)
end

local function told(text, defects)
  for _, defect in ipairs(defects) do
    filter.say("decode", tostring(defect))
  end
  return text
end

function codecs.word(_, input, out)
  filter.lines(function(line)
    return told(codec.encoded_word.decode(line))
  end, true, input, out)
end

codecs["2231"] = function(_, input, out)
  filter.lines(function(line)
    local values, defects = codec.parameter.decode(line)
    local names, lines = {}, {}
    for name in pairs(values) do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do lines[i] = name .. "=" .. values[name] end
    return told(table.concat(lines, "\n"), defects)
  end, true, input, out)
end

function codecs.uu(_, input, out)
  decoded(codec.uu.decoder(), input, out)
end

function codecs.dot(options, input, out)
  decoded(codec.dot.decoder {
    strict = options.strict, fix = options.fix,
  }, input, out)
end

---@param options table
---@return integer exit_code
function M.run(options)
  return filter.run("decode", codecs, options)
end

return M
