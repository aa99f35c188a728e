local json = require "lunapost.json"

describe("json", function()
  it("writes scalars", function()
    assert.equal("null", json.encode(nil))
    assert.equal("null", json.encode(json.null))
    assert.equal("true", json.encode(true))
    assert.equal("-12", json.encode(-12))
    assert.equal("0.5", json.encode(0.5))
    assert.equal("null", json.encode(0 / 0))
    assert.equal('"a\\"b\\\\c\\n\\u0001\\u007f/"',
      json.encode('a"b\\c\n\1\127/'))
  end)

  it("writes lists, and an empty one when told that it is one", function()
    assert.equal('[1,"a",[],{}]',
      json.encode { 1, "a", json.list {}, {} })
    assert.equal("[null,1]", json.encode { json.null, 1 })
  end)

  it("writes keys in a fixed order", function()
    assert.equal('{"a":1,"b":2,"c":{"x":[1]}}',
      json.encode { c = { x = { 1 } }, b = 2, a = 1 })
    assert.equal('{"z":1,"a":null}',
      json.encode(json.ordered { { "z", 1 }, { "a" } }))
  end)

  it("writes only UTF-8", function()
    assert.equal('"gr\u{fc}n"', json.encode("gr\u{fc}n"))
    assert.equal('"\u{FFFD}a\u{FFFD}("', json.encode("\xfca\xc3("))
    assert.equal('"\u{FFFD}\u{FFFD}\u{FFFD}"', json.encode("\xed\xa0\x80"))
  end)

  it("raises for what JSON lacks, and for a table within itself", function()
    assert.has_error(function() json.encode(print) end,
      "json: cannot write a function")
    local loop = {}
    loop.loop = loop
    assert.has_error(function() json.encode(loop) end,
      "json: nested too deep")
  end)
end)
