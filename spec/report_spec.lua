local mime = require "lunapost.mime"

local function lines(...)
  return table.concat({ ... }, "\r\n")
end

local function report_of(kind, status, third)
  return lines(
    "Content-Type: multipart/report; report-type=" .. kind .. "; boundary=b",
    "", "--b", "", "It could not be delivered.", "--b",
    "Content-Type: message/" .. kind, "", status, "--b",
    third or "Content-Type: message/rfc822\r\n\r\nSubject: first\r\n\r\nx",
    "--b--", "")
end

-- RFC 3464, appendix E, with a second recipient.
local bounce <const> = report_of("delivery-status", lines(
  "Reporting-MTA: dns; cs.utk.edu",
  "X-Queue: 1",
  "Arrival-Date: Tue, 15 Nov 1994 10:12:31 +0200",
  "",
  "Original-Recipient: rfc822;louisl@larry.slip.umd.edu",
  "Final-Recipient: RFC822; louisl@larry.slip.umd.edu",
  "Action: Failed (for good)",
  "Status: 4.0.0",
  "Diagnostic-Code: smtp; 426 connection",
  "  timed out",
  "Last-Attempt-Date: Thu, 7 Jul 1994 17:15:49 -0400",
  "", "",
  "Final-Recipient: bob@example.org",
  "Action: delayed",
  "Status: 4.4.1"))

describe("a delivery status notification", function()
  it("is data", function()
    local report = mime.parse(bounce).report
    assert.equal("delivery-status", report.kind)
    assert.equal("It could not be delivered.", report.text)
    assert.equal("cs.utk.edu", report.message.reporting_mta)
    assert.equal("dns", report.message.reporting_mta_type)
    assert.equal("1", report.message.x_queue)
    assert.equal(784887151, report.message.arrival_date)
    assert.equal(2, #report.recipients)
    local first = report.recipients[1]
    assert.equal("louisl@larry.slip.umd.edu", first.final_recipient)
    assert.equal("rfc822", first.final_recipient_type)
    assert.equal("failed", first.action)
    assert.equal("4.0.0", first.status)
    assert.equal("426 connection  timed out", first.diagnostic_code)
    assert.equal("smtp", first.diagnostic_code_type)
    assert.equal(773615749, first.last_attempt_date)
    assert.same({ "Action", "Failed (for good)" }, first.fields[3])
    assert.equal("bob@example.org", report.recipients[2].final_recipient)
    assert.is_nil(report.recipients[2].final_recipient_type)
    assert.equal("first", report.original.subject)
    assert.same({}, mime.parse(bounce).defects)
  end)

  it("is read of its status part, too, and when that is encoded", function()
    local message = mime.parse("Content-Type: message/delivery-status\n"
      .. "Content-Transfer-Encoding: base64\n\n"
      .. "UmVwb3J0aW5nLU1UQTogZG5zOyB4CgpBY3Rpb246IGZhaWxlZAo=\n")
    assert.equal("x", message.report.message.reporting_mta)
    assert.equal("failed", message.report.recipients[1].action)
    assert.equal(208, message.defects[1].number)
  end)

  it("may bring the header of the original only", function()
    local message = mime.parse(report_of("delivery-status", "Action: x",
      "Content-Type: text/rfc822-headers\r\n\r\nSubject: =?utf-8?q?=C3=BC?="))
    assert.equal("\u{fc}", message.report.original.subject)
    assert.equal("It could not be delivered.", message.report.text)
  end)

  it("with nothing in it is a defect", function()
    for _, status in ipairs { "", "\r\n\r\n", ": x\r\n\r\n: y", "\0" } do
      local message = mime.parse(report_of("delivery-status", status))
      assert.same({}, message.report.recipients)
      assert.equal(208, message.defects[#message.defects].number)
    end
  end)

  it("is nil in other messages", function()
    assert.is_nil(mime.parse("Subject: x\n\ny").report)
    assert.is_nil(mime.parse("Content-Type: multipart/report; boundary=b\n\n"
      .. "--b\n\nx\n--b--\n").report)
  end)
end)

describe("a disposition notification", function()
  it("is data", function()
    -- RFC 8098, section 10
    local report = mime.parse(report_of("disposition-notification", lines(
      "Reporting-UA: joes-pc.cs.example.com; Foomail 97.1",
      "Original-Recipient: rfc822;Joe_Recipient@example.com",
      "Final-Recipient: rfc822;Joe_Recipient@example.com",
      "Original-Message-ID: <199509192301.23456@example.org>",
      "Disposition: manual-action/MDN-sent-manually; displayed/error, x",
      "Error: one", "Error: two"))).report
    local told = report.message
    assert.equal("disposition-notification", report.kind)
    assert.equal("joes-pc.cs.example.com; Foomail 97.1", told.reporting_ua)
    assert.equal("199509192301.23456@example.org", told.original_message_id)
    assert.same({ action = "manual-action", sending = "mdn-sent-manually",
      type = "displayed", modifiers = { "error", "x" } }, told.disposition)
    assert.same({ "one", "two" }, told.error)
  end)
end)

describe("a feedback report", function()
  it("is data", function()
    -- RFC 5965, appendix B.2
    local report = mime.parse(report_of("feedback-report", lines(
      "Feedback-Type: abuse", "User-Agent: SomeGenerator/1.0", "Version: 1",
      "Original-Mail-From: <somespammer@example.net>",
      "Original-Rcpt-To: <user@example.com>",
      "Arrival-Date: Thu, 8 Mar 2005 14:00:00 EDT",
      "Source-IP: 192.0.2.2", "Incidents: 3",
      "Reported-Domain: example.net", "Reported-Uri: http://example.net/x",
      "Reported-Uri: mailto:user@example.com"))).report
    local told = report.message
    assert.equal("abuse", told.feedback_type)
    assert.equal("SomeGenerator/1.0", told.user_agent)
    assert.equal("192.0.2.2", told.source_ip)
    assert.equal(3, told.incidents)
    assert.same({ "http://example.net/x", "mailto:user@example.com" },
      told.reported_uri)
    assert.equal("first", report.original.subject)
  end)
end)
