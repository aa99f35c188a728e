--- A dry run: the message as it would be sent, and its envelope, with nobody
--- at the other end.

local core = require "lunapost.core"
local err = require "lunapost.err"
local options_of = require "lunapost.options"
local outgoing = require "lunapost.smtp.outgoing"
local parties = require "lunapost.smtp.parties"

local M = {}

---@class lunapost.dry
local Dry = {}
local meta <const> = { __name = "lunapost.dry", __index = Dry }

local known <const> = {
  path = "string",      -- a file that is written
  write = "function",   -- or write(octets), called for each piece
  encoding = "string",  -- what the peer would take: "7bit" or "8bit"
}

-- Where the octets go: write(octets), close() -> ok, problem.
local function sink_of(self)
  if self.write then return self.write, function() return true end end
  if not self.path then
    local pieces = {}
    return function(octets) pieces[#pieces + 1] = octets end,
      function() return table.concat(pieces) end
  end
  local file, problem = core.system.create(self.path)
  if not file then return nil, problem end
  local failed
  return function(octets)
    local ok, why = file:write(octets)
    failed = failed or not ok and why
  end, function()
    local ok, why = file:close()
    if failed or not ok then return nil, failed or why end
    return true
  end
end

local function pour(reader, write)
  while true do
    local octets, problem = reader()
    if problem then return nil, problem end
    if not octets then return true end
    write(octets)
  end
end

local function write_out(self, content)
  local write, close = sink_of(self)
  if not write then return nil, err.of("file", close) end
  local ok, problem = pour(content.open(self.encoding), write)
  local octets, unwritten = close()
  if not ok then return nil, outgoing.failed(problem) end
  if not octets then return nil, err.of("file", unwritten) end
  return octets
end

--- Writes the message; everybody counts as accepted.
---@param envelope? { from: string, to: string[] }  nil: the message's own
---@param message string|table|file*|function  as for client:send
---@return table? result  { accepted, rejected = {}, envelope = { from, to },
--- message = octets unless they went elsewhere }
---@return lunapost.err? error  kind "file"
Dry.send = options_of.placed(function(self, envelope, message)
  local from, to = parties.of(envelope, message)
  local content, problem = outgoing.of(message)
  local octets
  if content then octets, problem = write_out(self, content) end
  if not octets then
    problem.accepted, problem.rejected = {}, {}
    return nil, problem
  end
  return { accepted = to, rejected = {}, envelope = { from = from, to = to },
    message = octets ~= true and octets or nil }
end)

function meta:__tostring()
  return ("dry run (%s)"):format(self.path or "nowhere")
end

--- Makes a transport that sends nothing, for post.send and by itself.
---@param options? table  path, write, encoding
---@return lunapost.dry
M.new = options_of.placed(function(options)
  options = options_of.check("option of smtp.dry", options or {}, known, 0)
  local encoding = options.encoding or "8bit"
  if encoding ~= "7bit" and encoding ~= "8bit" then
    options_of.unknown("value of 'encoding'", encoding, { ["7bit"] = true,
      ["8bit"] = true }, 0)
  end
  return setmetatable({ path = options.path, write = options.write,
    encoding = encoding }, meta)
end)

return M
