--- What workers count together: numbers in shared memory, rates over them.
local rates = require "lunapost.smtp.rates"
local tally_of = require "lunapost.smtp.tally"

-- The workers' views of one tally.
local function views(workers, sets)
  local tally, list = tally_of.new(workers, sets), {}
  for slot = 1, workers do
    list[slot] = setmetatable({ slot = slot }, { __index = tally })
  end
  return list
end

describe("a tally", function()
  it("tells each worker the others' numbers", function()
    local all = views(3)
    assert.same({ 0, 0 }, all[1]:others "a")
    assert.is_true(all[1]:put("a", 5, 1))
    assert.is_true(all[2]:put("a", 7, 1))
    assert.is_true(all[2]:put("b", 9, 1))
    assert.same({ 7, 0 }, all[1]:others "a")
    assert.same({ 5, 0 }, all[2]:others "a")
    assert.same({ 5, 7 }, all[3]:others "a")
    assert.same({ 0, 9 }, all[3]:others "b")
    assert.equal(7, all[2]:own "a")
    assert.equal(0, all[3]:own "a")
    assert.is_true(all[2]:put("a", 0, 1))
    assert.same({ 0, 0 }, all[1]:others "a")
  end)

  it("forgets the dead", function()
    local all = views(2)
    for i = 1, 100 do all[1]:put("key " .. i, i, 1) end
    all[2]:put("key 1", 1, 1)
    all[2]:clear(1)
    for i = 1, 100 do assert.same({ 0 }, all[2]:others("key " .. i)) end
    assert.equal(1, all[2]:own "key 1")
  end)

  it("is bounded: it takes what it has room for, and what is over makes room",
    function()
    local all = views(2, 16)
    local taken = {}
    for i = 1, 1000 do
      if all[1]:put("key " .. i, i, 1) then taken[#taken + 1] = i end
    end
    assert.is_true(#taken <= 64)
    assert.is_true(#taken > 32)
    for _, i in ipairs(taken) do
      assert.same({ i }, all[2]:others("key " .. i))
    end
    for i = 2001, 3000 do all[1]:put("key " .. i, i, 2000) end
    local left = 0
    for _, i in ipairs(taken) do left = left + all[2]:others("key " .. i)[1] end
    assert.equal(0, left)
  end)

  it("is of a size for many workers, too", function()
    local all = views(256)
    assert.is_true(all[256]:put("x", 1, 1))
    assert.equal(1, all[1]:others("x")[255])
  end)
end)

describe("a rate that workers share", function()
  it("counts what all of them count", function()
    local all, own = views(2), {}
    for i = 1, 2 do own[i] = rates.new(6, "rate ") end
    local passed = 0
    for i = 1, 20 do
      if own[i % 2 + 1]:take("a", all[i % 2 + 1]) then passed = passed + 1 end
    end
    -- one more where a minute begins meanwhile
    assert.is_true(passed == 6 or passed == 7, passed)
    assert.is_true(own[1]:take("b", all[1]))
    local other = rates.new(6, "another ")
    assert.is_true(other:take("a", all[1]))
  end)

  it("goes on where a worker is started anew", function()
    local all, passed = views(2), 0
    for _ = 1, 3 do
      local own = rates.new(6, "rate ")
      for _ = 1, 20 do
        if own:take("a", all[1]) then passed = passed + 1 end
      end
    end
    -- one more where a minute begins meanwhile
    assert.is_true(passed == 6 or passed == 7, passed)
  end)
end)
