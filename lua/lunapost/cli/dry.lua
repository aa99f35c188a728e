--- lunapost send --dry-run: the commands that would be said, and the message
--- as it would go, dots doubled; what others call batch SMTP.

local asks = require "lunapost.cli.asks"
local codec = require "lunapost.codec"
local output = require "lunapost.cli.output"
local smtp_dry = require "lunapost.smtp.dry"

local M = {}

local Dry = {}
local meta <const> = { __index = Dry }

local function say(command, address, words)
  output.write(command, "<", address, ">")
  for _, word in ipairs(words) do output.write(" ", word) end
  output.write "\n"
end

-- As smtp.dry; standard output gets it all.
function Dry:send(envelope, message)
  local result, problem = smtp_dry.new():send(envelope, message)
  if not result or self.silent then return result, problem end
  local mail, of = asks.words(envelope)
  say("MAIL FROM:", result.envelope.from, mail)
  for _, to in ipairs(envelope.to) do say("RCPT TO:", of(to)) end
  output.write("DATA\n", (codec.dot.encode(result.message)
    :gsub("\r\n", "\n")))
  return result
end

--- Makes the transport.
---@param options table  flags
---@return table
function M.new(options)
  return setmetatable({ silent = options.json or options.quiet }, meta)
end

return M
