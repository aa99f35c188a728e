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

  it("identifiers are read", function()
    for _, row in ipairs(wild.ids) do
      assert.equal(row[2], message("Message-ID", row[1]).message_id, row[1])
      assert.equal(row[2], message("Content-ID", row[1]).id, row[1])
    end
  end)

  it("boundaries are met", function()
    for _, row in ipairs(wild.boundaries) do
      local first = row[3] == 1 and "--b" or row[2]
      local one = mime.parse(("Content-Type: multipart/mixed; boundary=%s\n\n"
        .. "%s\n\none\n%s\n\ntwo\n"):format(row[1], first, row[2]))
      assert.equal(row[3], #one.parts, row[1] .. row[2])
    end
  end)

  it("a CR too many in each line is none of the header", function()
    local text = "A: 1\nContent-Type: multipart/mixed; boundary=b\n\n"
      .. "--b\nContent-Type: text/html; charset=utf-8\n\none\n--b\n\ntwo\n"
      .. "--b--\n"
    for _, line_end in ipairs { "\n", "\r\n", "\r\r\n" } do
      local one = mime.parse((text:gsub("\n", line_end)))
      assert.equal("1", one:header "A")
      assert.equal(2, #one.parts)
      assert.same({ charset = "utf-8" }, one.parts[1].parameters)
      assert.matches("^one\r?$", one.parts[1]:body())
      assert.matches("^two\r?$", one.parts[2]:body())
      assert.equal(0, #one.defects)
    end
    assert.equal("\r\r\r\nx", mime.parse("A: 1\n\n\r\r\r\nx"):body())
  end)

  it("a field whose name is cut is no text", function()
    for _, cut in ipairs { "Content-", "content-type\n", "Content-T\r\n" } do
      local one = mime.parse("Content-Type: multipart/mixed; boundary=b\n\n"
        .. "--b\n" .. cut)
      assert.equal("", one.parts[1]:body(), cut)
      assert.equal("--b\n" .. cut, one.raw:sub(-4 - #cut))
      assert.equal(102, one.defects[1].number)
    end
    for _, text in ipairs { "hello", "Content- x", "Content-\nx", "Cont" } do
      assert.equal(text, mime.parse(text):body())
    end
  end)

  it("a type that cannot be read is text, in a digest, too", function()
    for _, value in ipairs { "", " x", " ;", " =" } do
      local one = mime.parse("Content-Type: multipart/digest; boundary=b\n\n"
        .. "--b\n\nA: 1\n\nx\n--b\nContent-Type:" .. value
        .. "\n\nA: 1\n\nx\n--b--\n")
      assert.equal("message/rfc822", one.parts[1].type)
      assert.equal("text/plain", one.parts[2].type)
      assert.is_nil(one.parts[2].parts)
      assert.equal("A: 1\n\nx", one.parts[2]:body())
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
