-- How sessions end, whatever their handlers do meanwhile.
local peers = require "spec.support.peer"
local served = require "spec.support.served"

-- A peer that has said lines, each of which is answered.
local function said(server, ...)
  local peer = peers.dial(server.port)
  peer:reply()
  for _, line in ipairs { ... } do
    assert.matches("^[23]", peer:ask(line))
  end
  return peer
end

-- Options whose faults and ends are gathered.
local function watched(on, more)
  local seen = { faults = {}, ends = {} }
  on.error = function(_, problem)
    table.insert(seen.faults, (tostring(problem):match "[^\n]*"))
  end
  on.disconnect = on.disconnect or function(_, why)
    table.insert(seen.ends, why)
  end
  local options = more or {}
  options.on = on
  return options, seen
end

describe("a question", function()
  it("is none where the line that answers it is refused", function()
    local asked = {}
    local options, seen = watched { unknown = function(session)
      asked[1] = select(2, pcall(session.ask, session, 334, "one"))
      asked[2] = select(2, pcall(session.ask, session, 334, "two"))
    end }
    options.limits = { errors = 1 }
    served.run(options, function(server)
      local peer <close> = said(server, "EHLO me")
      assert.equal("334 one", peer:ask "OWN")
      assert.equal("421 4.7.0 mx.test too many errors", peer:ask "bad\1line")
      assert.same({ nil, "eof" }, { peer:line() })
    end)
    assert.equal("421 4.7.0 mx.test too many errors", tostring(asked[1]))
    assert.matches("only AUTH and own commands may ask", asked[2])
    assert.same({}, seen.faults)
  end)
end)
