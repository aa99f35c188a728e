--- Fragments of a message put together again: message/partial,
--- RFC 2046 5.2.2.

local ascii = require "lunapost.ascii"
local err_of = require "lunapost.err"
local read_part = require "lunapost.mime.part"

local M = {}

local MOST <const> = 10000 -- fragments
local NAMED <const> = 10 -- of those that are missing

local function fail(...)
  return nil, err_of.of("syntax", (...):format(select(2, ...)))
end

local function parsed(one, i)
  if type(one) == "string" then
    return require("lunapost.mime").parse(one)
  end
  local known = type(one) == "table" or read_part.is(one)
  if not known or one.type == nil or one.body == nil then
    error(("mime.join: fragment %d must be a message or its bytes, not %s")
      :format(i, type(one)), 4)
  end
  return one
end

local function number_of(text)
  local n = text and text:match("^%s*(%d+)%s*$")
  return n and math.tointeger(tonumber(n))
end

-- What a fragment says of itself, or nil and why it is none.
local function fragment(part, i)
  if part.type ~= "message/partial" then
    return fail("file %d is %s, not message/partial", i, part.type)
  end
  local given = part.parameters
  local number, total = number_of(given.number), number_of(given.total)
  if not given.id or given.id == "" then
    return fail("fragment %d has no id", i)
  elseif not number or number < 1 or number > MOST then
    return fail("fragment %d of %q has no number from 1 to %d", i, given.id,
      MOST)
  end
  return { part = part, id = given.id, number = number, total = total }
end

-- Puts a fragment to its place; the same one twice is fine.
local function place(set, one)
  set.id = set.id or one.id
  if one.id ~= set.id then
    return fail("fragments of two messages, %q and %q", set.id, one.id)
  end
  if one.total and set.total and one.total ~= set.total then
    return fail("fragments of %q say that there are %d and %d of them",
      set.id, set.total, one.total)
  end
  set.total = set.total or one.total
  local there = set[one.number]
  if there and there.part:body() ~= one.part:body() then
    return fail("fragment %d of %q is there twice, with different bodies",
      one.number, set.id)
  end
  set[one.number] = there or one
  set.last = math.max(set.last, one.number)
  return true
end

local function complete(set)
  if not set.total then
    return fail("no fragment of %q says how many there are: the last one, "
      .. "which would, is missing", set.id)
  elseif set.last > set.total then
    return fail("there is a fragment %d of %q, which has %d", set.last,
      set.id, set.total)
  end
  local missing = {}
  for i = 1, set.total do -- as many as a sender likes to say
    if not set[i] then missing[#missing + 1] = i end
    if #missing == NAMED then break end
  end
  if #missing == 0 then return set end
  return fail("fragment %s of %d of %q is missing",
    table.concat(missing, ", "), set.total, set.id)
end

local function gather(parts)
  local set = { last = 0 }
  for i, part in ipairs(parts) do
    local one, problem = fragment(parsed(part, i), i)
    if not one then return nil, problem end
    local ok
    ok, problem = place(set, one)
    if not ok then return nil, problem end
  end
  return complete(set)
end

-- The fields that the enclosed message brings, and the first enclosing one
-- does not.
local own <const> = {
  subject = true, ["message-id"] = true, encrypted = true,
  ["mime-version"] = true,
}

local function is_own(name)
  name = ascii.lower(name)
  return own[name] or name:sub(1, 8) == "content-"
end

local function copy_fields(out, part, of_enclosed)
  for _, field in ipairs(part:headers()) do
    if (is_own(field[1]) and true or false) == of_enclosed then
      out[#out + 1] = field[1] .. ":" .. field[2] .. out.eol
    end
  end
end

-- Fragments are cut between lines, so each but the last ends one.
local function whole_lines(body, eol)
  if body == "" or body:sub(-1) == "\n" then return body end
  return body .. eol
end

local function body_of(set, first, eol)
  local out = { first.raw:sub(select(3, first:_offsets()) + 1) }
  for i = 2, set.total do
    out[i - 1] = whole_lines(out[i - 1], eol)
    out[i] = set[i].part:body()
  end
  return table.concat(out)
end

--- Puts the fragments of one message together. Its header is the enclosed
--- one's Content-* fields, Subject, Message-ID, Encrypted and MIME-Version,
--- behind all others of the first fragment's.
---@param parts (lunapost.mime.part|string)[]  in any order
---@return lunapost.mime.part? message
---@return lunapost.err? err  of kind "syntax": what is missing, twice there,
---  or of another message
function M.join(parts)
  if type(parts) ~= "table" or #parts == 0 then
    error("mime.join needs a list of messages", 2)
  end
  local set, problem = gather(parts)
  if not set then return nil, problem end
  local mime = require "lunapost.mime"
  local outer = set[1].part
  local inner = mime.parse(outer:body())
  local eol = outer.raw:match("\r?\n") or "\r\n"
  local out = { eol = eol }
  copy_fields(out, outer, false)
  copy_fields(out, inner, true)
  return mime.parse(table.concat(out) .. eol .. body_of(set, inner, eol))
end

return M
