--- Records of the DNS: `require "lunapost.dns"`.
---
--- for _, mx in ipairs(assert(dns.mx "example.org")) do
---   print(mx.preference, mx.host)
--- end
---
--- The system's resolver asks, on a thread, so that no loop stops. Options
--- of each function: loop, timeout (seconds, 10), deadline; nameserver =
--- "127.0.0.1:53", or a list of at most 3, in place of the system's servers
--- (the environment's LUNAPOST_NAMESERVER is the default); trust_ad = true,
--- where what those servers say of DNSSEC may be believed.

local core = require "lunapost.core"
local err = require "lunapost.err"
local names = require "lunapost.net.names"
local options_of = require "lunapost.options"

local M = {}

local TIMEOUT <const> = 10
local PORT <const> = 53

local known <const> = {
  loop = "table", timeout = "number", deadline = "number",
  nameserver = "string|table", trust_ad = "boolean", records = "boolean",
}

local types <const> = {
  A = 1, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28, TLSA = 52,
}

-- RFC 1035 4.1.1
local reasons <const> = {
  [1] = "refused", [2] = "servfail", [3] = "nxdomain", [4] = "refused",
  [5] = "refused",
}

local words <const> = {
  nxdomain = "the name does not exist",
  nodata = "the name has no such record",
  servfail = "the name server could not find out",
  refused = "the name server refused to answer",
  malformed = "the name server's answer is malformed",
}

local transient <const> = { servfail = true, refused = true,
  malformed = true }

local function failure(reason, name, type_name, secure)
  return err.new { kind = "dns", reason = reason, host = name,
    secure = secure or nil, text = ("%s (%s)"):format(words[reason], type_name),
    transient = transient[reason] or false }
end

-- "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53"
local function add_server(list, text)
  local host, port = text:match "^([%d.]+):(%d+)$"
  if not host then host, port = text:match "^%[(.+)%]:?(%d*)$" end
  port = math.tointeger(tonumber(port ~= "" and port or PORT))
  host = host or text
  if not core.net.numeric(host) or not port or port > 65535 then
    error(("option 'nameserver' must be an address, ADDRESS:PORT or "
      .. "[ADDRESS]:PORT, not %q"):format(text), 0)
  end
  list[#list + 1] = host
  list[#list + 1] = port
end

-- Addresses and ports of the servers to ask, flat; none: the system's.
local function servers_of(given)
  local list = {}
  given = given or os.getenv "LUNAPOST_NAMESERVER" or {}
  if type(given) == "string" then
    for word in given:gmatch "[^%s,]+" do add_server(list, word) end
  else
    for _, word in ipairs(given) do add_server(list, word) end
  end
  if #list > 6 then error("at most 3 name servers can be asked", 0) end
  return list
end

local function type_of(name)
  local number = types[name] or math.type(name) == "integer" and name
  if not number then options_of.unknown("type of record", name, types, 0) end
  return number
end

local function check(options)
  if options then
    options_of.check("option of a DNS query", options, known, 0)
  end
  return options or {}
end

-- How long to wait: the options' time, or the usual one.
local function waits_of(options)
  local deadline = names.deadline(options) or core.loop.now() + TIMEOUT
  return { loop = options.loop, deadline = deadline }
end

-- What an answer's octets tell.
local function read(octets, name, type_name)
  local answer = core.dns.read(octets)
  if not answer then return nil, failure("malformed", name, type_name) end
  if answer.code ~= 0 then
    return nil, failure(reasons[answer.code] or "servfail", name, type_name,
      answer.secure)
  end
  if not answer[1] then
    return nil, failure("nodata", name, type_name, answer.secure)
  end
  answer.code = nil
  return answer
end

-- Whether there can be such a name: RFC 1035 2.3.4. The system's resolver
-- would say of what is none that nobody answered.
local function is_name(name)
  if type(name) ~= "string" or not name:find "^[A-Za-z0-9_%-.]+$" then
    return false
  end
  local bare = name:gsub("%.$", "")
  for label in (bare .. "."):gmatch "([^.]*)%." do
    if label == "" and name ~= "." or #label > 63 then return false end
  end
  return #bare < 254
end

local function query(name, type_name, options)
  options = check(options)
  local number = type_of(type_name)
  if not is_name(name) then
    return nil, err.new { kind = "dns", host = tostring(name),
      text = "not a name of the DNS", transient = false }
  end
  local waits = waits_of(options)
  local octets, problem = names.ask("query", name, waits, number,
    math.max(waits.deadline - core.loop.now(), 0.1),
    options.trust_ad or false, table.unpack(servers_of(options.nameserver)))
  if not octets then return nil, problem end
  return read(octets, name, type_name)
end

---@class lunapost.dns.records
---@field name string  what the aliases of the name end at
---@field secure boolean  the server verified the answer (DNSSEC), and is to
--- be believed: glibc's trust-ad in resolv.conf, or trust_ad

---@class lunapost.dns.options: lunapost.net.wait
---@field nameserver? string|string[]
---@field trust_ad? boolean
---@field records? boolean  addresses: by records alone, no hosts file

--- The records of a name, each a table with its ttl (seconds) and what its
--- type has: address | preference, host | host | text | usage, selector,
--- matching, data | data (octets of a type that is not known here).
---@param name string
---@param type string|integer  "A", "AAAA", "CNAME", "MX", "PTR", "TLSA",
--- "TXT", or a number
---@param options? lunapost.dns.options
---@return lunapost.dns.records? list
---@return lunapost.err? err  dns, whose reason is nxdomain, nodata, servfail,
--- refused or malformed; or timeout
M.query = options_of.placed(function(name, type, options)
  return query(name, type, options)
end)

--- Where mail for a domain goes: { preference =, host = }, the most wanted
--- first. A host of "" takes no mail (RFC 7505).
---@param domain string
---@param options? lunapost.dns.options
---@return lunapost.dns.records? list
---@return lunapost.err? err
M.mx = options_of.placed(function(domain, options)
  local list, problem = query(domain, "MX", options)
  if not list then return nil, problem end
  for i, one in ipairs(list) do one.place = i end
  table.sort(list, function(a, b)
    if a.preference ~= b.preference then return a.preference < b.preference end
    return a.place < b.place
  end)
  for _, one in ipairs(list) do one.place = nil end
  return list
end)

--- Texts: { text = }.
---@param name string
---@param options? lunapost.dns.options
---@return lunapost.dns.records? list
---@return lunapost.err? err
M.txt = options_of.placed(function(name, options)
  return query(name, "TXT", options)
end)

--- Certificates of a service (RFC 6698): { usage =, selector =, matching =,
--- data = }.
---@param name string  "_25._tcp.mx.example.org"
---@param options? lunapost.dns.options
---@return lunapost.dns.records? list
---@return lunapost.err? err
M.tlsa = options_of.placed(function(name, options)
  return query(name, "TLSA", options)
end)

-- "::1" as its 32 hexadecimal digits.
local function nibbles(address)
  local head, tail = address:match "^(.-)::(.*)$"
  local function groups(text)
    local digits = ""
    for group in (text or ""):gmatch "[^:]+" do
      digits = digits .. ("0"):rep(4 - #group) .. group
    end
    return digits
  end
  if not head then return groups(address) end
  local left, right = groups(head), groups(tail)
  return left .. ("0"):rep(32 - #left - #right) .. right
end

local function reverse_name(address)
  local a, b, c, d = address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  if a then return ("%s.%s.%s.%s.in-addr.arpa"):format(d, c, b, a) end
  if address:find(".", 1, true) then return nil end -- ::ffff:192.0.2.1
  return nibbles(address:gsub("%%.*", "")):reverse():gsub(".", "%0.")
    .. "ip6.arpa"
end

--- The names of an address: { host = }.
---@param address string
---@param options? lunapost.dns.options
---@return lunapost.dns.records? list
---@return lunapost.err? err
M.ptr = options_of.placed(function(address, options)
  local name = core.net.numeric(address) and reverse_name(address)
  if not name then error("an address is expected, not " .. address, 0) end
  return query(name, "PTR", options)
end)

-- The addresses of one family, where the other has none.
local function one_of(list, problem)
  list.secure = list.secure and problem.secure or false
  return list
end

-- Addresses of both families from name servers: AAAA first.
local function both(host, options)
  local list, why_six = query(host, "AAAA", options)
  local four, why_four = query(host, "A", options)
  if not (list or four) then
    return nil, why_four.transient and why_four or why_six
  elseif not (list and four) then
    return one_of(list or four, why_six or why_four)
  end
  list.secure = list.secure and four.secure
  table.move(four, 1, #four, #list + 1, list)
  return list
end

--- The addresses of a host, { address = }, in the order to try them: by the
--- system, hosts files included, or by the name servers asked for.
---@param host string  a name, or an address
---@param options? lunapost.dns.options
---@return lunapost.dns.records? list
---@return lunapost.err? err
M.addresses = options_of.placed(function(host, options)
  options = check(options)
  if core.net.numeric(host)
    or not (options.records or servers_of(options.nameserver)[1]) then
    return names.resolve(host, waits_of(options))
  end
  return both(host, options)
end)

return M
