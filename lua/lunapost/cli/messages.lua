--- The messages that words of a command line name: files, "-" for standard
--- input, Maildirs, and mboxes where a flag says so.

local mime = require "lunapost.mime"
local system <const> = require("lunapost.core").system

local M = {}

--- Reads a message from a file, or "-".
---@param name string
---@return lunapost.mime.part?
---@return lunapost.err|string|nil problem
function M.read(name)
  if name ~= "-" then return mime.open(name) end
  local bytes, problem = io.stdin:read("a")
  if not bytes then return nil, "standard input: " .. problem end
  return mime.parse(bytes)
end

local boxes = {}

function boxes.maildir(name, give)
  for message, entry in assert(mime.maildir(name)) do
    give(entry.path, message)
  end
end

function boxes.mbox(name, give)
  local from, n = name == "-" and io.stdin or name, 0
  for message in assert(mime.mbox(from)) do
    n = n + 1
    give(name .. "#" .. n, message)
  end
end

local function kind_of(name, options)
  if options.mbox then return "mbox" end
  local stat = system.stat(name)
  return stat and stat.type == "folder" and "maildir" or nil
end

local function visit(name, options, give)
  local kind = kind_of(name, options)
  if not kind then return give(name, M.read(name)) end
  local ok, problem = pcall(boxes[kind], name, give)
  if not ok then give(name, nil, problem) end
end

--- What a message is called, and it, one by one; or what is called so, nil,
--- and why it cannot be read.
---@param options table  words, and the flag mbox
---@return fun(): string?, lunapost.mime.part?, any
function M.each(options)
  return coroutine.wrap(function()
    for _, name in ipairs(options) do visit(name, options, coroutine.yield) end
  end)
end

--- Whether there may be several, so that each is told by its name.
---@param options table
---@return boolean
function M.several(options)
  return #options > 1 or kind_of(options[1], options) ~= nil
end

return M
