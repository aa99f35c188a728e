--- Text for a reader who may be slow, or gone: what it has no room for is
--- left out, so that no server stops because nobody reads what it says.

local core = require "lunapost.core"

local M = {}

-- A pipe that is writable has room for so many octets (POSIX: PIPE_BUF).
local PIECE <const> = 512

local function has_room(fd)
  return core.loop.block(fd, "w", 0) ~= nil
end

-- Seconds between two looks.
local STEP <const> = 0.02

local function await_room(fd, pause, patience)
  while not has_room(fd) do
    if patience <= 0 then return false end
    pause(STEP)
    patience = patience - STEP
  end
  return true
end

--- Writes a text, as far as its reader has room for it.
---@param file file*
---@param fd integer  its descriptor
---@param text string
---@param pause? fun(seconds: number)  waits for room; none: nothing waits
---@param patience? number  seconds to wait at most; default 0
---@return boolean? whole  false: some was left out; nil: it cannot be written
---@return string? problem
function M.write(file, fd, text, pause, patience)
  for at = 1, #text, PIECE do
    if not await_room(fd, pause, pause and patience or 0) then return false end
    local ok, problem = file:write(text:sub(at, at + PIECE - 1))
    if ok then ok, problem = file:flush() end
    if not ok then return nil, problem end
  end
  return true
end

return M
