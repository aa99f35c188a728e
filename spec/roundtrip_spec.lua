-- What others read in messages that were built here: Python's email package,
-- and our own reader.
local built = require "spec.support.built"
local core = require "lunapost.core"
local json = require "spec.support.json"
local shapes = require "spec.support.shapes"

local function sha256(octets)
  local digest = core.crypto.digest("sha256", octets)
  return (digest:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("a built message read by Python", function()
  local present = os.execute "python3 -c 'import email.policy' 2>/dev/null"

  -- All messages at once: an interpreter is slow to start.
  local function read(list)
    local paths, out = {}, {}
    for i, given in ipairs(list) do
      local message = built.build(shapes.options(given))
      paths[i] = built.temporary(assert(message:render()))
    end
    local pipe <close> = assert(io.popen(
      "python3 spec/support/read_message.py " .. table.concat(paths, " ")))
    for line in pipe:lines() do out[#out + 1] = json.decode(line) end
    for _, path in ipairs(paths) do os.remove(path) end
    return out
  end

  local function compare(given, found)
    assert.same({}, found.defects)
    assert.equal(given.subject, found.subject)
    assert.equal(json.null, found.bcc)
    for j, one in ipairs(given.to) do
      assert.same({ one.name, one.address }, found.to[j])
    end
    local leaves = shapes.leaves(given)
    assert.equal(#leaves, #found.parts)
    for j, leaf in ipairs(leaves) do
      local part = found.parts[j]
      assert.equal(leaf.type, part.type)
      assert.is_true(sha256(leaf.octets) == part.sha256,
        leaf.type .. " differs")
      if leaf.name then assert.equal(leaf.name, part.filename) end
      if leaf.id then assert.equal("<" .. leaf.id .. ">", part.id) end
    end
  end

  it("is what went in", function()
    if not present then return pending "needs python3" end
    local given = shapes.messages(100) -- 300 pass, but take seconds
    local found = read(given)
    assert.equal(#given, #found)
    for i, one in ipairs(given) do compare(one, found[i]) end
  end)
end)

describe("a built message read by our own reader", function()
  local have_reader, mime = pcall(require, "lunapost.mime")

  local function compare(given, found)
    assert.equal(given.subject, found.subject)
    for j, one in ipairs(given.to) do
      assert.equal(one.name, found.to[j].name or "")
      assert.equal(one.address, found.to[j].address)
    end
    local leaves = {}
    for part in found:walk() do
      if not part.parts then leaves[#leaves + 1] = part end
    end
    for j, leaf in ipairs(shapes.leaves(given)) do
      assert.equal(leaf.type, leaves[j].type)
      assert.is_true(leaf.octets == leaves[j]:body(), leaf.type .. " differs")
      assert.equal(leaf.name, leaves[j].filename)
      assert.equal(leaf.id, leaves[j].id)
    end
    assert.same({}, found.defects)
  end

  it("is what went in, whatever the peer takes", function()
    if not (have_reader and mime.parse) then return pending "no reader" end
    for _, given in ipairs(shapes.messages(300)) do
      local message = built.build(shapes.options(given))
      for _, peer in ipairs { "7bit", "8bit", "binary" } do
        compare(given, mime.parse(message:render { encoding = peer }))
      end
    end
  end)

  it("is answered and carried on", function()
    if not (have_reader and mime.parse) then return pending "no reader" end
    local question = { from = "Ana Müller <ana@example.org>",
      to = { "b@example.org", "Carl <c@example.org>" }, subject = "Grüße",
      text = "Grüße\n", attach = { { data = "\0\r\n", name = "ä.bin" },
        { data = "x\n", name = "x.csv" } } }
    local read = mime.parse(built.build(question):render())
    local answer = built.build { to = read.from, cc = read.to,
      in_reply_to = read.message_id, references = read.message_id,
      subject = "Re: " .. read.subject, text = "yes",
      attach = { read, table.unpack(read:attachments()) } }
    assert.equal(read.from[1].address, answer.to[1].address)
    assert.equal(#read.to, #answer.cc)
    local again = mime.parse(answer:render())
    assert.equal("Re: " .. read.subject, again.subject)
    assert.equal(read.from[1].name, again.to[1].name)
    assert.equal("<" .. read.message_id .. ">", again:header "In-Reply-To")
    local carried = again.parts
    assert.equal("message/rfc822", carried[2].type)
    assert.is_true(carried[2]:body() == read:render())
    for i, part in ipairs(read:attachments()) do
      assert.equal(part.filename, carried[i + 2].filename)
      assert.equal(part.type, carried[i + 2].type)
      assert.is_true(part:body() == carried[i + 2]:body())
    end
  end)
end)
