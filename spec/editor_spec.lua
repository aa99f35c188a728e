-- The line that `lunapost talk` edits, key by key.
local complete = require "lunapost.cli.talk.complete"
local editors = require "lunapost.cli.editor"

-- What became of some keys, fed in pieces of a size: the line with "|" for
-- the cursor, and the events.
local function typed(keys, size, fields)
  fields = fields or {}
  fields.prompt = fields.prompt or "> "
  local editor = editors.new(fields)
  local events = {}
  for at = 1, #keys, size or #keys do
    local octets = keys:sub(at, at + (size or #keys) - 1)
    repeat
      local event, line = editor:feed(octets)
      octets = ""
      if event then events[#events + 1] = line or event end
    until not event
  end
  return editor.before .. "|" .. editor.behind, events, editor
end

describe("a line that is edited", function()
  local cases <const> = {
    ["text goes in at the cursor"] = { "abc\27[D\27[DX", "aX|bc" },
    ["characters are more than octets"] = { "gr\u{fc}\u{df}\27[D\127\u{20ac}",
      "gr\u{20ac}|\u{df}" },
    ["home and end"] = { "abc\1x\5y\27[Hz\27[F!", "zxabcy!|" },
    ["delete takes what is behind"] = { "abc\1\27[3~\4", "|c" },
    ["words go back and forth"] = { "ab cd\27b\27bx\27f\27[1;5Dy",
      "y|xab cd" },
    ["words and ends are killed"] = { "ab cd\23x\1yz\2\11", "y|" },
    ["all before the cursor is killed"] = { "abc\2\21", "|c" },
    ["unknown keys and controls do nothing"] = { "a\27[99~\27x\27[200~\0b",
      "ab|" },
    ["nothing happens beyond the ends"] = { "\27[D\127\27[Ca\27[C\27[3~",
      "a|" },
  }
  for name, case in pairs(cases) do
    it(name .. ", however the keys come", function()
      for size = 1, #case[1] do
        local line = typed(case[1], size)
        assert.equal(case[2], line, "in pieces of " .. size)
      end
    end)
  end

  it("ends with Enter; several may come at once", function()
    local line, events = typed("one\rtwo\nthr")
    assert.equal("thr|", line)
    assert.same({ "one", "two" }, events)
  end)

  it("knows the lines before it", function()
    local history = {}
    local line = typed("one\rtwo\rtwo\rnew\27[A\27[A", 1,
      { history = history })
    assert.equal("one|", line)
    assert.same({ "one", "two" }, history)
    assert.equal("new|", (typed("new\16\16\16\14\14\14", 2,
      { history = history })))
    assert.equal("secret|", (typed("secret\27[A", 1, { history = history,
      hidden = true })))
    typed("secret\r", 1, { history = history, hidden = true })
    assert.same({ "one", "two" }, history)
  end)

  it("is dropped by ^C, and left by it when it is empty, or by ^D", function()
    assert.same({ "dropped", "leave" }, select(2, typed("x\3\3")))
    assert.same({ "leave" }, select(2, typed("\4")))
    assert.same({ "clear" }, select(2, typed("\f")))
  end)

  it("is drawn within the terminal, with the cursor in place", function()
    local _, _, editor = typed("abc\27[D")
    assert.equal("\r> abc\27[K\r\27[4C", editor:draw(80))
    assert.equal("\r> abc\27[K", editor:finished("abc"))
    _, _, editor = typed(("x"):rep(100) .. "END")
    assert.matches("^\r> x+END\27%[K\r\27%[19C$", editor:draw(20))
    _, _, editor = typed(("y"):rep(100) .. "\1")
    assert.matches("^\r> y+\27%[K\r\27%[2C$", editor:draw(20))
    _, _, editor = typed("secret", 1, { hidden = true, prompt = "password> " })
    assert.equal("\rpassword> \27[K", editor:draw(80))
    assert.is_nil(editor:finished("secret"):find("secret"))
  end)
end)

describe("Tab", function()
  local offers <const> = { SIZE = { "1000" }, DSN = {}, SMTPUTF8 = {},
    AUTH = { "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1" }, XADR = {} }

  local function at(before, extensions)
    return (complete.at(before, extensions or offers))
  end

  it("knows verbs, and those that the server offers", function()
    assert.same({ "EHLO " }, at "eh")
    assert.same({ "RCPT TO:<", "RSET" }, at "R")
    assert.same({ "MAIL FROM:<" }, at "mail")
    assert.same({ "MAIL FROM:<" }, at "MAIL FR")
    assert.same({ "XADR " }, at "X")
    assert.same({}, at "Q!")
    assert.same({ "AUTH ", "BDAT ", "DATA", "EHLO ", "EXPN ", "HELO ", "HELP",
      "LHLO ", "MAIL FROM:<", "NOOP", "QUIT", "RCPT TO:<", "RSET", "STARTTLS",
      "VRFY " }, at("", {}))
    assert.same({ "EHLO ", "ETRN ", "EXPN " }, at("E", { ETRN = {} }))
  end)

  it("knows mechanisms and parameters that the server offers", function()
    assert.same({ "SCRAM-SHA-1", "SCRAM-SHA-256" }, at "AUTH s")
    assert.same({ "RET=FULL", "RET=HDRS" }, at "MAIL FROM:<a@b.c> RET")
    assert.same({ "SIZE=", "SMTPUTF8" }, at "MAIL FROM:<a@b.c> ENVID=1 S")
    assert.same({ "NOTIFY=", "ORCPT=rfc822;" }, at "rcpt TO:<a@b.c> ")
    assert.same({}, at("MAIL FROM:<a@b.c> S", {}))
  end)

  it("knows the commands of talk", function()
    assert.same({ "/save ", "/svg " }, at "/s")
    assert.same({ "/help" }, at "/h")
  end)

  it("completes as far as it is plain, and tells the choices", function()
    local fields = { complete = function(before)
      return complete.at(before, offers)
    end }
    assert.equal("EHLO |", (typed("eh\t", 1, fields)))
    local line, events = typed("RC\t\27[D\5a@b.c> n\t", 1, fields)
    assert.equal("RCPT TO:<a@b.c> NOTIFY=|", line)
    assert.same({}, events)
    local editor
    line, events, editor = typed("AUTH sc\t\t", 1, fields)
    assert.equal("AUTH SCRAM-SHA-|", line)
    assert.same({ "choices" }, events)
    assert.same({ "SCRAM-SHA-1", "SCRAM-SHA-256" }, editor.choices)
    assert.same({ "bell" }, select(2, typed("??\t", 1, fields)))
    line, events = typed("x\t", 1)
    assert.equal("x\t|", line)
    assert.same({}, events)
  end)
end)
