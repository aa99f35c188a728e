-- Ways to a server that are no plain dial: proxies, connections of the
-- script's own, programs.
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local post = require "lunapost"
local smtp = require "lunapost.smtp"
local testing = require "lunapost.testing"
local proxies = require "spec.support.proxies"

local function send(options)
  options.helo, options.timeout = "me.example.org", options.timeout or 5
  options.from, options.to = "a@example.org", { "b@example.org" }
  options.subject, options.text = "through", "x"
  return post.send(options)
end

-- A server beside the steps, and a proxy in front of it.
local function behind(kind, given, steps, options)
  return testing.run(options or {}, function(server)
    local where, seen = proxies.start(kind, given)
    steps(server, where, seen)
    loop.kill(seen.task)
  end)
end

describe("through SOCKS5", function()
  it("a message is sent; the proxy looks the name up", function()
    local server = behind("socks5", {}, function(server, where, seen)
      assert(send { server = "smtp://localhost:" .. server.port,
        proxy = "socks5://" .. where })
      assert.equal("\0", seen.methods)
      assert.same({ 3, "localhost", server.port }, { seen.kind, seen.host,
        seen.port })
    end)
    assert.equal("through", server.messages[1].subject)
  end)

  it("addresses go as such", function()
    behind("socks5", {}, function(server, where, seen)
      assert(send { server = server.url, proxy = "socks5h://" .. where })
      assert.same({ 1, "\127\0\0\1" }, { seen.kind, seen.host })
    end)
    for address, octets in pairs {
      ["::1"] = ("\0"):rep(15) .. "\1",
      ["2001:db8::a:b"] = "\x20\1\r\xb8" .. ("\0"):rep(8) .. "\0\n\0\v",
      ["1:2:3:4:5:6:7:8"] = "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\8",
      ["::ffff:192.0.2.1"] = ("\0"):rep(10) .. "\xff\xff\xc0\0\2\1",
      ["fe80::"] = "\xfe\x80" .. ("\0"):rep(14),
    } do
      testing.run(function(server)
        local where, seen = proxies.start("socks5", { to = server.port })
        assert(send { host = address, port = 2525,
          proxy = "socks5://" .. where })
        assert.same({ 4, octets, 2525 }, { seen.kind, seen.host, seen.port },
          address)
        loop.kill(seen.task)
      end)
    end
  end)

  it("with a user and a password, which appear nowhere", function()
    behind("socks5", { user = "ana", password = "p@ss word" },
      function(server, where, seen)
      local result = assert(send { server = server.url,
        proxy = "socks5://ana:p%40ss%20word@" .. where })
      assert.equal("\0\2", seen.methods)
      assert.is_nil(tostring(result.transcript):find("ss word", 1, true))
      local sent, problem = send { server = server.url,
        proxy = "socks5://ana:wrong@" .. where }
      assert.is_nil(sent)
      assert.equal("connect", problem.kind)
      assert.matches("^127%.0%.0%.1:%d+: proxy 127%.0%.0%.1:%d+: it refuses "
        .. "this user and password$", tostring(problem))
      sent, problem = send { server = server.url, proxy = "socks5://" .. where }
      assert.is_nil(sent)
      assert.matches("wants a user and a password", tostring(problem))
    end)
  end)

  it("TLS is spoken with the server, and verified", function()
    behind("socks5", {}, function(server, where)
      local proxy = "socks5://" .. where
      local client <close> = assert(smtp.open { proxy = proxy,
        server = "smtp://localhost:" .. server.port, tls = "starttls",
        insecure = true, timeout = 5 })
      assert.equal("TLSv1.3", client.tls.version)
      client:quit()
      local refused, problem = smtp.open { proxy = proxy, timeout = 5,
        server = "smtp://localhost:" .. server.port, tls = "starttls" }
      assert.is_nil(refused)
      assert.equal("tls", problem.kind)
    end, { tls = "test" })
  end)

  it("a server that speaks TLS at once is found out through the proxy",
    function()
    behind("socks5", {}, function(server, where, seen)
      local client, problem = smtp.open { proxy = "socks5://" .. where,
        server = "smtp://" .. server.addresses[1], timeout = 5 }
      assert.is_nil(client)
      assert.matches("speaks TLS at once", tostring(problem))
      assert.equal(2, seen.connections)
    end, { tls = { mode = "implicit", test = true } })
  end)

  it("an answer of another version is none", function()
    behind("socks5", { version = 4 }, function(server, where)
      local sent, problem = send { server = server.url,
        proxy = "socks5://" .. where }
      assert.is_nil(sent)
      assert.equal("connect", problem.kind)
      assert.matches("speaks no SOCKS5", problem.text)
    end)
  end)

  it("its refusals are told in words", function()
    for code, words in pairs { [1] = "general failure", [5] = "refused",
      [4] = "host unreachable", [99] = "it refuses %(99%)" } do
      behind("socks5", { refuse = code }, function(server, where)
        local sent, problem = send { server = server.url,
          proxy = "socks5://" .. where }
        assert.is_nil(sent)
        assert.equal("connect", problem.kind)
        assert.is_true(problem.transient)
        assert.matches(words, tostring(problem))
      end)
    end
    behind("socks5", { method = 255 }, function(server, where)
      local sent, problem = send { server = server.url,
        proxy = "socks5://x:y@" .. where }
      assert.is_nil(sent)
      assert.matches("no way to log in", tostring(problem))
    end)
  end)

  it("a bound name or an IPv6 address in its answer is passed over", function()
    for _, bound in ipairs { "\3\5proxy\0\1", "\4" .. ("x"):rep(18) } do
      behind("socks5", { bound = bound }, function(server, where)
        assert(send { server = server.url, proxy = "socks5://" .. where })
      end)
    end
  end)

  it("one that says nothing, goes, or is none ends in an error", function()
    behind("socks5", { method = 9, hold = 1 }, function(server, where)
      local sent, problem = send { server = server.url,
        proxy = "socks5://" .. where }
      assert.is_nil(sent)
      assert.matches("wants a user", tostring(problem))
    end)
    testing.run(function(server) -- an SMTP server in its place
      local sent, problem = send { server = "smtp://mx.example.org",
        proxy = "socks5://" .. server.addresses[1] }
      assert.is_nil(sent)
      assert.matches("speaks no SOCKS5", tostring(problem))
      sent, problem = send { server = "smtp://mx.example.org",
        proxy = "http://" .. server.addresses[1] }
      assert.is_nil(sent)
      assert.matches("speaks no HTTP", tostring(problem))
    end)
    local listener <close> = assert(core.net.listen("127.0.0.1", 0))
    local _, port = listener:address()
    local sent, problem = send { server = "smtp://mx.example.org",
      proxy = "socks5://127.0.0.1:" .. port, timeout = 0.1 }
    assert.is_nil(sent)
    assert.equal("timeout", problem.kind)
    assert.matches("proxy 127%.0%.0%.1:%d+: no answer in time",
      tostring(problem))
    listener:close()
    sent, problem = send { server = "smtp://mx.example.org",
      proxy = "socks5://127.0.0.1:" .. port }
    assert.is_nil(sent)
    assert.equal("connect", problem.kind)
    assert.matches("proxy 127%.0%.0%.1:%d+: cannot connect", tostring(problem))
  end)
end)

