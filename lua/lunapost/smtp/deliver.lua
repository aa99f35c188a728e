--- Direct delivery: to the hosts that take the mail of each recipient's
--- domain (RFC 5321 5), as mail servers do it.

local ascii = require "lunapost.ascii"
local crew = require "lunapost.smtp.deliver.crew"
local deadline = require "lunapost.deadline"
local default_loop = require "lunapost.loop"
local envelopes = require "lunapost.smtp.envelope"
local err = require "lunapost.err"
local hosts = require "lunapost.smtp.deliver.hosts"
local idn = require "lunapost.mime.idn"
local leave = require "lunapost.smtp.deliver.leave"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local rejection = require "lunapost.smtp.rejection"
local visit = require "lunapost.smtp.deliver.visit"
local whole = require "lunapost.smtp.deliver.whole"

local M = {}

local CONCURRENCY <const> = 5
local PORT <const> = 25

local known <const> = {
  from = "string", to = "string|table", envelope = "table",
  tls = "string",           -- "opportunistic", "dane", "verify", "none"
  port = "integer",         -- 25
  concurrency = "integer",  -- domains at a time: 5
  loopback = "boolean",     -- addresses of this host may be connected to
  nameserver = "string|table", trust_ad = "boolean", dns_timeout = "number",
  loop = "table",
}

-- Those of smtp.open that make sense for strangers' servers.
local of_session <const> = { helo = "string", timeout = "number",
  timeouts = "table", ca = "string", chunking = "boolean",
  certificate = "string", key = "string", proxy = "string",
  transcript = "table" }
for name, kind in pairs(of_session) do known[name] = kind end

local function check(options)
  options_of.check("option of smtp.deliver", options, known, 0)
  local tls = options.tls or "opportunistic"
  if not visit.ways[tls] then
    options_of.unknown("value of 'tls'", tls, visit.ways, 0)
  end
  local most = options.concurrency or CONCURRENCY
  if most < 1 then error("option 'concurrency' must be 1 or more", 0) end
  return tls, most
end

-- The envelope as it was given, and as it is understood.
local function envelope_of(message, options)
  local own = options.envelope or type(message) == "table" and message.envelope
  local given = {}
  for name, value in pairs(own or {}) do given[name] = value end
  given.from, given.to = options.from or given.from, options.to or given.to
  return given, envelopes.of(given)
end

-- One envelope for some of the recipients.
local function cutter(given)
  return function(pending)
    local some = {}
    for name, value in pairs(given) do some[name] = value end
    some.to = {}
    for i, to in ipairs(pending) do some.to[i] = to.given end
    return some
  end
end

