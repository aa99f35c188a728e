--- A command that cannot read or write says so: no full disk passes for a
--- message that has been written.

local build <const> = os.getenv("LUNAPOST_BUILD") or "build"
local command <const> = build .. "/bin/lunapost"

local function run(words)
  local pipe <close> = assert(io.popen(("timeout 20 %s %s 2>&1 >/dev/full")
    :format(command, words)))
  local text = pipe:read("a")
  local _, _, code = pipe:close()
  return code, text
end

describe("a command whose output fails", function()
  local full = io.open("/dev/full", "w")
  if full then full:close() end
  local test = full and it or pending
  local path

  before_each(function()
    path = os.tmpname()
    local file <close> = assert(io.open(path, "wb"))
    file:write("From: a@example.org\r\nSubject: s\r\n\r\n",
      ("a line of text\r\n"):rep(20000))
  end)

  after_each(function() os.remove(path) end)

  for _, words in ipairs { "show", "show --json", "show --svg", "check",
    "show --defects", "cat", "cat --raw" } do
    test("exits with 74 and tells why: " .. words, function()
      local code, text = run(words .. " " .. path)
      assert.equal("lunapost: cannot write: No space left on device\n", text)
      assert.equal(74, code)
    end)
  end

  for _, words in ipairs { "--help", "show --help",
    "build --from a@example.org --to b@example.org --text hi" } do
    test("exits with 74 and tells why: " .. words, function()
      local code, text = run(words)
      assert.equal("lunapost: cannot write: No space left on device\n", text)
      assert.equal(74, code)
    end)
  end
end)

describe("a command whose standard input cannot be read", function()
  local tests <const> = {
    { "show -", 1, "lunapost: " }, { "cat -", 1, "lunapost: cat: " },
    { "join -", 1, "lunapost: join: " }, { "check -", 66, "lunapost: check: " },
  }

  for _, case in ipairs(tests) do
    it("tells why, without a traceback: " .. case[1], function()
      local pipe <close> = assert(io.popen(("timeout 20 %s %s 2>&1 </")
        :format(command, case[1])))
      assert.equal(case[3] .. "standard input: Is a directory\n",
        pipe:read("a"))
      local _, _, code = pipe:close()
      assert.equal(case[2], code)
    end)
  end
end)
