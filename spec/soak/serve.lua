-- The server of a soak: says what it makes of each body, by its digest, and
-- waits a little in some handlers.
local core = require "lunapost.core"
local loop = require "lunapost.loop"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

return function(server)
  function server.on.rcpt(_, path)
    if path.localpart == "nobody" then return 550, "5.1.1", "who?" end
    if path.localpart == "slow" then loop.sleep(0.01) end
  end

  function server.on.data(session, body)
    local to = session.envelope.to[1].localpart
    if to == "hasty" then return 554, "5.7.1", "not read" end
    if to == "faulty" then error "boom" end
    local bytes = body:read()
    return 250, "2.0.0", hex(core.crypto.digest("sha256", bytes))
  end

  function server.on.error() end
end
