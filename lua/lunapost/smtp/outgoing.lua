--- What is sent as a message, whatever it is given as.

local core = require "lunapost.core"
local err = require "lunapost.err"

local M = {}

local STEP <const> = 64 * 1024

---@class lunapost.outgoing
---@field size? fun(encoding: string): integer?  octets on the wire, CRLF as
--- line ends, dots not counted; nil where nobody knows
---@field eight_bit? boolean  whether it holds octets above 127; nil: unknown
---@field open fun(encoding: "7bit"|"8bit"): fun(): string?, any

local function of_string(octets)
  local size, eight_bit = core.client.survey(octets)
  return {
    size = function() return size end,
    eight_bit = eight_bit,
    open = function()
      local rest = octets
      return function()
        local chunk = rest
        rest = nil
        return chunk
      end
    end,
  }
end

local function of_file(file, owned)
  local from = file:seek()
  local stop = from and file:seek("end")
  if from then file:seek("set", from) end
  return {
    size = function() return stop and stop - from end,
    open = function()
      return function()
        local chunk, text = file:read(STEP)
        if text then return nil, err.of("file", text) end
        if not chunk and owned then file:close() end
        return chunk
      end
    end,
  }
end

local function of_path(path)
  local file, text = io.open(path, "rb")
  if not file then return nil, err.of("file", text) end
  return of_file(file, true)
end

-- A message that was built or parsed: it re-encodes to what the peer takes.
local function of_message(message)
  return {
    size = function(encoding)
      return message:size { encoding = encoding }
    end,
    open = function(encoding)
      return message:source { encoding = encoding }
    end,
  }
end

local function of_source(source)
  return {
    size = function() end,
    open = function() return source end,
  }
end

--- Understands a message or body.
---@param message string|table|file*|function  octets, a mime message,
--- { path = }, an open file, an LTN12 source
---@return lunapost.outgoing? outgoing
---@return lunapost.err? error  kind "file"
function M.of(message)
  local kind = io.type(message) or type(message)
  if kind == "string" then return of_string(message) end
  if kind == "file" then return of_file(message) end
  if kind == "function" then return of_source(message) end
  if kind == "table" or kind == "userdata" then
    if message.source then return of_message(message) end
    if message.path then return of_path(message.path) end
  end
  error(("a message is a string, a mime message, { path = }, an open file or "
    .. "a source, not %s"):format(kind), 0)
end

--- An error of a message that could not be read to its end.
---@param problem any
---@param host? string
---@return lunapost.err
function M.failed(problem, host)
  local text = "the message could not be read: " .. tostring(problem)
  return err.of("file", text, { host = host })
end

return M
