--- message/partial: one message as several, RFC 2046 5.2.2.
--
-- The fields that describe the whole travel inside the first piece; the
-- others stand before each piece, and a reader takes them from the first
-- (5.2.2.1). Pieces end at line ends and are always seven bits.

local ascii = require "lunapost.ascii"
local content = require "lunapost.mime.build.content"
local entity = require "lunapost.mime.build.entity"
local options = require "lunapost.options"
local output = require "lunapost.mime.build.output"
local parts = require "lunapost.mime.build.part"
local recode = require "lunapost.mime.build.recode"

local M = {}

local known <const> = { seed = "integer|string" }

-- As many pieces as mime.join takes.
local MOST <const> = 10000

local inner_fields <const> = { subject = true, ["message-id"] = true,
  encrypted = true, ["mime-version"] = true }

local function is_inner(name)
  name = ascii.lower(name)
  return inner_fields[name] or name:find("^content%-") ~= nil
end

-- What goes into every piece, what only into the first, the subject.
local function sort_fields(message)
  local outer, inner = {}, {}
  for _, pair in ipairs(message:headers()) do
    local name, value = pair[1], pair[2]
    if name then
      local list = is_inner(name) and inner or outer
      list[#list + 1] = name .. ":" .. value:gsub("[\r\n]+$", "") .. "\r\n"
    end
  end
  return outer, inner, message.subject or ""
end

-- Everything of a piece but its octets.
local function head_of(plan, number, total)
  local list = table.move(plan.outer, 1, #plan.outer, 1, {})
  local subject = ("%s (part %d of %d)"):format(plan.subject, number, total)
  local id = ("<%s.%d@%s>"):format(plan.id, number, plan.domain)
  list[#list + 1] = entity.field("subject", "text", "Subject", subject)
  list[#list + 1] = entity.field("message_id", "words", "Message-ID", { id })
  list[#list + 1] = "MIME-Version: 1.0\r\n"
  local parameters = { { "id", plan.id .. "@" .. plan.domain },
    { "number", ("%d"):format(number) }, { "total", ("%d"):format(total) } }
  local given = plan.message
  return entity.new { type = "message/partial", fields = list, more = {},
    type_parameters = parameters, is_message = true, utf8 = given.utf8,
    parameters = { id = parameters[1][2], number = parameters[2][2],
      total = parameters[3][2] },
    from = given.from, to = given.to, cc = given.cc, subject = subject,
    envelope = given.envelope, message_id = id:sub(2, -2) }
end

-- Where each piece begins: at most room octets, whole lines.
local function cuts(octets, room)
  local list, at = {}, 1
  while at <= #octets do
    list[#list + 1] = at
    if #octets - at < room then break end
    local piece = octets:sub(at, at + room - 1)
    local stop = piece:match(".*\r\n()")
    if not stop then return nil end
    at = at + stop - 1
  end
  return list
end

-- The whole as seven bits, and as its reader sees it.
local function octets_of(message)
  local mime = require "lunapost.mime"
  local octets, problem = message, nil
  if type(message) ~= "string" then octets, problem = message:render() end
  if not octets then return nil, problem end
  local segments, class
  octets, segments, class = recode.fit(octets, "7bit")
  if class ~= "7bit" then
    error("split: a header field is not ASCII, so a piece cannot be 7bit", 0)
  end
  if segments then octets = output.render(segments) end
  return octets, mime.parse(octets)
end

local piece = entity.sealed(function(plan, number, total, octets)
  local out = head_of(plan, number, total)
  out.content = content.of_string(octets)
  return out
end)

local function pieces_of(plan, octets, size)
  local head = #table.concat(plan.inner) + 2
  local body = table.concat(plan.inner) .. "\r\n" .. octets
  local room = size - piece(plan, MOST, MOST, ""):size()
  local starts = room > 0 and cuts(body, room)
  if not starts or #starts > MOST or starts[2] and starts[2] <= head then
    error(("split: %d octets are too few for a piece"):format(size), 0)
  end
  local out = {}
  for i, from in ipairs(starts) do
    out[i] = piece(plan, i, #starts, body:sub(from, (starts[i + 1] or 0) - 1))
  end
  return out
end

local function check(message, size, given)
  options.check("option of mime.split", given or {}, known, 0)
  if type(message) ~= "string" and not parts.is_message(message) then
    error("mime.split needs a message or its octets, not " .. type(message), 0)
  end
  if math.type(size) ~= "integer" or size < 1 then
    error("mime.split needs a size in octets", 0)
  end
end

-- What all pieces have in common; given is the message as it was given.
local function plan_of(read, given, ids)
  local outer, inner, subject = sort_fields(read)
  local from = read.from[1]
  local domain = from and from.address:match("@([%w.-]+)$") or "localhost"
  return { outer = outer, inner = inner, subject = subject, id = ids(),
    domain = domain, message = given }
end

--- Splits a message into messages of at most size octets each.
---@param message any  one that was built or read, or octets
---@param size integer  octets
---@param given? { seed: integer|string }  of the ids
---@return lunapost.entity[]? pieces  the message alone where it is no larger
---@return lunapost.err? error  where it could not be read
function M.split(message, size, given)
  check(message, size, given)
  local octets, read = octets_of(message)
  if not octets then return nil, read end
  if type(message) == "string" then message = read end
  if #octets <= size then return { message } end
  local ids = entity.id_source(given and given.seed)
  local _, _, body = read:_offsets()
  return pieces_of(plan_of(read, message, ids), octets:sub(body + 1), size)
end

return M