describe("through HTTP CONNECT", function()
  it("a message is sent, and no octet of the server is lost", function()
    local server = behind("http", {}, function(server, where, seen)
      assert(send { server = "smtp://localhost:" .. server.port,
        proxy = "http://" .. where .. "/" })
      assert.equal(("CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d"
        .. "\r\n\r\n"):format(server.port, server.port), seen.head)
    end)
    assert.equal("through", server.messages[1].subject)
  end)

  it("with a user and a password", function()
    behind("http", { authorization = "Basic YW5hOnNlY3JldA==" },
      function(server, where)
      assert(send { server = server.url,
        proxy = "http://ana:secret@" .. where })
      local sent, problem = send { server = server.url,
        proxy = "http://" .. where }
      assert.is_nil(sent)
      assert.matches("407 Proxy Authentication Required %(http://USER",
        tostring(problem))
    end)
  end)

  it("its refusals are told in its words, and bounded", function()
    behind("http", { answer = "HTTP/1.0 403 no \27[2Jmail\r\n\r\n" },
      function(server, where)
      local sent, problem = send { server = server.url,
        proxy = "http://" .. where }
      assert.is_nil(sent)
      assert.equal("connect", problem.kind)
      assert.matches("403 no %?%[2Jmail$", tostring(problem))
    end)
    behind("http", { answer = "HTTP/1.1 200 OK\r\n" .. ("x"):rep(20000) },
      function(server, where)
      local sent, problem = send { server = server.url,
        proxy = "http://" .. where }
      assert.is_nil(sent)
      assert.matches("its answer is too long", tostring(problem))
    end)
  end)
end)

