-- What libuv does with a descriptor in trouble is no word on standard error.
-- In a process of its own: luv does not stand being loaded twice in one.
local peers = require "spec.support.peers"
local wire = require "spec.support.wire"

describe("a peer that resets the connection in luv", function()
  it("is told by the error alone", function()
    local told = wire.script [[
      if not pcall(require, "luv") then return print "missing" end
      local smtp, testing = require "lunapost.smtp", require "lunapost.testing"
      local loop, uv = require "lunapost.loops.luv", require "luv"
      local server <close> = testing.server { process = true,
        faults = { { at = "EHLO", delay = 0.1, reset = true } } }
      for _ = 1, 2 do
        loop.spawn(function()
          local client, problem = smtp.open { server = server.url, loop = loop,
            timeout = 20 }
          print(client or problem.kind)
        end)
      end
      uv.run()
    ]]
    if peers.need("luv", told ~= "missing\n") then
      assert.equal("closed\nclosed\n", told)
    end
  end)
end)
