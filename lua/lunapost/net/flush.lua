--- Flushes to the disk: on a thread where a loop runs, so that nobody else
--- waits for it.

local core = require "lunapost.core"
local default_loop = require "lunapost.loop"
local names = require "lunapost.net.names"

local M = {}

-- The threads of this Lua state: others than those that find names.
local pool

--- Makes a file's bytes, or a folder's names, survive a power cut. A task of
--- the loop waits alone; whoever is none waits himself.
---@param path string
---@param loop? table  default: the built-in one
---@return true? done
---@return string? problem
function M.path(path, loop)
  loop = loop or default_loop
  if not (loop.inside and loop.inside()) then return core.system.sync(path) end
  pool = pool or assert(core.resolver.new())
  local flush, _, text = pool:flush(path)
  if not flush then return nil, text end
  local ok, problem = names.settle(flush, path, { loop = loop })
  if ok then return true end
  return nil, problem.kind == "closed"
    and "the wait for the disk was broken off" or problem.text
end

return M