-- Recipients by domain, which is nil where an address has none.
local function groups_of(recipients)
  local groups = {}
  for _, to in ipairs(recipients) do
    local domain = to.address:match "^.*@([^@]+)$"
    local key = domain and ascii.lower(idn.ascii(domain) or domain) or ""
    local group = groups[key]
    if not group then
      group = { domain = domain, recipients = {} }
      groups[key], groups[#groups + 1] = group, group
    end
    table.insert(group.recipients, to)
  end
  return groups
end

local function settings_of(message, options)
  local tls, most = check(options)
  local given, understood = envelope_of(message, options)
  local loop = options.loop or default_loop
  local o = { tls = tls, most = most, port = options.port or PORT,
    loopback = options.loopback, loop = loop, message = message,
    envelope_for = cutter(given), session = {},
    requiretls = given.requiretls,
    own_name = options.helo or net.fqdn { loop = loop, timeout = 2 } }
  for name in pairs(of_session) do o.session[name] = options[name] end
  o.query = { nameserver = options.nameserver, trust_ad = options.trust_ad,
    timeout = options.dns_timeout, records = tls == "dane" or nil }
  return o, groups_of(understood.recipients)
end

-- Whether the next host may do better.
local function again(one)
  return one and not one.final and (one.transient or one.early)
end

-- What became of an address that is now rejected, after what was before: that
-- one host is no good does not make it final that another was busy.
local function worse(before, one)
  if before == true then return before end
  local busy = before and before.transient
  return busy and one.early and not one.transient and before or one
end

-- Keeps what became of some recipients; those that another host may take. An
-- address that is there twice has the message when one of the two was accepted.
local function keep(group, pending, seen)
  local last, left = {}, {}
  for _, address in ipairs(seen.accepted) do group.fate[address] = true end
  for _, one in ipairs(seen.rejected) do
    one.host, one.domain = seen.host, group.domain
    one.transient = one.code < 500
    last[one.address] = one
    group.fate[one.address] = worse(group.fate[one.address], one)
  end
  for _, to in ipairs(pending) do
    local open = group.fate[to.address] ~= true
    if open and again(last[to.address]) then left[#left + 1] = to end
  end
  group.visits[#group.visits + 1] = seen
  return left
end

local function lose(group, to, problem)
  local one = rejection.of(to.address, problem)
  one.domain, one.transient = group.domain, one.code < 500
  group.fate[to.address] = one
end

-- A domain whose hosts are not even known.
local function unreachable(group, problem)
  for _, to in ipairs(group.recipients) do
    lose(group, to, problem)
  end
end

local function find_hosts(group, o)
  if group.domain then return hosts.of(group.domain, o) end
  return nil, err.new { kind = "syntax", code = 550, enhanced = "5.1.3",
    text = "an address without a domain cannot be delivered" }
end

-- All that can be done for the recipients of one domain.
local function serve(group, o)
  group.fate, group.visits = {}, {}
  local list, problem = find_hosts(group, o)
  if not list then return unreachable(group, problem) end
  local pending = group.recipients
  for _, host in ipairs(list) do
    pending = keep(group, pending, visit.host(o, host, pending))
    if not pending[1] then return end
  end
end

-- What is raised at one domain must not lose what became of the others. A
-- deadline is over for all.
local function guarded(group, o)
  local ok, problem = pcall(serve, group, o)
  if ok then return end
  if deadline.is(problem) then error(problem, 0) end
  group.raised = { problem }
end

-- Whether a host had the message when it broke off is not known.
local function broken_off(group)
  local problem = err.of("unconfirmed", "the delivery broke off: "
    .. tostring(group.raised[1]))
  for _, to in ipairs(group.recipients) do
    local fate = group.fate[to.address]
    if fate == nil or fate ~= true and again(fate) then
      lose(group, to, problem)
    end
  end
end

-- What is raised at each domain is misuse, most likely: it is raised here.
local function settle(groups)
  local broken = {}
  for _, group in ipairs(groups) do
    if group.raised then broken[#broken + 1] = group end
  end
  if #broken == #groups then error(groups[1].raised[1], 0) end
  for _, group in ipairs(broken) do broken_off(group) end
end

-- The fates of all recipients, in the order of the envelope's domains.
local function merge(groups)
  local result = { accepted = {}, rejected = {}, deliveries = {} }
  for _, group in ipairs(groups) do
    for _, to in ipairs(group.recipients) do
      local fate = group.fate[to.address]
      local accepted = fate == true
      table.insert(accepted and result.accepted or result.rejected,
        accepted and to.address or fate)
    end
    for _, one in ipairs(group.visits) do
      one.domain = group.domain
      result.deliveries[#result.deliveries + 1] = one
    end
  end
  return result
end

local function outcome(result)
  if result.accepted[1] then return result end
  local first = result.rejected[1]
  local problem = err.new { kind = first.kind, code = first.code,
    enhanced = first.enhanced, text = first.text, host = first.host,
    accepted = {}, rejected = result.rejected,
    deliveries = result.deliveries }
  return nil, problem
end

--- Delivers a message to the mail hosts of its recipients' domains: each
--- domain once, several at a time; hosts by preference, the next one while
--- what fails is temporary; the domain's own address where it has no MX
--- (RFC 5321 5.1), nothing where it wants no mail (RFC 7505).
---
--- TLS is "opportunistic": used where it is offered, nothing is verified,
--- and without it where it fails (RFC 7435); "dane": the same, but as a
--- host's TLSA records have it where DNSSEC vouches for all that leads to
--- them (RFC 7672), which takes a resolver that verifies; "verify": required
--- and verified, or the next host; "none". A host must prove who it is,
--- and DNSSEC vouch for its MX record, where the envelope has requiretls.
--- "dane" and "verify" are "opportunistic" for a message whose header says
--- TLS-Required: No (RFC 8689).
--- Addresses of this host (loopback)
--- are not connected to unless loopback = true.
---@param message string|table|file*|function  as for client:send
---@param options? { from: string, to: string|table, envelope: table,
--- tls: string, port: integer, concurrency: integer, loopback: boolean,
--- helo: string, timeout: number, timeouts: table, ca: string,
--- certificate: string, key: string, proxy: string, transcript: table,
--- chunking: boolean, nameserver: string|string[], trust_ad: boolean,
--- dns_timeout: number, loop: table }
---@return table? result  accepted = { address, ... }, rejected = { { address,
--- code, enhanced, text, domain, host, transient, kind }, ... }, deliveries:
--- the visits to hosts { domain, host, accepted, rejected, reply, tls,
--- transcript }; nil where nobody was accepted
---@return lunapost.err? error  with accepted, rejected, deliveries, too
M.deliver = options_of.placed(function(message, options)
  local o, groups = settings_of(message, options or {})
  local kept <close>, problem = whole.of(message)
  if not kept then return nil, problem end
  o.message = kept.message
  -- RFC 8689 4.1: of no account beside REQUIRETLS
  o.lax = not o.requiretls and leave.given(o.message)
  crew.run(o.loop, groups, o.most, function(group, loop)
    local own = setmetatable({ loop = loop }, { __index = o })
    own.query = { loop = loop, nameserver = o.query.nameserver,
      trust_ad = o.query.trust_ad, timeout = o.query.timeout,
      records = o.query.records }
    guarded(group, own)
  end)
  settle(groups)
  return outcome(merge(groups))
end)

return M
