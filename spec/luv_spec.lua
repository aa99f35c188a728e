-- What libuv does with a descriptor in trouble is no word on standard error.
local carriers = require "spec.support.carriers"
local peers = require "spec.support.peers"
local wire = require "spec.support.wire"

describe("a peer that resets the connection in luv", function()
  it("is told by the error alone", function()
    local carrier = carriers.new "luv"
    if carrier.missing and not peers.need(carrier.name, false) then return end
    assert.equal("closed\nclosed\n", wire.script [[
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
    ]])
  end)
end)
