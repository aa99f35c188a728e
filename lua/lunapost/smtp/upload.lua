--- Bodies on their way out: by DATA up to the final dot, or in chunks.
--
-- A body comes from a reader, chunk by chunk. One that cannot be read to its
-- end, or that raises, closes the session: half a message must not be taken
-- for a whole one.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local outgoing = require "lunapost.smtp.outgoing"
local output = require "lunapost.mime.build.output"

local M = {}

local now <const> = core.loop.now

-- Octets from which on the machine keeps no copy of a chunk: a shorter one is
-- as well copied, and goes with others.
local LONG <const> = 1 << 18

--- Ends a session that takes no more of a body.
---@param client lunapost.client
---@param event? string  of the machine, and what it said besides
---@param kind? string
---@param text? string
---@param seconds? number  that nothing could be sent
---@return nil
---@return lunapost.err error
local function stuck(client, event, kind, text, seconds)
  local problem
  if event == "reply" then
    problem = client:interrupted()
  elseif event == "closed" then
    problem = client:failed("closed", "the peer closed the connection")
  else
    if kind == "timeout" then
      text = ascii.format("nothing could be sent for %g seconds", seconds)
    end
    problem = client:failed(kind, text, "DATA")
  end
  client:note("*", problem.text)
  client:close()
  return nil, problem
end

M.stuck = stuck

-- Sends what it can of a long chunk without a copy; the position behind it.
local function pour(client, chunk, at, plain)
  local seconds = client:limit("data_block")
  local deadline = now() + seconds
  while true do
    local patient = client:patient(deadline - now(), true)
    local behind, event, text = client.machine:pour(chunk, at, plain,
      client.conn, patient)
    if not behind then return stuck(client, nil, event, text) end
    if behind > at then deadline = now() + seconds end
    at = behind
    if event == "done" then return at end
    local again, why, words = client:await(event, deadline)
    if not again then return stuck(client, event, why, words, seconds) end
  end
end

-- Sends what waits, so that the machine can take more.
local function make_room(client)
  local ok, problem = client:flush()
  if ok then return true end
  client:close()
  return nil, problem
end

-- Sends some of a chunk; the position behind it.
local function some(client, chunk, at, plain)
  local problem
  if #chunk - at >= LONG then
    at, problem = pour(client, chunk, at, plain)
    if not at then return nil, problem end
  end
  local behind, kind, text = client.machine:body(chunk, at, false)
  if not behind then return client:broken(kind, text, "DATA") end
  if behind <= #chunk then
    local ok
    ok, problem = make_room(client)
    if not ok then return nil, problem end
  end
  return behind
end

-- Octets in base64, which the machine makes where they leave.
local function put_base64(client, octets)
  local at = 1
  while at <= #octets do
    local behind, kind, text = client.machine:base64(octets, at)
    if not behind then return client:broken(kind, text, "DATA") end
    if behind <= #octets then
      local ok, problem = make_room(client)
      if not ok then return nil, problem end
    end
    at = behind
  end
  return #octets
end

local function put(client, chunk, plain)
  local at = 1
  while at <= #chunk do
    local behind, problem = some(client, chunk, at, plain)
    if not behind then return nil, problem end
    at = behind
  end
  return true
end

-- Octets from which on a leaf is long, and KiB between two steps of the
-- collector while it goes out: chunks that were sent are garbage, and shall not
-- become as much as all else before it begins. (A file of 100 MiB in base64
-- took 0.8 MiB at most, 1.3 without; where the script held 32 MiB, 3.2, 6.3.)
local LARGE <const>, PACE <const> = 1 << 22, 512

-- All that a reader gives; how many octets.
local function put_all(client, reader, plain, large)
  local total, due = 0, large and 0 or math.huge
  while true do
    local chunk, problem = reader()
    if problem then
      client:close()
      return nil, outgoing.failed(problem, client.host)
    end
    if not chunk then return total end
    local ok, stop = put(client, chunk, plain)
    if not ok then return nil, stop end
    total, plain = total + #chunk, 0
    if total >= due then
      collectgarbage("step", PACE)
      due = total + PACE * 1024
    end
  end
end

-- A string, or a leaf that is yet to be encoded.
local function put_piece(client, piece)
  if type(piece) == "string" then
    local ok, problem = put(client, piece, 0)
    return ok and #piece, problem
  end
  local octets = piece.leaf.content.octets
  if octets and piece.encoding == "base64" then
    return put_base64(client, octets)
  end
  local size = piece.leaf.content.size
  return put_all(client, output.reader(piece), 0, not size or size > LARGE)
end

local function put_pieces(client, pieces)
  local total = 0
  for _, piece in ipairs(pieces) do
    local n, problem = put_piece(client, piece)
    if not n then return nil, problem end
    total = total + n
  end
  return total
end

-- The final dot, if nothing came meanwhile: what is said before it is no
-- reply to it.
local function finish(client, total)
  local quiet, unasked = client:glance("DATA")
  if not quiet then return nil, unasked end
  local ok, kind, text = client.machine:body("", 1, true)
  if not ok then return client:broken(kind, text, "DATA") end
  return total
