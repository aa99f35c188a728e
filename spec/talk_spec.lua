-- lunapost talk: from a pipe, and at a real terminal (tmux).
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

describe("lunapost talk", function()
  local folder, server, plain

  setup(function()
    folder = peers.folder()
    server = peers.serve("--tls test --auth ana:secret", folder .. "/serve.log")
    plain = peers.serve("--maildir " .. folder .. "/mail",
      folder .. "/plain.log")
  end)

  teardown(function()
    server:stop()
    plain:stop()
    peers.remove(folder)
  end)

  local function where(which)
    return "127.0.0.1:" .. (which or server).port
  end

  -- Says lines by a pipe; gives what was printed, and the exit code.
  local function pipe(lines, flags, to)
    peers.write(folder .. "/input", table.concat(lines, "\n") .. "\n")
    local output, code = peers.run(("%s talk %s --insecure %s <%s/input")
      :format(tree.command, to or where(), flags or "", folder))
    return output, code
  end

  it("says the lines of a pipe one by one", function()
    local output, code = pipe { "EHLO me", "NOOP", "", "BOGUS x", "QUIT",
      "never said" }
    assert.equal(0, code)
    assert.matches("^%-%- connected to 127%.0%.0%.1:%d+\nS: 220 ", output)
    assert.matches("\nC: EHLO me\nS: 250%-", output)
    assert.matches("\nC: NOOP\nS: 250 .*\nC: BOGUS x\nS: 50[02] ", output)
    assert.matches("\nC: QUIT\nS: 221 [^\n]*$", output)
    assert.is_nil(output:find("never", 1, true))
    assert.is_nil(output:find("\27", 1, true))
  end)

  it("says QUIT at the end of input", function()
    local output, code = pipe { "NOOP" }
    assert.equal(0, code)
    assert.matches("C: QUIT\nS: 221 ", output)
  end)

  it("takes a message up to the dot, and doubles others", function()
    local output, code = pipe({ "HELO me", "MAIL FROM:<a@example.org>",
      "RCPT TO:<b@example.org>", "DATA", "Subject: by hand", "", ".dot",
      "QUIT", ".", "QUIT" }, "", where(plain))
    assert.equal(0, code)
    assert.matches("octets of message, then the dot\nS: 250 .*C: QUIT\nS: 221",
      output)
    local mail = tree.read(tree.lines("ls " .. folder .. "/mail/new/*")[1])
    assert.matches("Subject: by hand\r?\n\r?\n%.dot\r?\nQUIT\r?\n$", mail)
  end)

  it("never takes half a message for a whole one", function()
    local before = #tree.lines("ls " .. folder .. "/mail/new")
    local output = pipe({ "HELO me", "MAIL FROM:<a@example.org>",
      "RCPT TO:<b@example.org>", "DATA", "half" }, "", where(plain))
    assert.matches("end of input came before the dot", output)
    assert.equal(before, #tree.lines("ls " .. folder .. "/mail/new"))
  end)

  it("shakes hands within, and authenticates by hand or by itself", function()
    local output, code = pipe { "EHLO me", "STARTTLS", "AUTH LOGIN", "YW5h",
      "c2VjcmV0", "NOOP" }
    assert.equal(0, code)
    assert.matches("C: STARTTLS\nS: 220 [^\n]*\n%-%- TLSv1.3, [^\n]*\nC: EHLO",
      output)
    assert.matches("S: 235 ", output)
    assert.is_nil(output:find("c2VjcmV0", 1, true))
    output, code = pipe { "EHLO me", "/tls", "/auth ana PLAIN", "secret" }
    assert.equal(0, code)
    assert.matches("C: AUTH PLAIN %*+\nS: 235 ", output)
    output, code = pipe({ "NOOP" }, "--user ana --password-env WORD", nil)
    assert.equal(64, code)
    assert.matches("the environment has no WORD", output)
    peers.write(folder .. "/word", "secret\nmore\n")
    output, code = pipe({ "NOOP" }, "--user ana --password-file " .. folder
      .. "/word")
    assert.equal(0, code)
    assert.matches("S: 235 .*C: NOOP", output)
    output = pipe { "EHLO me", "AUTH", "ana", "secret" }
    assert.matches("no password is sent without TLS", output)
  end)

  it("writes octets as they are, and waits", function()
    local output = pipe { "EHLO me", "/write NO",
      "/write OP\\r\\nNOOP\\r\\n", "/wait",
      "/wait 5", "/wait 0.05", "/write \\q", "/nothing", " NOOP" }
    assert.matches("C: NO\\\nC: OP\nC: NOOP\nS: 250 [^\n]*\nS: 250 [^\n]*\n"
      .. "%-%- nothing within 0%.05 s\n%-%- no such escape: \\q\n"
      .. "%-%- no such command: /nothing", output)
    assert.matches("C:  NOOP\nS: ", output)
  end)

  it("sends files, and keeps the transcript in three forms", function()
    peers.write(folder .. "/message", "Subject: x\n\n.dot\n")
    local copies = ("--copy %s/t.txt --copy %s/t.svg --copy %s/t.mmd")
      :format(folder, folder, folder)
    local output, code = pipe({ "EHLO me", "MAIL FROM:<a@example.org>",
      "RCPT TO:<b@example.org>", "/data " .. folder .. "/message",
      "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>",
      "/bdat " .. folder .. "/message", "/data /no/such/file",
      "/save " .. folder .. "/u.txt", "/svg " .. folder .. "/u", "/data",
      "/help" }, copies)
    assert.equal(0, code)
    assert.matches("C: BDAT %d+ LAST\n", output)
    assert.matches("/no/such/file", output)
    assert.matches("which file", output)
    assert.matches("/write TEXT", output)
    local text = tree.read(folder .. "/t.txt")
    assert.matches("^# lunapost transcript\n.*C: QUIT\n.*S: 221", text)
    assert.matches("^<svg", tree.read(folder .. "/t.svg"))
    assert.matches("^<svg", tree.read(folder .. "/u.svg"))
    assert.matches("^sequenceDiagram", tree.read(folder .. "/t.mmd"))
    assert.truthy(text:find(tree.read(folder .. "/u.txt"), 1, true))
  end)

  it("tells that there is no session, as send does", function()
    local output, code = pipe({}, "", "127.0.0.1:1")
    assert.equal(75, code)
    assert.matches("lunapost: talk: 127%.0%.0%.1:1: cannot connect", output)
    output, code = peers.run(tree.command .. " talk")
    assert.equal(64, code)
    assert.matches("which server", output)
  end)

  it("talks to a program", function()
    local output, code = pipe({ "HELO me", "QUIT" }, "",
      peers.quote(("exec:%s spec/support/spoken.lua session /dev/null")
      :format(arg and arg[-1] or "lua5.4")))
    assert.equal(0, code)
    assert.matches("S: 220 spoken\nC: HELO me\nS: 250 ok\nC: QUIT\nS: 221 bye",
      output)
  end)
end)

describe("lunapost talk at a terminal", function()
  local folder, server, socket

  setup(function()
    folder = peers.folder()
    socket = folder .. "/tmux"
    server = peers.serve("--tls test --auth ana:secret", folder .. "/serve.log")
  end)

  teardown(function()
    peers.run("tmux -S " .. socket .. " kill-server")
    server:stop()
    peers.remove(folder)
  end)

  local function tmux(words)
    return (peers.run("tmux -S " .. socket .. " " .. words))
  end

  local function screen()
    return tmux "capture-pane -p -t 0 -S -200"
  end

  local function shows(pattern)
    local seen = peers.wait(10, function()
      return screen():find(pattern)
    end)
    assert(seen, pattern .. " is not on\n" .. screen())
  end

  -- Presses keys, each a word of tmux: text or a name.
  local function press(...)
    for _, key in ipairs { ... } do
      tmux("send-keys -t 0 " .. peers.quote(key))
    end
  end

  it("edits, completes, hides the password, and shows what comes", function()
    if not peers.need("tmux", peers.has "tmux") then return end
    tmux(("-f /dev/null new-session -d -x 90 -y 50 %s"):format(peers.quote(
      ("%s talk 127.0.0.1:%d --insecure; echo EXIT=$?; stty -a; cat")
      :format(tree.command, server.port))))
    shows "S: 220 .*\n> *\n"
    press("eh", "Tab", "me", "Enter")
    shows "> EHLO me\nS: 250%-.*S: 250 [^\n]*\n> *\n"
    press("st", "Tab", "Enter")
    shows "> STARTTLS\n.*TLSv1%.3.*S: 250 [^\n]*\n> *\n"
    press("/auth ana", "Enter")
    shows "password>"
    press("secret", "Enter")
    shows "S: 235 [^\n]*\n> *\n"
    assert.is_nil(screen():find("secret", 1, true))
    press("mail from:<x@y.z", "Left", "Left", "Left", "Left", "BSpace", "a",
      "C-e", ">", "Enter")
    shows "> mail from:<a@y%.z>\nS: 250[^\n]*\n> *\n"
    press("r", "Tab")
    shows "RCPT TO:<  RSET\n> r"
    press("C-c")
    shows "%^C"
    press("NOOP", "Enter") -- keys pressed before the answer would be echoed
    shows "> NOOP\nS: 250[^\n]*\n> *\n"
    press("Up", "Up", "Down", "Enter")
    shows "> NOOP\nS: 250[^\n]*\n> NOOP\nS: 250[^\n]*\n"
    press("half a line")
    server:signal "TERM"
    shows "S: 421 [^\n]*\n"
    shows "EXIT=0"
    shows " echo " -- the terminal is as it was
  end)
end)
