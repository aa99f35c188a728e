-- The chain: user agent, relay, the recipient's relay, the Maildir.
local core = require "lunapost.core"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local post = require "lunapost"
local tree = require "spec.support.tree"

local function stored(path)
  local list = {}
  for _, name in ipairs(core.system.list(path .. "/new") or {}) do
    if name ~= "." and name ~= ".." then
      list[#list + 1] = tree.read(path .. "/new/" .. name)
    end
  end
  return list
end

describe("a chain of relays", function()
  local folder, last, first

  setup(function()
    folder = peers.folder()
    local function relay(name, domain, next_hop)
      return peers.listening(tree.lua(("examples/relay.lua %s %s/%s %s")
        :format(domain, folder, name, next_hop)), folder .. "/" .. name
        .. ".log")
    end
    last = relay("last", "example.net", "smtp://127.0.0.1:1")
    first = relay("first", "example.org",
      "smtp://127.0.0.1:" .. last.port)
  end)

  teardown(function()
    for _, relay in ipairs { first, last } do assert(relay:stop()) end
    peers.remove(folder)
  end)

  local function send(to)
    return post.send { server = "smtp://127.0.0.1:" .. first.port,
      from = "Ana <ana@example.org>", to = to, subject = "Grüße",
      text = "Hello\r\n.\r\ndots\r\n" }
  end

  it("delivers what is for the first one there", function()
    assert(send "bob@example.org")
    assert.equal(1, #stored(folder .. "/first"))
  end)

  it("carries the rest on to the last one, octet by octet", function()
    local result = assert(send "carol@example.net")
    assert.matches("delivered as", result.reply.text)
    local message = mime.parse(stored(folder .. "/last")[1])
    assert.equal("Grüße", message.subject)
    assert.equal("Hello\r\n.\r\ndots\r\n", message.text)
    assert.equal(2, #message:headers("received"))
    assert.equal("<ana@example.org>", message:header("return-path"))
  end)

  it("tells the client what the next hop says, at once", function()
    local result, err = send "dave@elsewhere.example"
    assert.is_nil(result)
    assert.equal(451, err.code)
    assert.is_true(err.transient)
    assert.equal(1, #stored(folder .. "/last"))
  end)

  it("takes one destination at a time", function()
    local result = assert(send { "bob@example.org", "carol@example.net" })
    -- who was too many goes in a transaction of its own
    assert.same({ "bob@example.org", "carol@example.net" }, result.accepted)
    assert.matches("S: 452 4.5.3 one destination at a time",
      tostring(result.transcript), 1, true)
  end)
end)
