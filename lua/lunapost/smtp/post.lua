--- A whole message in one go, as most of them are sent: MAIL, RCPT and DATA
--- ahead of their replies, a short body, its reply. The machine does it; what
--- comes out of the ordinary is left to transaction.lua, from where it stands.

local core = require "lunapost.core"

local M = {}

local now <const> = core.loop.now

-- Octets of a body that are as well copied, and commands written at once.
local SHORT <const>, FEW <const> = 1 << 14, 100

--- The body of a transaction that can go so, or nil.
---@param client lunapost.client
---@param t lunapost.transaction
---@return string?
function M.body(client, t)
  local octets = t.ahead and not client.lmtp and t.content.octets
  if octets and #octets <= SHORT and #t.group.lines <= FEW and client.conn
    and not (client.loose or client.ahead and client.ahead[1]) then
    return octets
  end
end

-- How long to wait when so many replies have come, and for that to what.
local function awaited(client, lines, came)
  local line = lines[came + 1]
  if not line then return client:limit("data_termination"), "the message" end
  return client:limit(came == 0 and "MAIL" or came < #lines - 1 and "RCPT"
    or "DATA"), line
end

local function note(client, group, octets, outcome)
  local said = client.machine:said()
  if said ~= "" then client:jot("S", said) end
  if outcome == "done" or client.machine:doubt() then
    client:jot("*", ("%d octets of message, then the dot"):format(#octets))
  end
  group.said = #group.lines
end

-- Waits until the machine has an outcome: event, count, text; or nil, why.
local function drive(client, group, octets)
  local lines, came, deadline = group.lines, -1, math.huge
  while true do
    local patient = client:patient(deadline - now())
    local event, count, text = client.machine:post(client.conn, lines,
      group.heard, octets, patient)
    if event ~= "read" and event ~= "write" then return event, count, text end
    if count ~= came then
      came = count
      deadline = now() + awaited(client, lines, came)
    end
    local again, why, words = client:await(event, deadline, patient)
    if not again then return nil, why, words end
  end
end

--- Sends it.
---@param client lunapost.client
---@param group lunapost.group
---@param octets string  of M.body
---@return "done"|"replies"|nil outcome  done: the reply to the dot is the
--- machine's; replies: the group has heard what transaction.lua has to judge
---@return lunapost.err? error
function M.run(client, group, octets)
  client:jot("C", group.lines)
  local event, kind, text = drive(client, group, octets)
  note(client, group, octets, event)
  if event == "done" or event == "replies" then return event end
  local came = client.machine:doubt() and #group.lines or #group.heard
  local seconds, what = awaited(client, group.lines, came)
  return client:lost(seconds, what, event, kind, text)
end

return M
