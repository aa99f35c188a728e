--- The client's machine over a connection, call by call.

local core = require "lunapost.core"
local own_loop = require "lunapost.loop"

describe("a machine that posts", function()
  it("looks before each dot whether something came", function()
    local listener <close> = assert(core.net.listen("127.0.0.1", 0))
    local _, port = listener:address()
    local conn <close> = assert(core.net.connect("127.0.0.1", port))
    assert(own_loop.wait(listener:fd(), "r", 20))
    local peer <close> = assert(listener:accept())
    local machine, body = core.client.new(), "x\r\n"
    machine:feed("220 x\r\n")
    assert.equal("reply", machine:next())
    machine:offered(nil, false, false)
    local function said(octets)
      assert.equal("read", machine:post(conn, false, false, "a@x", { "b@y" },
        body))
      peer:write(octets)
      assert.is_true(octets == "" or own_loop.wait(conn:fd(), "r", 20))
    end
    for _ = 1, 3 do
      said ""
      machine:feed("250 ok\r\n250 ok\r\n354 go\r\n")
      assert.equal("read", machine:go_on(conn, false, false, body))
      machine:feed("250 taken\r\n")
      assert.equal("reply", (machine:go_on(conn, false, false, body)))
    end
    said "2"
    assert.equal("read", machine:go_on(conn, false, false, body))
    peer:write("250 early\r\n")
    assert.is_true(own_loop.wait(conn:fd(), "r", 20))
    machine:feed("50 ok\r\n250 ok\r\n354 go\r\n")
    local event, kind = machine:go_on(conn, false, false, body)
    assert.is_nil(event)
    assert.equal("protocol", kind)
  end)
end)
