--- Replies as the client sees them, and the errors made of them.

local core = require "lunapost.core"
local err = require "lunapost.err"

local M = {}

---@class lunapost.reply
---@field code integer
---@field enhanced? string  RFC 3463, only where its class fits the code
---@field text string  all lines without codes, LF between them
---@field lines string[]  each line without codes
---@field raw string[]  the lines as they came
local meta <const> = core.client.reply_meta -- the machine's replies have it

-- A reply of one line may have it as it came (said) instead of lines and raw:
-- they are made when one of them is asked for, for seldom is.
local function spell(reply)
  local said = rawget(reply, "said")
  if said then
    reply.said, reply.lines, reply.raw = nil, { reply.text }, { said }
  end
end

function meta.__index(reply, key)
  if key ~= "lines" and key ~= "raw" then return nil end
  spell(reply)
  return rawget(reply, key)
end

function meta.__pairs(reply)
  spell(reply)
  return next, reply, nil
end

---@param reply lunapost.reply
function meta.__tostring(reply)
  local text = reply.text:gsub("\n", " ")
  return ("%d %s%s"):format(reply.code,
    reply.enhanced and reply.enhanced .. " " or "", err.printable(text))
end

--- Hides secrets in all words of a reply; its code and what stands in for
--- it in the raw lines stay.
---@param reply lunapost.reply
---@param veil fun(text: string): string
function M.veil(reply, veil)
  reply.text = veil(reply.text)
  for i, line in ipairs(reply.lines) do
    reply.lines[i] = veil(line)
    reply.raw[i] = reply.raw[i]:sub(1, 4) .. veil(reply.raw[i]:sub(5))
  end
end

--- Whether a reply is what was hoped for.
---@param reply lunapost.reply
---@param wanted integer|integer[]|nil  a code, a class 2..5, a list of such;
--- nil: 2yz or 3yz
---@return boolean
function M.fits(reply, wanted)
  if wanted == nil then return reply.code < 400 end
  if type(wanted) == "table" then
    for _, one in ipairs(wanted) do
      if M.fits(reply, one) then return true end
    end
    return false
  end
  return reply.code == wanted or reply.code // 100 == wanted
end

--- An error made of a reply that said no.
---@param reply lunapost.reply
---@param more? table  further fields of the error
---@return lunapost.err
function M.error(reply, more)
  local fields = { kind = "reply", code = reply.code,
    enhanced = reply.enhanced, text = (reply.text:gsub("\n", " ")),
    reply = reply }
  for name, value in pairs(more or {}) do fields[name] = value end
  return err.new(fields)
end

return M
