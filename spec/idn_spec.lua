local built = require "spec.support.built"
local core = require "lunapost.core"
local idn = require "lunapost.mime.idn"
local mime = require "lunapost.mime"
local post = require "lunapost"
local testing = require "lunapost.testing"

local there <const> = idn.load() ~= nil

-- What needs the library is pending without it.
local function with_library(text, run)
  if there then return it(text, run) end
  pending(text .. " (no libidn2)")
end

describe("a domain with an empty label", function()
  with_library("is none", function()
    for _, bad in ipairs { "\u{fc}..x", ".\u{fc}", "x..\u{fc}" } do
      local made, problem = idn.ascii(bad)
      assert.is_nil(made)
      assert.equal("syntax", problem.kind)
    end
    assert.equal("xn--tda.", idn.ascii "\u{fc}.")
  end)
end)

describe("a domain that is not ASCII", function()
  local cases <const> = {
    { "b\u{FC}cher.example", "xn--bcher-kva.example" },
    { "B\u{DC}CHER.Example", "xn--bcher-kva.example" },
    { "bu\u{308}cher.example", "xn--bcher-kva.example" },
    { "\u{4F8B}\u{3048}.jp", "xn--r8jz45g.jp" },
    { "fa\u{DF}.de", "xn--fa-hia.de" },
    { "example.org", "example.org" },
  }
  for _, case in ipairs(cases) do
    with_library(case[1] .. " is " .. case[2], function()
      assert.equal(case[2], idn.ascii(case[1]))
    end)
  end

  with_library("may be none", function()
    for _, domain in ipairs { "\u{FC}\u{2028}.de", ("\u{FC}"):rep(70),
      ("\u{FC}abcdefghij."):rep(30), "\xff.de" } do
      local made, problem = idn.ascii(domain)
      assert.is_nil(made)
      assert.equal("syntax", problem.kind)
      assert.matches("is no domain: ", problem.text, 1, true)
    end
  end)

  it("is an error where the library is absent", function()
    local found, problem = idn.load { "libnone.so.0", "libm.so.6" }
    assert.is_nil(found)
    assert.equal("file", problem.kind)
    assert.matches("needs the library libidn2", problem.text, 1, true)
  end)

  with_library("is asked of a library that is open", function()
    local library = assert(core.idn.open "libidn2.so.0")
    getmetatable(library).__close(library)
    assert.has_error(function() library:ascii "x" end)
    assert.has_error(function() assert(idn.load()):ascii "a\0b" end)
  end)
end)

describe("a message for a server without SMTPUTF8", function()
  local function letter(more)
    local given = { from = "Ana <ana@b\u{FC}cher.example>",
      to = "Team: b@\u{4F8B}\u{3048}.jp, c@x.org;", cc = "d@x.org",
      subject = "Gr\u{FC}\u{DF}e", text = "t\n" }
    for name, value in pairs(more or {}) do given[name] = value end
    return built.build(given)
  end

  with_library("has its domains in ASCII", function()
    local message = letter()
    assert.is_true(message.utf8)
    local same = assert(message:ascii())
    assert.is_nil(same.utf8)
    local octets = same:render()
    assert.is_nil(octets:find "[\128-\255]")
    assert.equal("Ana <ana@xn--bcher-kva.example>",
      built.header(octets, "From"))
    assert.equal("Team: b@xn--r8jz45g.jp, c@x.org;",
      built.header(octets, "To"))
    assert.equal(built.header(message:render(), "Message-ID"),
      built.header(octets, "Message-ID"))
    assert.matches("@xn%-%-bcher%-kva.example>$",
      built.header(octets, "Message-ID"))
    assert.equal(#octets, same:size())
    assert.matches("ana@b\u{FC}cher.example", message:render(), 1, true)
  end)

  with_library("has those of messages that it carries in ASCII", function()
    local outer = built.build { attach = { letter() } }
    assert.equal("message/global", outer.parts[1].type)
    local same = mime.parse(assert(outer:ascii()):render())
    assert.is_nil(same:render():find "[\128-\255]")
    assert.equal("message/rfc822", same.parts[1].type)
    assert.equal("ana@xn--bcher-kva.example",
      same.parts[1].parts[1].from[1].address)
  end)

  it("cannot be where a name before the @ or an id is not ASCII", function()
    for _, more in ipairs { { cc = "\u{FC}@x.org" },
      { from = "a@x", to = "b@x", message_id = "\u{FC}@x" } } do
      local same, problem = letter(more):ascii()
      assert.is_nil(same)
      assert.equal("syntax", problem.kind)
      assert.matches("SMTPUTF8", problem.text)
    end
  end)

  with_library("is sent so", function()
    testing.run({}, function(server)
      for _, ehlo in ipairs { true, false } do
        local result = assert(post.send { server = server.url, ehlo = ehlo,
          from = "ana@b\u{FC}cher.example", to = "c@b\u{FC}cher.example",
          text = "t" })
        assert.same({ "c@b\u{FC}cher.example" }, result.accepted)
      end
      assert.equal("ana@b\u{FC}cher.example", server.envelopes[1].from)
      assert.equal("ana@b\u{FC}cher.example",
        server.messages[1].from[1].address)
      assert.equal("ana@xn--bcher-kva.example", server.envelopes[2].from)
      assert.same({ "c@xn--bcher-kva.example" }, server.envelopes[2].to)
      assert.equal("ana@xn--bcher-kva.example",
        server.messages[2].from[1].address)
    end)
  end)

  it("is refused where it cannot be", function()
    testing.run({}, function(server)
      local result, problem = post.send { server = server.url, ehlo = false,
        from = "a@x.org", to = "\u{FC}@x.org", text = "t" }
      assert.is_nil(result)
      assert.equal("syntax", problem.kind)
      assert.matches("SMTPUTF8", problem.text)
    end)
  end)
end)
