--- Three messages over a session, and what a client tells of each: for the
--- spec of messages that are posted, and for a program of its own, which waits
--- without a loop. usage: posts.lua PORT COUNT TLS [SECONDS] - so many
--- sessions, one after the other, that wait so long.

local smtp = require "lunapost.smtp"

local M = {}

local body <const> = ("line\n.dot\r\n"):rep(20)

--- What a client tells of a message.
---@param result? table
---@param problem? lunapost.err
---@return string
function M.told(result, problem)
  local one = result or problem
  local words = { result and "sent" or problem.kind, problem and problem.code
    or "" }
  for _, address in ipairs(one.accepted) do words[#words + 1] = address end
  for _, no in ipairs(one.rejected) do
    words[#words + 1] = ("%s=%s"):format(no.address, no.code)
  end
  return table.concat(words, " ")
end

--- Messages of a kind that the machine posts by itself, or of another.
---@param posted boolean|"mixed"  mixed: in turns
---@param big? string  their body
---@return table[]
function M.messages(posted, big)
  local list = {}
  for i = 1, 3 do
    local envelope = { from = "a@x", to = { i .. "@y", i .. "b@y" } }
    if not posted or posted == "mixed" and i % 2 == 0 then
      envelope.parameters = {}
    end
    list[i] = { envelope, big or body }
  end
  return list
end

--- Sends them, and fills out with what is told.
---@param out string[]
---@param options table  of smtp.open
---@param messages table[]
---@param how? table  of send_all
function M.send(out, options, messages, how)
  options.tls, options.timeout = options.tls or "none", options.timeout or 60
  local client <close> = assert(smtp.open(options))
  for i, result, problem in client:send_all(messages, how) do
    out[i] = M.told(result, problem)
  end
end

if arg and arg[0]:find "posts%.lua$" then
  for _ = 1, tonumber(arg[2]) do
    local out = {}
    M.send(out, { host = "127.0.0.1", port = tonumber(arg[1]), tls = arg[3],
      insecure = arg[3] ~= "none" or nil, helo = "me.example.org",
      timeout = tonumber(arg[4]) }, M.messages(true), { overlap = true })
    print(table.concat(out, "|"))
  end
end

return M
