--- Where the octets of a leaf come from: a string, a file, a source.
--
-- A content is read in steps by readers that it opens: a reader returns the
-- next chunk, nil at the end, or nil and an error. All but a source (and
-- what cannot be sought) can be read again, and know their size.

local core = require "lunapost.core"
local err = require "lunapost.err"

local M = {}

-- Whole base64 lines: 840 of 57 octets become 65,520 characters.
local STEP <const> = 57 * 840
M.step = STEP

---@class lunapost.content
---@field size? integer  octets, where known
---@field again boolean  whether it can be opened more than once
---@field octets? string  all of it, where it is a string
---@field start fun(): fun(): string?, lunapost.err?
local Content = { __name = "lunapost.content" }
Content.__index = Content

local function failed(text)
  return err.new { kind = "file", text = text }
end

local function new(size, again, start)
  return setmetatable({ size = size, again = again, start = start }, Content)
end

--- Opens it: a reader of chunks.
---@return fun(): string?, lunapost.err?
function Content:open()
  if self.used and not self.again then
    return function() return nil, failed "a source can be read only once" end
  end
  self.used = true
  return self.start()
end

--- What the octets hold, or nil where looking would use them up.
---@return table? scan  { size, eight_bit, longest, nul, utf8, canonical }
---@return lunapost.err? error
function Content:scan()
  if self.scanned or not self.again then return self.scanned end
  local scan, reader = core.compose.scan(), self:open()
  while true do
    local chunk, problem = reader()
    if problem then return nil, problem end
    if not chunk then break end
    scan:update(chunk)
  end
  self.scanned = scan:finish()
  return self.scanned
end

--- All octets as one string.
---@return string? octets
---@return lunapost.err? error
function Content:read()
  local chunks, reader = {}, self:open()
  while true do
    local chunk, problem = reader()
    if problem then return nil, problem end
    if not chunk then return table.concat(chunks) end
    chunks[#chunks + 1] = chunk
  end
end

--- Holds a string.
---@param octets string
---@return lunapost.content
function M.of_string(octets)
  local content = new(#octets, true, function()
    local at = 1
    return function()
      if at > #octets then return nil end
      local chunk = octets:sub(at, at + STEP - 1)
      at = at + STEP
      return chunk
    end
  end)
  content.octets = octets
  function content.read() return octets end
  return content
end

-- The next step of a file, and what must remain behind it; nil where its
-- size is not known.
local function next_chunk(file, remaining, name)
  local chunk, text = file:read(STEP)
  if text then return nil, failed(name .. ": " .. text) end
  local left = remaining and remaining - #(chunk or "")
  if left and (left < 0 or (not chunk and left > 0)) then
    return nil, failed(name .. ": changed in size while it was read")
  end
  return chunk, nil, left
end

local function read_path(path, remaining)
  local file
  return function()
    if not file then
      local text
      file, text = io.open(path, "rb")
      if not file then return nil, failed(text) end
    end
    local chunk, problem
    chunk, problem, remaining = next_chunk(file, remaining, path)
    if not chunk then file:close() end
    return chunk, problem
  end
end

--- Reads a file by its name, opened when its turn comes.
---@param path string
---@return lunapost.content? content
---@return lunapost.err? error
function M.of_path(path)
  local file <close>, text = io.open(path, "rb")
  if not file then return nil, failed(text) end
  local size = file:seek("end")
  if size then
    -- a folder opens, but does not read; some files tell no size
    file:seek("set")
    local first, unreadable = file:read(1)
    if unreadable then return nil, failed(path .. ": " .. unreadable) end
    if first and size == 0 then size = nil end
  end
  return new(size, size ~= nil, function() return read_path(path, size) end)
end

--- Reads an open file from where it stands to its end. The caller keeps the
--- handle and closes it.
---@param file file*
---@return lunapost.content
function M.of_file(file)
  local from = file:seek()
  local stop = from and file:seek("end")
  if from then file:seek("set", from) end
  return new(stop and stop - from, from ~= nil, function()
    local remaining, at = stop and stop - from, from
    return function()
      if at then file:seek("set", at) end -- others may read it too
      local chunk, problem
      chunk, problem, remaining = next_chunk(file, remaining, "file")
      at = at and chunk and at + #chunk
      return chunk, problem
    end
  end)
end

--- Pulls an LTN12 source, once.
---@param source fun(): string?, any
---@return lunapost.content
function M.of_source(source)
  return new(nil, false, function()
    return function()
      local chunk, problem = source()
      if chunk then return chunk end
      if problem then return nil, failed(tostring(problem)) end
    end
  end)
end

return M
