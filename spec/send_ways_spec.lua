-- lunapost send by other ways than a plain session with a server, and what
-- it keeps.
local json = require "spec.support.json"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local lua <const> = arg and arg[-1] or "lua5.4"

describe("lunapost send", function()
  local folder, server, certificate

  setup(function()
    folder = peers.folder()
    local key
    certificate, key = peers.certificate(folder)
    server = peers.serve(("--tls %s:%s --auth ana:secret --maildir %s/mail")
      :format(certificate, key, folder), folder .. "/serve.log")
  end)

  teardown(function()
    server:stop()
    peers.remove(folder)
  end)

  local function send(flags, input)
    peers.write(folder .. "/input", input or "")
    return peers.run(("%s send %s <%s/input"):format(tree.command, flags,
      folder))
  end

  local function url()
    return "--server smtp://localhost:" .. server.port
  end

  local envelope <const> = " --from a@example.org --to b@example.net "

  local function last_mail()
    local list = tree.lines("ls -t " .. folder .. "/mail/new")
    return tree.read(folder .. "/mail/new/" .. list[1])
  end

  it("trusts --ca, --pin, or anyone, and no other", function()
    local output, code = send(url() .. envelope .. "--tls starttls --json")
    assert.equal(76, code)
    assert.equal("tls", json.decode(output:match "[^\n]*$").error.kind)
    output, code = send(url() .. envelope .. "--ca " .. certificate)
    assert.equal(0, code, output)
    assert.matches("TLSv1.3", output)
    local pin = tree.lines(("openssl x509 -in %s -noout -fingerprint -sha256")
      :format(certificate))[1]:match("=(.*)"):gsub(":", ""):lower()
    output, code = send(url() .. envelope .. "--tls starttls --pin " .. pin)
    assert.equal(0, code, output)
    output, code = send(url() .. envelope .. "--tls starttls --pin "
      .. ("0"):rep(64))
    assert.equal(76, code, output)
  end)

  it("takes the password from a file or the environment", function()
    peers.write(folder .. "/word", "secret\n")
    local flags = url() .. envelope .. "--user ana --ca " .. certificate
    local output, code = send(flags .. " --password-file " .. folder .. "/word")
    assert.equal(0, code, output)
    assert.matches("C: AUTH [%u%d-]+ %*+\n", output)
    assert.is_nil(output:find("secret", 1, true))
    output, code = send(flags .. " --password-file /no/such/file")
    assert.equal(64, code)
    assert.matches("/no/such/file", output)
    output, code = send(flags)
    assert.equal(64, code)
    assert.matches("a user needs a password", output)
  end)

  it("goes as far as --quit-after says", function()
    local flags = url() .. envelope .. "--ca " .. certificate
    for phase, wants in pairs {
      connect = "^%-%- [^\n]*\nS: 220 [^\n]*\nC: QUIT\nS: 221 [^\n]*$",
      ehlo = "C: EHLO .*S: 250 HELP\nC: QUIT\nS: 221 [^\n]*$",
      tls = "%-%- TLSv1[^\n]*\nC: EHLO .*\nC: QUIT\nS: 221 [^\n]*$",
      mail = "C: MAIL FROM:<a@example.org>[^\n]*\nS: 250 [^\n]*\nC: QUIT\n",
      rcpt = "C: RCPT TO:<b@example.net>\nS: 250 [^\n]*\nC: QUIT\nS: 221",
    } do
      local output, code = send(flags .. " --quit-after " .. phase)
      assert.equal(0, code, output)
      assert.matches(wants, output)
    end
    peers.write(folder .. "/word", "wrong\n")
    local output, code = send(flags .. " --quit-after auth --user ana "
      .. "--json --password-file " .. folder .. "/word")
    assert.equal(1, code)
    assert.equal("auth", json.decode(output:match "[^\n]*$").error.kind)
    output, code = send(flags .. " --quit-after rcpt --json "
      .. "--rcpt-param XX=1")
    assert.equal(1, code)
    local told = json.decode(output:match "[^\n]*$")
    assert.is_false(told.ok)
    assert.equal(555, told.rejected[1].code)
    output, code = send(flags .. " --quit-after conect")
    assert.equal(64, code)
    assert.matches("did you mean 'connect'%?", output)
  end)

  it("adds parameters to MAIL and RCPT", function()
    local output, code = send(url() .. envelope .. "--ca " .. certificate
      .. " --mail-param BODY=8BITMIME --rcpt-param XX=1 --quit-after rcpt")
    assert.equal(1, code)
    assert.matches("C: MAIL FROM:<a@example.org> BODY=8BITMIME\n", output)
    assert.matches("C: RCPT TO:<b@example.net> XX=1\nS: 555", output)
  end)

  it("asks the server for more than delivery", function()
    local output, code = send("--dry-run" .. envelope .. "--notify "
      .. "success,delay --ret hdrs --envid a+b --require-tls --rrvs "
      .. "2026-01-31T12:00:00Z --deliver-by 120:R --hold-for 60 "
      .. "--mt-priority -3 --submitter c@example.org --rcpt-param X=1")
    assert.equal(0, code)
    assert.matches("^MAIL FROM:<a@example.org> AUTH=c@example.org BY=120;R "
      .. "ENVID=a%+2Bb HOLDFOR=60 MT%-PRIORITY=%-3 REQUIRETLS RET=HDRS\n"
      .. "RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY "
      .. "RRVS=2026%-01%-31T12:00:00Z X=1\nDATA\n", output)
    for _, phase in ipairs { "", " --quit-after rcpt" } do
      output, code = send(url() .. envelope .. "--ca " .. certificate
        .. " --notify never" .. phase)
      assert.equal(1, code)
      assert.matches("'notify' needs DSN, which the server does not offer",
        output)
    end
    for flags, text in pairs {
      ["--notify never,delay"] = "NEVER by itself",
      ["--mt-priority x"] = "%-%-mt%-priority needs a whole number, not x",
      ["--deliver-by 1:Q"] = "N or R",
    } do
      output, code = send(url() .. envelope .. flags)
      assert.equal(64, code, output)
      assert.matches(text, output)
    end
  end)

  it("sends to all or none, and by chunks", function()
    local output, code = send(url() .. envelope .. "--ca " .. certificate
      .. " --chunking --text x")
    assert.equal(0, code, output)
    assert.matches("C: BDAT %d+ LAST\n", output)
    output, code = send(url() .. envelope .. "--to nobody --ca "
      .. certificate .. " --minimum-tls 1.4")
    assert.equal(64, code)
    assert.matches("minimum_tls", output)
  end)

  it("keeps the transcript, whatever comes of it", function()
    local flags = ("--copy %s/t.txt --copy %s/t.svg --copy %s/t.mmd --quiet")
      :format(folder, folder, folder)
    local output, code = send(url() .. envelope .. flags .. " --ca "
      .. certificate)
    assert.equal(0, code, output)
    assert.equal("", output)
    assert.matches("C: MAIL FROM:<a@example.org>", tree.read(folder
      .. "/t.txt"))
    assert.matches("^<svg", tree.read(folder .. "/t.svg"))
    assert.matches("^sequenceDiagram", tree.read(folder .. "/t.mmd"))
    assert.equal("600\n600\n600", (peers.run(("stat -c %%a %s/t.*"):format(
      folder))))
    output, code = send("--server 127.0.0.1:1" .. envelope .. flags)
    assert.equal(75, code)
    assert.matches("cannot connect", output)
    output, code = send(url() .. envelope .. "--copy /no/such/file --quiet "
      .. "--ca " .. certificate)
    assert.equal(64, code)
    assert.matches("cannot be saved: /no/such/file", output)
  end)

  it("says what would be sent, to nobody", function()
    local output, code = send("--dry-run --mail-param RET=HDRS "
      .. "--to c@example.net --bcc d@example.net" .. envelope
      .. "--subject dry --text-file -", "hello\n.dot\n")
    assert.equal(0, code)
    assert.matches("^MAIL FROM:<a@example.org> RET=HDRS\n"
      .. "RCPT TO:<c@example.net>\nRCPT TO:<b@example.net>\n"
      .. "RCPT TO:<d@example.net>\nDATA\nFrom: a@example.org\n", output)
    assert.matches("\nSubject: dry\n.*\n\nhello\n%.%.dot\n%.$", output)
    assert.is_nil(output:find("\nBcc", 1, true))
    output, code = send("--dry-run --json" .. envelope)
    assert.equal(0, code)
    assert.same({ "b@example.net" }, json.decode(output).accepted)
    output, code = send("--dry-run --raw -" .. envelope, "Subject: raw\n\nx")
    assert.equal(0, code)
    assert.matches("\nDATA\nSubject: raw\n\nx\n%.$", output)
  end)

  it("goes through a program", function()
    local log = folder .. "/spoken"
    local program = peers.quote(("%s spec/support/spoken.lua session %s")
      :format(lua, log))
    local output, code = send("--pipe " .. program .. envelope .. "--text x")
    assert.equal(0, code, output)
    assert.matches("S: 220 spoken", output)
    assert.matches("RCPT TO:<b@example.net>", tree.read(log))
    output, code = send("--pipe " .. program .. " --command NOOP --json")
    assert.equal(0, code)
    assert.equal("ok", json.decode(output:match "[^\n]*$").reply.text)
    program = peers.quote(("%s spec/support/spoken.lua message %s")
      :format(lua, log .. 2))
    output, code = send("--sendmail " .. program .. envelope .. "--text x")
    assert.equal(0, code, output)
    assert.matches("^%-f%za@example.org%z%-%-%zb@example.net\n",
      tree.read(log .. 2))
    program = peers.quote(lua .. " spec/support/spoken.lua fail x 75")
    output, code = send("--json --sendmail " .. program .. envelope)
    assert.equal(75, code)
    local told = json.decode(output:match "[^\n]*$")
    assert.equal("process", told.error.kind)
    assert.matches("no such user here", told.error.text)
  end)

  it("tells what is wrong with a pin or a file before it dials", function()
    for flags, words in pairs {
      ["--pin sha256:00"] = "a pin is",
      ["--ca /nonexistent"] = "no such file of authorities: /nonexistent",
      ["--cert /nonexistent"] = "cannot use the certificate /nonexistent",
      ["--key /nonexistent"] = "'key' without 'certificate'",
      ["--user x --password-file /nonexistent"] = "send: /nonexistent: No such",
    } do
      local output, code = send("--server smtp://127.0.0.1:1" .. envelope
        .. flags)
      assert.equal(64, code, output)
      assert.is_truthy(output:find(words, 1, true), output)
      assert.is_nil(output:find(".lua:", 1, true), output)
    end
  end)

  it("goes through a proxy", function()
    local output, code = send(url() .. envelope
      .. "--proxy socks5://127.0.0.1:1 --json")
    assert.equal(75, code)
    assert.matches("proxy 127%.0%.0%.1:1: cannot connect",
      json.decode(output:match "[^\n]*$").error.text)
    output, code = send(url() .. envelope .. "--proxy gopher://x")
    assert.equal(64, code)
    assert.matches("socks5://", output)
  end)

  it("sends attachments and fields, cc and bcc", function()
    peers.write(folder .. "/a.txt", "attached\n")
    local output, code = send(url() .. envelope .. "--ca " .. certificate
      .. " --cc c@example.net --bcc d@example.net --attach " .. folder
      .. "/a.txt --header 'X-A: b' --html '<p>x' --text x --quiet")
    assert.equal(0, code, output)
    local mail = last_mail()
    assert.matches("\nX%-A: b\r?\n", mail)
    assert.matches("\nCc: c@example.net\r?\n", mail)
    assert.matches("filename=\"?a.txt", mail)
    assert.is_nil(mail:find("Bcc", 1, true))
  end)

  it("shows the message within the dialogue where it is asked to", function()
    peers.write(folder .. "/raw", "Subject: gr\xc3\xbcn\n\n.dot\n\27[2J\n")
    local flags = url() .. " --from a@example.org --to b@example.net --ca "
      .. certificate .. " --raw " .. folder .. "/raw"
    local output, code = send(flags .. " --show-message")
    assert.equal(0, code, output)
    assert.matches("\nS: 354 [^\n]*\nC: Subject: gr\xc3\xbcn\nC: \nC: %.%.dot\n"
      .. "C: %?%[2J\nC: %.\n%-%- %d+ octets of message, then the dot\nS: 250 ",
      output)
    output = send(flags)
    assert.is_nil(output:find("C: Subject", 1, true))
  end)

  it("names one way to go, and what does not fit it", function()
    for words, text in pairs {
      [""] = "%-%-server is missing",
      ["--server x --dry-run"] = "%-%-server beside %-%-dry%-run",
      ["--dry-run --command NOOP"] = "%-%-dry%-run holds no session",
      ["--server x --command NOOP --quit-after tls"] = "%-%-command beside",
      ["--server x --quit-after mail"] = "%-%-from is missing",
    } do
      local output, code = send(words)
      assert.equal(64, code)
      assert.matches(text, output)
    end
  end)
end)
