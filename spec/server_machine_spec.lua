local core = require "lunapost.core"
local json = require "spec.support.json"
local transcript = require "spec.support.transcript"

local function config(text)
  local options = { hostname = "mx.test",
    mail_parameters = "SIZE BODY SMTPUTF8",
    rcpt_parameters = "" }
  for name, value in text:gmatch("(%w[%w_]*)=(%d+)") do
    local n = math.tointeger(value)
    if name:find("limit") or name == "bare" then
      options[name] = n
    else
      options[name] = n == 1
    end
  end
  if options.binary then
    options.mail_parameters = options.mail_parameters .. " BODY=BINARYMIME"
    options.binary = nil
  end
  return options
end

local function escape(bytes)
  return (bytes:gsub("\r", "\\r"):gsub("\n", "\\n"))
end

-- A machine whose "script" refuses nobody@, takes any password and keeps
-- bodies; it hears the client.
local function driver()
  local self = { hears = "C" }
  local machine, options, notes, body, over = nil, nil, {}, nil, false
  local handle = {}

  local function note(...) notes[#notes + 1] = table.concat({ ... }, " ") end

  -- of MAIL and RCPT the argument is a path
  local function command(verb, argument)
    if verb == "BDAT" then
      body = ""
      return
    elseif verb == "(connect)" and options.away then
      return machine:reply(554, "5.0.0", "no service")
    elseif verb == "RCPT" and argument.address:find("^nobody@") then
      return machine:reply(550, "5.1.1", "no such user")
    elseif verb == "AUTH" and argument == "LOGIN" then
      self.questions = { "UGFzc3dvcmQ6" }
      return machine:ask(334, "VXNlcm5hbWU6")
    end
    if verb == "RSET" and body then
      note("dropped", escape(body))
      body = nil
    end
    machine:reply()
  end

  function handle.refused() machine:reply() end

  function handle.line()
    local question = table.remove(self.questions)
    if question then return machine:ask(334, question) end
    machine:reply(235, "2.7.0", "welcome")
  end

  function handle.broken()
    body = nil
    note("broken", machine:default())
  end

  function handle.chunk() machine:reply() end

  function handle.message(code)
    if code < 400 then note("message", escape(body or "")) end
    body = nil
    for _ = 1, options.lmtp and machine:body().recipients or 1 do
      machine:reply()
    end
  end

  function handle.body(bytes, code)
    body = (body or "") .. bytes
    if code then handle.message(code) end
  end

  function handle.tls()
    note("tls")
    over = true
  end

  function handle.closed()
    note(body and "closed in the body" or "closed")
    over = true
  end

  local function run()
    while not over do
      local event = table.pack(machine:step())
      if event[1] == "read" then return end
      assert(event[1] ~= "failed", event[3])
      if handle[event[1]] then
        handle[event[1]](table.unpack(event, 2, event.n))
      else
        command(table.unpack(event, 1, event.n))
      end
    end
  end

  function self.feed(octets)
    while octets ~= "" and not over do
      octets = octets:sub(machine:feed(octets) + 1)
      run()
    end
  end

  function self.act(text)
    local verb, rest = text:match("^(%S+)%s*(.*)$")
    if verb == "new" then
      options = config(rest)
      machine = core.server.new(core.server.config(options))
    elseif verb == "secured" then
      machine:secured()
      over = false
    else
      machine:finish()
    end
    run()
  end

  function self.output() return machine:output() end
  function self.event() return table.remove(notes, 1) end
  return self
end

describe("the server's machine", function()
  for _, path in ipairs(transcript.files("server")) do
    it("answers " .. path .. " in every chunk size", function()
      transcript.run_split(transcript.load(path), driver)
    end)
  end

  local function ready(options)
    local machine = core.server.new(core.server.config(config(options)))
    machine:step()
    machine:reply()
    machine:feed("EHLO x\r\n")
    machine:step()
    machine:reply()
    machine:output()
    return machine
  end

  it("takes octets behind STARTTLS for a protocol error", function()
    local machine = ready("tls=1")
    machine:feed("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
    local event, verb, _, code = machine:step()
    assert.same({ "refused", "STARTTLS", 554 }, { event, verb, code })
    machine:reply()
    assert.equal("closed", (machine:step()))
    assert.equal("554 5.5.1 no octets may follow STARTTLS\r\n",
      machine:output())
  end)

  it("wants an answer before it goes on", function()
    local machine = ready("")
    machine:feed("NOOP\r\n")
    assert.equal("NOOP", (machine:step()))
    local event, kind = machine:step()
    assert.same({ "failed", "protocol" }, { event, kind })
    machine:reply()
    assert.has_error(function() machine:reply() end,
      "nothing waits for an answer")
  end)

  it("takes no code that SMTP lacks", function()
    local machine = ready("")
    machine:feed("NOOP\r\n")
    machine:step()
    for _, code in ipairs { 199, 560, 0, -1, 1 << 40 } do
      assert.has_error(function() machine:reply(code, "", "x") end)
    end
    assert.has_error(function() machine:reply(250, "5.0.0", "x") end)
    assert.equal(250, machine:reply(250, "2.0.0", "x"))
  end)

  it("gives the parts of a path and its parameters", function()
    local machine = ready("")
    machine:feed('MAIL FROM:<"a \\"b"@example.org> size=010 body=7BIT '
      .. "SMTPUTF8\r\n")
    local event, path = machine:step()
    assert.same({ "MAIL", { address = '"a \\"b"@example.org',
      localpart = 'a "b', domain = "example.org",
      parameters = { SIZE = 10, BODY = "7BIT", SMTPUTF8 = true } } },
      { event, path })
    assert.equal(core.server.path, getmetatable(path))
    machine:step(nil, true)
    machine:feed("RCPT TO:<Postmaster>\r\n")
    assert.same({ "RCPT", { address = "Postmaster", localpart = "Postmaster",
      domain = "", parameters = {} } }, { machine:step() })
  end)

  it("agrees with the vectors of isemail on what fits a path", function()
    local file = io.open("../shared/corpus/vectors/isemail_even.json")
    if not file then return pending("no corpus beside the project") end
    local checked = 0
    for _, case in ipairs(json.decode(file:read "a").cases) do
      if not case.address:find("[\r\n%z]") then
        local machine = ready("")
        machine:feed("MAIL FROM:<" .. case.address .. ">\r\n")
        -- an empty path is no mailbox, but RFC 5321 4.5.5 wants it
        local want = (case.rfc5321_valid or case.address == "")
          and "MAIL" or "refused"
        assert.equal(want, (machine:step()), case.address)
        checked = checked + 1
      end
    end
    assert.is_true(checked > 60)
  end)

  it("takes a hello whatever a computer is called", function()
    local machine = ready("")
    for _, name in ipairs { "m\xc3\xbcller", "M\xfcller-PC", "WIN_1", "x",
      "[127.0.0.1]", "127.0.0.1", "[IPv6:::1]", "[::1]", "mx.example.", "-" } do
      for _, verb in ipairs { "EHLO", "HELO" } do
        machine:feed(verb .. " " .. name .. " \r\n")
        assert.same({ verb, name }, { machine:step() })
        machine:reply()
      end
    end
    for _, bad in ipairs { "", "a b", "a\tb", "a\127" } do
      machine:feed("EHLO " .. bad .. "\r\n")
      assert.equal("refused", (machine:step()))
      assert.equal(501, (machine:default()))
      machine:reply()
    end
  end)

  it("names verbs that it does not know as they were said", function()
    local machine = ready("")
    machine:feed("Xyzzy  a b\r\n")
    assert.same({ "other", "Xyzzy", "a b" }, { machine:step() })
    assert.same({ 502, "5.5.1", "command not implemented" },
      { machine:default() })
  end)

  it("has no default answer once all is freed", function()
    local machine = ready("")
    machine:feed("QUIT\r\n")
    machine:step()
    assert.same({ 221, "2.0.0", "mx.test closes the connection" },
      { machine:default() })
    machine:free()
    assert.same({ 0, "", "" }, { machine:default() })
  end)

  it("counts what it answered, for all who share the counts", function()
    local counts = core.server.counts()
    local options = config ""
    options.counts = counts
    local settings = core.server.config(options)
    for _ = 1, 2 do
      local machine = core.server.new(settings)
      machine:step()
      machine:reply()
      for _, line in ipairs { "HELO x", "MAIL FROM:<a@b.test>",
        "RCPT TO:<c@b.test>", "RCPT TO:<d@b.test>", "DATA", "x\r\n.",
        "MAIL FROM:<a@b.test>", "RCPT TO:<c@b.test>", "DATA", "y\r\n.",
        "RCPT TO:<e@b.test>" } do
        machine:feed(line .. "\r\n")
        local event, path = machine:step()
        if event == "RCPT" and path.address == "d@b.test" then
          machine:reply(550, "5.1.1", "no")
        elseif event == "body" and line:find "^y" then
          machine:reply(452, "4.3.1", "full")
        else
          machine:reply()
        end
      end
    end
    local sums = { octets = 1 }
    counts:take(sums)
    assert.same({ recipients = 4, recipients_refused = 2, messages = 2,
      messages_refused = 2, octets = 7, replies_2 = 14, replies_3 = 4,
      replies_4 = 2, replies_5 = 4 }, sums)
    counts:take(sums)
    assert.equal(7, sums.octets)
    assert.has_error(function() core.server.config { counts = 1 } end)
  end)

  it("keeps the strings of its options, whatever becomes of them", function()
    local options = { mail_parameters = "" }
    options.hostname = ("mx"):rep(50) .. ".test"
    local settings = core.server.config(options)
    options.hostname = nil
    collectgarbage()
    for i = 1, 100 do options[i] = ("no"):rep(50) .. i end
    local machine = core.server.new(settings)
    machine:step()
    machine:reply()
    assert.matches("^220 " .. ("mx"):rep(50) .. "%.test ", machine:output())
    for _, name in ipairs { "hostname", "mail_parameters",
      "rcpt_parameters" } do
      assert.has_error(function() core.server.config { [name] = 5 } end,
        ("option '%s' must be a string"):format(name))
    end
  end)

  it("is collected with its buffers in any order", function()
    for _ = 1, 100 do
      local machine = ready("")
      machine:feed("MAIL FROM:<a@b>\r\nRCPT")
      machine:step()
      machine:free()
      machine:free()
    end
    collectgarbage()
  end)
end)
