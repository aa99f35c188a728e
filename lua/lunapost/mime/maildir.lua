--- The messages of a Maildir, one by one. For delivering to one see
--- lunapost.maildir.

local err_of = require "lunapost.err"
local options = require "lunapost.options"
local system <const> = require("lunapost.core").system

local M = {}

---@class lunapost.mime.maildir_entry
---@field path string
---@field name string  of the file, without its flags
---@field flags string  letters: P R S T D F; "" where there are none
---@field new boolean  it lies in new/: nobody has looked at it

local function entry_of(folder, name, new)
  local base, flags = name:match("^(.-):2,(%a*)$")
  return { path = folder .. "/" .. name, name = base or name,
    flags = flags or "", new = new }
end

-- The names in a folder, in order of delivery as far as names tell it.
local function entries_of(path, sub)
  local folder = path .. "/" .. sub
  local names, problem = system.list(folder)
  if not names then return nil, err_of.of("file", problem) end
  table.sort(names)
  local list = {}
  for _, name in ipairs(names) do
    if name:sub(1, 1) ~= "." then
      list[#list + 1] = entry_of(folder, name, sub == "new")
    end
  end
  return list
end

-- Finds an entry that its reader moved from new/ to cur/, or whose flags it
-- changed; nil: it is gone. Readers move many at a time, so that the folder is
-- listed again only where it is not as it was last seen.
local function finder(path)
  local seen = {}
  return function(entry)
    local one = seen[entry.name]
    if one and system.stat(one.path) then return one end
    seen = {}
    for _, now in ipairs(entries_of(path, "cur") or {}) do
      seen[now.name] = now
    end
    return seen[entry.name]
  end
end

local function read(find, entry, given)
  local mime = require "lunapost.mime"
  local message, problem = mime.open(entry.path, given)
  if message then return message, entry end
  if system.stat(entry.path) then error(problem, 0) end
  local now = find(entry)
  if now then return mime.open(now.path, given), now end
end

--- The messages of a Maildir, those in cur/ first:
--- for message, entry in assert(mime.maildir(path)) do ... end
--- A message that another program takes away meanwhile is left out; one that
--- cannot be read raises an error of kind "file".
---@param path string
---@param given? { limits: lunapost.mime.limits }
---@return (fun(): lunapost.mime.part?, lunapost.mime.maildir_entry?)? next
---@return lunapost.err? err  of kind "file": it is no Maildir
function M.maildir(path, given)
  if type(path) ~= "string" then
    error("mime.maildir needs a path, not " .. type(path), 2)
  end
  options.check("option of mime.maildir", given or {}, { limits = "table" }, 2)
  local list, problem = entries_of(path, "cur")
  if not list then return nil, problem end
  local new
  new, problem = entries_of(path, "new")
  if not new then return nil, problem end
  table.move(new, 1, #new, #list + 1, list)
  local i, find = 0, finder(path)
  return function()
    while i < #list do
      i = i + 1
      local message, entry = read(find, list[i], given)
      if message then return message, entry end
    end
  end
end

return M
