-- Header fields as they are found, read through whole messages.
local mime = require "lunapost.mime"
local wild = require "spec.support.wild"

local function message(name, value)
  return mime.parse(name .. ": " .. value .. "\nX-Behind: 1\n\nbody\n")
end

describe("found in the wild,", function()
  it("dates are read", function()
    for _, row in ipairs(wild.dates) do
      local one = message("Date", row[1])
      assert.equal(row[2], one.date or false, row[1])
      assert.equal(row[2] and 0 or 1, #one.defects, row[1])
    end
  end)

  it("addresses are read", function()
    for _, row in ipairs(wild.addresses) do
      local list = {}
      for i, one in ipairs(message("To", row[1]).to) do
        list[i] = { one.name, one.address }
      end
      assert.same(row[2], list, row[1])
    end
  end)

  it("subjects are read", function()
    for _, row in ipairs(wild.words) do
      assert.equal(row[2], message("Subject", row[1]).subject, row[1])
    end
  end)

  it("types and parameters are read", function()
    for _, row in ipairs(wild.types) do
      local one = message("Content-Type", row[1])
      assert.equal(row[2], one.type, row[1])
      assert.same(row[3], one.parameters, row[1])
    end
  end)

  it("dispositions are read", function()
    for _, row in ipairs(wild.dispositions) do
      local one = message("Content-Type: application/octet-stream; "
        .. "name=ct.bin\nContent-Disposition", row[1])
      assert.equal(row[2], one.disposition or false, row[1])
      assert.equal(row[3], one.filename or false, row[1])
    end
  end)

  it("no field hides the next one, nor the body", function()
    for _, rows in pairs(wild) do
      for _, row in ipairs(rows) do
        for _, name in ipairs { "Date", "To", "Subject", "Content-Type",
          "Content-Disposition", "Message-ID", "Content-ID" } do
          local one = message(name, row[1])
          assert.equal("1", one:header "X-Behind", row[1])
          assert.equal("body\n", one.raw:sub(-5))
          assert.is_string(one:tree())
        end
      end
    end
  end)
end)
