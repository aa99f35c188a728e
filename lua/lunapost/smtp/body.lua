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

--- A body that pulls its chunks by next(owner) -> chunk | nil at the end | nil
--- and what is raised where the body fails.
---@param next fun(owner: any): string?, any
---@param owner? any
---@return lunapost.body
function M.new(next, owner)
  return setmetatable({ next = next, owner = owner, rest = "" }, meta)
end

-- The next chunk as it comes, or nil at the end.
local function pull(body)
  if body.failure then error(body.failure, 0) end
  if body.rest ~= "" then
    local chunk = body.rest
    body.rest = ""
    return chunk
  end
  if body.ended then return nil end
  local chunk, failure = body.next(body.owner)
  if chunk then return chunk end
  if failure then
    body.failure = failure
    error(failure, 0)
  end
  body.ended = true
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

---@param body lunapost.body
---@return boolean  true when it was read to its end
function M.is_drained(body)
  return body.ended and body.rest == "" and not body.failure
end

--- Reads to the end and keeps nothing: what a handler left unread must not
--- be taken for commands.
---@param body lunapost.body
function M.drain(body)
  body.rest = ""
  while pull(body) do end
end

return M
