local tree = require "spec.support.tree"

describe("a message that is copied to a file", function()
  it("leaves nothing where it cannot be read, or written", function()
    local whole = require "lunapost.smtp.deliver.whole"
    local named, open, path = os.tmpname, io.open, nil
    finally(function()
      rawset(os, "tmpname", named)
      rawset(io, "open", open)
    end)
    rawset(os, "tmpname", function()
      path = named()
      return path
    end)
    assert.error_matches(function()
      whole.of(function() error "torn" end)
    end, "torn")
    assert.is_nil(tree.read(path))
    local task = coroutine.create(function() whole.of(coroutine.yield) end)
    coroutine.resume(task)
    assert.is_string(tree.read(path))
    coroutine.close(task)
    assert.is_nil(tree.read(path))
    rawset(io, "open", function()
      return setmetatable({ write = function(self) return self end,
        close = function() return nil, "no space" end },
        { __close = function() end })
    end)
    local kept, problem = whole.of(function() return nil end)
    assert.is_nil(kept)
    assert.matches("no space", tostring(problem))
    rawset(io, "open", open)
    assert.is_nil(tree.read(path))
  end)
end)
