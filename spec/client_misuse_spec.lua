local err = require "lunapost.err"
local json = require "lunapost.json"
local mime = require "lunapost.mime"
local options_of = require "lunapost.options"
local post = require "lunapost"
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

local HERE <const> = "^spec/client_misuse_spec%.lua:%d+: "

-- Raises here, with one position and these words.
local function misused(run, words)
  local ok, text = pcall(run)
  assert.is_false(ok, words)
  assert.matches(HERE, text)
  local rest = text:gsub(HERE, "")
  assert.is_nil(rest:find("%.lua:%d"), text)
  assert.matches(words, rest)
end

-- A session whose peer must hear no more than EHLO.
local function session(run)
  local heard = scripted.run(function(peer)
    peer:say("220 x")
    peer:answer("250-x\r\n250 SMTPUTF8")
    while peer:hear() do end
  end, function(options)
    local client <close> = assert(smtp.open(options))
    run(client)
  end)
  for _, line in ipairs(heard[1]) do
    assert.is_truthy(line:find("^EHLO") or line == "QUIT", line)
  end
end

describe("misuse of a session", function()
  it("raises where the method was called, before anything is said", function()
    session(function(client)
      misused(function() client:mail() end, "sender must be an address")
      misused(function() client:mail({}) end, "sender must be an address")
      misused(function() client:mail("a@x", 5) end, "parameters")
      misused(function() client:rcpt() end, "recipient must be an address")
      misused(function() client:command() end, "verb")
      misused(function() client:command("NOOP", {}) end, "argument")
      misused(function() client:command("NOOP", nil, 1) end, "argument")
      misused(function() client:write(5) end, "octets must be string")
      misused(function() client:expect("250") end, "a code .* not string")
      misused(function() client:expect { 250, "x" } end, "a code")
      misused(function() client:vrfy() end, "argument")
      misused(function() client:noop(5) end, "argument")
      misused(function() client:ehlo(5) end, "name")
      misused(function() client:data(42) end, "a message is a string")
      misused(function() client:auth { usr = "x" } end,
        "unknown option of auth 'usr' %(did you mean 'user'%?%)")
    end)
  end)

  it("raises for an envelope that is none", function()
    session(function(client)
      local function send(envelope, message)
        return function() client:send(envelope, message or "x\n") end
      end
      misused(send { form = "a@x", to = { "b@y" } },
        "unknown key of the envelope 'form' %(did you mean 'from'%?%)")
      misused(send { to = { "b@y" } }, "a sender is missing")
      misused(send { from = "a@x" }, "no recipient")
      misused(send { from = {}, to = "b@y" }, "from must be an address")
      misused(send { from = "a@x", to = { 5 } }, "to%[1%] must be an address")
      misused(send({ from = "a@x", to = "b@y" }, 42), "a message is a string")
      misused(send(nil, "x"), "an envelope")
      misused(send("a@x", "x"), "the envelope is { from =, to = }, or nil for "
        .. "what the message says, not string")
      misused(send(mime.parse "A: b\n\n", "x"), "the envelope comes first")
      misused(send(mime.message { text = "x" }, "x"),
        "the envelope comes first")
    end)
  end)
end)

describe("misuse of post.send", function()
  local function send(more)
    return function()
      local given = { server = "smtp://127.0.0.1:1", from = "a@x.org",
        to = "b@y.org", text = "x" }
      for name, value in pairs(more) do given[name] = value or nil end
      post.send(given)
    end
  end

  it("has one position, that of the script", function()
    misused(send { to = "zz" }, 'to: "zz" is no address')
    misused(send { attach = { 5 } }, "attach")
    misused(send { headers = { ["X A"] = "b" } }, "X A")
    misused(send { from = false }, "a sender is missing: from")
    misused(send { from = false, text = false, message = "x" },
      "a sender is missing: from")
    misused(function() mime.message { from = "a@x.org", to = "zz" } end, "zz")
    assert.is_nil(select(2, pcall(send { from = "" }))) -- nobody listens there
  end)

  it("takes no name that would not stay one word on one line", function()
    for _, bad in ipairs { "", "a b", "a\r\nRSET", "a\0", "\27[2J" } do
      misused(send { helo = bad }, "option 'helo' must not")
      misused(function()
        smtp.open { host = "a" .. bad .. " b", port = 1 }
      end, "option 'host' must not hold blanks")
    end
    misused(function() smtp.open { host = "x", timeout = 0 / 0 } end,
      "'timeout' must be more than 0")
  end)

  it("says what a word is short for", function()
    misused(send { auth = { clear = true } }, "did you mean 'cleartext'%?")
    misused(send { password = "x" },
      "'password' without 'user', whose password it is")
    local names <const> = { cleartext = 1, mechanism = 1, user = 1 }
    assert.equal("cleartext", options_of.nearest("clear", names))
    assert.equal("cleartext", options_of.nearest("text", names))
    assert.equal("user", options_of.nearest("username", names))
    assert.equal("user", options_of.nearest("usr", names))
    assert.is_nil(options_of.nearest("port", names))
  end)
end)

describe("what a terminal is shown", function()
  it("holds no control character, C1 included", function()
    assert.equal("a?b?c?d?e", err.printable("a\27b\127c\194\155d\155e"))
    assert.equal("gr\u{fc}\u{df}e \u{11b}", err.printable(
      "gr\u{fc}\u{df}e \u{11b}"))
    assert.equal("\xe9 ? \u{11b}?", err.printable("\xe9 \x9b \u{11b}\0"))
    assert.equal("a?b?c?d?e", err.printable(
      "a\u{2028}b\u{202e}c\u{2066}d\u{2069}e"))
    assert.equal("\u{2013}\u{2027}\u{2030}\u{206a}", err.printable(
      "\u{2013}\u{2027}\u{2030}\u{206a}"))
    local e = err.new { kind = "reply", code = 550, text = "\27]0;x\7\194\155",
      host = "a\nb", command = "X\27" }
    assert.equal("a?b: 550 ?]0;x?? (X?)", tostring(e))
  end)

  it("is escaped in JSON", function()
    assert.equal('"\\u001b\\u009b\\u007f\\u0080\u{a0}"',
      json.encode("\27\194\155\127\194\128\u{a0}"))
  end)
end)

describe("lunapost send that is misused", function()
  it("says so on one line, and as JSON where that is wanted", function()
    local base <const> = "--json --server smtp://127.0.0.1:1 --from a@x.org "
    for words, text in pairs {
      ["--to zz"] = "zz", ["--to b@y.org --helo ''"] = "helo",
      ["--to b@y.org --helo 'a b'"] = "helo", ["--tu x"] = "unknown option",
      ["--to b@y.org --timeout x"] = "timeout", [""] = "to is missing",
    } do
      local out = tree.lines(("%s send %s%s 2>/dev/null; echo $?"):format(
        tree.command, base, words))
      assert.equal("64", out[2], words)
      assert.matches('^{"ok":false,"accepted":%[%],"rejected":%[%],', out[1])
      assert.matches('"kind":"usage"', out[1])
      local said = tree.lines(("%s send %s%s 2>&1 >/dev/null"):format(
        tree.command, base, words))
      assert.equal(1, #said)
      assert.matches("^lunapost: send: ", said[1])
      assert.matches(text, said[1])
      assert.is_nil(said[1]:find("%.lua"))
    end
  end)
end)
