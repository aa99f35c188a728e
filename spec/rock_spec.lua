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

  it("installs the command", function()
    local command = rockspec().build.install.bin.lunapost
    assert.equal("lua/lunapost/cli/lunapost.lua", command)
    assert.is_string(tree.read(command))
  end)
end)
