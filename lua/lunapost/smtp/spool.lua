--- The body as a message for the message handler: in memory while it is
--- small, else in a temporary file without a name, which is read as far as it
--- is asked for.

local answer = require "lunapost.smtp.answer"
local filed = require "lunapost.mime.filed"
local mime = require "lunapost.mime"
local spare = require "lunapost.smtp.spare"

local M = {}

-- Each read says where: several may go through the file at a time.
local function reader_of(state)
  return function(at, count)
    assert(state.file:seek("set", at))
    local octets, problem = state.file:read(count)
    if not octets and problem then error("the spool: " .. problem, 0) end
    return octets
  end
end

local function no_room(server, problem)
  server.log("spool: " .. problem)
  answer.reject(452, "4.3.1", "no room for the message; try again later")
end

-- Octets in files more or less, as the other workers are told.
local function change(server, by)
  server.spooled = server.spooled + by
  if server.share then server.share:tell_spooled(server.spooled) end
end

-- Takes octets out of the budget of all spools, those of other workers too.
local function claim(server, octets)
  local most, share = server.limits.spool, server.share
  if most == math.maxinteger then
    change(server, octets)
    return true
  end
  local _ <close> = share and share:alone()
  change(server, octets)
  local elsewhere = share and share:spooled_elsewhere() or 0
  if server.spooled + elsewhere <= most then return true end
  change(server, -octets)
  return false
end

-- What is garbage gives its share back: here at once, that of other workers
-- within a second.
local function take(server, state, octets)
  local taken = claim(server, octets)
  if not taken then
    collectgarbage()
    taken = claim(server, octets)
  end
  if not taken then
    if server.share then server.share:want_room() end
    no_room(server, "its limit is reached")
  end
  state.size = state.size + octets
end

local function release(state)
  if not state.file then return end
  state.file:close()
  state.file = nil
  change(state.server, -state.size)
end

local state_meta = { __gc = release, __close = release }

local function write(state, octets)
  take(state.server, state, #octets)
  local ok, problem = state.file:write(octets)
  if not ok then no_room(state.server, problem) end
end

-- The rest of a body goes to a file, behind what was read of it.
local function to_file(server, pieces, reader)
  local file, problem = spare.file(server.options.spool)
  if not file then no_room(server, problem) end
  local state = setmetatable({ file = file, server = server, size = 0 },
    state_meta)
  local kept = false
  local _ <close> = setmetatable({}, { __close = function()
    if not kept then release(state) end
  end })
  for _, piece in ipairs(pieces) do write(state, piece) end
  for chunk in reader:chunks() do write(state, chunk) end
  local ok
  ok, problem = file:flush()
  if not ok then no_room(server, problem) end
  kept = true
  return filed.new(reader_of(state), state.size)
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
