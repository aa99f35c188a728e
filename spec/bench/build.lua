--- Building: a message with a text and an attachment of 1 MiB of any octets
--- is made and its stream drained, here and by nodemailer's composer and
--- Python's email in programs of their own, which read the file each time
--- where we do. Processor time; the sides take turns, the medians of the
--- rounds count.

local measure = require "spec.bench.measure"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local samples = require "spec.bench.samples"

local text <const> = samples.text("french", 2000)
local path <const> = os.tmpname()

local commands <const> = {
  Python = { "/usr/bin/python3 spec/bench/build_message.py",
    os.execute "/usr/bin/python3 -c 'import email.policy' 2>/dev/null" },
  nodemailer = { "env NODE_PATH=build/npm/node_modules node "
    .. "spec/bench/build_message.js", (peers.npm()) },
}

local function drain(message)
  local size = 0
  for chunk in assert(message):source() do size = size + #chunk end
  return size
end

local function message_with(attach)
  return drain(mime.message { from = "Ana Müller <ana@example.org>",
    to = "bob@example.net", subject = "Grüße aus Köln", text = text,
    attach = attach })
end

-- { title, what is attached, octets, what the programs are told }
local work <const> = {
  { "1 MiB from memory", function(octets)
    return { { data = octets, name = "data.bin" } }
  end, 1048576, "memory" },
  { "1 MiB from a file", function() return { path } end, 1048576, "file" },
  { "16 MiB from memory", function(octets)
    return { { data = octets, name = "data.bin" } }
  end, 16 * 1048576, "memory" },
  { "the text alone", function() end, 0, "memory" },
}

local function sides_of(attach, how)
  local sides = {
    ours = function() return measure.time(message_with, attach) end,
  }
  for name, command in pairs(commands) do
    if command[2] then
      sides[name] = function()
        return tonumber(measure.says(("%s %s %g %s"):format(command[1], path,
          measure.seconds * 20, how))) or error(name .. " says nothing")
      end
    end
  end
  return sides
end

local function cell(one)
  if not one then return ("%10s %8s"):format("-", "") end
  return ("%10.3f %7.1fx"):format(one.seconds * 1000, one.ratio)
end

print(("%-20s %10s %19s %19s"):format("ms a message", "lunapost",
  "nodemailer", "Python's email"))
for _, item in ipairs(work) do
  local title, attach, size, how = table.unpack(item)
  local octets <const> = samples.octets(size)
  local file <close> = assert(io.open(path, "wb"))
  file:write(octets)
  file:flush()
  local seen = measure.compare(sides_of(attach(octets), how))
  print(("%-20s %10.3f %s %s"):format(title, seen.ours.seconds * 1000,
    cell(seen.nodemailer), cell(seen.Python)))
end
os.remove(path)
