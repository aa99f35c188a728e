--- One host is visited with a message, by TLS as mail servers do it.

local dial = require "lunapost.smtp.dial"
local dns = require "lunapost.dns"
local err = require "lunapost.err"
local hosts = require "lunapost.smtp.deliver.hosts"
local rejection = require "lunapost.smtp.rejection"
local settings = require "lunapost.smtp.settings"

local M = {}

-- What came of the message does not depend on how the session ends.
local GOODBYE <const> = 5

-- How a session is opened, one way after the other while TLS is what fails.
-- Opportunistic: a stranger's certificate proves nothing against somebody
-- who could as well take STARTTLS out of the dialogue (RFC 7435).
local ways <const> = {
  opportunistic = {
    { tls = "auto", insecure = true, minimum_tls = "1.0" },
    { tls = "none" },
  },
  dane = {}, -- as the host's records have it
  verify = { { tls = "starttls" } },
  none = { { tls = "none" } },
}
M.ways = ways

local function is_of_tls(problem)
  return problem.kind == "tls" or problem.command == "STARTTLS"
end

-- Aliases behind each other that are followed.
local ALIASES <const> = 8

-- Denied, or not to be believed: there is no DANE here.
local denied <const> = { nxdomain = true, nodata = true }

-- RFC 7672 2.2.2: the names that a host's records may be found by, the one that
-- its aliases lead to first. The way there was verified with its addresses.
local function bases(o, host)
  local names, name = { host.name }, host.name
  while #names <= ALIASES do
    local list = dns.query(name, "CNAME", o.query)
    if not (list and list[1] and list.secure) then break end
    name = list[1].host
    table.insert(names, 1, name)
  end
  return names
end

-- The records at the first of these names that has any; nil without an error:
-- none has. What is not verified is as if it were not there.
local function records(o, names)
  for _, name in ipairs(names) do
    local list, problem = dns.tlsa(("_%d._tcp.%s"):format(o.port, name),
      o.query)
    if list and list.secure then return list, name end
    if not (list or denied[problem.reason]) then return nil, problem end
  end
end

-- RFC 7672 2.2: TLS as a host's records want it, where host and records are
-- verified; opportunistic where there are none; no way where they cannot be
-- had, since somebody may keep them back.
local function dane(o, host)
  if not host.secure then return ways.opportunistic end
  local list, base = records(o, bases(o, host))
  if list then
    return { { tls = "starttls", tlsa = list, host = base,
      tlsa_domain = host.domain } }
  end
  if not base then return ways.opportunistic end
  return nil, err.of("tls", tostring(base))
end

-- The ways to a host's TLS. Whoever asks for REQUIRETLS gets none that proves
-- nothing, and no host that is not known to be the domain's (RFC 8689 4.2.1);
-- who gives leave has all but an attempt at TLS left out (4.2.2).
local function ways_to(o, host)
  if o.requiretls and host.hearsay then
    return nil, err.of("tls", ("no DNSSEC vouches that %s takes the mail of "
      .. "%s, which REQUIRETLS wants"):format(host.name, host.domain))
  end
  if o.lax and o.tls ~= "none" then return ways.opportunistic end
  local list, problem = ways[o.tls], nil
  if o.tls == "dane" then list, problem = dane(o, host) end
  if o.requiretls and list == ways.opportunistic then list = ways.verify end
  return list, problem
end

-- Opens a session in one of these ways; TLSA records that are of no use prove
-- nothing.
local function open_by(o, options)
  local client, problem = dial.open(settings.complete(
    "option of smtp.deliver", options))
  if client and client.tls and o.requiretls
    and not client.tls.certificate.verified then
    client:leave()
    return nil, err.of("tls", options.host .. " has no TLSA records that can "
      .. "be used, which REQUIRETLS wants")
  end
  return client, problem
end

local function open(o, host, addresses)
  local client
  local list, problem = ways_to(o, host)
  for _, way in ipairs(list or {}) do
    local options = { host = host.name, port = o.port, addresses = addresses,
      loop = o.loop }
    for name, value in pairs(o.session) do options[name] = value end
    for name, value in pairs(way) do options[name] = value end
    client, problem = open_by(o, options)
    if client or not is_of_tls(problem) then break end
  end
  return client, problem
end

---@class lunapost.deliver.visit
---@field host string
---@field accepted string[]
---@field rejected table[]  by the server, or all by what went wrong
---@field reply? lunapost.reply  to the message, or why it was refused
---@field tls? table  { version, cipher, certificate }
---@field transcript? lunapost.transcript

-- Whose fate the server has told.
local function told(visit)
  local known = {}
  for _, address in ipairs(visit.accepted) do known[address] = true end
  for _, one in ipairs(visit.rejected) do
    known[one.address] = true
    one.kind = one.kind or "reply"
  end
  return known
end

-- The same end for all whose fate is not known. early: before the server was
-- told of any recipient.
local function complete(visit, pending, problem, early)
  local known = told(visit)
  for _, to in ipairs(pending) do
    if not known[to.address] then
      local one = rejection.of(to.address, problem
        or err.of("protocol", "the server said nothing of this recipient"))
      one.early = early
      table.insert(visit.rejected, one)
    end
  end
  return visit
end

--- Takes a message to a host for some recipients.
---@param o table  settings of the delivery
---@param host lunapost.deliver.host
---@param pending lunapost.recipient[]
---@return lunapost.deliver.visit
function M.host(o, host, pending)
  local visit = { host = host.name, accepted = {}, rejected = {} }
  local addresses, problem = hosts.addresses(host, o)
  if not addresses then return complete(visit, pending, problem, true) end
  local client <close>, failed = open(o, host, addresses)
  if not client then
    visit.transcript = failed.transcript
    return complete(visit, pending, failed, true)
  end
  visit.tls, visit.transcript = client.tls, client.transcript
  local result, refused = client:send(o.envelope_for(pending), o.message)
  if client.conn then client:quit(GOODBYE) end
  local said = result or refused
  visit.reply = said.reply
  visit.accepted, visit.rejected = said.accepted, said.rejected
  return complete(visit, pending, refused)
end

return M
