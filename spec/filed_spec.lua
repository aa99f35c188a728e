-- Messages that stay in a file are like those in memory, for all that is asked
-- of them.
local corpus = require "spec.support.corpus"
local filed = require "lunapost.mime.filed"
local mime = require "lunapost.mime"

-- A message of octets that stand still, and what was read of them.
local function placed(octets)
  local seen = { count = 0, most = 0 }
  local message = filed.new(function(at, count)
    if count == "a" then count = #octets - at end
    if at >= #octets then return nil end
    local piece = octets:sub(at + 1, at + count)
    seen.count, seen.most = seen.count + 1, math.max(seen.most, #piece)
    return piece
  end, #octets)
  return message, seen
end

local function gather(source)
  local pieces = {}
  for piece in source do pieces[#pieces + 1] = piece end
  return table.concat(pieces)
end

local function decoded(part)
  local pieces = {}
  part:decode(function(piece)
    pieces[#pieces + 1] = piece
    return true
  end)
  return table.concat(pieces)
end

local values <const> = { "path", "type", "parameters", "disposition",
  "filename", "encoding", "id", "description", "subject", "from", "to", "date",
  "zone", "message_id", "text", "html", "raw" }

local function same_part(one, other)
  for _, name in ipairs(values) do
    assert.same(one[name], other[name], name)
  end
  assert.equal(one:body(), other:body())
  assert.equal(one:body "utf-8", other:body "utf-8")
  assert.same(one:headers(), other:headers())
  assert.equal(one:size(), other:size())
  assert.is_true(decoded(one) == decoded(other))
  assert.is_true(gather(one:source()) == gather(other:source()))
  assert.equal(#(one.parts or {}), #(other.parts or {}))
end

local function same(octets)
  local one, other = mime.parse(octets), placed(octets)
  local next_one = one:walk()
  for part in other:walk() do same_part(next_one(), part) end
  assert.is_nil(next_one())
  local attached, list = one:attachments(), other:attachments()
  assert.equal(#attached, #list)
  for i, part in ipairs(attached) do
    assert.equal(part:body(), list[i]:body())
    assert.equal(part.filename, list[i].filename)
  end
  assert.equal(one:tree(), other:tree())
end

local DIGEST <const> = "Content-Type: multipart/digest; boundary=x\n\n--x\n\n"
  .. "Subject: inner\n\nhi\n--x\nContent-Type: text/plain\n\nno\n--x--\n"

local NESTED <const> = "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
  .. "before\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n"
  .. "Content-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\r\nplain"
  .. "\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>\r\n--y--\r\n\r\n--x\r\n"
  .. "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
  .. "\r\nU3ViamVjdDogZGVlcAoKaGkK\r\n--x\r\n"
  .. "Content-Type: image/png; name=\"a.png\"\r\n"
  .. "Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--x--\r\nafter"

describe("a message in a file", function()
  it("is like one in memory", function()
    for _, octets in ipairs { "", "\n", "no header", "A: b", "A: b\r\n\r\n",
      DIGEST, NESTED, "Subject: =?utf-8?Q?=C3=A9?=\n\nbegin 644 x\n#86)C\n`\n"
      .. "end\n" } do
      same(octets)
    end
  end)

  corpus.it("is so for the messages of the corpus", function(list)
    for _, path in ipairs(list) do
      local ok, problem = pcall(same, corpus.read(path))
      if not ok then error(path .. ": " .. tostring(problem), 0) end
    end
  end)

  it("is read as far as it is asked", function()
    local octets = "Subject: large\r\nFrom: a@b.example\r\n\r\n"
      .. ("x\r\n"):rep(1 << 20)
    local message, seen = placed(octets)
    assert.equal("large", message.subject)
    assert.equal("a@b.example", message.from[1].address)
    assert.equal(#octets, message:size())
    assert.equal(1, seen.count)
    assert.is_nil(message.parts)
    gather(message:source())
    decoded(message)
    assert.equal(1 << 20, seen.most) -- that of the header
  end)

  it("has defects of its own, and those that are noted", function()
    local octets = "A: b\r\n\r\nGr\xC3\xBC\xC3\x9Fe\r\n"
    local one, other = mime.parse(octets), placed(octets)
    one:_note(307)
    other:_note(307)
    assert.equal(#one.defects, #other.defects)
    assert.equal(tostring(one.defects[1]), tostring(other.defects[1]))
  end)

  it("comes into memory to be changed", function()
    local message = placed(NESTED)
    local second = message.parts[2]
    message:set("Subject", "new")
    assert.equal("new", message.subject)
    assert.matches("^Content%-Type: multipart/mixed; boundary=x\r\n"
      .. "Subject: new", message:render())
    assert.equal("1.2", second.path)
    assert.equal("message/rfc822", second.type)
    assert.equal("deep", second.parts[1].subject)
    assert.equal(message:render(), gather(message:source()))
  end)
end)
