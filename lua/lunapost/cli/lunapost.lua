#!/usr/bin/env lua5.4
--- The command: lunapost VERB ... (API section 4). Each verb is a module
--- lunapost.cli.VERB: { summary, usage, flags, run(options) -> exit code }.

local arguments = require "lunapost.cli.arguments"
local output = require "lunapost.cli.output"

local verbs <const> = {
  "send", "talk", "replay", "serve", "show", "check", "cat", "build", "split",
  "join", "encode", "decode",
}

local function help(write)
  write("usage: lunapost VERB [options]\n\n")
  for _, name in ipairs(verbs) do
    local verb = require("lunapost.cli." .. name)
    write(("  %-8s %s\n"):format(name, verb.summary))
  end
  write("\nlunapost VERB --help tells the options of one.\n")
end

local function fail(text)
  io.stderr:write("lunapost: ", text, "\n")
  os.exit(64, true)
end

local function find(name)
  for _, known in ipairs(verbs) do
    if known == name then return require("lunapost.cli." .. name) end
  end
end

local function main(words)
  local name = table.remove(words, 1)
  if not name then
    help(function(text) io.stderr:write(text) end)
    return 64
  end
  if name == "--help" or name == "-h" or name == "help" then
    help(output.write)
    return 0
  end
  local verb = find(name)
  if not verb then
    fail("unknown verb '" .. name .. "' (try lunapost --help)")
  end
  local options, problem = arguments.parse(words, verb.flags)
  if not options and verb.misused then
    local all = " " .. table.concat(words, " ") .. " "
    return verb.misused(problem, all:find(" --json ", 1, true) ~= nil)
  end
  if not options then fail(name .. ": " .. problem) end
  if options.help then
    output.write("usage: ", verb.usage, "\n")
    return 0
  end
  return verb.run(options)
end

local ok, code = xpcall(function(words)
  local code = main(words)
  output.flush()
  return code
end, function(problem)
  if type(problem) == "table" then return problem end
  return debug.traceback(tostring(problem), 2)
end, { table.unpack(arg) })
if not ok then
  local failed = type(code) == "table" and code.exit
  io.stderr:write("lunapost: ", failed and code.text or tostring(code), "\n")
  os.exit(failed or 70, true)
end
os.exit(code, true)
