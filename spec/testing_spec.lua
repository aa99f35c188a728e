local loop = require "lunapost.loop"
local post = require "lunapost"
local testing = require "lunapost.testing"

describe("a server for a spec", function()
  local function send(server, more)
    local options = { server = server.url, from = "ana@example.org",
      to = { "bob@example.org" }, subject = "Grüße", text = "Hi" }
    for name, value in pairs(more or {}) do options[name] = value end
    return post.send(options)
  end

  it("keeps messages and envelopes", function()
    local server = testing.run(function(server)
      assert(send(server))
      assert(send(server, { bcc = "eve@example.org" }))
      assert.equal("Grüße", server.messages[1].subject)
    end)
    assert.equal(2, #server.messages)
    assert.same({ "bob@example.org", "eve@example.org" },
      server.envelopes[2].to)
    assert.equal("ana@example.org", server.envelopes[2].from)
    assert.is_false(server.envelopes[2].tls)
  end)

  it("takes the options of a server", function()
    testing.run({ tls = "test", on = { rcpt = function()
      return 550, "5.1.1", "who?"
    end } }, function(server)
      local result, err = send(server, { tls = "starttls", insecure = true })
      assert.is_nil(result)
      assert.equal(550, err.code)
      assert.same({}, server.messages)
    end)
  end)

  it("leaves messages to a handler that takes them", function()
    local size
    testing.run({ on = { data = function(_, body)
      size = #body:read()
      return 250, "ok"
    end } }, function(server)
      assert(send(server))
      assert.same({}, server.messages)
    end)
    assert(size > 100, size)
  end)

  it("raises what the steps raise", function()
    local ok, problem = pcall(testing.run, function() error "mine" end)
    assert.is_false(ok)
    assert.matches("testing_spec.lua:%d+: mine", problem)
  end)

  it("raises a table as it is", function()
    local mine = { "mine" }
    local ok, problem = pcall(testing.run, function() error(mine) end)
    assert.is_false(ok)
    assert.equal(mine, problem)
  end)

  it("bounds the time of the steps", function()
    local ok, problem = pcall(testing.run, function() loop.sleep(90) end, 0.1)
    assert.is_false(ok)
    assert.matches("too long", problem)
    testing.run(function(server) assert(send(server)) end)
  end)
end)
