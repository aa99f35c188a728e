-- Where the mail of a domain goes, and what the DNS says besides.
--
--   lua examples/dns.lua [DOMAIN]
local dns = require "lunapost.dns"

local domain = arg[1] or "example.org"

local function show(list, err, line)
  if not list then return print("  " .. tostring(err)) end
  for _, one in ipairs(list) do print("  " .. line(one)) end
end

local function address(one) return one.address end

print("mail for " .. domain .. " goes to")
local servers, err = dns.mx(domain, { timeout = 5 })
show(servers, err, function(mx)
  return ("%5d %s"):format(mx.preference,
    mx.host == "" and "nobody: this domain takes no mail" or mx.host)
end)

for _, mx in ipairs(servers or {}) do
  if mx.host ~= "" then
    print(mx.host .. " is at")
    local list, problem = dns.addresses(mx.host, { timeout = 5 })
    show(list, problem, address)
  end
end

print(domain .. " says")
local texts, none = dns.txt(domain, { timeout = 5 })
show(texts, none, function(txt) return txt.text end)
