--- lunapost show: what is in a message.

local form = require "lunapost.cli.form"
local json = require "lunapost.json"
local messages = require "lunapost.cli.messages"
local strip = require "lunapost.mime.strip"
local output = require "lunapost.cli.output"

local M = {}

M.summary = "shows the parts of a message"
M.usage = [[lunapost show FILE... [--mbox] [--json] [--svg] [--defects]

Prints the tree of each message: types, names, encodings, sizes, first words.
FILE "-" is standard input; a Maildir is all of its messages.

  --mbox     each FILE is an mbox: all of its messages
  --json     one line a message: {"file":..., "form":{...}}, decoded fields,
             sizes and SHA-256 of the bodies
  --svg      the tree as a picture
  --defects  also what had to be repaired, with numbers, offsets and the bytes]]
M.flags = { mbox = "flag", json = "flag", svg = "flag", defects = "flag" }

local function print_json(name, message)
  output.write(json.encode(json.ordered {
    { "file", name }, { "form", form.of(message) } }), "\n")
end

-- Decodes all there is, so that what decoding repairs is listed, too.
local function exercise(message)
  for part in message:walk "bodies" do
    for _, name in ipairs { "subject", "from", "to", "cc", "bcc", "reply_to",
      "sender", "date", "disposition" } do
      local _ = part[name]
    end
  end
end

--- Prints defects or findings, each with the bytes that it is about.
---@param message lunapost.mime.part
---@param list lunapost.mime.defect[]
function M.print_list(message, list)
  for _, defect in ipairs(list) do
    output.write(tostring(defect), "\n")
    local line, mark = strip.of(message, defect)
    if line then output.write("    ", line, "\n    ", mark, "\n") end
  end
end

local function print_defects(message)
  exercise(message)
  if #message.defects == 0 then output.write("no defects\n") end
  M.print_list(message, message.defects)
end

local function show(name, message, options, several)
  if options.json then return print_json(name, message) end
  if options.svg then return output.write(message:tree "svg") end
  if several then output.write(name, "\n") end
  output.write(message:tree())
  if options.defects then print_defects(message) end
end

---@param options table
---@return integer code  0; 1 when a file cannot be read; 64 without files
function M.run(options)
  if #options == 0 then
    io.stderr:write("usage: ", M.usage, "\n")
    return 64
  end
  local code, several = 0, messages.several(options)
  for name, message, problem in messages.each(options) do
    if message then
      show(name, message, options, several)
    else
      io.stderr:write("lunapost: ", tostring(problem), "\n")
      code = 1
    end
  end
  return code
end

return M
