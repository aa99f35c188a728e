--- Refusals by name, and what a refusal is about.
local server_of = require "lunapost.smtp.server"
local smtp = require "lunapost.smtp"

describe("codes by name", function()
  it("fit: the class of each is that of its enhanced code", function()
    local n, seen = 0, {}
    for name, one in pairs(smtp.codes) do
      n = n + 1
      assert.matches("^[45]%.[0-7]%.%d%d?$", one.enhanced, name)
      assert.equal(one.code // 100, tonumber(one.enhanced:sub(1, 1)), name)
      assert.matches("^%l+[%l%d_]*$", name)
      assert.is_nil(seen[one.text], name)
      seen[one.text] = true
      assert.equal(("%d %s %s"):format(one.code, one.enhanced, one.text),
        tostring(one))
    end
    assert.is_true(n > 50)
  end)

  it("are what handlers return and raise", function()
    local on = {}
    function on.mail() return smtp.codes.greylisted end
    function on.vrfy() return smtp.codes.bad_mailbox "who is that?" end
    function on.expn() smtp.reject(smtp.codes.no_expansion) end
    function on.noop() smtp.reject(smtp.codes.busy "later") end
    local text = tostring(server_of.new { hostname = "mx.test", on = on }
      :script { "EHLO me", "MAIL FROM:<a@b>", "VRFY ana", "EXPN all", "NOOP" })
    for _, line in ipairs { "450 4.7.1 not yet; try again later",
      "550 5.1.1 who is that?", "550 5.7.2 the list is not yours to expand",
      "451 4.3.2 later" } do
      assert.matches("\nS: " .. line .. "\n", text, 1, true)
    end
    assert.equal("no such mailbox", smtp.codes.bad_mailbox.text)
  end)

  it("that are none raise, with the nearest", function()
    local ok, problem = pcall(function() return smtp.codes.bad_mailbx end)
    assert.is_false(ok)
    assert.matches("codes_spec.lua:%d+: unknown code 'bad_mailbx' %(did you "
      .. "mean 'bad_mailbox'%?%)", problem)
  end)
end)

describe("the cause of a refusal", function()
  local cases <const> = {
    { { code = 550, enhanced = "5.1.1" }, "address", false },
    { { code = 452, enhanced = "4.2.2" }, "mailbox", true },
    { { code = 552, enhanced = "5.3.4" }, "system", false },
    { { code = 451, enhanced = "4.4.1" }, "route", true },
    { { code = 503, enhanced = "5.5.1" }, "protocol", false },
    { { code = 554, enhanced = "5.6.1" }, "content", false },
    { { code = 450, enhanced = "4.7.1" }, "policy", true },
    { { code = 550, enhanced = "5.7.26" }, "policy", false },
    -- what does not say it, or says what does not fit
    { { code = 550, enhanced = "5.0.0" }, "mailbox", false },
    { { code = 550, enhanced = "2.1.0" }, "mailbox", false },
    { { code = 550 }, "mailbox", false },
    { { code = 550, command = "RCPT TO:<a@b>" }, "mailbox", false },
    { { code = 550, command = "MAIL FROM:<a@b>" }, "policy", false },
    { { code = 450, command = "the message" }, "policy", true },
    { { code = 552, command = "the message" }, "content", false },
    { { code = 554, command = "the greeting" }, "policy", false },
    { { code = 421 }, "system", true },
    { { code = 500 }, "protocol", false },
    { { code = 556 }, "address", false },
    { { code = 599 }, "policy", false },
    { { kind = "dns", transient = true }, "route", true },
    { { kind = "dns" }, "route", false },
    { { kind = "tls" }, "policy", false },
    { { kind = "limit" }, "content", false },
    { { kind = "limit", transient = true }, "system", true },
    { { kind = "process" }, "system", false },
  }
  for i, case in ipairs(cases) do
    it("is told by code and command: " .. i, function()
      assert.same({ case[2], case[3] }, { smtp.cause(case[1]) })
    end)
  end
end)
