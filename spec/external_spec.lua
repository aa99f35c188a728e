local mime = require "lunapost.mime"

local function external(parameters, phantom)
  return mime.parse("Content-Type: message/external-body;\r\n " .. parameters
    .. "\r\n\r\n" .. (phantom
    or "Content-type: application/postscript\r\nContent-ID: <1@x>\r\n\r\n"))
end

describe("a message/external-body", function()
  it("tells of a file to be had by ftp", function()
    local part = external('name="BodyFormats.ps"; site="thumper.bellcore.com";'
      .. ' mode="IMAGE"; access-type=ANON-FTP; directory="pub"; size=12;'
      .. ' permission=Read; expiration="Fri, 14 Jun 1991 19:13:14 -0400"')
    local data = part:external()
    assert.equal("anon-ftp", data.access)
    assert.equal("BodyFormats.ps", data.name)
    assert.equal("thumper.bellcore.com", data.site)
    assert.equal("pub", data.directory)
    assert.equal("image", data.mode)
    assert.equal(12, data.size)
    assert.equal("read", data.permission)
    assert.equal(676941194, data.expiration)
    assert.equal("application/postscript", data.part.type)
    assert.equal("1@x", data.part.id)
    assert.is_nil(data.parameters["access-type"])
    assert.equal("IMAGE", data.parameters.mode)
    assert.is_nil(part.parts)
    assert.same({}, part.defects)
  end)

  it("knows each access-type, and what it lacks", function()
    for access, parameters in pairs {
      ftp = "site=h; name=n", tftp = "site=h; name=n", ["anon-ftp"] =
        "site=h; name=n", ["local-file"] = "name=/u/n.au; site=*.x",
      ["mail-server"] = "server=listserv@x", url = "url=\"ftp://x/\"",
      ["x-own"] = "key=1",
    } do
      local part = external("access-type=" .. access .. "; " .. parameters)
      assert.equal(access, part:external().access)
      assert.same({}, part.defects, access)
    end
    for _, parameters in ipairs { "site=h", "access-type=ftp; site=h",
      "access-type=url", "access-type=mail-server" } do
      local part = external(parameters)
      part:external()
      assert.equal(209, part.defects[1].number, parameters)
    end
  end)

  it("keeps the phantom body: what to write to a mail server", function()
    local data = external('access-type=mail-server; server="a@b";'
      .. ' subject="get it"',
      "Content-Type: text/html\r\n\r\nget rfc-822\r\n"):external()
    assert.equal("a@b", data.server)
    assert.equal("get it", data.subject)
    assert.equal("get rfc-822\r\n", data.body)
  end)

  it("joins a URL that was folded", function()
    local data = external('access-type=URL;\r\n URL="ftp://host/very/\r\n'
      .. ' long/name"'):external()
    assert.equal("ftp://host/very/long/name", data.url)
  end)

  it("hands itself to a function that fetches", function()
    local part = external("access-type=local-file; name=/x",
      "Content-Type: text/plain; charset=iso-8859-1\r\nContent-ID: <2@x>\r\n"
      .. "Content-Transfer-Encoding: base64\r\n\r\nphantom")
    local seen
    local fetched = part:external(function(data)
      seen = data.name
      return "/A=="
    end)
    assert.equal("/x", seen)
    assert.equal("\u{fc}", fetched:body("utf-8"))
    assert.equal("2@x", fetched.id)
    local none, err = part:external(function() return nil, "not there" end)
    assert.is_nil(none)
    assert.equal("not there", err)
    assert.has_error(function() part:external(function() return 1 end) end)
  end)

  it("fills a header that nothing ends", function()
    for _, phantom in ipairs { "Content-Type: text/html",
      "Content-Type: text/html\r\n", "Content-Type: text/html\n\n" } do
      local part = external("access-type=url; url=\"a:\"", phantom)
      local fetched = part:external(function() return "<p>" end)
      assert.equal("text/html", fetched.type)
      assert.equal("<p>", fetched:body())
    end
    local fetched = external("access-type=url; url=\"a:\"", "")
      :external(function() return "x" end)
    assert.equal("text/plain", fetched.type)
  end)

  it("is shown with where its body is", function()
    local tree = external("access-type=ftp; site=h; directory=d; name=n")
      :tree()
    assert.matches("ftp h/d/n", tree, 1, true)
    assert.matches("url http://x/",
      external('access-type=url; url="http://x/"'):tree(), 1, true)
  end)

  it("is nil for all others", function()
    assert.is_nil(mime.parse("\n"):external())
  end)
end)
