local core = require "lunapost.core"
local loop = require "lunapost.loop"
local served = require "spec.support.served"

describe("an idle session", function()
  local count <const> = 200

  local function memory()
    collectgarbage()
    collectgarbage()
    return collectgarbage "count" * 1024
  end

  local function say(conn, line)
    if line then assert(conn:write(line)) end
    loop.wait(conn:fd(), "r", 10)
    return assert(conn:read(4096))
  end

  local function greeted(port)
    local conn = assert(core.net.connect("127.0.0.1", port))
    loop.wait(conn:fd(), "w", 10)
    assert.matches("^220", say(conn))
    assert.matches("^250", say(conn, "EHLO idle.example.org\r\n"))
    return conn
  end

  it("keeps less than 4 KiB in Lua, its client's end included", function()
    local handlers = { connect = function() end, ehlo = function() end }
    served.run({ on = handlers, limits = { source_sessions = 1000 } },
      function(server)
        local conns = {}
        for i = 1, 5 do conns[i] = greeted(server.port) end
        local before = memory()
        for i = 1, count do conns[5 + i] = greeted(server.port) end
        local each = (memory() - before) / count
        assert.equal(count + 5, server:stats().sessions)
        for _, conn in ipairs(conns) do
          assert.matches("^250", say(conn, "NOOP\r\n"))
          loop.forget(conn:fd())
          conn:close()
        end
        assert.is_true(each < 4096, each .. " octets")
      end)
  end)
end)
