-- What must not be seen: passwords in transcripts and errors; and addresses
-- that would leave half an envelope behind.
local scripted = require "spec.support.scripted"
local smtp = require "lunapost.smtp"

describe("an answer to a challenge of AUTH", function()
  it("by a plain command is masked, as by auth", function()
    local transcript = smtp.transcript.new {}
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer "250 x"
      peer:answer "334 VXNlcm5hbWU6"
      peer:answer "334 UGFzc3dvcmQ6"
      peer:answer "235 ok"
      peer:answer "334 what is the magic word?"
      peer:answer "250 ok"
      peer:answer "221 bye"
    end, function(options)
      options.transcript = transcript
      local client <close> = assert(smtp.open(options))
      assert.equal(334, client:command("AUTH LOGIN").code)
      assert.equal(334, client:command("YW5h").code)
      assert.equal(235, client:command("czNjcmV0").code)
      assert.equal(334, client:command("XADR", "bob").code)
      assert.equal(250, client:command("please").code)
      client:quit()
    end)
    local text = transcript:text()
    assert.is_nil(text:find("YW5h", 1, true))
    assert.is_nil(text:find("czNjcmV0", 1, true))
    assert.truthy(text:find("please", 1, true)) -- of no AUTH
  end)
end)

describe("a password that the peer says", function()
  it("is in no error, wherever its words are cut", function()
    local password <const> = "s3cret-of-ana"
    for before = 40, 60, 5 do
      scripted.run(function(peer)
        peer:say "220 x"
        peer:answer("250-x\r\n250 AUTH PLAIN", "235 ok")
        peer:hear()
        peer:say(("x"):rep(before) .. password)
      end, function(options)
        options.tls = "none"
        options.user, options.password = "ana", password
        options.auth = { cleartext = true }
        local client <close> = assert(smtp.open(options))
        local reply, problem = client:noop()
        assert.is_nil(reply)
        local text = tostring(problem) .. client.transcript:text()
        assert.truthy(text:find(("x"):rep(before), 1, true))
        assert.is_nil(text:find("s3c", 1, true), text)
      end)
    end
  end)
end)

describe("a password in a server's URL", function()
  it("that is malformed is in no error", function()
    for _, url in ipairs { "ana:s3cret@host:25x", "ana:s3cret@:25",
      "smtp:/ana:s3cret@host:x", "smtp://ana:s3cret@host:x",
      "smtp://ana:s3@cret@:1" } do
      local ok, text = pcall(smtp.open, { server = url })
      assert.is_false(ok, url)
      assert.is_nil(tostring(text):find("cret", 1, true), text)
    end
  end)
end)

describe("an address with a line end within quotes", function()
  it("is refused before anything of its envelope is said", function()
    local heard = scripted.run(function(peer)
      peer:say "220 x"
      peer:answer "250-x\r\n250 PIPELINING"
      for _ = 1, 2 do peer:answer "250 ok" end
      peer:answer "354 go"
      peer:body()
      peer:say "250 kept"
      peer:answer "221 bye"
    end, function(options)
      local client <close> = assert(smtp.open(options))
      for _, address in ipairs { '"a\nb"@x', '"a\r\nQUIT\r\n"@x', '"a\0"@x' } do
        local result, problem = client:send({ from = "a@x",
          to = { "ok@y", address } }, "Subject: x\r\n\r\n")
        assert.is_nil(result)
        assert.truthy(tostring(problem):find("no address", 1, true))
        assert.equal(0, client:unanswered())
      end
      local result = assert(client:send({ from = "a@x", to = { "b@y" } },
        "Subject: x\r\n\r\n"))
      assert.same({ "b@y" }, result.accepted)
      client:quit()
    end)
    local said = table.concat(heard[1], "\n")
    assert.is_nil(said:find("ok@y", 1, true), said)
  end)
end)
