local built = require "spec.support.built"
local mime = require "lunapost.mime"

local object <const> = "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\n"
  .. "BEGIN:VEVENT\nUID:1\nSUMMARY:Gr\u{FC}\u{DF}e\nEND:VEVENT\n"
  .. "END:VCALENDAR\n"

describe("an invitation", function()
  it("is an alternative that says its method", function()
    local message = built.build { text = "t", html = "h", calendar = object }
    assert.equal("multipart/alternative text/plain text/html text/calendar",
      built.types_of(message))
    local part = mime.parse(message:render()).parts[3]
    assert.same({ charset = "utf-8", method = "REQUEST" }, part.parameters)
    assert.equal(object:gsub("\n", "\r\n"), part:body())
    assert.is_nil(part.disposition)
  end)

  it("stands alone where there is no text", function()
    assert.equal("text/calendar",
      built.types_of(built.build { calendar = object }))
  end)

  it("is attached once more where it has a name", function()
    local message = built.build { text = "t", attach = { { data = "x",
      name = "x.bin" } }, calendar = { data = object, name = "invite.ics",
      method = "request" } }
    assert.equal("multipart/mixed multipart/alternative text/plain "
      .. "text/calendar application/octet-stream application/ics",
      built.types_of(message))
    local file = mime.parse(message:render()).parts[3]
    assert.equal("invite.ics", file.filename)
    assert.equal(object, file:body())
  end)

  it("comes from a file, too", function()
    local path = built.temporary(object)
    finally(function() os.remove(path) end)
    assert.equal("REQUEST", built.build { calendar = { path = path } }
      .parameters.method)
    local message, err = mime.message { calendar = { path = "/nonexistent" } }
    assert.is_nil(message)
    assert.equal("file", err.kind)
  end)

  local cases <const> = {
    { "x", "calendar holds no BEGIN:VCALENDAR (a file: { path = ... })" },
    { "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
      "calendar has no METHOD: an invitation has METHOD:REQUEST" },
    { { data = object, method = "CANCEL" },
      'calendar: method "CANCEL", but the object says METHOD:REQUEST' },
    { {}, "calendar needs one of data, path" },
    { { data = object, path = "x" }, "calendar needs one of data, path" },
    { { data = object, mehtod = "x" },
      "unknown option of calendar 'mehtod' (did you mean 'method'?)" },
    { object .. "\xff", "calendar is not UTF-8 (octet 104)" },
  }
  for _, case in ipairs(cases) do
    it("raises: " .. case[2], function()
      assert.has_error(function() mime.message { calendar = case[1] } end,
        case[2])
    end)
  end
end)

describe("what unsubscribes from a list", function()
  local function fields(given)
    local octets = built.build { list_unsubscribe = given }:render()
    return built.header(octets, "List-Unsubscribe"),
      built.header(octets, "List-Unsubscribe-Post")
  end

  it("is a list of URIs in angles", function()
    assert.equal("<https://x.org/u?a=1,2>", (fields "https://x.org/u?a=1,2"))
    local uris, post = fields { "u@x.org", "<https://x.org/u>" }
    assert.equal("<mailto:u@x.org>, <https://x.org/u>", uris)
    assert.is_nil(post)
  end)

  it("is one click where that is promised", function()
    assert.same({ "<https://x.org/u>", "List-Unsubscribe=One-Click" },
      { fields { "https://x.org/u", one_click = true } })
  end)

  local cases <const> = {
    { { "u@x.org", one_click = true },
      "list_unsubscribe: one_click needs an https URI (RFC 8058 3.1)" },
    { {}, "list_unsubscribe: no URI is given" },
    { { "x", 1 }, 'list_unsubscribe: "x" is no URI in ASCII' },
    { "https://x.org/\u{FC}",
      'list_unsubscribe: "https://x.org/\u{FC}" is no URI in ASCII' },
    { { "https://x.org/a b" },
      'list_unsubscribe: "https://x.org/a b" is no URI in ASCII' },
    { { "https://x.org/", oneclick = true }, "unknown option of "
      .. "list_unsubscribe 'oneclick' (did you mean 'one_click'?)" },
  }
  for _, case in ipairs(cases) do
    it("raises: " .. case[2], function()
      assert.has_error(function()
        mime.message { list_unsubscribe = case[1] }
      end, case[2])
    end)
  end

  it("is given once", function()
    assert.has_error(function()
      mime.message { list_unsubscribe = "https://x.org/",
        headers = { ["List-Unsubscribe"] = "<https://y.org/>" } }
    end, "headers: List-Unsubscribe is given twice")
  end)
end)
