--- What is sent as a message, whatever it is given as.

local contents = require "lunapost.mime.build.content"
local core = require "lunapost.core"
local err = require "lunapost.err"
local output = require "lunapost.mime.build.output"
local part = require "lunapost.mime.part"
local recode = require "lunapost.mime.build.recode"

local M = {}

---@class lunapost.outgoing
---@field size fun(encoding: string): integer?  octets on the wire, CRLF as
--- line ends, dots not counted; nil where nobody knows
---@field class fun(encoding: string): string?  "7bit", "8bit" or "binary";
--- nil where nobody knows
---@field again? false  it can be opened only once
---@field pieces? fun(encoding: string): (string|table)[]  strings, and leaves
--- that are yet to be encoded
---@field plain? integer  octets at its head that go out as they are
---@field utf8? boolean  whether its header needs SMTPUTF8, RFC 6531
---@field ascii? fun(): lunapost.outgoing?, lunapost.err?  without SMTPUTF8
---@field open fun(encoding: "7bit"|"8bit"): fun(): string?, any

local function of_string(octets)
  local size, eight_bit, plain = core.client.survey(octets)
  local binary
  local function class(encoding)
    if encoding == "binary" then
      if binary == nil then binary = core.client.says_binary(octets) end
      if binary then return "binary" end
    end
    return eight_bit and "8bit" or "7bit"
  end
  return {
    plain = plain,
    size = function(encoding)
      return class(encoding) == "binary" and #octets or size
    end,
    class = class,
    open = function()
      local rest = octets -- whole: the machine takes it piece by piece
      return function()
        local chunk = rest
        rest = nil
        return chunk
      end
    end,
  }
end

-- A file's size is an estimate where its lines end with LF (RFC 1870 5).
local function of_content(content, problem)
  if not content then return nil, problem end
  return {
    again = content.again,
    size = function() return content.size end,
    class = function() end,
    open = function() return content:open() end,
  }
end

M.of_content = of_content

-- A message that was read is encoded where the peer takes less than it is.
local function of_read(message)
  local fitted = {}
  local function fit(encoding)
    local one = fitted[encoding]
    if not one then
      local octets, segments, class = recode.fit(message:render(), encoding)
      one = { segments = segments or { octets }, class = class }
      fitted[encoding] = one
    end
    return one
  end
  return {
    size = function(encoding) return output.size(fit(encoding).segments) end,
    class = function(encoding)
      local class = fit(encoding).class
      if class == "binary" and encoding ~= "binary" then return "8bit" end
      return class
    end,
    open = function(encoding) return output.source(fit(encoding).segments) end,
  }
end

-- A message that was built re-encodes to what the peer takes.
local function of_message(message)
  return {
    utf8 = message.utf8,
    ascii = function()
      local same, problem = message:ascii()
      if same then return of_message(same) end
      return nil, problem
    end,
    size = function(encoding)
      return message:size { encoding = encoding }
    end,
    class = function(encoding)
      return message:class { encoding = encoding }
    end,
    open = function(encoding)
      return message:source { encoding = encoding }
    end,
    pieces = function(encoding)
      return message:pieces { encoding = encoding }
    end,
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
  if kind == "file" then return of_content(contents.of_file(message)) end
  if kind == "function" then return of_content(contents.of_source(message)) end
  if part.is(message) then return of_read(message) end
  if kind == "table" then
    if message.class then return of_message(message) end
    if message.source then return of_read(message) end
    if message.path then return of_content(contents.of_path(message.path)) end
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