describe("the option proxy", function()
  it("is one way to a server, and well formed", function()
    local function raises(text, options)
      options.server = options.server or "smtp://mx.example.org"
      local ok, problem = pcall(function() smtp.open(options) end)
      assert.is_false(ok)
      assert.matches("^spec/through_spec%.lua:%d+: ", problem)
      assert.truthy(problem:find(text, 1, true), problem)
    end
    raises("proxy: socks5://[USER", { proxy = "ftp://x:1" })
    raises("proxy: socks5://[USER", { proxy = "x" })
    raises("the port is missing", { proxy = "http://u:secret@x" })
    raises("1 to 65535", { proxy = "socks5://x:0" })
    raises("longer than 255", { proxy = "socks5://" .. ("u"):rep(256) .. "@x" })
    raises("'path' beside 'proxy'", { server = "unix:/x",
      proxy = "socks5://x" })
    raises("'command' beside 'proxy'", { server = "exec:x",
      proxy = "socks5://x" })
    raises("'connect' beside 'proxy'", { connect = function() end,
      proxy = "socks5://x" })
    local ok, problem = pcall(smtp.open, { server = "smtp://x",
      proxy = "http://u:secret@x" })
    assert.is_false(ok)
    assert.is_nil(problem:find("secret", 1, true))
  end)
end)

describe("the option connect", function()
  it("gives a connection of the script's own", function()
    local server = testing.run(function(server)
      local asked
      assert(send { server = "smtp://mx.example.org:26",
        connect = function(host, port, seconds)
          asked = { host, port, seconds }
          return require("lunapost.net").dial { host = "127.0.0.1",
            port = server.port }
        end })
      assert.same({ "mx.example.org", 26, 5 }, asked)
    end)
    assert.equal(1, #server.messages)
  end)

  it("gives a descriptor, which stays the script's", function()
    testing.run(function(server)
      local own
      assert(send { server = "smtp://mx.example.org", connect = function()
        own = assert(core.net.connect("127.0.0.1", server.port))
        loop.wait(own:fd(), "w", 5)
        return own:fd()
      end })
      assert.is_true(own:fd() >= 0)
      own:close()
    end)
  end)

  it("says why there is none", function()
    local function try(connect)
      local client, problem = smtp.open { server = "smtp://mx.example.org:26",
        connect = connect }
      assert.is_nil(client)
      assert.equal("connect", problem.kind)
      return tostring(problem)
    end
    assert.equal("mx.example.org:26: no way there",
      try(function() return nil, "no way there" end))
    assert.matches("gave no connection", try(function() end))
    assert.matches("cannot adopt", try(function() return 1 << 19 end))
    local file <close> = assert(io.open("README.md"))
    assert.truthy(file)
    assert.error_matches(function()
      smtp.open { server = "smtp://x", connect = function() return "x" end }
    end, "a connection, a descriptor or nil, not string")
  end)
end)
