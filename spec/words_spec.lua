local words = require "lunapost.smtp.words"

describe("the words of a command line", function()
  it("are what a shell makes of quotes and backslashes", function()
    for text, expected in pairs {
      [""] = {}, [" \t\n"] = {}, ["a"] = { "a" },
      ["  sendmail  -bs "] = { "sendmail", "-bs" },
      ["'a b' \"c d\""] = { "a b", "c d" },
      ["'' \"\" x''"] = { "", "", "x" },
      ["a'b c'd\"e f\"g"] = { "ab cde fg" },
      ["'a\\b\"c$'"] = { 'a\\b"c$' },
      [ [["a\"b\\c\$d\`e\f'"]] ] = { [[a"b\c$d`e\f']] },
      [ [[a\ b \'c \"d \\e \f]] ] = { "a b", "'c", '"d', "\\e", "f" },
      ["$HOME * `x` | y; z #"] = { "$HOME", "*", "`x`", "|", "y;", "z", "#" },
    } do
      assert.same(expected, words.split(text), text)
    end
  end)

  it("agree with the shell's", function()
    for _, text in ipairs { [[a'b'"c"\d]], [["x\y" '' "\\" a\\]],
      [['a"b' "c'd" \'\"]] } do
      local p <close> = io.popen("printf '<%s>' " .. text)
      assert.equal(p:read "a", "<" .. table.concat(words.split(text), "><")
        .. ">")
    end
  end)

  it("are none where a quote is not closed", function()
    for text, why in pairs { ["a 'b"] = "a single quote is not closed",
      ['a "b'] = "a double quote is not closed",
      ['"\\'] = "a double quote is not closed",
      ['"a\\"'] = "a double quote is not closed",
      ["a\\"] = "nothing follows the backslash at the end" } do
      assert.same({ nil, why }, { words.split(text) })
    end
  end)
end)
