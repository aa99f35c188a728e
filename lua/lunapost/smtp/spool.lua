--- The body as a message for the message handler: in memory while it is
--- small, else in a temporary file without a name, of which only the header
--- is read before anything else is asked for.

local answer = require "lunapost.smtp.answer"
local mime = require "lunapost.mime"

local M = {}

-- What is read from the file at once.
local PIECE <const> = 1 << 16

---@class lunapost.smtp.spooled: lunapost.mime.part
---@field spooled true
local Spooled = {}

local meta = { __name = "lunapost.smtp.spooled" }

-- What the header alone tells.
local of_header <const> = {}
for name in ([[subject from to cc bcc reply_to sender date zone message_id
  type parameters disposition filename encoding id description received
  references in_reply_to return_path header headers]]):gmatch "%S+" do
  of_header[name] = true
end

-- Each read says where: several may go through the file at a time.
local function read_at(file, at, size)
  assert(file:seek("set", at))
  local octets, problem = file:read(size)
  if not octets and problem then error("the spool: " .. problem, 0) end
  return octets
end

-- All of it, parsed: from then on the message is this.
local function whole_of(message)
  local state = message._spool
  if not state.whole then
    state.whole = mime.parse(read_at(state.file, 0, "a") or "")
    for _, number in ipairs(state.noted) do state.whole:_note(number) end
  end
  return state.whole
end

local function method_of(value, owner)
  if type(value) ~= "function" then return value end
  return function(_, ...) return value(owner, ...) end
end

function meta.__index(message, name)
  local state = rawget(message, "_spool")
  local own = not state.whole and Spooled[name]
  if own then return own end
  local owner = not state.whole and of_header[name] and state.head
    or whole_of(message)
  return method_of(owner[name], owner)
end

function meta.__tostring(message)
  local state = message._spool
  if state.whole then return tostring(state.whole) end
  return ("message: \"%s\", %d bytes in a file"):format(
    (state.head.subject or ""):gsub("%c", " "), state.size)
end

Spooled.spooled = true

--- The message's bytes as an LTN12 source, from the file.
---@return fun(): string?
function Spooled:source()
  local state, at = self._spool, 0
  return function()
    local octets = read_at(state.file, at, PIECE)
    at = at + #(octets or "")
    return octets
  end
end

---@return integer bytes
function Spooled:size()
  return self._spool.size
end

function Spooled:_note(number)
  table.insert(self._spool.noted, number)
end

-- Of the file's beginning, what the header is.
local function header_of(octets)
  local _, stop = ("\n" .. octets):find("\n\r?\n")
  return octets:sub(1, stop and stop - 1)
end

local function no_room(server, problem)
  server.log("spool: " .. problem)
  answer.reject(452, "4.3.1", "no room for the message; try again later")
end

-- Octets on disk, taken out of the budget of all spools of this process; what
-- is garbage gives its share back.
local function take(server, state, octets)
  local most = server.limits.spool
  if server.spooled + octets > most then collectgarbage() end
  if server.spooled + octets > most then
    no_room(server, "its limit is reached")
  end
  server.spooled = server.spooled + octets
  state.size = state.size + octets
end

local function release(state)
  if not state.file then return end
  state.file:close()
  state.file = nil
  state.server.spooled = state.server.spooled - state.size
end

local state_meta = { __gc = release, __close = release }

local function write(state, octets)
  take(state.server, state, #octets)
  local ok, problem = state.file:write(octets)
  if not ok then no_room(state.server, problem) end
end

-- The rest of a body goes to a file, behind what was read of it.
local function to_file(server, pieces, reader)
  local file, problem = io.tmpfile()
  if not file then no_room(server, problem) end
  local state = setmetatable({ file = file, server = server, size = 0,
    noted = {} }, state_meta)
  local kept = false
  local _ <close> = setmetatable({}, { __close = function()
    if not kept then release(state) end
  end })
  for _, piece in ipairs(pieces) do write(state, piece) end
  for chunk in reader:chunks() do write(state, chunk) end
  local ok
  ok, problem = file:flush()
  if not ok then no_room(server, problem) end
  state.head = mime.parse(header_of(read_at(file, 0, server.limits.header)
    or ""))
  kept = true
  return setmetatable({ _spool = state }, meta)
end

--- A body as a message; raises as the reader does, and 452 where there is no
--- room for it.
---@param session lunapost.session
---@param reader lunapost.body
---@return lunapost.mime.part message
function M.message(session, reader)
  local server, pieces, size = session.server, {}, 0
  for chunk in reader:chunks() do
    pieces[#pieces + 1] = chunk
    size = size + #chunk
    if size > server.limits.memory then
      return to_file(server, pieces, reader)
    end
  end
  return mime.parse(table.concat(pieces))
end

return M
