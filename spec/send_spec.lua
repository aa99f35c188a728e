local json = require "spec.support.json"
local post = require "lunapost"
local scripted = require "spec.support.scripted"
local testing = require "lunapost.testing"
local tree = require "spec.support.tree"

local EHLO <const> = "250-x\r\n250-PIPELINING\r\n250 8BITMIME"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Runs the command beside a server; gives its exit code and what it printed.
local function command(script, ...)
  local words = { ... }
  local base = os.tmpname()
  local code
  local heard = scripted.run(script, function(options, loop)
    local line = { quoted(tree.command), "send", "--server",
      ("smtp://127.0.0.1:%d"):format(options.port), "--helo me.example.org" }
    for _, word in ipairs(words) do line[#line + 1] = quoted(word) end
    os.execute(("(%s > %s.out 2> %s.err; echo $? > %s.code) &")
      :format(table.concat(line, " "), base, base, base))
    repeat
      loop.sleep(0.01)
      local file = io.open(base .. ".code")
      code = file and file:read("n")
      if file then file:close() end
    until code
  end)
  local out, problem = read(base .. ".out"), read(base .. ".err")
  for _, ending in ipairs { "", ".out", ".err", ".code" } do
    os.remove(base .. ending)
  end
  return code, out, problem, heard[1]
end

-- Takes a message; rcpt: the answers to RCPT, final: to the dot.
local function taking(rcpt, final, into)
  return function(peer)
    peer:say("220 x")
    peer:answer(EHLO, "250 ok", table.unpack(rcpt))
    peer:answer("354 go")
    local body = peer:body()
    if into then into.body = body end
    peer:say(final)
    peer:answer("221 bye")
  end
end

local function outcome(out)
  return json.decode(out:match("([^\n]*)\n$"))
end

describe("lunapost send", function()
  it("sends a message and prints the dialogue", function()
    local into = {}
    local code, out, problem, heard = command(taking({ "250 ok" }, "250 kept",
      into), "--from", "Ana <ana@example.org>", "--to", "bob@example.net",
      "--subject", "Gr\xc3\xbc\xc3\x9fe", "--text", "hello\n.dot",
      "--header", "X-A: b")
    assert.equal("", problem)
    assert.equal(0, code)
    assert.matches("C: MAIL FROM:<ana@example.org>", out)
    assert.matches("S: 250 kept\n", out)
    assert.is_nil(out:find("\27", 1, true))
    assert.equal("RCPT TO:<bob@example.net>", heard[3])
    assert.matches("\nX%-A: b\n", into.body)
    assert.matches("From: Ana <ana@example%.org>\n", into.body)
    assert.matches("=%?utf%-8%?", into.body:lower())
    assert.matches("\nhello\n%.%.dot$", into.body)
  end)

  it("tells the outcome as one line of JSON", function()
    local code, out, problem = command(taking({ "250 ok", "550 5.1.1 nobody" },
      "250 2.0.0 kept"), "--json", "--from", "a@x.org", "--to", "b@y.org",
      "--to", "c@y.org", "--text", "x")
    assert.equal(1, code)
    assert.equal(1, select(2, out:gsub("\n", "")))
    local told = outcome(out)
    assert.is_false(told.ok)
    assert.same({ "b@y.org" }, told.accepted)
    assert.same({ { address = "c@y.org", code = 550, enhanced = "5.1.1",
      text = "nobody" } }, told.rejected)
    assert.equal(250, told.reply.code)
    assert.equal("lunapost: send: c@y.org: 550 5.1.1 nobody\n", problem)
  end)

  it("tells each who was refused, where it shows no dialogue", function()
    local code, out, problem = command(taking({ "550", "250 ok",
      "450 4.2.1 \27[2Jlater" }, "250 2.0.0 kept"), "--quiet", "--from",
      "a@x.org", "--to", "b@y.org", "--to", "c@y.org", "--to", "d@y.org",
      "--text", "x")
    assert.equal(1, code)
    assert.equal("", out)
    assert.equal("lunapost: send: b@y.org: 550 (no reason given)\n"
      .. "lunapost: send: d@y.org: 450 4.2.1 ?[2Jlater\n", problem)
  end)

  it("tells of those whom a lost session leaves, for later", function()
    local code, out, problem = command(function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 LIMITS RCPTMAX=1", "250 ok", "250 ok",
        "354 go")
      peer:body()
      peer:say "250 kept"
      peer:hear()
    end, "--json", "--from", "a@x.org", "--to", "b@y.org", "--to", "c@y.org",
      "--text", "x")
    assert.equal(75, code)
    local told = outcome(out)
    assert.is_false(told.ok)
    assert.same({ "b@y.org" }, told.accepted)
    assert.equal("c@y.org", told.rejected[1].address)
    assert.equal(451, told.rejected[1].code)
    assert.equal("4.4.2", told.rejected[1].enhanced)
    assert.equal("closed", told.error.kind)
    assert.matches("^lunapost: send: ", problem)
  end)

  it("leaves 75 for what may pass, 76 for what makes no sense", function()
    local code, out = command(function(peer)
      peer:say("220 x")
      peer:answer(EHLO, "451 4.3.0 later", "503 no", "503 no")
    end, "--json", "--from", "a@x.org", "--to", "b@y.org", "--text", "x")
    assert.equal(75, code)
    local told = outcome(out)
    assert.equal("reply", told.error.kind)
    assert.equal(451, told.error.code)
    assert.equal("4.3.0", told.error.enhanced)
    assert.equal("MAIL FROM:<a@x.org>", told.error.command)
    code, out = command(function(peer)
      peer:say("hello there")
      peer:hear()
    end, "--json", "--from", "a@x.org", "--to", "b@y.org")
    assert.equal(76, code)
    assert.equal("protocol", outcome(out).error.kind)
  end)

  it("leaves 75 where nobody knows", function()
    local code, out = command(function(peer)
      peer:say("220 x")
      peer:answer("250 x", "250 ok", "250 ok", "354 go")
      peer:body()
    end, "--json", "--from", "a@x.org", "--to", "b@y.org")
    assert.equal(75, code)
    assert.equal("unconfirmed", outcome(out).error.kind)
  end)

  it("sends a file as it is, line ends and dots apart", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write("Subject: raw\n\n.dot\nlast\r\n..\nno end")
    file:close()
    local into = {}
    local code, _, _, heard = command(taking({ "250 ok" }, "250 kept", into),
      "--from", "", "--to", "b@y.org", "--raw", path)
    os.remove(path)
    assert.equal(0, code)
    assert.matches("^MAIL FROM:<>", heard[2])
    assert.equal("Subject: raw\n\n..dot\nlast\n...\nno end", into.body)
  end)

  it("says commands instead of a message", function()
    local code, out, _, heard = command(function(peer)
      peer:say("220 x")
      peer:answer("250 old", "252 perhaps", "500 5.5.1 what", "221 bye")
    end, "--no-ehlo", "--command", "VRFY ana", "--command", "XADR")
    assert.equal(1, code)
    assert.same({ "HELO me.example.org", "VRFY ana", "XADR", "QUIT" }, heard)
    assert.matches("S: 252 perhaps", out)
    local told
    code, out = command(function(peer)
      peer:say("220 x")
      peer:answer(EHLO, "252 perhaps", "221 bye")
    end, "--json", "--command", "VRFY ana")
    assert.equal(0, code)
    told = outcome(out)
    assert.is_true(told.ok)
    assert.equal(252, told.reply.code)
  end)

  it("allows a password in cleartext for --tls none alone", function()
    local code, _, problem, heard = command(function() end,
      "--tls", "none", "--user", "ana", "--password-env", "USER_WORD",
      "--auth", "LOGIN", "--command", "NOOP")
    assert.equal(64, code) -- the environment has no such name
    assert.matches("USER_WORD", problem)
    assert.same({}, heard or {})
    local out
    code, out, problem, heard = command(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 AUTH LOGIN PLAIN", "334 VXNlcm5hbWU6",
        "334 UGFzc3dvcmQ6", "235 ok", "250 ok", "221 bye")
    end, "--tls", "none", "--user", "ana", "--password-env", "PATH",
      "--auth", "LOGIN", "--command", "NOOP")
    assert.equal(0, code)
    assert.equal("", problem)
    assert.equal("AUTH LOGIN", heard[2])
    assert.equal("NOOP", heard[5])
    assert.is_nil(out:find(heard[4], 1, true))
    code, out = command(function(peer)
      peer:say("220 x")
      peer:answer("250-x\r\n250 AUTH LOGIN PLAIN", "221 bye")
    end, "--json", "--user", "ana", "--password-env", "PATH", "--command",
      "NOOP")
    assert.equal(76, code)
    assert.equal("tls", outcome(out).error.kind)
  end)

  it("explains what it does not understand", function()
    local function fails(words, text)
      local lines = tree.lines(("%s send %s 2>&1; echo $?"):format(
        tree.command, words))
      assert.equal("64", lines[#lines])
      assert.matches(text, table.concat(lines, "\n"))
    end
    fails("", "%-%-server is missing")
    fails("--server x", "%-%-from is missing")
    fails("--server x --from a@x.org", "%-%-to is missing")
    fails("--server http://x --from a@x --to b@y", "scheme")
    fails("--server x --from a@x --to b@y --tls on", "unknown value of 'tls'")
    fails("--server x --from a@x.org --to b@y.org --raw f --text x",
      "%-%-text beside %-%-raw")
    fails("--server x --from a@x.org --to b@y.org --header X", "Name: value")
    fails("--server x --from 'a@x.org\nb' --to b@y.org", "CR, LF or NUL")
    fails("--servr x", "did you mean %-%-server")
    fails("-s x", "unknown option %-s %(did you mean %-%-server%?%)")
    fails("--port 25", "did you mean %-%-server%?")
    fails("--server x --from a@x.org --to b@y.org --raw /no/such",
      "/no/such: No such file")
    fails("--server x --from a@x.org --to b@y.org --copy a.PNG",
      "a picture is .svg")
    fails("--server x --from a@x.org --to b@y.org --attach /no/such",
      "No such file")
  end)
end)

describe("lunapost send", function()
  it("names flags where a script would be told an option", function()
    local server <close> = testing.server { process = true, tls = "test" }
    local function noise(words)
      return table.concat(tree.lines(("%s send --server %s --from a@x.org "
        .. "--to b@y.org %s 2>&1 >/dev/null"):format(tree.command, server.url,
        words)), "\n")
    end
    assert.matches("to trust it: %-%-pin %x%x:", noise "--text x")
    assert.matches("use %-%-tls starttls", noise "--tls implicit")
    local plain <close> = testing.server { process = true,
      auth = { cleartext = true, check = function() return true end } }
    server.url = plain.url
    assert.matches("%(%-%-tls none allows it%)",
      noise "--user a --password-env HOME")
  end)
end)

describe("post.send", function()
  local function run(script, client)
    return scripted.run(script, function(options)
      client({ server = ("smtp://127.0.0.1:%d"):format(options.port),
        loop = options.loop, helo = options.helo, timeout = 2 })
    end)
  end

  local function with(options, more)
    for name, value in pairs(more) do options[name] = value end
    return options
  end

  it("sends in one call, Bcc in the envelope alone", function()
    local into = {}
    local heard = run(taking({ "250 ok", "250 ok", "250 ok" }, "250 kept",
      into), function(options)
      local result = assert(post.send(with(options, {
        from = "Ana M\xc3\xbcller <ana@example.org>",
        to = { "bob@example.net" }, cc = "Carl <carl@example.net>",
        bcc = { { name = "Eve", address = "eve@example.net" } },
        subject = "Gr\xc3\xbc\xc3\x9fe", text = "hello\n",
        headers = { ["X-Phone"] = "1" },
      })))
      assert.same({ "bob@example.net", "carl@example.net",
        "eve@example.net" }, result.accepted)
      assert.same({}, result.rejected)
      assert.equal(250, result.reply.code)
      assert.matches("C: QUIT", tostring(result.transcript))
    end)
    assert.equal("RCPT TO:<eve@example.net>", heard[1][5])
    assert.is_nil(into.body:find("eve"))
    assert.matches("\nCc: Carl <carl@example%.net>\n", into.body)
    assert.matches("\nX%-Phone: 1\n", into.body)
    assert.matches("\nMessage%-ID: <", into.body)
    assert.is_nil(into.body:find("X-Mailer", 1, true))
  end)

  it("sends a message that is ready", function()
    local into = {}
    local heard = run(taking({ "250 ok" }, "250 kept", into), function(options)
      assert(post.send(with(options, { from = "a@x.org", to = "b@y.org",
        message = "Subject: ready\n\nyes\n" })))
    end)
    assert.equal("Subject: ready\n\nyes", into.body)
    assert.matches("^MAIL FROM:<a@x.org>", heard[1][2])
  end)

  it("is nil and an error with all refusals where nobody is accepted",
    function()
    run(function(peer)
      peer:say("220 x")
      peer:answer(EHLO, "250 ok", "550 5.1.1 nobody", "503 no", "250 ok",
        "221 bye")
    end, function(options)
      local result, problem = post.send(with(options, { from = "a@x.org",
        to = "b@y.org", text = "x" }))
      assert.is_nil(result)
      assert.equal(550, problem.code)
      assert.same({}, problem.accepted)
      assert.equal("b@y.org", problem.rejected[1].address)
      assert.matches("nobody", tostring(problem))
    end)
  end)

  it("raises for what is no option, where it was called", function()
    local ok, problem = pcall(function()
      post.send { server = "smtp://x", form = "a@x.org" }
    end)
    assert.is_false(ok)
    assert.matches("^spec/send_spec%.lua:%d+: unknown option of send 'form' "
      .. "%(did you mean 'from'%?%)$", problem)
    assert.error_matches(function()
      post.send { server = "smtp://x", from = "a@x.org", text = "x" }
    end, "a recipient is missing")
    assert.error_matches(function()
      post.send { server = "smtp://x", from = "a@x.org\r\nX: y", to = "b@y" }
    end, "CR, LF or NUL")
    assert.error_matches(function()
      post.send { server = "smtp://x", message = "x", text = "y", to = "b@y" }
    end, "no place beside")
  end)

  it("names a file that cannot be read before it dials", function()
    local result, problem = post.send { server = "smtp://127.0.0.1:1",
      from = "a@x.org", to = "b@y.org", attach = "/no/such/file" }
    assert.is_nil(result)
    assert.equal("file", problem.kind)
  end)
end)

describe("the examples of the client", function()
  local function run(script, example)
    local lines, ok
    local heard = scripted.run(script, function(options, loop)
      local base = os.tmpname()
      os.execute(("(%s; echo $?) > %s 2>&1 &"):format(tree.lua(("%s "
        .. "smtp://127.0.0.1:%d"):format(example, options.port)), base))
      repeat
        loop.sleep(0.01)
        lines = {}
        for line in io.lines(base) do lines[#lines + 1] = line end
        ok = lines[#lines] and lines[#lines]:find("^%d+$")
      until ok
      os.remove(base)
    end)
    assert.equal("0", lines[#lines], table.concat(lines, "\n"))
    return table.concat(lines, "\n"), heard[1]
  end

  it("send a message", function()
    local into = {}
    local out = run(taking({ "250 ok" }, "250 kept", into),
      "examples/send.lua")
    assert.matches("accepted: bob@example.net", out)
    assert.matches("multipart/mixed", into.body)
    assert.matches("multipart/related", into.body)
    assert.matches("image/gif", into.body)
  end)

  it("hold an odd session", function()
    local out, heard = run(function(peer)
      peer:say("220 x")
      peer:answer("500 5.5.1 what", "503 5.5.1 MAIL first", "250-x\r\n250 X",
        "250 noop", "250 reset", "250 ok", "250 ok", "354 go")
      assert.equal("Subject: by hand\n\n..a dot, doubled by hand",
        peer:body())
      peer:say("250 kept")
      peer:answer("221 bye")
    end, "examples/session.lua")
    assert.matches("refused: .*503 5%.5%.1 MAIL first", out)
    assert.matches("\n250 kept\n221 bye\n", out)
    assert.same({ "NOOP", "RSET", "MAIL FROM:<> SIZE=0",
      "RCPT TO:<postmaster>", "DATA" }, table.move(heard, 4, 8, 1, {}))
  end)
end)
