-- Every way to give an attachment: by path, from memory, from an open file,
-- from a source, as a message. Run as
--
--   lua5.4 examples/attach.lua FILE... > attached.eml

local mime = require "lunapost.mime"

-- Any function that gives chunks, then nil, is a source (LTN12).
local function numbers(last)
  local n = 0
  return function()
    n = n + 1
    if n <= last then return n .. "\n" end
  end
end

local file <close> = assert(io.tmpfile())
file:write("a line of a file that has no name\n"):seek "set"

local attach = {
  { data = "year,result\n2025,42\n", name = "result.csv",
    description = "from memory" },
  { file = file, name = "notes.txt", description = "from an open file" },
  { source = numbers(1000), name = "numbers.txt", description = "streamed" },
  { data = "\0\1\2\3", type = "audio/basic", name = "sound.au",
    encoding = "base64" },
  assert(mime.message { from = "ana@example.org", subject = "carried on",
    text = "A message within a message.\n" }),
}
for _, path in ipairs(arg or {}) do attach[#attach + 1] = path end

-- A file that cannot be read is an error to handle, not one that is raised.
local message, err = mime.message { from = "ana@example.org",
  to = "bob@example.net", subject = "Attachments", text = "See below.\n",
  attach = attach }
if not message then
  io.stderr:write(tostring(err), "\n")
  os.exit(1)
end

for chunk in message:source() do io.write(chunk) end
