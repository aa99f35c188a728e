-- The corpus of real messages, which lies beside the project, if it does.
local M = {}

M.root = "../shared/corpus"

--- Messages of which we read a field otherwise than the references agree on,
--- and by what right.
M.differs = {
  ["cpython-msg_15"] = "RFC 2045 6.7 (3): white space at the end of an "
    .. "encoded line is deleted",
  ["nm-mailparser-nested"] = "RFC 2045 6.7 (3): white space at the end of an "
    .. "encoded line is deleted",
  ["mailparse-rs-nested"] = "more than 100 levels, where ours end; what "
    .. "is deeper stays readable as octets of the last part",
  ["mimekit-feedback-report"] = "RFC 3629 6: a byte order mark at the very "
    .. "start is a signature, no part of the first field's name",
  ["stalwart-rfc-001"] = "RFC 2045 5.1: a token ends at white space; where "
    .. "the semicolon is missing there, the next parameter is read",
  ["stalwart-malformed-017"] = "RFC 2045 5.1: as above; a boundary that is "
    .. "named divides the message",
  ["stalwart-legacy-022"] = "RFC 5322 says nothing of 8-bit octets in a "
    .. "header: the charset of the body is tried before U+FFFD",
  ["stalwart-legacy-023"] = "as above, in a file's name",
  ["stalwart-malformed-021"] = "a multipart, of which FORM.md asks no text",
  ["stalwart-malformed-022"] = "RFC 5322 2.2: a line without a colon is no "
    .. "field, so the body begins there, and none of it is lost",
}

--- Paths of its messages; empty where it is absent.
function M.messages()
  local list = {}
  local pipe <close> = assert(io.popen(
    "ls " .. M.root .. "/messages/*.eml 2>/dev/null"))
  for path in pipe:lines() do list[#list + 1] = path end
  return list
end

function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- Adds an `it` that is pending where the corpus is absent.
function M.it(text, run)
  local busted = require "busted"
  local list = M.messages()
  if #list == 0 then
    busted.pending(text .. " (no corpus beside the project)")
  else
    busted.it(text, function() run(list) end)
  end
end

return M
