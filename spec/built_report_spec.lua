local built = require "spec.support.built"
local mime = require "lunapost.mime"

local function delivery(more)
  local given = { kind = "delivery-status", text = "Not delivered.\n",
    fields = { ["reporting-mta"] = "mx.example.org",
      ["Arrival-Date"] = "Mon, 5 Jan 2026 10:00:00 +0000", ["X-A"] = "b" },
    recipients = {
      { Status = "5.1.1", Action = "failed",
        ["Final-Recipient"] = "bob@example.org",
        ["Diagnostic-Code"] = "550 5.1.1 who?" },
      { Status = "4.4.1", Action = "delayed",
        ["Final-Recipient"] = "x400; /C=de" } } }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

local function read(given)
  return mime.parse(built.build { body = assert(mime.report(given)) }:render())
end

describe("a report of delivery", function()
  it("has a text for people and fields for programs", function()
    local message = read(delivery())
    assert.equal("multipart/report", message.type)
    assert.equal("delivery-status", message.parameters["report-type"])
    assert.equal("Not delivered.\r\n", message.text)
    assert.equal("message/delivery-status", message.parts[2].type)
    assert.equal(table.concat({
      "Reporting-MTA: dns; mx.example.org",
      "Arrival-Date: Mon, 5 Jan 2026 10:00:00 +0000", "X-A: b", "",
      "Final-Recipient: rfc822; bob@example.org", "Action: failed",
      "Status: 5.1.1", "Diagnostic-Code: smtp; 550 5.1.1 who?", "",
      "Final-Recipient: x400; /C=de", "Action: delayed", "Status: 4.4.1", "",
    }, "\r\n"), message.parts[2]:body())
    assert.same({}, message.defects)
  end)

  it("returns the message, or its header", function()
    local inner = built.build { subject = "Gr\u{FC}\u{DF}e", text = "t" }
    local message = read(delivery { original = inner })
    assert.equal("message/rfc822", message.parts[3].type)
    assert.equal("Gr\u{FC}\u{DF}e", message.parts[3].parts[1].subject)
    for _, original in ipairs { inner, inner:render(),
      mime.parse(inner:render()), (inner:render():gsub("\r\n", "\n")) } do
      message = read(delivery { original = original, headers_only = true })
      assert.equal("text/rfc822-headers", message.parts[3].type)
      local head = mime.parse(message.parts[3]:body())
      assert.equal("Gr\u{FC}\u{DF}e", head.subject)
      assert.equal("", head:body())
    end
  end)

  local misuse <const> = {
    { delivery { kind = "delivery" },
      "unknown kind of report 'delivery' (did you mean 'delivery-status'?)" },
    { delivery { recipients = {} }, "report: recipients are missing" },
    { delivery { fields = {} }, "report: fields: Reporting-MTA is missing" },
    { delivery { recipients = { { Action = "failed", Status = "5.0.0" } } },
      "report: recipients[1]: Final-Recipient is missing" },
    { delivery { recipients = { { Action = "fialed" } } },
      "unknown report: recipients[1]: Action 'fialed' "
      .. "(did you mean 'failed'?)" },
    { delivery { recipients = { { Status = "550" } } },
      'report: recipients[1]: Status "550" is not like "5.1.1"' },
    { { kind = "feedback-report", recipients = {}, fields = {
      ["Feedback-Type"] = "abuse", ["User-Agent"] = "x", Version = "1" } },
      "report: feedback-report has no recipients" },
    { delivery { original = 1, headers_only = true },
      "report: original must be a message or its octets" },
  }
  for _, case in ipairs(misuse) do
    it("raises: " .. case[2], function()
      assert.has_error(function() mime.report(case[1]) end, case[2])
    end)
  end
end)

describe("a report of disposition", function()
  it("says what became of a message (RFC 8098)", function()
    local message = read { kind = "disposition-notification", text = "Read.",
      fields = { ["Final-Recipient"] = "bob@example.org",
        ["Original-Message-ID"] = "<a@b>", ["Reporting-UA"] = "x.org; ours",
        Disposition = "manual-action/MDN-sent-manually; displayed" } }
    assert.equal("disposition-notification",
      message.parameters["report-type"])
    assert.equal("message/disposition-notification", message.parts[2].type)
    assert.equal("Reporting-UA: x.org; ours\r\n"
      .. "Final-Recipient: rfc822; bob@example.org\r\n"
      .. "Original-Message-ID: <a@b>\r\n"
      .. "Disposition: manual-action/MDN-sent-manually; displayed\r\n",
      message.parts[2]:body())
  end)
end)

describe("a value of a report", function()
  it("has its type, whatever semicolons are in it", function()
    local message = read { kind = "delivery-status",
      fields = { ["Reporting-MTA"] = "x-local; here" },
      recipients = { { ["Final-Recipient"] = '"a;b"@x.org', Action = "failed",
        Status = "5.1.1", ["Diagnostic-Code"] = "550 unknown; try another" } } }
    local one = message.report.recipients[1]
    assert.equal("x-local", message.report.message.reporting_mta_type)
    assert.same({ '"a;b"@x.org', "rfc822" },
      { one.final_recipient, one.final_recipient_type })
    assert.same({ "550 unknown; try another", "smtp" },
      { one.diagnostic_code, one.diagnostic_code_type })
  end)
end)

describe("a report of abuse", function()
  it("has its message behind it (RFC 5965)", function()
    local message = read { kind = "feedback-report", text = "Abuse.",
      fields = { ["Feedback-Type"] = "abuse", Version = 1,
        ["User-Agent"] = "ours/1", ["Source-IP"] = "192.0.2.1",
        ["Original-Rcpt-To"] = { "<a@x.org>", "<b@x.org>" } },
      original = "Subject: spam\n\nbuy\n" }
    assert.equal("message/feedback-report", message.parts[2].type)
    assert.equal("Feedback-Type: abuse\r\nUser-Agent: ours/1\r\nVersion: 1\r\n"
      .. "Original-Rcpt-To: <a@x.org>\r\nOriginal-Rcpt-To: <b@x.org>\r\n"
      .. "Source-IP: 192.0.2.1\r\n", message.parts[2]:body())
    assert.equal("spam", message.parts[3].parts[1].subject)
  end)
end)
