-- `lunapost send --json` beside servers that mean it no good: the kind of
-- error, the exit code, and nothing reported as accepted that was not.
local json = require "spec.support.json"
local net = require "lunapost.net"
local patience = require "spec.support.patience"
local peers = require "spec.support.peers"
local scripted = require "spec.support.scripted"
local tree = require "spec.support.tree"

local PIPELINING <const> = "250-x\r\n250-8BITMIME\r\n250 PIPELINING"
local TEXT <const> = "Subject: x\r\n\r\nhello\r\n"
-- For what waits in vain.
local SECONDS <const> = 0.5
local FLAGS <const> = "--to b@y --tls none"
local LONG <const> = "Subject: x\r\n\r\n" .. (("x"):rep(70) .. "\r\n"):rep(1e5)

-- What a script may do in place of a line.
local function close(peer) peer:close() end

local function silence(peer) peer:hold() end

local function raw(octets)
  return function(peer) peer:write(octets) end
end

local function drip(octets)
  return function(peer)
    for octet in octets:rep(100):gmatch "." do
      if not peer:write(octet) then return end
      peer.loop.sleep(0.02)
    end
  end
end

-- Says one thing at the start, then one for each line that it hears, or for
-- the body behind a 354; then listens until the client is gone.
local function speaks(steps)
  return function(peer)
    for i, step in ipairs(steps) do
      if i > 1 and steps[i - 1] == "354 go" then
        peer:body()
      elseif i > 1 and not peer:hear() then
        return
      end
      if type(step) == "function" then step(peer) else peer:say(step) end
    end
    while peer.conn:fd() >= 0 and peer:hear() do
      if peer.heard[#peer.heard] == "QUIT" then peer:say "221 bye" end
    end
  end
end

-- Runs the command against a port; its exit code, its object, what it said on
-- standard error.
local runs = 0

local function run(folder, options, loop, row)
  runs = runs + 1
  local base = ("%s/%d"):format(folder, runs)
  peers.write(base, row.message or TEXT)
  local process = peers.start(("sh -c %s"):format(peers.quote((
    "WORD=s3cret %s send --json --raw %s --from a@x --helo me.test --server "
    .. "smtp://localhost:%d --timeout %g %s 2>%s.err; echo exit $?"):format(
    tree.command, base, options.port, row.seconds or 60,
    ((row.flags or FLAGS):gsub("DIR", folder)), base))), base .. ".out")
  patience.await(loop, function()
    return process:output():find "exit %d+"
  end, 60 + 2 * (row.seconds or 60))
  local object, code = process:output():match "([^\n]*)\nexit (%d+)"
  local why = tree.read(base .. ".err")
  assert.is_nil((process:output() .. why):find "s3cret")
  assert.is_nil(why:find "traceback")
  return tonumber(code), json.decode(object), why
end

-- Whether a command's time was over too soon: where somebody stood still for
-- a while. It will have more time.
local function too_soon(row, kind)
  local over <const> = kind == "timeout" or kind == "unconfirmed"
  if not over or row[1] == kind or not row.seconds or row.seconds > 30 then
    return false
  end
  row.seconds = row.seconds * 4
  return true
end

-- Runs and checks a row { kind, code, script, flags =, message =, seconds = };
-- what it told, or nil where the row must be run again.
local function judge(folder, row, options, loop)
  local exit, told, why = run(folder, options, loop, row)
  local got = told.error ~= json.null and told.error.kind or nil
  if too_soon(row, got) then return nil end
  assert.equal(row[1], got, why)
  assert.equal(row[2], exit, why)
  assert.equal(row[1] == nil and #told.rejected == 0, told.ok)
  if row[1] then assert.same({}, told.accepted) end
  return told
end

-- Runs a row until it is judged; what it told, and what the script heard.
local function judged(folder, row)
  local told, heard
  repeat
    heard = scripted.run(row[3], function(options, loop)
      told = judge(folder, row, options, loop)
    end)
  until told
  return told, heard[1]
end

-- Runs rows at the same time.
local function judge_all(folder, rows)
  while #rows > 0 do
    local list, again = {}, {}
    for i, row in ipairs(rows) do
      list[i] = { script = row[3], client = function(options, loop)
        if not judge(folder, row, options, loop) then
          again[#again + 1] = row
        end
      end }
    end
    scripted.together(list)
    rows = again
  end
end

describe("lunapost send --json", function()
  local folder

  setup(function() folder = peers.folder() end)
  teardown(function() peers.remove(folder) end)

  local function send(script, flags)
    local exit, told
    local heard = scripted.run(script, function(options, loop)
      exit, told = run(folder, options, loop, { flags = flags })
    end)
    return exit, told, heard[1]
  end

  local function fate(kind, code, script, flags, more)
    local row = { kind, code, script, flags = flags }
    for name, value in pairs(more or {}) do row[name] = value end
    return judged(folder, row)
  end

  -- The usual answers of a server, in turn or where all comes at once.
  local usual <const> = {
    turn = { "220 x", "250 x", "250 ok", "250 ok", "354 go", "250 kept" },
    pipelined = { "220 x", PIPELINING, "250 ok", "250 ok", "354 go",
      "250 kept" },
  }

  -- Each of them, replaced by something else.
  local function everywhere(step, kind, last, code, last_code)
    for _, answers in pairs(usual) do
      local list = {}
      for n = 1, 6 do
        local steps = table.move(answers, 1, n - 1, 1, {})
        steps[n] = type(step) == "table" and step[n] or step
        list[n] = { n < 6 and kind or last, n < 6 and code or last_code
          or code, speaks(steps), seconds = SECONDS }
      end
      judge_all(folder, list)
    end
  end

  it("is left at any phase", function()
    everywhere(close, "closed", "unconfirmed", 75)
    everywhere("421 4.3.2 bye", "reply", "reply", 75)
  end)

  it("waits in vain at any phase", function()
    everywhere(silence, "timeout", "unconfirmed", 75)
  end)

  it("is refused at any phase, for good or for now", function()
    everywhere("554 5.7.1 no", "reply", "reply", 1)
    everywhere("451 4.3.0 later", "reply", "reply", 75)
  end)

  it("is told nonsense at any phase", function()
    local mixed = {}
    for n, code in ipairs { 220, 250, 250, 250, 354, 250 } do
      mixed[n] = raw(("%d-a\r\n550 b\r\n"):format(code))
    end
    everywhere(mixed, "protocol", "unconfirmed", 76, 75)
    for _, garbage in ipairs { "hello", "", "25 x", "2500 x", "999 x", "150 x",
      "+OK", " 250 x", "\0", "HTTP/1.1 400 Bad Request" } do
      fate("protocol", 76, speaks { "220 x", garbage })
    end
  end)

  it("is told without end", function()
    local line = raw("250-" .. ("x"):rep(200000))
    local lines = raw(("250-more\r\n"):rep(50000))
    for _, step in ipairs { line, lines } do
      fate("protocol", 76, speaks { "220 x", step })
      fate("unconfirmed", 75, speaks { "220 x", "250 x", "250 ok", "250 ok",
        "354 go", step })
    end
    for _, octets in ipairs { "x", "250-x\r\n" } do
      fate("timeout", 75, speaks { "220 x", drip("250-" .. octets) }, nil,
        { seconds = SECONDS })
    end
  end)

  it("is answered before it asks", function()
    for _, octets in ipairs { "220 x\r\n220 y\r\n", "220 x\r\n250 x\r\n" } do
      fate("protocol", 76, speaks { raw(octets) })
    end
    fate("protocol", 76, speaks { "220 x", "250 x", "250 ok", "250 ok",
      raw "354 go\r\n250 kept\r\n" })
    fate("protocol", 76, speaks { "220 x", "250 x", "250 ok", "250 ok",
      function(peer)
        peer:say "354 go"
        peer.loop.sleep(0.1)
        peer:say "250 kept"
        peer:hold()
      end }, nil, { message = LONG })
  end)

  it("is refused a chunk, and hears nothing of the one behind it", function()
    for _, body in ipairs { LONG, LONG:rep(5) } do -- it is read, or is not
      local told = fate("reply", 1, speaks { "220 x",
        "250-x\r\n250-CHUNKING\r\n250 PIPELINING", "250 ok", "250 ok",
        function(peer)
          peer:say "552 5.3.4 too big"
          silence(peer)
        end }, FLAGS .. " --chunking", { message = body, seconds = SECONDS })
      assert.equal(552, told.error.code)
      assert.equal("b@y", told.rejected[1].address)
    end
    fate("protocol", 76, speaks { "220 x",
      "250-x\r\n250-CHUNKING\r\n250 PIPELINING", "250 ok", "250 ok",
      "552 5.3.4 too big\r\n+OK" }, FLAGS .. " --chunking", { message = LONG })
  end)

  it("is cut off in the middle of a body", function()
    local function midway(step)
      return speaks { "220 x", "250 x", "250 ok", "250 ok", function(peer)
        peer:say "354 go"
        peer.loop.sleep(0.05)
        step(peer)
      end }
    end
    fate("closed", 75, midway(close), nil, { message = LONG })
    fate("timeout", 75, midway(silence), nil, { message = LONG,
      seconds = SECONDS })
    local told = fate("reply", 1, midway(function(peer)
      peer:say "552 5.3.4 too big"
      silence(peer)
    end), nil, { message = LONG, seconds = SECONDS })
    assert.equal(552, told.error.code)
  end)

  it("has some of three recipients refused", function()
    local flags <const> = "--to a@y --to b@y --to c@y --tls none"
    for _, ehlo in ipairs { "250 x", PIPELINING } do
      local exit, told = send(speaks { "220 x", ehlo, "250 ok", "250 ok",
        "550 5.1.1 who", "451 4.1.1 later", "354 go", "250 kept" }, flags)
      assert.equal(1, exit)
      assert.is_false(told.ok)
      assert.same({ "a@y" }, told.accepted)
      assert.equal("b@y", told.rejected[1].address)
      assert.equal(451, told.rejected[2].code)
    end
  end)

  it("has all recipients refused, and sends nothing", function()
    local body
    local function keep(peer) body = peer:body() end
    for _, data in ipairs { "503 no", "354 go" } do
      local told = fate("reply", 1, function(peer)
        peer:say "220 x"
        peer:answer(PIPELINING, "250 ok", "550 a", "550 b", data)
        if data == "354 go" then
          keep(peer)
          peer:say "250 kept"
        end
        peer:answer("250 ok", "221 bye")
      end, "--to a@y --to b@y --tls none")
      assert.equal(2, #told.rejected)
    end
    assert.equal("", body)
  end)

  it("hears 200 keywords, some of them odd", function()
    local lines = { "250-x", "250-", "250-=", "250-\xff\xfe", "250-AUTH",
      "250-SIZE", "250-SIZE x" }
    for i = 1, 200 do lines[#lines + 1] = "250-X" .. i .. " a b" end
    lines[#lines + 1] = "250 SIZE -1"
    fate(nil, 0, speaks { "220 x", table.concat(lines, "\r\n"), "250 ok",
      "250 ok", "354 go", "250 kept", "221 bye" })
  end)

  it("may have a message that is too big, or an address that is UTF-8",
    function()
    local _, heard = fate("limit", 1, speaks { "220 x",
      "250-x\r\n250 SIZE 10", "221 x" })
    assert.equal("QUIT", heard[2])
    local told
    told, heard = fate("syntax", 1, speaks { "220 x", "250 x", "221 x" },
      "--to b\u{F6}b@y --tls none")
    assert.is_nil(told.reply.code)
    assert.equal("QUIT", heard[2])
  end)

  it("does not mind what becomes of QUIT", function()
    for _, step in ipairs { close, silence, "!!!", "250 kept",
      "421 bye" } do
      fate(nil, 0, speaks { "220 x", "250 x", "250 ok", "250 ok", "354 go",
        "250 kept", step }, nil, { seconds = SECONDS })
    end
  end)

  it("hears garbage as challenges", function()
    local flags <const> = "--to b@y --tls none --user u --password-env WORD "
    local scram <const> = "334 cj14LHM9UVE9PSxpPTk5OTk5OTk5OQ==" -- r=x,s=,i=
    for _, row in ipairs {
      { "protocol", 76, "CRAM-MD5", "334 !!!", "501 x" },
      { "auth", 1, "LOGIN", "334 \xff", "501 x" }, -- its prompts are free
      { "protocol", 76, "SCRAM-SHA-256", "334 QUFB", "501 x" },
      { "protocol", 76, "SCRAM-SHA-256", scram, "501 x" },
      { "auth", 1, "SCRAM-SHA-256", "235 you are in" },
      { "auth", 1, "PLAIN", "535 5.7.8 s3cret is wrong" },
      { "auth", 75, "PLAIN", "454 4.7.0 later" },
      { "closed", 75, "PLAIN", close },
    } do
      fate(row[1], row[2], speaks { "220 x", "250-x\r\n250 AUTH " .. row[3],
        row[4], row[5] }, flags .. "--auth " .. row[3])
    end
    local told = fate("protocol", 76, speaks { "220 x", "250-x\r\n250 AUTH "
      .. "PLAIN", "334 ", "334 ", "334 ", "501 x" }, flags)
    assert.is_string(told.error.text)
  end)
end)

describe("lunapost send --json, and TLS", function()
  local folder

  setup(function()
    folder = peers.folder()
    peers.certificate(folder)
    local output, code = peers.run(([[cd %s && mkdir ca && : >ca/index &&
echo 01 >ca/serial && cat >ca.cnf <<END
[ca]
default_ca = own
[own]
database = ca/index
serial = ca/serial
new_certs_dir = ca
policy = any
default_md = sha256
copy_extensions = copy
[any]
commonName = supplied
END
names=subjectAltName=DNS:localhost,IP:127.0.0.1
openssl req -new -key key.pem -subj /CN=localhost -addext $names -out r.csr &&
openssl ca -config ca.cnf -batch -selfsign -in r.csr -keyfile key.pem -notext \
  -startdate 20200101000000Z -enddate 20210101000000Z -out expired.pem &&
openssl req -x509 -new -key key.pem -subj /CN=other.test -days 9 \
  -addext subjectAltName=DNS:other.test -out other.pem]]):format(folder))
    assert(code == 0, output)
  end)

  teardown(function() peers.remove(folder) end)

  local function context_of(name)
    return assert(net.context { server = true,
      certificate = ("%s/%s.pem"):format(folder, name),
      key = folder .. "/key.pem" })
  end

  -- A server that shakes hands after STARTTLS, then says the rest.
  local function secured(name, more, reply)
    return function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 STARTTLS",
        reply or "220 go")
      if not peer:secure(context_of(name)) then return end
      for _, line in ipairs(more or {}) do
        if not peer:hear() then return end
        peer:say(line)
        if line == "354 go" then peer:body() peer:say "250 kept" end
      end
      while peer:hear() do end
    end
  end

  local function fate(kind, code, script, flags, seconds)
    local _, heard = judged(folder, { kind, code, script, seconds = seconds,
      flags = "--to b@y "
        .. (flags or "--tls starttls --ca DIR/cert.pem") })
    for _, line in ipairs(heard) do
      assert.is_nil(line:find "AUTH PLAIN AH")
    end
  end

  local rest <const> = { "250 x", "250 ok", "250 ok", "354 go", "221 bye" }

  it("sends where all is right", function()
    fate(nil, 0, secured("cert", rest))
    fate(nil, 0, secured("cert", rest), "--tls auto --ca DIR/cert.pem")
    fate(nil, 0, secured("expired", rest), "--tls starttls --insecure")
  end)

  it("trusts no other name, no old certificate, no unknown authority",
    function()
    fate("tls", 76, secured("other", rest), "--tls starttls --ca DIR/other.pem")
    fate("tls", 76, secured("expired", rest),
      "--tls starttls --ca DIR/expired.pem")
    for _, mode in ipairs { "starttls", "auto" } do
      fate("tls", 76, secured("cert", rest), "--tls " .. mode)
    end
  end)

  it("does without what is gone after TLS", function()
    fate("auth", 1, secured("cert", { "250 x" }), "--tls starttls --ca "
      .. "DIR/cert.pem --user u --password-env WORD")
  end)

  it("takes nothing in plain behind the reply", function()
    for _, more in ipairs { "250 x\r\n", "2", "\22\3\3" } do
      fate("protocol", 76, speaks { "220 x", "250-x\r\n250 STARTTLS",
        raw("220 go\r\n" .. more) })
    end
  end)

  it("does not go on without TLS where that is required", function()
    fate("reply", 1, speaks { "220 x", "250-x\r\n250 STARTTLS", "554 no",
      "221 bye" })
    fate("reply", 75, speaks { "220 x", "250-x\r\n250 STARTTLS",
      "454 4.7.0 not now", "221 bye" })
    fate("protocol", 76, speaks { "220 x", "250-x\r\n250 STARTTLS",
      "354 go" })
    fate("tls", 76, speaks { "220 x", "250 x", "221 bye" })
    fate("tls", 76, speaks { "220 x", "250-x\r\n250 AUTH PLAIN", "221 bye" },
      "--tls auto --user u --password-env WORD")
  end)

  it("ends a handshake that stalls, breaks off or is none", function()
    local offers <const> = "250-x\r\n250 STARTTLS"
    fate("timeout", 75, speaks { "220 x", offers, function(peer)
      peer:say "220 go"
      silence(peer)
    end }, nil, SECONDS)
    fate("tls", 76, speaks { "220 x", offers, function(peer)
      peer:say "220 go"
      peer.loop.sleep(0.1)
      peer:say "250 x"
      silence(peer)
    end })
  end)

  it("does not know what became of a message where TLS is cut", function()
    fate("unconfirmed", 75, function(peer)
      peer:say "220 x"
      peer:answer("250-x\r\n250 STARTTLS", "220 go")
      peer:secure(context_of "cert")
      peer:answer("250 x", "250 ok", "250 ok", "354 go")
      peer:body()
      peer:close()
    end)
  end)
end)
