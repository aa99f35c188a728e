--- What a message that was built tells of itself as its reader sees it.
--
-- Nothing of it is made before it is asked for. What stands in the header
-- needs no body; the rest comes from the message as it is rendered, which
-- is parsed once and kept for as long as the message is.

local err = require "lunapost.err"

local M = {}

local kept <const> = { __mode = "k" }
local heads <const> = setmetatable({}, kept)
local wholes <const> = setmetatable({}, kept)

local function parse(octets)
  return require("lunapost.mime").parse(octets)
end

local function is_read_once(entity)
  for one in entity:walk() do
    if one.content and not one.content.again then return true end
  end
  return false
end

--- The same message as its reader sees it.
---@param entity lunapost.entity
---@return lunapost.mime.part? message  as from mime.parse
---@return lunapost.err? error  also where a part is a source: looking at it
---  would use it up
function M.whole(entity)
  if wholes[entity] then return wholes[entity] end
  if is_read_once(entity) then
    return nil, err.of("file", "a part is a source, which can be read only "
      .. "once: render the message, and parse that")
  end
  local octets, problem = entity:render()
  if not octets then return nil, problem end
  wholes[entity] = parse(octets)
  return wholes[entity]
end

--- Its header alone, read again.
---@param entity lunapost.entity
---@return lunapost.mime.part
function M.head(entity)
  heads[entity] = heads[entity] or parse(entity:_header())
  return heads[entity]
end

--- Makes a method that does what a reader's message does.
---@param name string
---@return fun(entity: lunapost.entity, ...: any): any, any
function M.method(name)
  return function(entity, ...)
    local message, problem = M.whole(entity)
    if not message then return nil, problem end
    return message[name](message, ...)
  end
end

-- Fields cannot return an error beside nil.
local function of_whole(name)
  return function(entity)
    local message, problem = M.whole(entity)
    if not message then error(problem, 0) end
    return message[name]
  end
end

-- What a message may lack.
local function of_whole_or_nil(name)
  return function(entity)
    local message = M.whole(entity)
    return message and message[name]
  end
end

--- Fields by name, each computed from the entity.
---@type table<string, fun(entity: lunapost.entity): any>
M.fields = {
  encoding = function(entity) return M.head(entity).encoding end,
  raw = of_whole "raw",
  text = of_whole_or_nil "text",
  html = of_whole_or_nil "html",
  defects = of_whole "defects",
}

-- Hands a content on as it is read.
local function pump(content, sink)
  local reader = content:open()
  while true do
    local chunk, problem = reader()
    if problem then return nil, problem end
    local ok, why = sink(chunk)
    if not chunk then return true end
    if not ok then return nil, why end
  end
end

--- Streams the octets of a leaf, before any encoding, into an LTN12 sink.
---@param entity lunapost.entity
---@param sink fun(chunk: string?, err: any): any, any
---@return true? done
---@return any err  of a file, or what the sink said
function M.decode(entity, sink)
  if entity.content then return pump(entity.content, sink) end
  local message, problem = M.whole(entity)
  if not message then return nil, problem end
  return message:decode(sink)
end

return M
