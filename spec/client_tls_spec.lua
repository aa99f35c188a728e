--- TLS as a client's session meets it: versions, sessions that are resumed,
--- certificates that are refused, ports of the wrong kind.

local core = require "lunapost.core"
local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"

-- Options for a session with the server, which trusts its certificate.
local function trusting(server, pem)
  return { host = "127.0.0.1", port = server.port, tls = "starttls", ca = pem,
    timeout = 5 }
end

-- Runs steps with a server whose certificate is known.
local function with_tls(options, steps)
  local context = assert(core.net.tls_context { server = true, test = true })
  local pem = context:pem()
  served.run(options, function(server) steps(server, pem) end)
end

-- A scripted server with TLS from the start; contexts[i]: of connection i.
local function at_once(context, count, client)
  local scripts = {}
  for i = 1, count do
    scripts[i] = function(peer)
      if not peer:secure(context) then return end
      peer:say "220 x"
      peer:answer("250 x", "221 bye")
    end
  end
  scripted.run(scripts, function(options, loop)
    options.tls = "implicit"
    client(options, loop)
  end)
end

describe("a session with TLS", function()
  for _, version in ipairs { "1.2", "1.3" } do
    it("is resumed by the next one to the same host, TLS " .. version,
      function()
      local context = assert(core.net.tls_context { server = true,
        test = true, maximum = version })
      at_once(context, 3, function(options)
        options.ca = context:pem()
        local resumed = {}
        for i = 1, 3 do
          local client = assert(smtp.open(options))
          resumed[i] = client.tls.resumed
          assert.equal("TLSv" .. version, client.tls.version)
          assert.is_string(client.tls.certificate.pin)
          client:quit()
        end
        assert.same({ false, true, true }, resumed)
      end)
    end)
  end

  it("is not resumed where less was verified before", function()
    local context = assert(core.net.tls_context { server = true,
      test = true })
    at_once(context, 2, function(options)
      options.insecure = true
      assert(smtp.open(options)):quit()
      options.insecure = nil
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
    end)
  end)

  it("has the version that is asked for at least", function()
    local context = assert(core.net.tls_context { server = true, test = true,
      maximum = "1.2" })
    at_once(context, 2, function(options)
      options.ca = context:pem()
      options.minimum_tls = "1.3"
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      options.minimum_tls = "1.2"
      assert(smtp.open(options)):quit()
    end)
    assert.error_matches(function()
      smtp.open { host = "x", minimum_tls = "1.4" }
    end, "minimum_tls")
  end)

  it("tells the fingerprint of a certificate that it refuses", function()
    local context = assert(core.net.tls_context { server = true,
      test = true })
    at_once(context, 2, function(options)
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      assert.matches("^%x%x:%x%x:[%x:]+$", problem.fingerprint)
      assert.is_truthy(problem.text:find(problem.fingerprint, 1, true))
      options.pin = problem.fingerprint
      assert(smtp.open(options)):quit()
    end)
  end)

  it("tells it behind STARTTLS, too", function()
    with_tls({ tls = "test" }, function(server)
      local options = trusting(server)
      options.ca = nil
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      options.pin = problem.fingerprint
      local pinned <close> = assert(smtp.open(options))
      assert.is_false(pinned.tls.resumed)
    end)
  end)
end)

describe("a port of the wrong kind", function()
  it("that speaks plain SMTP is named while it is connected", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:hold()
    end, function(options)
      options.tls = "implicit"
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.equal("tls", problem.kind)
      assert.matches('tls = "starttls"', problem.text)
    end)
  end)

  it("that greets late is named as well", function()
    scripted.run(function(peer)
      peer.loop.sleep(0.5)
      peer:say "220 x"
      peer:hold()
    end, function(options)
      options.tls = "implicit"
      local client, problem = smtp.open(options)
      assert.is_nil(client)
      assert.matches('tls = "starttls"', problem.text)
    end)
  end)
end)
