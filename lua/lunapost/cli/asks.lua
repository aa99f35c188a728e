--- What send asks the server for beside the delivery: flags that become
--- parameters of MAIL and RCPT.

local asks = require "lunapost.smtp.asks"
local envelopes = require "lunapost.smtp.envelope"

local M = {}

M.usage = [[
  --notify WHEN        success, failure, delay (with commas), or never
  --ret hdrs|full      what a failure's report has in it;  --envid ID in it
  --require-tls        no hop without TLS
  --deliver-by S[:R]   within S seconds, or R(eturned);  --mt-priority -9..9
  --hold-for S         held for S seconds;  --hold-until 2026-01-31T12:00:00Z
  --rrvs DATE          only to whom had the mailbox by then
  --submitter A        who submitted it (AUTH=)
  --mail-param 'X=1'   any other to MAIL, repeatable;  --rcpt-param to each
                       RCPT]]

local function integer(flag, text)
  return math.tointeger(tonumber(text))
    or error(("--%s needs a whole number, not %s"):format(flag, text), 0)
end

local function by(flag, text)
  local seconds, mode = text:match("^([^:;]*)[:;](%a)$")
  return { seconds = integer(flag, seconds or text), mode = mode }
end

-- Flag, its kind, the name of what it asks for, how its text is read.
local rows <const> = {
  { "notify", "value", "notify" }, { "ret", "value", "ret" },
  { "envid", "value", "envid" }, { "require-tls", "flag", "requiretls" },
  { "deliver-by", "value", "deliver_by", by },
  { "hold-for", "value", "hold_for", integer },
  { "hold-until", "value", "hold_until" },
  { "mt-priority", "value", "mt_priority", integer },
  { "submitter", "value", "submitter" }, { "rrvs", "value", "rrvs" },
}

M.flags = { ["mail-param"] = "list", ["rcpt-param"] = "list" }
for _, row in ipairs(rows) do M.flags[row[1]] = row[2] end

--- Puts what the flags ask for into an envelope; misuse raises.
---@param envelope table  { from, to }
---@param options table  flags
---@return table envelope
function M.add(envelope, options)
  for _, row in ipairs(rows) do
    local flag, _, name, read = table.unpack(row)
    local value = options[flag]
    if value ~= nil then
      envelope[name] = read and read(flag, value) or value
    end
  end
  local words = options["rcpt-param"]
  envelope.parameters = options["mail-param"]
  for i, address in ipairs(words and envelope.to or {}) do
    envelope.to[i] = { address = address, parameters = words }
  end
  envelopes.of(envelope) -- raises now, and not once there is a session
  return envelope
end

local function merged(envelope, known, words)
  local params = {}
  for name in pairs(known) do params[name] = envelope[name] end
  table.move(words or {}, 1, #(words or {}), 1, params)
  return params
end

--- What an envelope asks for, as client:mail and client:rcpt take it.
---@param envelope table
---@return table mail
---@return fun(to: string|table): string, table  the address and its own
function M.split(envelope)
  return merged(envelope, asks.mail, envelope.parameters), function(to)
    local one = type(to) == "table" and to or { address = to }
    return one.address, merged(envelope, asks.rcpt, one.parameters)
  end
end

-- The words that such parameters are on the wire.
local function words_of(params, known)
  local words = {}
  for _, one in ipairs(asks.typed(params, known) or {}) do
    words[#words + 1] = one.text
  end
  return table.move(params, 1, #params, #words + 1, words)
end

--- What an envelope asks for, as words of a command.
---@param envelope table
---@return string[] mail
---@return fun(to: string|table): string, string[]
function M.words(envelope)
  local mail, of = M.split(envelope)
  return words_of(mail, asks.mail), function(to)
    local address, params = of(to)
    return address, words_of(params, asks.rcpt)
  end
end

return M
