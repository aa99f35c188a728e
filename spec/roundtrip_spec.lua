-- What others read in messages that were built here: Python's email package,
-- and our own reader.
local built = require "spec.support.built"
local json = require "spec.support.json"

local all_octets = {}
for i = 0, 255 do all_octets[i + 1] = string.char(i) end
all_octets = table.concat(all_octets)

local names <const> = {
  "report.pdf", "my report (1).pdf", 'a "quoted" name.txt', "back\\slash.txt",
  "semi;colon, comma.txt", "Grüße aus Köln.txt", "山田太郎の報告書.pdf",
  "отчёт за год.doc", "😀.png", "it's 100%.txt", ("long "):rep(30) .. ".txt",
  ("länger "):rep(30) .. ".txt", "=?utf-8?Q?trap?=.txt", ".hidden",
}

local texts <const> = {
  "", "plain\n", "no end", "a\n\n\nb\n", "Grüße\n", "山田太郎\n",
  ("x"):rep(2000), ("Ж"):rep(2000), " leading, trailing \n\t\n",
  ".\n..\n.dot\n", "From here\nFrom there\n", "= =3D =\n", "tab\there \n",
  ("many words "):rep(300) .. "\n", "a\0b\n", "--\n--=_x\n",
}

local people <const> = {
  { "", "b@example.org" }, { "Bob", "b@example.org" },
  { "Bob B. Builder", "b@example.org" }, { "Builder, Bob", "b@example.org" },
  { 'Bob "the" Builder', "b@example.org" }, { "Ana Müller", "a@example.org" },
  { "山田 太郎", "y@example.jp" }, { "Иван Петров", "i@example.ru" },
  { "(comment)", "c@example.org" }, { "a@b", "d@example.org" },
  { ("Very Long Name "):rep(8) .. "End", "e@example.org" },
  { ("Sehr länger Name "):rep(8) .. "Ende", "f@example.org" },
  { "=?utf-8?Q?trap?=", "g@example.org" }, { "Ö", '"a b"@example.org' },
  { "x", "very.long.local.part+tag=value@sub.domain.example.org" },
}

local subjects <const> = {
  "Hi", "Grüße", "山田太郎", ("long subject "):rep(30) .. "end",
  ("länger "):rep(30) .. "Ende", "two  blanks", "=?utf-8?Q?trap?=",
  "a = b? c_d", "😀 smile", ("x"):rep(500), "привет " .. ("мир"):rep(40),
}

local function crlf(text)
  return (text:gsub("\r\n", "\n"):gsub("\n", "\r\n"))
end

-- One message for each row that any of the lists has.
local function messages()
  local out = {}
  for i = 1, math.max(#names, #texts, #people, #subjects) do
    local function pick(list) return list[(i - 1) % #list + 1] end
    local to = {}
    for j = i, i + 2 do
      local one = people[(j - 1) % #people + 1]
      to[#to + 1] = { name = one[1], address = one[2] }
    end
    out[i] = {
      from = to[1], to = to, bcc = "hidden@example.org",
      subject = pick(subjects), text = pick(texts),
      html = "<p>" .. pick(texts) .. "</p><img src=cid:logo>",
      inline = { logo = { data = all_octets, type = "image/png" } },
      attach = {
        { data = all_octets:rep(i), name = pick(names),
          type = "application/octet-stream",
          description = pick(subjects) },
        { data = pick(texts), name = "notes.txt" },
      },
    }
  end
  return out
end

-- What a reader should find: leaves in order, { type, octets, name }.
local function expected(given)
  return {
    { "text/plain", crlf(given.text) },
    { "text/html", crlf(given.html) },
    { "image/png", all_octets },
    { "application/octet-stream", given.attach[1].data, given.attach[1].name },
    { "text/plain", given.attach[2].data, "notes.txt" },
  }
end

-- A leaf's octets, from their hex form.
local function octets_of(hex)
  return (hex:gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

describe("a built message read by Python", function()
  local present = os.execute "python3 -c 'import email.policy' 2>/dev/null"

  -- All messages at once: an interpreter is slow to start.
  local function read(list)
    local paths, out = {}, {}
    for i, given in ipairs(list) do
      paths[i] = built.temporary(assert(built.build(given):render()))
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
    for j, leaf in ipairs(expected(given)) do
      local part = found.parts[j]
      assert.equal(leaf[1], part.type)
      assert.is_true(leaf[2] == octets_of(part.octets), leaf[1] .. " differs")
      if leaf[3] then assert.equal(leaf[3], part.filename) end
    end
    assert.equal("<logo>", found.parts[3].id)
  end

  it("is what went in", function()
    if not present then return pending "needs python3" end
    local given = messages()
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
    for j, leaf in ipairs(expected(given)) do
      assert.equal(leaf[1], leaves[j].type)
      assert.is_true(leaf[2] == leaves[j]:body(), leaf[1] .. " differs")
      if leaf[3] then assert.equal(leaf[3], leaves[j].filename) end
    end
    assert.same({}, found.defects)
  end

  it("is what went in, whatever the peer takes", function()
    if not (have_reader and mime.parse) then return pending "no reader" end
    for _, given in ipairs(messages()) do
      local message = built.build(given)
      for _, peer in ipairs { "7bit", "8bit", "binary" } do
        compare(given, mime.parse(message:render { encoding = peer }))
      end
    end
  end)

  it("is answered and carried on", function()
    if not (have_reader and mime.parse) then return pending "no reader" end
    local read = mime.parse(built.build(messages()[6]):render())
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
