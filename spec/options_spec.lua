local options = require "lunapost.options"
local asks = require "lunapost.smtp.asks"
local err = require "lunapost.err"
local tree = require "spec.support.tree"

describe("options", function()
  local known <const> = { host = "string", port = "integer", any = true }

  it("pass when names and types fit", function()
    local given = { host = "x", port = 25, any = {} }
    assert.equal(given, options.check("option", given, known))
  end)

  it("name the nearest key for a misspelt one", function()
    assert.has_error(function()
      options.check("option of open", { hots = "x" }, known, 0)
    end, "unknown option of open 'hots' (did you mean 'host'?)")
  end)

  it("name the few that there are where none is near", function()
    assert.has_error(function()
      options.check("option", { certificate = "x" }, known, 0)
    end, "unknown option 'certificate' (known: any, host, port)")
  end)

  it("name no key where none is near among many", function()
    local many = {}
    for i = 1, 9 do many["k" .. i] = "string" end
    assert.has_error(function()
      options.check("option", { certificate = "x" }, many, 0)
    end, "unknown option 'certificate'")
  end)

  it("know what others call it", function()
    for word, names in pairs { username = { "user", "insecure" },
      secure = { "tls", "insecure" }, port = { "listen", "cert" },
      ["max-size"] = { "limits", "maildir" }, contentType = { "type", "id" },
      users = { "check", "user" } } do
      local known_here = { [names[1]] = true, [names[2]] = true }
      assert.equal(names[1], options.nearest(word, known_here), word)
    end
  end)

  it("take half a word for another only from its first letter on", function()
    assert.equal("high", options.nearest("hihg", { high = true, low = true }))
    assert.is_nil(options.nearest("wort", { cert = true }))
  end)

  it("name the expected type", function()
    assert.has_error(function()
      options.check("option", { port = "25" }, known, 0)
    end, "option 'port' must be integer, not string")
  end)

  it("raise at the caller of a placed function", function()
    local placed = options.placed(function(given)
      return options.check("option", given, known, 0), nil, 3
    end)
    local ok, text = pcall(function() placed { port = "25" } end)
    assert.is_false(ok)
    assert.matches("^[^:]*options_spec.lua:%d+: option 'port'", text)
    assert.equal(3, select(3, placed { port = 25 }))
  end)
end)

describe("annotations", function()
  -- The fields of a class in a file.
  local function fields_of(path, class)
    local fields, inside = {}, false
    for _, line in tree.each_line(path) do
      if line:find "^%-%-%-@class " then
        inside = line:match "^%-%-%-@class ([%w_.]+)" == class
      end
      local name = inside and line:match "^%-%-%-@field ([%w_]+)"
      if name then fields[name] = true end
    end
    return fields
  end

  local function names_of(...)
    local names = {}
    for _, known in ipairs { ... } do
      for name in pairs(known) do names[name] = true end
    end
    return names
  end

  for class, where in pairs {
    open_options = { "smtp/settings.lua",
      require("lunapost.smtp.settings").known },
    server_options = { "smtp/server_options.lua",
      require("lunapost.smtp.server_options").known },
    message_options = { "mime/build/init.lua",
      require("lunapost.mime.build").options },
    send_options = { "init.lua", asks.mail, asks.rcpt,
      { message = true, transport = true } },
  } do
    it("name each option, and no other: " .. class, function()
      assert.same(names_of(table.unpack(where, 2)),
        fields_of("lua/lunapost/" .. where[1], "lunapost." .. class))
    end)
  end
end)

describe("an error", function()
  it("prints as one useful line", function()
    local e = err.new { kind = "reply", host = "mx.example.org", code = 550,
      enhanced = "5.1.1", text = "No such user",
      command = "RCPT TO:<bob@example.org>" }
    assert.equal("mx.example.org: 550 5.1.1 No such user "
      .. "(RCPT TO:<bob@example.org>)", tostring(e))
    assert.is_false(e.transient)
  end)

  it("is transient for 4yz and for a lost connection", function()
    assert.is_true(err.new { kind = "reply", code = 451, text = "" }.transient)
    assert.is_true(err.of("closed", "gone").transient)
    assert.is_false(err.of("tls", "bad certificate").transient)
  end)
end)
