--- The body of a message on its way in: one reader for the data and message
--- handlers. It gives the octets that the client sent, dots removed. When
--- the body is cut off, over size, reset or refused, every call raises, so
--- that the handler is unwound and nothing counts as delivered.

---@class lunapost.body
local Body = {}

local meta = { __name = "lunapost.body", __index = Body }

local M = {}

-- What is raised through a handler when the body fails. It is no fault of
-- the handler, so the error handler never sees it.
local broken_meta = { __name = "lunapost.broken" }

function broken_meta.__tostring(b)
  return "the message is incomplete: " .. b.why
end

---@param value any
---@return boolean
function M.is_broken(value)
  return getmetatable(value) == broken_meta
end

---@param why string
function M.broken(why)
  return setmetatable({ why = why }, broken_meta)
end

--- A body that pulls its chunks by next(owner) -> chunk, nil, whether it is the
--- last | nil at the end | nil and what is raised where the body fails.
---@param next fun(owner: any): string?, any, any
---@param owner? any
---@param rest? string|false  what is here already
---@param ended? boolean  and is all
---@param failure? any  what is raised behind it
---@return lunapost.body
function M.new(next, owner, rest, ended, failure)
  return setmetatable({ next = next, owner = owner, rest = rest or false,
    ended = ended or false, failure = failure }, meta)
end

-- What is there without the next chunk: the rest of the last, or the end.
local function held(body)
  local rest, failure = body.rest, body.failure
  body.rest = false
  if rest then return rest end
  if failure then error(failure, 0) end
  return nil
end

-- The next chunk as it comes, or nil at the end.
local function pull(body)
  if body.rest or body.ended then return held(body) end
  local chunk, failure, last = body.next(body.owner)
  if chunk then
    if last then body.ended = true end
    return chunk
  end
  body.ended, body.failure = true, failure
  return held(body)
end

--- All that is left, or exactly n octets of it (fewer at the end).
---@param n? integer  octets
---@return string?  nil at the end; without n, "" there
function Body:read(n)
  local pieces, size = {}, 0
  while not n or size < n do
    local chunk = pull(self)
    if not chunk then break end
    pieces[#pieces + 1] = chunk
    size = size + #chunk
  end
  local bytes = table.concat(pieces)
  if n and size > n then
    self.rest = bytes:sub(n + 1)
    bytes = bytes:sub(1, n)
  end
  if n and n > 0 and bytes == "" then return nil end
  return bytes
end

--- The next octets as they come, without waiting for more.
---@return string?  nil at the end
function Body:read_chunk()
  return pull(self)
end

--- Iterates over the chunks as they arrive.
---@return fun(): string?
function Body:chunks()
  return function() return pull(self) end
end

--- An LTN12 source.
Body.source = Body.chunks

--- Reads to the end and keeps nothing: what a handler left unread must not
--- be taken for commands.
---@param body lunapost.body
function M.drain(body)
  body.rest = false
  while pull(body) do end
end

return M
