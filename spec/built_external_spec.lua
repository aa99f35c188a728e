local built = require "spec.support.built"
local mime = require "lunapost.mime"

-- The part as a reader gets it, and the header that is its body.
local function read(given)
  local part = mime.parse(assert(mime.external(given)):render())
  return part, (mime.parse(part:body()))
end

describe("a body that is elsewhere", function()
  local cases <const> = {
    { access = "anon-ftp", name = "a.ps", site = "x.org", directory = "pub",
      mode = "image" },
    { access = "ftp", name = "a.ps", site = "x.org" },
    { access = "tftp", name = "a.ps", site = "x.org", mode = "octet" },
    { access = "local-file", name = "/u/a b.ps", site = "*.x.org" },
    { access = "mail-server", server = "s@x.org", subject = "get it" },
    { access = "x-own", parameters = { ["x-a"] = "1" } },
  }
  for _, given in ipairs(cases) do
    it("is said by " .. given.access, function()
      local expected = { ["access-type"] = given.access }
      for name, value in pairs(given) do
        if name ~= "access" then expected[name] = value end
      end
      if given.parameters then
        expected.parameters, expected["x-a"] = nil, "1"
      end
      local part = read(given)
      assert.equal("message/external-body", part.type)
      assert.same(expected, part.parameters)
      assert.equal("7bit", part.encoding)
      assert.same({}, part.defects)
    end)
  end

  it("is said by an URL of any length", function()
    local url = "https://example.org/" .. ("path/"):rep(60)
    local part = read { access = "URL", url = url }
    assert.same({ ["access-type"] = "URL", url = url }, part.parameters)
  end)

  it("has the header of what is fetched", function()
    local part, inner = read { access = "url", url = "https://x.org/",
      type = "image/gif; x=y", id = "<a@b>", encoding = "base64",
      description = "Gr\u{FC}\u{DF}e", expiration = 0, size = 42,
      permission = "read", headers = { ["Content-Language"] = "en" } }
    assert.equal("image/gif", inner.type)
    assert.equal("y", inner.parameters.x)
    assert.equal("a@b", inner.id)
    assert.equal("base64", inner.encoding)
    assert.equal("en", inner:header "Content-Language")
    assert.equal("Gr\u{FC}\u{DF}e", part.description)
    assert.equal("Thu, 1 Jan 1970 00:00:00 +0000", part.parameters.expiration)
    assert.equal("42", part.parameters.size)
    assert.equal("read", part.parameters.permission)
  end)

  it("always has an id (RFC 2046 5.2.3)", function()
    local _, inner = read { access = "url", url = "https://x.org/" }
    assert.matches("^[%w_-]+@localhost$", inner.id)
    local _, again = read { access = "url", url = "https://x.org/" }
    assert.equal(inner.id, again.id)
    _, again = read { access = "url", url = "https://y.org/" }
    assert.not_equal(inner.id, again.id)
  end)

  it("has the command of a mail server", function()
    local part = read { access = "mail-server", server = "s@x.org",
      command = "get a\nget b\n" }
    assert.matches("\r\n\r\nget a\r\nget b\r\n$", part:body())
  end)

  it("is an alternative among others", function()
    local message = built.build { body = assert(mime.multipart("alternative", {
      assert(mime.part { type = "text/plain", data = "t" }),
      assert(mime.external { access = "url", url = "https://x.org/" }) })) }
    assert.equal("multipart/alternative text/plain message/external-body",
      built.types_of(message))
  end)

  local misuse <const> = {
    { {}, "external: 'access' is missing" },
    { { access = "ftp", name = "x" }, "external: ftp needs 'site'" },
    { { access = "url" }, "external: url needs 'url'" },
    { { access = "url", url = "x:y", site = "x" },
      "external: url takes no 'site'" },
    { { access = "url", url = "x:y", command = "x" },
      "external: url takes no 'command'" },
    { { access = "url", url = "x:y", permission = "write" },
      "unknown permission 'write' (did you mean 'read-write'?)" },
    { { access = "url", url = "x:y", sise = 1 },
      "unknown option of mime.external 'sise' (did you mean 'site'?)" },
    { { access = "url", url = "x:y", expiration = 1 << 60 },
      "external: expiration 1152921504606846976 is outside the years 0 to "
      .. "9999" },
  }
  for _, case in ipairs(misuse) do
    it("raises: " .. case[2], function()
      assert.has_error(function() mime.external(case[1]) end, case[2])
    end)
  end
end)
