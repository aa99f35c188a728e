#!/usr/bin/env lua5.4
--- The command: lunapost VERB ... (API section 4). Each verb is a module
--- lunapost.cli.VERB: { summary, usage, flags, run(options) -> exit code }.

local arguments = require "lunapost.cli.arguments"
local options_of = require "lunapost.options"
local output = require "lunapost.cli.output"

local verbs <const> = {
  "send", "talk", "replay", "serve", "show", "check", "cat", "build", "split",
  "join", "encode", "decode",
}

local VERSION <const> = "scm" -- as the rockspec has it

-- What a report of a fault should say.
local function version()
  local core = require "lunapost.core"
  output.write(("lunapost %s, %s, %s, kernel %s\n"):format(VERSION, _VERSION,
    core.crypto.library(), core.codec.kernel()))
  return 0
end

local function help(write)
  write("usage: lunapost VERB [options]\n\n")
  for _, name in ipairs(verbs) do
    local verb = require("lunapost.cli." .. name)
    write(("  %-8s %s\n"):format(name, verb.summary))
  end
  write("\nlunapost VERB --help tells the options of one; lunapost --version "
    .. "what runs.\n")
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

local function unknown(name)
  local known = {}
  for _, verb in ipairs(verbs) do known[verb] = true end
  local near = options_of.nearest(name, known)
  fail(("unknown verb '%s' (%s)"):format(name, near
    and "did you mean " .. near .. "?" or "try lunapost --help"))
end

local function show_usage(verb)
  output.write("usage: ", verb.usage, "\n")
  return 0
end

-- `lunapost help`, and `lunapost help VERB`.
local function show_help(words)
  local name = words[1]
  if name then return show_usage(find(name) or unknown(name)) end
  help(output.write)
  return 0
end

local about <const> = { ["--help"] = show_help, ["-h"] = show_help,
  help = show_help, ["--version"] = version, version = version }

local function main(words)
  local name = table.remove(words, 1)
  if not name then
    help(function(text) io.stderr:write(text) end)
    return 64
  end
  if about[name] then return about[name](words) end
  local verb = find(name) or unknown(name)
  local options, problem = arguments.parse(words, verb.flags)
  if not options and verb.misused then
    local all = " " .. table.concat(words, " ") .. " "
    return verb.misused(problem, all:find(" --json ", 1, true) ~= nil)
  end
  if not options then fail(name .. ": " .. problem) end
  if options.help then return show_usage(verb) end
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
