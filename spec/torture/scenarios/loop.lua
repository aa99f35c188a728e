--- A server whose memory runs out for a moment: one session may be lost, but
--- neither the loop nor the listener.

local core = require "lunapost.core"
local loop = require "lunapost.loop"
local smtp = require "lunapost.smtp"

local TRIES <const> = 4
local QUIET <const> = "QUIT\r\n"

loop.on_error = function() end

-- What a peer hears of a whole session, which waits for nobody.
local function heard(port)
  local conn <close> = assert(core.net.connect("127.0.0.1", port))
  local forgotten <close> = setmetatable({}, { __close = function()
    loop.forget(conn:fd())
  end })
  while not conn:connected() do assert(loop.wait(conn:fd(), "w", 1)) end
  assert(conn:write("EHLO a\r\nNOOP\r\n" .. QUIET))
  local octets = ""
  repeat
    local chunk, state = conn:read(65536)
    octets = octets .. (chunk or "")
    if not chunk and state ~= "read" then break end
    assert(chunk or loop.wait(conn:fd(), "r", 1))
  until octets:find "221 [^\n]*\n$"
  return forgotten and octets
end

-- Whether there is memory again.
local function has_memory()
  return pcall(string.rep, "x", 100000)
end

local function serve(server)
  local answered = false
  loop.spawn(function()
    for _ = 1, TRIES do
      local ok, octets = pcall(heard, server.port)
      if ok and octets:find "221 [^\n]*\n$" then answered = true end
    end
    server:stop(0)
  end)
  local ok, problem = pcall(loop.run)
  if not ok then
    if has_memory() then error("wrong: the loop raised " .. problem, 0) end
    error(problem, 0)
  end
  return answered
end

return function()
  local server = smtp.server { listen = "127.0.0.1:0",
    hostname = "mx.example.org", early_pipelining = true,
    log = function() end, on = { noop = function() return 250, "yes" end } }
  local listening = pcall(function() assert(server:start()) end)
  if not listening then
    server:stop(0)
    return nil
  end
  local answered = serve(server)
  if not answered and has_memory() then error("wrong: it is deaf", 0) end
  return answered
end
