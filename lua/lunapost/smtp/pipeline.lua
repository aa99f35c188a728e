--- Commands that are written ahead of their replies (RFC 2920).
--
-- A group is its command lines, and what was heard to them: of a yes (2yz,
-- 354) the code alone, else the whole reply.

local core = require "lunapost.core"

local M = {}

local now <const> = core.loop.now

-- Commands that may be unanswered at a time.
local WINDOW <const> = 200

-- Octets of a command that an error names.
local SHOWN <const> = 80

---@class lunapost.group
---@field lines string[]
---@field heard (integer|lunapost.reply)[]  one for each line, in order
---@field said integer  lines written

---@param lines string[]  commands, without line ends
---@return lunapost.group
function M.group(lines)
  return { lines = lines, heard = {}, said = 0 }
end

--- The code of what was heard.
---@param heard integer|lunapost.reply
---@return integer
function M.code(heard)
  return type(heard) == "table" and heard.code or heard
end

-- A line as an error names it: one that cannot be said may hold anything.
local function named(line)
  if #line > SHOWN then line = line:sub(1, SHOWN) .. "..." end
  return (line:gsub("[\0-\31\127]", "?"))
end

--- Writes as many commands as may be unanswered.
---@param client lunapost.client
---@param group lunapost.group
---@return boolean? ok
---@return lunapost.err? error
function M.say(client, group)
  local lines, from = group.lines, group.said + 1
  if not client.conn then
    return nil, client:failed("closed", "the session is closed", lines[from])
  end
  local ok, problem = client:glance(lines[from])
  if not ok then return nil, problem end
  local due = client:unanswered()
  local behind, kind, text, at = client.machine:commands(lines, from, WINDOW)
  if not behind then -- some may have been written: what is due is not known
    local line = named(lines[at])
    if client.machine:failed() or client:unanswered() > due then
      return client:broken(kind, text, line)
    end
    return nil, client:failed(kind, text, line)
  end
  if behind > from then
    local all = from == 1 and behind > #lines
    client:jot("C", all and lines or table.concat(lines, "\n", from,
      behind - 1))
  end
  group.said = behind - 1
  return true
end

--- Takes what was heard; nil and an error where it is a farewell.
---@param client lunapost.client
---@param group lunapost.group
---@param from integer  the first that was not taken
---@return boolean? ok
---@return lunapost.err? error
function M.take(client, group, from)
  local heard = group.heard
  for i = from, #heard do
    local reply = heard[i]
    if type(reply) == "table" then
      heard[i] = client:collected(reply)
      if reply.code == 421 then
        heard[i] = nil -- it is about the session
        client:close()
        return nil, client:refused(reply, group.lines[i])
      end
    end
  end
  return true
end

-- Waits until at least one more reply is heard.
local function hear_some(client, group)
  local lines, heard = group.lines, group.heard
  local from = #heard + 1
  if client.ahead and client.ahead[1] then -- it came while others were sent
    heard[from] = table.remove(client.ahead, 1)
    return true
  end
  if not client.conn then
    return nil, client:failed("closed", "the session is closed", lines[from])
  end
  local seconds = client:limit(lines[from]:match("^[A-Za-z]+"))
  local deadline = now() + seconds
  while #heard < from do
    local patient = client:patient(deadline - now())
    local event, kind, text = client.machine:collect(client.conn, heard,
      #lines, patient)
    if #heard < from then
      local again, why, words = client:await(event, deadline, patient)
      if not again then
        return client:lost(seconds, lines[from], event, why or kind,
          words or text)
      end
    end
  end
  client:jot("S", client.machine:said())
  return M.take(client, group, from)
end

--- Says what is left to be said, and hears all replies.
---@param client lunapost.client
---@param group lunapost.group
---@return boolean? ok
---@return lunapost.err? error
function M.hear(client, group)
  local lines, heard = group.lines, group.heard
  while #heard < #lines do
    local ok, problem = true, nil
    if group.said < #lines then ok, problem = M.say(client, group) end
    if ok then ok, problem = hear_some(client, group) end
    if not ok then return nil, problem end
  end
  return true
end

return M
