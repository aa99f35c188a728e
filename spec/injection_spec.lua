local mime = require "lunapost.mime.build"


-- Each entry of a user's string into a message, tried with each hole: what is
-- made must not hold it. With an empty hole each must work.
describe("no CR, LF or NUL gets out", function()
  local holes <const> = { "\r", "\n", "\0", "\r\n", "\r\nBcc: e@x", "\n\n" }
  local entries <const> = {
    from = function(s) return { from = "a" .. s .. "@x.org" } end,
    ["from's domain"] = function(s) return { from = "a@x" .. s .. ".y" } end,
    ["from's name"] = function(s) return { from = "A" .. s .. " <a@x>" } end,
    ["the table form's name"] = function(s)
      return { to = { name = "A" .. s, address = "a@x.org" } }
    end,
    ["the table form's address"] = function(s)
      return { to = { address = '"a' .. s .. '"@x.org' } }
    end,
    ["a group's name"] = function(s)
      return { to = { group = "A" .. s, members = {} } }
    end,
    bcc = function(s) return { bcc = "a@x.org" .. s } end,
    ["bcc's name"] = function(s)
      return { bcc = { name = "A" .. s, address = "a@x.org" } }
    end,
    ["bcc's group"] = function(s)
      return { bcc = { group = s .. "x", members = {} } }
    end,
    ["the envelope's from"] = function(s)
      return { envelope = { from = "a@x.org" .. s } }
    end,
    ["the envelope's to"] = function(s)
      return { envelope = { to = { "a" .. s .. "@x.org" } } }
    end,
    subject = function(s) return { subject = "a" .. s .. "b" } end,
    ["a subject in words"] = function(s) return { subject = "é" .. s } end,
    date = function(s) return { date = "1 Jan 2020 10:00:00 +0000" .. s } end,
    message_id = function(s) return { message_id = "a" .. s .. "@b" } end,
    references = function(s) return { references = { "<a@b>", "<c" .. s } } end,
    in_reply_to = function(s) return { in_reply_to = s .. "<a@b>" } end,
    ["a header's name"] = function(s)
      return { headers = { ["X" .. s] = "" } }
    end,
    ["a header's value"] = function(s)
      return { headers = { X = "a" .. s } }
    end,
    ["a listed header"] = function(s) return { headers = { { "X", s } } } end,
    ["an address header"] = function(s)
      return { headers = { ["Resent-To"] = "a@b" .. s } }
    end,
    ["attach's path"] = function(s) return { attach = "/dev/null" .. s } end,
    ["attach's name"] = function(s)
      return { attach = { data = "", name = "a" .. s .. ".txt" } }
    end,
    ["a name in another script"] = function(s)
      return { attach = { data = "", name = "é" .. s } }
    end,
    ["attach's type"] = function(s)
      return { attach = { data = "", type = "a/b" .. s } }
    end,
    ["attach's type's parameter"] = function(s)
      return { attach = { data = "", type = "a/b; c=d" .. s } }
    end,
    ["a parameter's name"] = function(s)
      return { attach = { data = "", parameters = { ["a" .. s] = "b" } } }
    end,
    ["a parameter's value"] = function(s)
      return { attach = { data = "", parameters = { a = "b" .. s } } }
    end,
    charset = function(s)
      return { attach = { data = "", charset = "utf-8" .. s } }
    end,
    disposition = function(s)
      return { attach = { data = "", disposition = "inline" .. s } }
    end,
    description = function(s)
      return { attach = { data = "", description = "a" .. s .. "b" } }
    end,
    encoding = function(s)
      return { attach = { data = "", encoding = "base64" .. s } }
    end,
    ["attach's id"] = function(s)
      return { attach = { data = "", id = "a" .. s } }
    end,
    ["attach's header"] = function(s)
      return { attach = { data = "", headers = { X = "a" .. s } } }
    end,
    ["inline's id"] = function(s)
      return { html = "", inline = { ["a" .. s] = { data = "" } } }
    end,
    priority = function(s) return { priority = "high" .. s } end,
    ["an URI to unsubscribe"] = function(s)
      return { list_unsubscribe = "https://x.org/" .. s }
    end,
    ["an address to unsubscribe"] = function(s)
      return { list_unsubscribe = { "a@x.org" .. s } }
    end,
    ["the calendar's method"] = function(s)
      return { calendar = { data = "BEGIN:VCALENDAR\nMETHOD:REQUEST\n",
        method = "REQUEST" .. s } }
    end,
    ["the calendar's name"] = function(s)
      return { calendar = { data = "BEGIN:VCALENDAR\nMETHOD:REQUEST\n",
        name = "a.ics" .. s } }
    end,
  }
  for what, entry in pairs(entries) do
    it("through " .. what, function()
      assert(mime.message(entry(""))):render()
      for _, hole in ipairs(holes) do
        local ok, made = pcall(mime.message, entry(hole))
        assert.is_false(ok and made ~= nil, ("%q"):format(hole))
        if not ok then assert.is_string(made) end
      end
    end)
  end

  it("through what a multipart is given", function()
    local part = assert(mime.part { type = "text/plain", data = "x" })
    for _, hole in ipairs(holes) do
      for _, options in ipairs {
        { boundary = "a" .. hole .. "b" }, { id = "a" .. hole },
        { description = "a" .. hole }, { disposition = "inline" .. hole },
        { parameters = { a = hole } }, { headers = { ["X" .. hole] = "" } },
      } do
        options[1] = part
        assert.is_false(pcall(mime.multipart, "mixed", options))
      end
      assert.is_false(pcall(mime.multipart, "mixed" .. hole, { part }))
    end
  end)

  -- What stands in one field: each entry is tried with each hole.
  local function refuses(make, given)
    assert(make(given))
    for key, value in pairs(given) do
      if type(value) == "string" then
        for _, hole in ipairs(holes) do
          local bad = {}
          for name, one in pairs(given) do bad[name] = one end
          bad[key] = value .. hole .. "x"
          local ok = pcall(make, bad)
          assert.is_false(ok, ("%s with %q"):format(key, hole))
        end
      end
    end
  end

  it("through an external body", function()
    refuses(mime.external, { access = "ftp", name = "n", site = "s",
      directory = "d", mode = "image", expiration = "e", type = "image/gif",
      encoding = "base64", id = "i@x", description = "d",
      permission = "read", disposition = "inline" })
    refuses(mime.external, { access = "mail-server", server = "s@x",
      subject = "s" })
    refuses(mime.external, { access = "url", url = "https://x.org/" })
    for _, hole in ipairs(holes) do
      assert.is_false(pcall(mime.external, { access = "x-own",
        parameters = { ["a" .. hole] = "b" } }))
      assert.is_false(pcall(mime.external, { access = "x-own",
        parameters = { a = "b" .. hole } }))
      assert.is_false(pcall(mime.external, { access = "x-own",
        headers = { X = "b" .. hole } }))
    end
  end)

  it("through a report", function()
    local function report(one)
      return mime.report { kind = "delivery-status",
        fields = { ["Reporting-MTA"] = one.mta, ["X-A"] = one.own },
        recipients = { { ["Final-Recipient"] = one.address, Action = "failed",
          Status = "5.1.1", ["Diagnostic-Code"] = one.code } } }
    end
    refuses(report, { mta = "x.org", own = "a", address = "b@x", code = "550" })
    for _, hole in ipairs(holes) do
      assert.is_false(pcall(mime.report, { kind = "feedback-report",
        fields = { ["Feedback-Type"] = "abuse", ["User-Agent"] = "x",
          Version = 1, ["X" .. hole .. "Y"] = "z" } }))
    end
  end)
end)
