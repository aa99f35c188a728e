--- Messages that stay in a file: parts like those that mime.parse gives, which
--- hold places instead of bytes. A header is read when it is asked for, the
--- tree of parts by one pass in bounded memory, a body when it is wanted. What
--- else is asked for, changes among it, brings the whole message into memory.

local core = require "lunapost.core"
local fields = require "lunapost.mime.fields"
local part_of = require "lunapost.mime.part"
local reader = require "lunapost.mime.reader"

local M = {}

local meta = { __name = "lunapost.mime.filed" }

-- The methods of any part, which know no more of it than places and bytes.
local model <const> = part_of.read ""

local function set(words)
  local list = {}
  for word in words:gmatch "%S+" do list[word] = true end
  return list
end

local of_header <const> = set [[subject from to cc bcc reply_to sender date zone
  message_id type parameters disposition filename encoding id description
  received references in_reply_to return_path header headers _field]]

local of_model <const> = set [[attachments decode source size tree uuencoded
  external render]]

local of_fields <const> = set "text html report raw"

-- The nodes of the tree, from the events of one pass: { from, body, to, path,
-- kind, nodes, up }.
local function scan(state)
  local nodes, defects, open = {}, {}, {}
  local at = 0
  local function source()
    local octets = state.read(at, 65536)
    at = at + #(octets or "")
    return octets
  end
  for event in reader.new(source, state.limits) do
    local depth, kind = event.depth, event.kind
    if kind == "part" then
      local up = open[depth - 1]
      local node = { from = event.offset, up = up, nodes = {},
        index = #nodes + 1 }
      if up then table.insert(up.nodes, node) end
      node.path = up and up.path .. "." .. #up.nodes or "1"
      nodes[node.index], open[depth] = node, node
    elseif kind == "head" then
      open[depth].body, open[depth].kind = event.offset, event.holds
    elseif kind == "end" then
      open[depth].to = event.offset
    elseif kind == "defect" then
      defects[#defects + 1] = setmetatable(event.defect, part_of.defect_meta)
    end
  end
  state.nodes, state.defects = nodes, defects
end

local function node_of(part)
  local state = part._state
  if not state.nodes then scan(state) end
  return state.nodes[part._index]
end

local function made(state, index)
  local one = state.made[index]
  if not one then
    one = setmetatable({ _state = state, _index = index }, meta)
    state.made[index] = one
  end
  return one
end

-- The octets of a part's header. That of the message is found without a pass.
local function header_bytes(part)
  local state = part._state
  if part._index > 1 or state.nodes then
    local node = node_of(part)
    return part:_slice(node.from, node.body)
  end
  local octets = state.read(0, state.limits.header or 1 << 20) or ""
  local _, stop = ("\n" .. octets):find("\n\r?\n")
  return octets:sub(1, stop and stop - 1)
end

local DIGEST <const> = "Content-Type: multipart/digest; boundary=b\n\n--b\n"

-- The header as a part of its own; within a digest its default type differs.
local function head_of(part)
  local state = part._state
  local head = state.heads[part._index]
  if head then return head end
  local up = part._index > 1 and node_of(part).up
  local octets = header_bytes(part)
  if up and made(state, up.index).type == "multipart/digest" then
    head = part_of.read(DIGEST .. octets, state.limits).parts[1]
  else
    head = part_of.read(octets, state.limits)
  end
  state.heads[part._index] = head
  return head
end

-- One part in memory: for its body, and for what an encoded message holds.
local function loaded(part)
  local node = node_of(part)
  return part_of.read(part:_slice(node.from, node.to), part._state.limits,
    node.path)
end

local own = {}

function own.path(part) return node_of(part).path end

function own.parts(part)
  local state, node = part._state, node_of(part)
  if node.kind == "leaf" then
    return part.type:find "^message/" and loaded(part).parts or nil
  end
  local list = state.lists[node.index]
  if not list then
    list = {}
    for i, below in ipairs(node.nodes) do list[i] = made(state, below.index) end
    state.lists[node.index] = list
  end
  return list
end

function own.defects(part)
  node_of(part)
  return part._state.defects
end

local methods = { spooled = true }

function methods.body(part, charset)
  return loaded(part):body(charset)
end

methods.walk = model._descend

--- Where the part, its header, its body begin and end.
function methods._offsets(part)
  local state = part._state
  if part._index == 1 and not state.nodes then return 0, 0, 0, state.size end
  local node = node_of(part)
  return node.from, node.body, node.body, node.to
end

--- Octets of the message from an offset to another; of all of it.
function methods._slice(part, from, to)
  local state = part._state
  from, to = from or 0, to or state.size
  if to <= from then return "" end
  return state.read(from, to - from) or ""
end

function methods._note(part, number, offset)
  local node = node_of(part)
  table.insert(part._state.defects, setmetatable(
    core.parts.defect(number, offset or node.body), part_of.defect_meta))
end

-- The part in the message that is in memory as a whole.
local function counterpart(part)
  local state = part._state
  local path = own.path(part)
  state.whole = state.whole
    or part_of.read(state.read(0, "a") or "", state.limits)
  local one = state.whole
  for n in path:sub(2):gmatch "%d+" do one = one.parts[tonumber(n)] end
  return one
end

local function borrowed(owner, name)
  local value = owner[name]
  if type(value) ~= "function" then return value end
  return function(_, ...) return value(owner, ...) end
end

function meta.__index(part, name)
  local state = rawget(part, "_state")
  if state.whole then return borrowed(counterpart(part), name) end
  if of_header[name] then return borrowed(head_of(part), name) end
  if own[name] then return own[name](part) end
  if of_fields[name] then return fields[name][1](part) end
  return methods[name] or of_model[name] and model[name]
    or borrowed(counterpart(part), name)
end

function meta.__tostring(part)
  return ("%s: \"%s\", %d bytes in a file"):format(
    part._index == 1 and "message" or part.type,
    (part.subject or ""):gsub("[\0-\31\127]", " "), part:size())
end

--- A message of octets that are read where they stand.
---@param read fun(at: integer, count: integer|"a"): string?  from an offset
---@param size integer  of all of them
---@param limits? table
---@return lunapost.mime.part
function M.new(read, size, limits)
  local state = { read = read, size = size, limits = limits or {},
    made = {}, heads = {}, lists = {} }
  return made(state, 1)
end

return M
