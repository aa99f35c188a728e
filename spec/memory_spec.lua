-- A reader's memory is bounded, whatever the message.
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

local MOST <const> = 2048 -- KiB above the idle interpreter

describe("a message of 1 GiB", function()
  it("is read in less than 2 MiB", function()
    local status = io.open "/proc/self/status"
    if not status then return pending "no /proc here" end
    status:close()
    local output, code =
      peers.run(tree.lua("spec/support/gibibyte.lua"), 100)
    assert.equal(0, code, output)
    local above, parts, octets = output:match("^(%-?%d+)\t(%d+)\t(%d+)")
    assert.equal("3", parts, output)
    assert(tonumber(octets) > (1 << 30) - 65536, output)
    if tree.build:find "asan" then return end -- which keeps what is freed
    assert(tonumber(above) < MOST, output)
  end)
end)

describe("a reader", function()
  it("gives events as soon as their bytes are there", function()
    local chunks = { "Subject: x\nContent-Type: multipart/mixed; boundary=b\n",
      "\n--b\nA: 1\n", "\none", " and two", "\n--b--\n" }
    local pulled, seen = 0, {}
    for event in mime.reader(function()
      pulled = pulled + 1
      return chunks[pulled]
    end) do
      seen[#seen + 1] = event.kind .. " " .. (event.name or event.bytes or "")
        .. " " .. pulled
    end
    assert.same({ "part  0", "field Subject 1", "field Content-Type 2",
      "head  2", "part  2", "field A 3", "head  3", "body one 3",
      "body  and two 4", "end  5", "end  6" }, seen)
  end)

  it("holds one field, or one boundary line, at most", function()
    local held, pieces = 0, 0
    for event in mime.reader(function()
      pieces = pieces + 1
      return pieces <= 500 and ("x"):rep(65536) or nil
    end) do
      if event.bytes then held = math.max(held, #event.bytes) end
    end
    assert(held <= 65536)
  end)
end)