end

local function pump(client, put_body, ...)
  local total, problem = put_body(client, ...)
  if not total then return nil, problem end
  return finish(client, total)
end

-- Calls it; where it raises, nothing more is said in this session.
local function guarded(client, fn, ...)
  local ok, total, problem = pcall(fn, client, ...)
  if not ok then
    client:close()
    error(total, 0)
  end
  return total, problem
end

--- Writes a body and its final dot, which may still have to be sent; the peer
--- has said 354.
---@param client lunapost.client
---@param reader fun(): string?, any
---@param plain? integer  octets at the head of the first chunk that are known
--- to need no care: no dot begins a line, every line ends with CRLF
---@return boolean? ok
---@return lunapost.err? error
function M.pump(client, reader, plain)
  local total, problem = guarded(client, pump, put_all, reader, plain or 0)
  if not total then return nil, problem end
  client:jot("*", ("%d octets of message, then the dot"):format(total))
  return true
end

--- The same for a whole content.
---@param client lunapost.client
---@param content lunapost.outgoing
---@param encoding "7bit"|"8bit"
---@return boolean? ok
---@return lunapost.err? error
function M.body(client, content, encoding)
  if not content.pieces then
    return M.pump(client, content.open(encoding), content.plain)
  end
  local total, problem = guarded(client, pump, put_pieces,
    content.pieces(encoding))
  if not total then return nil, problem end
  client:jot("*", ("%d octets of message, then the dot"):format(total))
  return true
end

-- Octets of a chunk of BDAT, and how many chunks may be unanswered.
local CHUNK <const>, WINDOW <const> = 1 << 17, 2

-- Cuts what a reader gives into chunks: chunk() -> octets, whether they are
-- the last | nil, error.
local function chunker(reader)
  local piece, at, ended, problem = "", 1, false, nil
  local function refill()
    while not ended and not problem and at > #piece do
      piece, problem = reader()
      ended, piece, at = piece == nil, piece or "", 1
    end
    return at <= #piece
  end
  return function()
    local octets, size = {}, 0
    while size < CHUNK and refill() do
      octets[#octets + 1] = piece:sub(at, at + CHUNK - size - 1)
      size = size + #octets[#octets]
      at = at + #octets[#octets]
    end
    local more = refill() -- a look ahead: is this one the last?
    if problem then return nil, problem end
    return table.concat(octets), not more
  end
end

-- What comes of the chunks behind a refused one changes nothing.
local function why_ended(refused, problem)
  return problem.kind ~= "protocol" and refused or problem
end

-- A refusal that came while something was sent.
local function refusal_ahead(client)
  for _, reply in ipairs(client.ahead or {}) do
    if reply.code >= 400 then return client:refused(reply, "BDAT") end
  end
end

-- Hears the replies to chunks until as few as that are left to come; the
-- first one that refuses is an error.
local function settle_chunks(client, left)
  local refused
  while client:unanswered() > left do
    local reply, problem = client:receive(client:limit("data_block"), "BDAT")
    if not reply then return nil, why_ended(refused, problem) end
    if reply.code >= 400 then
      refused, left = refused or client:refused(reply, "BDAT"), 0
    end
  end
  if refused then return nil, refused end
  return true
end

local function say_chunk(client, octets, binary, last)
  local ok, kind, text = client.machine:chunk(octets, binary, last)
  if not ok then return client:broken(kind, text, "BDAT") end
  client:note("C", ("BDAT %d%s"):format(#octets, last and " LAST" or ""))
  local problem
  ok, problem = client:flush()
  if ok then return true end
  return nil, why_ended(refusal_ahead(client), problem)
end

local function send_chunks(client, reader, binary)
  local next_chunk, total = chunker(reader), 0
  -- LMTP does not say how many replies a last chunk gets behind a refused one
  local window = client.extensions.PIPELINING and not client.lmtp and WINDOW
    or 1
  while true do
    local octets, last = next_chunk()
    if not octets then
      client:close() -- half a message must not be taken for a whole one
      return nil, outgoing.failed(last, client.host)
    end
    local ok, problem = settle_chunks(client, window - 1)
    if not ok then return nil, problem end
    ok, problem = say_chunk(client, octets, binary, last)
    if not ok then return nil, problem end
    total = total + #octets
    if last then return total end
  end
end

--- Sends a body in chunks, RFC 3030; the replies to the last one are due.
---@param client lunapost.client
---@param reader fun(): string?, any
---@param binary? boolean  line ends stay as they are
---@return boolean? ok
---@return lunapost.err? error  a chunk that was refused: .reply
function M.chunks(client, reader, binary)
  local quiet, unasked = client:glance("BDAT")
  if not quiet then return nil, unasked end
  local total, problem = guarded(client, send_chunks, reader, binary)
  if not total then return nil, problem end
  client:note("*", ("%d octets of message in chunks"):format(total))
  return settle_chunks(client, client.machine:finals())
end

return M
