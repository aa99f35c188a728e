-- Messages that we build, read by other people's readers; and theirs by us.
-- Each peer is one program: `read FILE...` prints a line of JSON a message,
-- `write SHAPES` writes SHAPES.1, SHAPES.2 ...
local built = require "spec.support.built"
local codec = require "lunapost.codec"
local core = require "lunapost.core"
local json = require "spec.support.json"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local shapes = require "spec.support.shapes"
local tree = require "spec.support.tree"

local COUNT <const> = 320

local function sha256(octets)
  local digest = core.crypto.digest("sha256", octets)
  return (digest:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function lf(octets)
  return (octets:gsub("\r\n", "\n"))
end

local gmime <const> = "build/interop/gmime_peer"

-- Builds GMime's program; false where GMime's headers are not here.
local function compiled()
  local _, code = peers.run "pkg-config --exists gmime-3.0"
  if code ~= 0 then return false end
  local output
  output, code = peers.run("mkdir -p build/interop && cc -std=gnu11 "
    .. "-Wall -o " .. gmime .. " spec/interop/gmime_peer.c "
    .. "$(pkg-config --cflags --libs gmime-3.0)", 60)
  assert(code == 0, output)
  return true
end

local programs <const> = {
  ["Python's email"] = { command = "/usr/bin/python3 spec/interop/mail_peer.py",
    there = function()
      return os.execute "/usr/bin/python3 -c 'import email.policy'"
    end },
  GMime = { command = gmime, there = compiled },
  ["mailparser and nodemailer"] = { there = function() return peers.npm() end,
    command = "env NODE_PATH=build/npm/node_modules node "
      .. "spec/interop/mail_peer.js" },
}

-- Runs a program over files, so many at a time; the decoded lines.
local function read_all(program, paths)
  local out = {}
  for first = 1, #paths, 100 do
    local batch = table.concat(paths, " ", first,
      math.min(first + 99, #paths))
    for _, line in ipairs(tree.lines(program .. " read " .. batch)) do
      out[#out + 1] = json.decode(line)
    end
  end
  return out
end

local function mailboxes(list)
  local out = {}
  for i, one in ipairs(list) do out[i] = { one.name, one.address } end
  return out
end

-- The leaves that a reader should tell of; texts apart where it shows them.
local function expected(given, texts_apart)
  local out, texts = {}, {}
  for _, leaf in ipairs(shapes.leaves(given)) do
    if texts_apart and leaf.body then
      texts[leaf.type] = leaf.octets
    else
      out[#out + 1] = { type = leaf.type, name = leaf.name or json.null,
        id = leaf.id or json.null, sha = sha256(leaf.octets) }
    end
  end
  return out, texts
end

local function trimmed(text)
  return (lf(text):gsub("^%s+", ""):gsub("%s+$", ""))
end

-- mailparser goes by the name of what is said to be any octets.
local function without_guesses(leaves, found)
  for i, leaf in ipairs(leaves) do
    if found[i] and leaf.type == "application/octet-stream" then
      found[i].type = leaf.type
    end
  end
end

local function compare_read(given, found)
  assert.equal(given.subject, found.subject)
  assert.same({ { given.from.name, given.from.address } }, found.from)
  assert.same(mailboxes(given.to), found.to)
  local leaves, texts = expected(given, found.text ~= nil)
  if found.text then without_guesses(leaves, found.leaves) end
  assert.same(leaves, found.leaves)
  if found.defects then assert.same({}, found.defects) end
  if found.text then
    assert.equal(trimmed(texts["text/plain"] or ""), trimmed(found.text))
    assert.equal(trimmed(texts["text/html"] or ""), trimmed(found.html))
  end
end

-- A shape as the programs take it: a line a thing, words in base64.
local function lines_of(given)
  local out = {}
  local function line(verb, ...)
    local words = { verb }
    for i = 1, select("#", ...) do
      local octets = select(i, ...) or ""
      words[i + 1] = octets == "" and "-" or codec.base64.encode(octets)
    end
    out[#out + 1] = table.concat(words, " ")
  end
  line "message"
  line("subject", given.subject)
  line("from", given.from.name, given.from.address)
  for _, to in ipairs(given.to) do line("to", to.name, to.address) end
  for _, leaf in ipairs(shapes.leaves(given)) do
    line(leaf.body and "body" or leaf.id and "inline" or "attach", leaf.type,
      leaf.name, leaf.id, leaf.octets)
  end
  line "end"
  return table.concat(out, "\n")
end

-- The leaves of `lunapost show --json`, in order.
local function form_leaves(form)
  local out = {}
  local function visit(path)
    local part = form.parts[path]
    local inner = form.parts[path .. ".1"] and 1
    if not inner then
      out[#out + 1] = { type = part.type, name = part.filename,
        id = part.content_id, sha = part.body_trim_sha256 }
    end
    while inner and form.parts[path .. "." .. inner] do
      visit(path .. "." .. inner)
      inner = inner + 1
    end
  end
  visit "1"
  return out
end

local function compare_shown(given, form)
  assert.equal(given.subject, form.subject)
  assert.same({ { given.from.name, given.from.address } }, form.from)
  assert.same(mailboxes(given.to), form.to)
  local leaves = {}
  for i, leaf in ipairs(shapes.leaves(given)) do
    leaves[i] = { type = leaf.type, name = leaf.name or json.null,
      id = leaf.id or json.null,
      sha = sha256((lf(leaf.octets):gsub("\n+$", ""))) }
  end
  assert.same(leaves, form_leaves(form))
end

for name, program in pairs(programs) do
  describe(name .. " #interop", function()
    local folder

    setup(function() folder = peers.folder() end)
    teardown(function() peers.remove(folder) end)

    it("reads what we build, whatever its shape", function()
      if not peers.need(name, program.there()) then return end
      local list, paths = shapes.messages(COUNT), {}
      for i, given in ipairs(list) do
        paths[i] = ("%s/ours.%d"):format(folder, i)
        peers.write(paths[i], assert(built.build(shapes.options(given)):render {
          encoding = i % 2 == 0 and "8bit" or "7bit" }))
      end
      local found = read_all(program.command, paths)
      assert.equal(#list, #found)
      for i, given in ipairs(list) do
        compare_read(given, found[i])
      end
      peers.met(name)
    end)

    it("writes what we read, whatever its shape", function()
      if not peers.need(name, program.there()) then return end
      local list, text, paths = shapes.messages(COUNT), {}, {}
      for i, given in ipairs(list) do
        shapes.tamed(given)
        text[i] = lines_of(given)
        paths[i] = ("%s/theirs.%d"):format(folder, i)
      end
      peers.write(folder .. "/theirs", table.concat(text, "\n") .. "\n")
      local output, code = peers.run(program.command .. " write " .. folder
        .. "/theirs", 60)
      assert(code == 0, output)
      local shown = tree.lines(tree.command .. " show --json "
        .. table.concat(paths, " "))
      assert.equal(#list, #shown)
      for i, given in ipairs(list) do
        compare_shown(given, json.decode(shown[i]).form)
      end
      assert.equal("message", tostring(mime.parse(tree.read(paths[1])))
        :match "^%w+")
    end)
  end)
end
