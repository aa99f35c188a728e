--- Which hosts take the mail of a domain (RFC 5321 5.1), most wanted first.

local ascii = require "lunapost.ascii"
local dns = require "lunapost.dns"
local err = require "lunapost.err"
local idn = require "lunapost.mime.idn"
local ranges = require "lunapost.net.ranges"

local M = {}

-- More hosts of one domain, and addresses of one host, are not asked.
local HOSTS <const>, ADDRESSES <const> = 10, 8

---@class lunapost.deliver.host
---@field name string  a name, or an address
---@field addresses? string[]  known beforehand
---@field domain? string  whose MX it is
---@field secure? boolean  that it is one for the domain was verified (DNSSEC)
---@field hearsay? boolean  an MX record says that it is, which nobody verified

-- An error that a recipient is refused with.
local function refusal(code, enhanced, text)
  return nil, err.new { kind = "dns", code = code, enhanced = enhanced,
    text = text }
end

local function unresolved(problem)
  return refusal(451, "4.4.3", tostring(problem))
end

-- RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]".
local function literal(domain)
  local inner = domain:match "^%[(.*)%]$"
  if not inner then return nil end
  local address = inner:gsub("^[Ii][Pp][Vv]6:", "")
  if ranges.octets(address) then
    return { { name = address, addresses = { address } } }
  end
  return refusal(550, "5.1.2", ("%s is no address"):format(domain))
end

-- Those of equal preference in any order, so that load is spread.
local function shuffle(list)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
end

local function mixed(list)
  local at = 1
  while at <= #list do
    local upto, run = at, {}
    while upto <= #list and list[upto].preference == list[at].preference do
      run[#run + 1] = list[upto]
      upto = upto + 1
    end
    shuffle(run)
    table.move(run, 1, #run, at, list)
    at = upto
  end
  return list
end

local function plain(name)
  return (ascii.lower(name):gsub("%.$", ""))
end

-- Without this host and all that are wanted no more than it, RFC 5321 5.1.
local function without_self(domain, list, own)
  local limit = math.huge
  for _, mx in ipairs(list) do
    if own and plain(mx.host) == plain(own) then
      limit = math.min(limit, mx.preference)
    end
  end
  local out = {}
  for _, mx in ipairs(list) do
    if mx.preference < limit and mx.host ~= "" and #out < HOSTS then
      out[#out + 1] = { name = mx.host, secure = list.secure,
        hearsay = not list.secure, domain = domain }
    end
  end
  return out
end

local function of_mx(domain, list, o)
  if list[1].host == "" and not list[2] then
    return refusal(556, "5.1.10", domain .. " takes no mail (null MX)")
  end
  local hosts = without_self(domain, mixed(list), o.own_name)
  if hosts[1] then return hosts end
  return refusal(554, "5.4.6", "mail for " .. domain
    .. " would come back to this host")
end

--- The hosts for a domain of an address.
---@param domain string  also "[192.0.2.1]"
---@param o { query: lunapost.dns.options, own_name: string? }
---@return lunapost.deliver.host[]? hosts  one at least
---@return lunapost.err? error  with a code and an enhanced status
function M.of(domain, o)
  if domain:find "^%[" then return literal(domain) end
  local name, problem = idn.ascii(domain)
  if not name then return refusal(550, "5.1.2", tostring(problem)) end
  local list
  list, problem = dns.mx(name, o.query)
  if list then return of_mx(name, list, o) end
  if problem.reason == "nodata" then
    return { { name = name, secure = problem.secure } }
  end
  if problem.transient then return unresolved(problem) end
  return refusal(550, "5.1.2", tostring(problem))
end

-- Loopback and "any": a connection there comes back to this host.
local function comes_back(address)
  local octets = ranges.octets(address)
  if not octets then return true end
  if #octets == 4 then return octets:byte() == 127 or octets:byte() == 0 end
  return octets:sub(1, 15) == ("\0"):rep(15) and octets:byte(16) < 2
end

local function usable(list, loopback)
  local out = {}
  for _, address in ipairs(list) do
    if (loopback or not comes_back(address)) and #out < ADDRESSES then
      out[#out + 1] = address
    end
  end
  return out
end

local function lookup(host, o)
  if host.addresses then return host.addresses end
  local list, problem = dns.addresses(host.name, o.query)
  if not list then
    if problem.transient then return unresolved(problem) end
    return refusal(550, "5.4.4", tostring(problem))
  end
  host.secure = host.secure and list.secure
  local addresses = {}
  for i, one in ipairs(list) do addresses[i] = one.address end
  return addresses
end

--- The addresses of a host that mail may be sent to. host.secure is then
--- true where they are verified, too.
---@param host lunapost.deliver.host
---@param o { query: lunapost.dns.options, loopback: boolean? }
---@return string[]? addresses
---@return lunapost.err? error  with a code and an enhanced status
function M.addresses(host, o)
  local list, problem = lookup(host, o)
  if not list then return nil, problem end
  local out = usable(list, o.loopback)
  if out[1] then return out end
  return refusal(554, "5.4.6", host.name .. " has no address but this host's")
end

return M
