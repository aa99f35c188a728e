--- The places of a server, each with its own way to TLS.

local served = require "spec.support.served"
local server_of = require "lunapost.smtp.server"
local smtp = require "lunapost.smtp"

local function port_of(server, i)
  return math.tointeger(tonumber(server.addresses[i]:match ":(%d+)$"))
end

local function secured(server, i, tls)
  local client <close>, problem = smtp.open { host = "127.0.0.1",
    port = port_of(server, i), tls = tls, insecure = true, timeout = 5,
    helo = "me.test" }
  if not client then return nil, problem end
  local verbs = assert(client:help()).text
  client:quit()
  return client.tls ~= nil, verbs
end

local function with_three(options, steps)
  options.listen = { "127.0.0.1:0",
    { at = "127.0.0.1:0", tls = "implicit" },
    { at = "127.0.0.1:0", tls = "none" } }
  options.log = function() end
  served.run(options, steps)
end

describe("the doors of a server", function()
  it("have STARTTLS, TLS at once and neither, side by side", function()
    with_three({ tls = "test" }, function(server)
      local yes, verbs = secured(server, 1, "starttls")
      assert.is_true(yes)
      assert.matches("STARTTLS", verbs)
      yes, verbs = secured(server, 2, "implicit")
      assert.is_true(yes)
      assert.not_matches("STARTTLS", verbs)
      yes, verbs = secured(server, 3, "auto")
      assert.is_false(yes)
      assert.not_matches("STARTTLS", verbs)
      local none, problem = secured(server, 3, "starttls")
      assert.is_nil(none)
      assert.equal("tls", problem.kind)
      assert.equal(4, server:stats().accepted)
    end)
  end)

  it("are each as their place says, whatever the option's mode", function()
    served.run({ tls = { test = true, mode = "implicit" }, log = function() end,
      listen = { { at = "127.0.0.1:0", tls = "starttls" }, "127.0.0.1:0" } },
      function(server)
      assert.is_true((secured(server, 1, "starttls")))
      assert.is_true((secured(server, 2, "implicit")))
    end)
  end)

  it("take what is loaded anew", function()
    with_three({ tls = "test", on = {}, reload = function()
      return { limits = { size = 12345 } }
    end }, function(server)
      assert.equal("67108864",
        served.keywords(server, port_of(server, 3)).SIZE[1])
      assert.is_true(server:reload())
      for _, i in ipairs { 1, 3 } do
        assert.equal("12345",
          served.keywords(server, port_of(server, i)).SIZE[1])
      end
      assert.is_true((secured(server, 2, "implicit")))
      assert.is_nil(served.keywords(server, port_of(server, 3)).STARTTLS)
    end)
  end)

  it("are none where the list is empty", function()
    local server = server_of.new { listen = {}, hostname = "mx.test" }
    assert(server:listen())
    assert.same({}, server.addresses)
  end)

  it("share what is counted and limited", function()
    with_three({ tls = "test", limits = { sessions = 1 } }, function(server)
      local first <close> = assert(smtp.connect { host = "127.0.0.1",
        port = port_of(server, 1), timeout = 5 })
      local second, problem = smtp.connect { host = "127.0.0.1",
        port = port_of(server, 3), timeout = 5 }
      assert.is_nil(second)
      assert.equal(421, problem.code)
      first:quit()
    end)
  end)

  it("of a Unix socket have the permissions that are asked for", function()
    local path = os.tmpname()
    os.remove(path)
    for _, permissions in ipairs { "600", "0660" } do
      served.run({ log = function() end, listen = {
        { at = "unix:" .. path, permissions = permissions } } }, function()
        local pipe <close> = io.popen("stat -c %a " .. path)
        assert.equal(permissions:match "...$", pipe:read "l")
      end)
    end
  end)

  it("are told apart from what is none", function()
    for text, listen in pairs {
      ["did you mean 'at'"] = { { att = "x:1" } },
      ["needs at ="] = { { tls = "none" } },
      ["did you mean 'implicit'"] = { { at = "127.0.0.1:0",
        tls = "implict" } },
      ['tls = "implicit" needs the option tls'] = { { at = "127.0.0.1:0",
        tls = "implicit" } },
      ["permissions are for a Unix socket"] = { { at = "127.0.0.1:0",
        permissions = "600" } },
      ["permissions are octal"] = { { at = "unix:/x", permissions = "9" } },
      ["is not HOST:PORT"] = { at = "nowhere" },
    } do
      local ok, problem = pcall(function()
        server_of.new({ listen = listen, hostname = "mx.test" }):listen()
      end)
      assert.is_false(ok)
      assert.truthy(problem:find(text, 1, true), problem)
    end
  end)
end)
