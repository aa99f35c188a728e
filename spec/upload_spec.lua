-- A long body goes out as it is, in whatever pieces the system takes it.
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

-- The octets up to the final dot, read with pauses, so that the sender's
-- writes end anywhere.
local function swallow(peer)
  local pieces, reads = { peer:swap "" }, 0
  while true do
    local octets, why = peer.conn:read(7919)
    if octets then
      pieces[#pieces + 1] = octets
      if octets:find("%.\r\n$") then
        local all = table.concat(pieces)
        if all:find("\r\n%.\r\n$") then return all:sub(1, -4) end
        pieces = { all }
      end
      reads = reads + 1
      if reads % 64 == 1 then peer.loop.sleep(0.005) end
    elseif why == "read" then
      assert(peer.loop.wait(peer.conn:fd(), "r", 60))
    else
      error("the sender is gone: " .. tostring(why))
    end
  end
end

describe("a long body", function()
  for name, line in pairs { ["short lines"] = "x\r\n",
    ["empty lines"] = "\r\n" } do
    it("of " .. name .. " arrives as it was", function()
      local body = line:rep((12 << 20) // #line)
      local got
      scripted.run(function(peer)
        peer:say("220 x")
        peer:answer("250 x", "250 ok", "250 ok", "354 go")
        got = swallow(peer)
        peer:say("250 ok")
        peer:hear()
      end, function(options)
        options.timeout = 60
        local client = assert(smtp.open(options))
        assert(client:mail "a@example.org")
        assert(client:rcpt "b@example.org")
        local at = 1
        assert(client:data(function()
          local piece = body:sub(at, at + 20000)
          at = at + #piece
          return piece ~= "" and piece or nil
        end))
        client:quit()
      end)
      assert.equal(#body, #got)
      assert.is_true(got == body)
    end)
  end
end)
