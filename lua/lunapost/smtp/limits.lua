--- What a server limits (LIMITS, RFC 9422): recipients of a transaction, their
--- domains, transactions of a session. A message for more recipients goes in
--- several transactions, whose results become one.

local ascii = require "lunapost.ascii"
local contents = require "lunapost.mime.build.content"
local outgoing = require "lunapost.smtp.outgoing"
local rejection = require "lunapost.smtp.rejection"
local spare = require "lunapost.smtp.spare"

local M = {}

---@class lunapost.limits
---@field recipients? integer  RCPTMAX
---@field domains? integer  RCPTDOMAINMAX
---@field mails? integer  MAILMAX

local names <const> = { RCPTMAX = "recipients", RCPTDOMAINMAX = "domains",
  MAILMAX = "mails" }

local NONE <const> = {}

--- Reads what EHLO's answer says; what makes no sense is no limit.
---@param offered? string[]  the words of LIMITS
---@return lunapost.limits
function M.of(offered)
  if not offered then return NONE end
  local limits = {}
  for _, word in ipairs(offered) do
    local name, value = word:match("^([A-Za-z0-9%-_]+)=(%d+)$")
    local known = name and names[ascii.upper(name)]
    value = tonumber(value)
    if known and value > 0 and value < 1000000 then limits[known] = value end
  end
  return limits
end

--- Reads the limit of SIZE (RFC 1870).
---@param offered? string[]  the words of SIZE
---@return integer? octets  0: none is told; nil: SIZE is not offered
function M.size(offered)
  if not offered then return nil end
  local word = offered[1] or ""
  return word:find("^%d+$") and tonumber(word) or 0
end

local function domain_of(to)
  return ascii.lower(to.address:match "@([^@]*)$" or "")
end

-- Adds a recipient to the first part that has room for it.
local function place(parts, to, limits)
  local domain = domain_of(to)
  for _, part in ipairs(parts) do
    local known = part.domains[domain]
    local room = #part.list < (limits.recipients or math.huge)
    if room and (known or part.count < (limits.domains or math.huge)) then
      part.list[#part.list + 1] = to
      if not known then part.count = part.count + 1 end
      part.domains[domain] = true
      return
    end
  end
  parts[#parts + 1] = { list = { to }, count = 1,
    domains = { [domain] = true } }
end

-- Parts that are full take no more: only the last ones are asked, so that
-- many recipients do not take quadratic time.
local OPEN <const> = 16

--- Recipients in as many lists as the limits want, in order.
---@param recipients lunapost.recipient[]
---@param limits lunapost.limits
---@return lunapost.recipient[][]
function M.split(recipients, limits)
  if not (limits.recipients or limits.domains) then return { recipients } end
  local parts, open = {}, {}
  for _, to in ipairs(recipients) do
    local before = #open
    place(open, to, limits)
    if #open > before then
      parts[#parts + 1] = open[#open]
      if #open > OPEN then table.remove(open, 1) end
    end
  end
  local lists = {}
  for i, part in ipairs(parts) do lists[i] = part.list end
  return lists
end

-- Too many recipients, RFC 5321 4.5.3.1.10: the rest goes by itself. Who has
-- no enhanced codes says it by 452 alone.
local function crowded(one)
  return one.code == 452 and (one.enhanced or "4.5.3") == "4.5.3"
end

-- Adds what was told of a part's recipients: the addresses, and those that
-- may go again, since others were accepted and they were not.
local function sort(all, outcome)
  local told, again = {}, {}
  for _, address in ipairs(outcome.accepted or {}) do
    all.accepted[#all.accepted + 1] = address
    told[address] = true
  end
  local some = next(told) ~= nil
  for _, one in ipairs(outcome.rejected or {}) do
    if some and crowded(one) and not told[one.address] then
      again[one.address] = true
    else
      all.rejected[#all.rejected + 1] = one
    end
    told[one.address] = true
  end
  return told, again
end

-- Adds what came of a part; who did not fit is given back: fewer each time.
local function gather(all, outcome, part)
  local told, again = sort(all, outcome)
  local rest = {}
  for _, to in ipairs(part) do
    if again[to.address] then
      rest[#rest + 1] = to
    elseif not told[to.address] then
      all.rejected[#all.rejected + 1] = rejection.of(to.address, outcome)
    end
  end
  return rest
end

local function part_of(job, list)
  local e = setmetatable({ recipients = list }, { __index = job.envelope })
  return setmetatable({ envelope = e, plain = false }, { __index = job })
end

-- A content that can be read once is kept in a file for the other parts.
local function repeatable(job)
  if job.content.again ~= false then return true end
  local file, text = spare.file()
  if not file then return nil, outgoing.failed(text) end
  for chunk, problem in job.content.open("8bit") do
    if problem then return nil, outgoing.failed(problem) end
    file:write(chunk)
  end
  file:seek("set")
  job.content = outgoing.of_content(contents.of_file(file))
  return true
end

local function whole(all, last)
  if #all.accepted > 0 then
    return { accepted = all.accepted, rejected = all.rejected,
      reply = all.reply, transcript = last.transcript, error = all.problem }
  end
  local problem = all.problem
  problem.accepted, problem.rejected = all.accepted, all.rejected
  return nil, problem
end

local function in_parts(job, parts, run)
  local all = { accepted = {}, rejected = {} }
  local last
  while parts[1] do
    local part = table.remove(parts, 1)
    local result, problem = run(part_of(job, part))
    last = result or problem
    all.problem = all.problem or problem
    all.reply = result and result.reply or all.reply
    local rest = gather(all, last, part)
    if rest[1] then table.insert(parts, 1, rest) end
  end
  return whole(all, last)
end

local function any_crowded(result)
  for _, one in ipairs(result and result.rejected or {}) do
    if crowded(one) then return true end
  end
end

--- Runs a job in as many transactions as the server's limits want.
---@param job table  see plan.job
---@param limits lunapost.limits
---@param run fun(job: table): table?, lunapost.err?
---@return table? result  error: of a transaction that failed as a whole
---@return lunapost.err? error
function M.deliver(job, limits, run)
  local recipients = job.envelope.recipients
  local parts = M.split(recipients, limits)
  if parts[2] then
    local ok, problem = repeatable(job)
    if not ok then
      problem.accepted, problem.rejected = {}, {}
      return nil, problem
    end
    return in_parts(job, parts, run)
  end
  local result, problem = run(job)
  if not any_crowded(result) or job.content.again == false then
    return result, problem
  end
  local first = true
  return in_parts(job, parts, function(part)
    if not first then return run(part) end
    first = false
    return result
  end)
end

return M
