-- Mail without a relay: straight to the hosts that take the mail of each
-- recipient's domain. Most of them refuse what comes from a dynamic address,
-- or from one whose name is not that of HELO.
--
--   lua examples/deliver.lua [ADDRESS...]
local mime = require "lunapost.mime"
local smtp = require "lunapost.smtp"

local to = #arg > 0 and { table.unpack(arg) } or { "nobody@example.invalid" }

local message = assert(mime.message {
  from = "postmaster@localhost", to = to, subject = "Straight to you",
  text = "No relay has seen this.\n",
})

local function report(fate)
  for _, address in ipairs(fate.accepted) do print("accepted", address) end
  for _, one in ipairs(fate.rejected) do
    print(one.transient and "later" or "refused", one.address, one.code,
      one.enhanced, one.text)
  end
  for _, visit in ipairs(fate.deliveries) do
    print("asked", visit.host, visit.tls and visit.tls.version or "no TLS")
  end
end

local result, err = smtp.deliver(message, { timeout = 20 })
report(result or err)
