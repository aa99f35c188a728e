--- lunapost encode CODEC: a filter from standard input to standard output.

local codec = require "lunapost.codec"
local filter = require "lunapost.cli.filter"

local M = {
  summary = "encode standard input (base64, qp, word, 2231, uu, dot)",
  usage = [[lunapost encode CODEC [options] [FILE]

  base64  [--columns N] [--url] [--crlf]    76 columns; 0: one line
  qp      [--binary] [--crlf]               quoted-printable
  word    [--charset C] [--place P]         RFC 2047, a header value a line;
                                            P: text, phrase, comment
  2231    [--name N]                        a parameter value a line
  uu      [--name FILE] [--mode OCTAL]      uuencode
  dot     [--no-mark]                       a body as it goes out after DATA

  --crlf: line ends as on the wire; without it those of files]],
  flags = {
    columns = "number", url = "flag", crlf = "flag", binary = "flag",
    charset = "value", place = "value", name = "value", mode = "value",
    ["no-mark"] = "flag",
  },
}

-- Options of a codec that the command line got wrong are usage errors.
local function usage(ok, problem)
  if not ok then
    problem = tostring(problem):gsub("^[^ ]+:%d+: ", "")
    error({ filter.exit.usage, problem }, 0)
  end
  return problem
end

local codecs = {}

function codecs.base64(options, input, out)
  local encoder = usage(pcall(codec.base64.encoder, {
    columns = math.tointeger(options.columns or 76) or -1,
    url = options.url, lf = not options.crlf,
  }))
  filter.pump(encoder, input, out)
end

function codecs.qp(options, input, out)
  filter.pump(codec.quoted_printable.encoder {
    binary = options.binary, keep = not options.crlf,
  }, input, out)
end

function codecs.word(options, input, out)
  local known = { charset = options.charset, place = options.place }
  usage(pcall(codec.encoded_word.encode, "", known))
  filter.lines(function(line)
    return codec.encoded_word.encode(line, known)
  end, false, input, out)
end

codecs["2231"] = function(options, input, out)
  local name = options.name or "filename"
  filter.lines(function(line)
    return codec.parameter.encode(name, line)
  end, false, input, out)
end

function codecs.uu(options, input, out)
  local mode = tonumber(options.mode or "644", 8)
  usage(mode, "--mode needs an octal number")
  local encoder, problem = codec.uu.encoder {
    name = options.name or "data", mode = mode,
  }
  usage(encoder ~= nil, encoder or problem)
  filter.pump(encoder, input, out)
end

function codecs.dot(options, input, out)
  filter.pump(codec.dot.encoder { mark = not options["no-mark"] }, input, out)
end

---@param options table
---@return integer exit_code
function M.run(options)
  return filter.run("encode", codecs, options)
end

return M
