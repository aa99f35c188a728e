-- The rock: its lists equal the tree, and a user gets all of it.
local tree = require "spec.support.tree"

local path <const> = "rockspec/lunapost-scm-1.rockspec"

local function rockspec()
  local env = {}
  assert(loadfile(path, "t", env))()
  return env
end

-- Every Lua file but the command itself, which is a script.
local function lua_files()
  local modules = {}
  for _, file in ipairs(tree.files("lua", "lua")) do
    if file ~= "lua/lunapost/cli/lunapost.lua" then
      modules[tree.module(file)] = file
    end
  end
  return modules
end

describe("the rockspec", function()
  it("lists every C file", function()
    local core = rockspec().build.modules["lunapost.core"]
    assert.same(tree.files("csrc", "c"), core.sources)
  end)

  it("lists every Lua module", function()
    local modules = rockspec().build.modules
    modules["lunapost.core"] = nil
    assert.same(lua_files(), modules)
  end)

  it("names each once", function()
    local seen = {}
    for name in tree.read(path):gmatch '%["(lunapost[%w_.]*)"%] = "' do
      assert.is_nil(seen[name], name)
      seen[name] = true
    end
    assert.is_true(seen["lunapost.smtp.places"])
  end)

  it("installs the command", function()
    local command = rockspec().build.install.bin.lunapost
    assert.equal("lua/lunapost/cli/lunapost.lua", command)
    assert.is_string(tree.read(command))
  end)
end)

describe("the installed rock", function()
  local root <const> = "build/rock"
  local environment

  -- A rock is built in a copy, since LuaRocks leaves objects in the tree.
  -- The flags make it quick; what is tested is what is installed.
  local function install()
    local copy = ([[rm -rf %s && mkdir -p %s/source &&
      cp -r csrc lua rockspec examples README.md LICENSE %s/source 2>&1]])
      :format(root, root, root)
    local make = ([[cd %s/source && luarocks --lua-version=5.4 --tree ../tree \
      make --deps-mode=none CFLAGS='-O0 -fPIC' 2>&1]]):format(root)
    for _, command in ipairs { copy, make } do
      local output, ok = tree.lines(command)
      assert(ok, table.concat(output, "\n"))
    end
    return table.concat(tree.lines(
      "luarocks --lua-version=5.4 --tree " .. root .. "/tree path"), "\n")
  end

  -- Runs where nothing of the tree is in reach but the rock.
  local function run(command)
    local output, ok = tree.lines("unset LUA_PATH LUA_CPATH\n" .. environment
      .. "\ncd /tmp && { " .. command .. "; } 2>&1")
    return table.concat(output, "\n"), ok
  end

  setup(function()
    local there = os.execute "command -v luarocks >/dev/null"
    assert(there or not os.getenv "CI", "luarocks is missing")
    if there and tree.build == "build" then environment = install() end
  end)

  -- True, or marks the test as pending: the word why it is not run.
  local function installed()
    if not environment then pending "no luarocks, or not the plain build" end
    return environment
  end

  it("has every module", function()
    if not installed() then return end
    local absent = {}
    for module in pairs(lua_files()) do
      local output, ok = run(("lua5.4 -e 'require \"%s\"'"):format(module))
      -- A loop's adapter needs the loop.
      if not ok and not (module:find "%.loops%."
        and output:find("module '[^']*' not found")
        and not output:find "module 'lunapost") then
        absent[#absent + 1] = module .. ": " .. output
      end
    end
    assert.same({}, absent)
  end)

  it("runs the command", function()
    if not installed() then return end
    local output, ok = run "lunapost --help"
    assert(ok, output)
    assert.matches("usage: lunapost VERB", output, 1, true)
    for _, verb in ipairs { "send", "serve", "show", "encode", "decode" } do
      assert.matches("\n +" .. verb .. " ", output)
    end
  end)

  it("encodes by the command", function()
    if not installed() then return end
    local output, ok = run "printf 'lunapost' | lunapost encode base64"
    assert(ok, output)
    assert.equal("bHVuYXBvc3Q=", (output:gsub("%s+$", "")))
  end)

  it("holds the examples", function()
    if not installed() then return end
    for _, example in ipairs(tree.files("examples", "lua")) do
      local copies = tree.files(root .. "/tree", "lua")
      local found = false
      for _, file in ipairs(copies) do
        found = found or file:sub(-#example) == example
      end
      assert(found, example)
    end
  end)
end)

describe("make install", function()
  it("needs no LuaRocks", function()
    if tree.build ~= "build" then return pending "not the plain build" end
    local prefix = tree.lines "pwd"[1] .. "/build/prefix"
    local output, ok = tree.lines("rm -rf " .. prefix
      .. " && ${MAKE:-make} -s install PREFIX=" .. prefix .. " 2>&1")
    assert(ok, table.concat(output, "\n"))
    output, ok = tree.lines("cd / && unset LUA_PATH LUA_CPATH && "
      .. "printf hello | " .. prefix
      .. "/bin/lunapost encode base64 --columns 0 2>&1")
    assert(ok, table.concat(output, "\n"))
    assert.equal("aGVsbG8=", output[1])
    output, ok = tree.lines("${MAKE:-make} -s uninstall PREFIX=" .. prefix
      .. " 2>&1; find " .. prefix .. " ! -type d")
    assert(ok)
    assert.same({}, output)
  end)
end)

describe("make help", function()
  it("tells each target that is meant for people", function()
    local told = table.concat(tree.lines "${MAKE:-make} -s help", "\n")
    local makefile = tree.read "Makefile":gsub("\\\n%s*", "")
    local phony = makefile:match "%.PHONY: (all [^\n]+)"
    local itself <const> = { all = true, help = true }
    for target in phony:gmatch "%S+" do
      assert(itself[target] or told:find("%f[%w]" .. target .. "%f[^%w]"),
        target)
    end
  end)
end)
