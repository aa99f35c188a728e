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
---@field start fun(encoder?: any): fun(): string?, lunapost.err?
local Content = { __name = "lunapost.content" }
Content.__index = Content

local function failed(text)
  return err.new { kind = "file", text = text }
end

local function new(size, again, start)
  return setmetatable({ size = size, again = again, start = start }, Content)
end

--- Opens it: a reader of chunks.
---@param encoder? any  a stream of core: the chunks come encoded, as far as
---  that is before it is finished
---@return fun(): string?, lunapost.err?
function Content:open(encoder)
  if self.used and not self.again then
    return function() return nil, failed "a source can be read only once" end
  end
  self.used = true
  return self.start(encoder)
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
  local content = new(#octets, true, function(encoder)
    local at = 1
    return function()
      if at > #octets then return nil end
      local from = at
      at = math.min(at + STEP, #octets + 1)
      if encoder then return encoder:update(octets, from, at - 1) end
      return octets:sub(from, at - 1)
    end
  end)
  content.octets = octets
  function content.read() return octets end
  return content
end

-- The next step of a file, encoded or not, and how many octets that took;
-- nil, 0 at its end. An encoder reads for itself, which saves strings.
local function read_step(file, encoder)
  if encoder and io.type(file) then
    local chunk, n = encoder:pull(file, STEP)
    if not chunk then return nil, 0, n end
    return n > 0 and chunk or nil, n
  end
  local chunk, text = file:read(STEP)
  local n = #(chunk or "")
  if chunk and encoder then chunk = encoder:update(chunk) end
  return chunk, n, text
end

-- The next step, an error, and what must remain behind the step; nil where
-- the size is not known; and how many octets the step has.
local function next_chunk(file, remaining, name, encoder)
  local chunk, n, text = read_step(file, encoder)
  if text then return nil, failed(name .. ": " .. text) end
  local left = remaining and remaining - n
  if left and (left < 0 or (not chunk and left > 0)) then
    return nil, failed(name .. ": changed in size while it was read")
  end
  return chunk, nil, left, n
end

-- Whole steps are read at once, past the buffer of C.
local function opened(path)
  local file, text = io.open(path, "rb")
  if not file then return nil, failed(text) end
  file:setvbuf "no"
  return file
end

-- A reader, and for a generic for what closes the file where it is left early.
local function read_path(path, remaining, encoder)
  local file
  local leaving = setmetatable({}, { __close = function()
    if io.type(file) == "file" then file:close() end
  end })
  return function()
    local chunk, problem
    if not file then
      file, problem = opened(path)
      if not file then return nil, problem end
    end
    chunk, problem, remaining = next_chunk(file, remaining, path, encoder)
    if not chunk then file:close() end
    return chunk, problem
  end, nil, nil, leaving
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
  return new(size, size ~= nil, function(encoder)
    return read_path(path, size, encoder)
  end)
end

--- Reads an open file from where it stands to its end. The caller keeps the
--- handle and closes it.
---@param file file*
---@return lunapost.content
function M.of_file(file)
  local from = file:seek()
  local stop = from and file:seek("end")
  if from then file:seek("set", from) end
  return new(stop and stop - from, from ~= nil, function(encoder)
    local remaining, at = stop and stop - from, from
    return function()
      if at then file:seek("set", at) end -- others may read it too
      local chunk, problem, n
      chunk, problem, remaining, n = next_chunk(file, remaining, "file",
        encoder)
      at = at and chunk and at + n
      return chunk, problem
    end
  end)
end

--- Pulls an LTN12 source, once.
---@param source fun(): string?, any
---@return lunapost.content
function M.of_source(source)
  return new(nil, false, function(encoder)
    return function()
      local chunk, problem = source()
      if chunk then return encoder and encoder:update(chunk) or chunk end
      if problem then return nil, failed(tostring(problem)) end
    end
  end)
end

return M
