--- Messages that the machine posts by itself (post.lua) end as those do that
--- go command by command (transaction.lua), whatever the server says.

local core = require "lunapost.core"
local own_loop = require "lunapost.loop"
local mime = require "lunapost.mime"
local peers = require "spec.support.peers"
local posts = require "spec.support.posts"
local scripted = require "spec.support.scripted"
local served = require "spec.support.served"
local smtp = require "lunapost.smtp"
local tree = require "spec.support.tree"

-- Hears commands of up to three messages, and answers as a plan says:
-- plan[message][phase] is an answer, or false: the connection is closed.
local Server = {}
Server.__index = Server

local good <const> = { MAIL = "250 ok", RCPT = "250 ok", DATA = "354 go",
  dot = "250 taken", RSET = "250 reset" }

function Server:say(text)
  local cut = self.plan.cut
  if cut == 0 then
    self.peer:drip(text .. "\r\n")
  elseif cut then -- in two segments
    self.peer:write(text:sub(1, cut))
    self.peer.loop.sleep(0.001)
    self.peer:write(text:sub(cut + 1) .. "\r\n")
  else
    self.peer:say(text)
  end
end

function Server:answer(phase)
  local given = (self.plan[self.message] or {})[phase]
  if phase == "RCPT" and self.valid + self.refused > 0 then given = nil end
  if phase == "RCPT" and not self.mail then given = "503 no mail" end
  if given == nil then given = good[phase] end
  if not given then
    self.peer:close()
    return nil
  end
  if phase == "dot" and given:find "^2" then
    self.taken[#self.taken + 1] = self.message
  end
  self:say(given)
  return given
end

-- Reads up to the dot, however much that is; nil: the client is gone.
local function swallow(peer)
  local read, tail = {}, "\r\n" .. peer:swap ""
  while true do
    local from, behind = tail:find("\r\n.\r\n", 1, true)
    if behind then
      peer:swap(tail:sub(behind + 1))
      return table.concat(read) .. tail:sub(1, from + 1)
    end
    local octets, why = peer.conn:read(1 << 20)
    if octets then
      read[#read + 1] = tail:sub(1, -5)
      tail = tail:sub(-4) .. octets
    elseif why ~= "read" or not peer.loop.wait(peer.conn:fd(), "r", 60) then
      return nil
    end
  end
end

function Server:data()
  if self.valid == 0 then return self:say "503 nobody" end
  if self:answer("DATA") ~= "354 go" then return end
  local octets = swallow(self.peer)
  if not octets then return end
  self.bodies[#self.bodies + 1] = octets
  self:answer "dot"
end

function Server:hear(line)
  local verb = line:sub(1, 4)
  if verb == "MAIL" then
    self.message, self.valid, self.refused = self.message + 1, 0, 0
    self.mail = (self:answer "MAIL" or ""):find "^2"
  elseif verb == "RCPT" then
    local yes = self:answer("RCPT") == "250 ok"
    self.valid = self.valid + (yes and 1 or 0)
    self.refused = self.refused + (yes and 0 or 1)
  elseif verb == "DATA" then
    self:data()
  elseif verb == "RSET" then
    self:answer "RSET"
  end
end

local function server_of(plan, offers)
  local server = setmetatable({ plan = plan, message = 0, valid = 0,
    refused = 0, taken = {}, bodies = {} }, Server)
  function server.run(peer)
    server.peer = peer
    peer:say "220 x"
    peer:answer("250-x\r\n250" .. table.concat(offers, "\r\n250"))
    for line in peer.hear, peer do
      server:hear(line)
      if peer.conn:fd() < 0 then return end
    end
  end
  return server
end

local function client_of(out, posted, how, big)
  return function(options)
    posts.send(out, options, posts.messages(posted, big), how)
  end
end

-- Runs a plan both ways, and in turns: what is told, and what the server took.
local function both(plan, how, offers, big)
  local list, seen = {}, {}
  for i, posted in ipairs { true, false, "mixed" } do
    local server, out = server_of(plan, offers or { "-8BITMIME",
      " PIPELINING" }), {}
    list[i] = { script = server.run, client = client_of(out, posted, how,
      big) }
    seen[i] = { out = out, server = server }
  end
  return list, seen
end

local function run(plans, how)
  local list, all = {}, {}
  for name, plan in pairs(plans) do
    local pairs_of, seen = both(plan, how)
    table.move(pairs_of, 1, #pairs_of, #list + 1, list)
    all[name] = seen
  end
  scripted.together(list)
  return all
end

local answers <const> = { "451 4.3.0 later", "550 5.7.1 no", "421 bye", false,
  "220 what", "garbage" }

-- A plan for each answer to each phase of each message.
local function plans_of()
  local plans = {}
  for message = 1, 3 do
    for phase in pairs { MAIL = 1, RCPT = 1, DATA = 1, dot = 1 } do
      for _, answer in ipairs(answers) do
        plans[("%d %s %s"):format(message, phase, answer)] =
          { [message] = { [phase] = answer } }
      end
    end
  end
  return plans
end

local function sent(out)
  local list = {}
  for i = 1, 3 do
    if out[i]:find "^sent" then list[#list + 1] = i end
  end
  return list
end

describe("a message that is posted", function()
  for _, overlap in ipairs { true, false } do
    it("ends as others do, overlapped " .. tostring(overlap), function()
      for name, seen in pairs(run(plans_of(), { overlap = overlap })) do
        local posted, other = seen[1], seen[2]
        assert.same(other.out, posted.out, name)
        assert.equal(3, #posted.out, name)
        assert.same(posted.server.taken, sent(posted.out), name)
        assert.same(other.server.taken, posted.server.taken, name)
        assert.same(other.out, seen[3].out, name)
        assert.same(other.server.taken, seen[3].server.taken, name)
      end
    end)

    it("does not mind how replies are cut, overlapped " .. tostring(overlap),
      function()
      local plans = {}
      for cut = 0, 9 do
        plans[cut] = { cut = cut, [2] = { dot = "552 5.3.4 too big" } }
      end
      for _, seen in pairs(run(plans, { overlap = overlap })) do
        assert.same({ "sent  1@y 1b@y", "reply 552 2@y=552 2b@y=552",
          "sent  3@y 3b@y" }, seen[1].out)
        assert.same({ 1, 3 }, seen[1].server.taken)
        assert.same(seen[2].out, seen[1].out)
      end
    end)
  end

  it("needs no other call of the machine", function()
    local server, called = server_of({}, { "-8BITMIME", " PIPELINING" }), {}
    scripted.run(server.run, function(options)
      options.tls = "none"
      local client <close> = assert(smtp.open(options))
      local methods = getmetatable(client.machine).__index
      local own = {}
      local restore <close> = setmetatable({}, { __close = function()
        for name, method in pairs(own) do methods[name] = method end
      end })
      for name, method in pairs(methods) do
        own[name] = method
        methods[name] = function(...)
          called[name] = true
          return method(...)
        end
      end
      assert(restore)
      local list = posts.messages(true)
      for _, result in client:send_all(list, { overlap = true }) do
        assert(result)
      end
    end)
    local names = {}
    for name in pairs(called) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "behind", "go_on", "mail", "offered", "post", "under_way" },
      names)
  end)

  -- Runs a program that waits by itself beside scripts; its lines.
  local function beside(scripts, tls)
    local folder <const> = peers.folder()
    local lines = {}
    scripted.run(scripts, function(options, loop)
      local command = tree.lua(("spec/support/posts.lua %d %d %s; echo exit")
        :format(options.port, #scripts, tls))
      local process = peers.start("sh -c " .. peers.quote(command),
        folder .. "/out")
      repeat loop.sleep(0.01) until process:output():find "exit\n"
      process:stop()
      for line in process:output():gmatch "[^\n]+" do
        lines[#lines + 1] = line
      end
    end)
    peers.remove(folder)
    return lines
  end

  it("ends so where nothing else is to be done, too", function()
    local plans, names, scripts = plans_of(), {}, {}
    local expected = run(plans, { overlap = true })
    for name, plan in pairs(plans) do
      names[#names + 1] = name
      scripts[#names] = server_of(plan, { "-8BITMIME", " PIPELINING" }).run
    end
    local lines = beside(scripts, "none")
    for i, name in ipairs(names) do
      assert.equal(table.concat(expected[name][1].out, "|"), lines[i], name)
    end
  end)

  it("goes by TLS, however its records are cut", function()
    local context, scripts = scripted.certificate(), {}
    for i, cut in ipairs { false, 0, 3 } do
      local server = server_of({ cut = cut or nil, [2] = { dot = "552 no" } },
        { "-8BITMIME", " PIPELINING" })
      scripts[i] = function(peer)
        assert(peer:secure(context))
        return server.run(peer)
      end
    end
    for i, line in ipairs(beside(scripts, "implicit")) do
      assert.equal(i <= 3 and "sent  1@y 1b@y|reply 552 2@y=552 2b@y=552|"
        .. "sent  3@y 3b@y" or "exit", line)
    end
  end)

  -- Carries octets between a client and a server, to the client one by one;
  -- pause() tells how long to wait behind each.
  local function carry(listener, port, pause)
    local function pass(from, give)
      while true do
        local octets, why = from:read(4096)
        if octets then
          if not give(octets) then return end
        elseif why ~= "read" or not own_loop.wait(from:fd(), "r", 20) then
          return
        end
      end
    end
    assert(own_loop.wait(listener:fd(), "r", 20))
    local client <close> = assert(listener:accept())
    local server <close> = assert(core.net.connect("127.0.0.1", port))
    assert(own_loop.wait(server:fd(), "w", 20))
    local task = own_loop.spawn(pass, client, function(octets)
      return server:write(octets)
    end)
    pass(server, function(octets)
      for octet in octets:gmatch "." do
        if not client:write(octet) then return false end
        own_loop.sleep(pause())
      end
      return true
    end)
    own_loop.kill(task)
  end

  it("goes by TLS, however octets trickle, as long as there is time", function()
    local slow, lines = false, {}
    served.run({ tls = "test", on = { data = function(_, body)
      body:read()
      slow = lines[1] ~= nil
    end } }, function(server)
      local folder <const> = peers.folder()
      local listener <close> = assert(core.net.listen("127.0.0.1", 0))
      local _, port = listener:address()
      for i, seconds in ipairs { 5, 2 } do
        own_loop.spawn(carry, listener, server.port, function()
          return slow and 0.3 or 0
        end)
        local process = peers.start(tree.lua(("spec/support/posts.lua %d 1 "
          .. "starttls %d"):format(port, seconds)), folder .. "/out" .. i)
        repeat own_loop.sleep(0.01) until process:output():find "\n"
        process:stop()
        lines[i] = process:output():match "[^\n]*"
      end
      peers.remove(folder)
    end)
    assert.equal("sent  1@y 1b@y|sent  2@y 2b@y|sent  3@y 3b@y", lines[1])
    assert.equal("unconfirmed |closed |closed ", lines[2])
  end)

  -- Sends a message whose envelope is changed when a phase is reached.
  local function changed(phase, change, by)
    local heard, accepted
    local envelope <const> = { from = "a@x", to = { "b@y", "c@y" } }
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer "250-x\r\n250 PIPELINING"
      for _, one in ipairs { { "MAIL", "250 ok" }, { "RCPT", "250 ok" },
        { "RCPT", "250 ok" }, { "DATA", "354 go" } } do
        assert.equal(one[1], peer:hear():sub(1, 4))
        peer.loop.sleep(0.005)
        if one[1] == phase then change(envelope) end
        peer:say(one[2])
      end
      assert.equal("body", peer:body())
      if phase == "dot" then change(envelope) end
      peer:say "250 taken"
      heard = table.concat(peer.heard, " ", 2)
    end, function(options)
      options.tls = "none"
      local sender <close> = assert(smtp[by](options))
      accepted = assert(sender:send(envelope, "body\n")).accepted
    end)
    assert.equal("MAIL FROM:<a@x> RCPT TO:<b@y> RCPT TO:<c@y> DATA body .",
      heard)
    assert.same({ "b@y", "c@y" }, accepted)
  end

  it("keeps to its envelope, whatever becomes of the table", function()
    for _, by in ipairs { "open", "pool" } do
      for _, phase in ipairs { "MAIL", "RCPT", "DATA", "dot" } do
        changed(phase, function(envelope) envelope.from = nil end, by)
        changed(phase, function(envelope) envelope.to = {} end, by)
        changed(phase, function(envelope) envelope.to = { "other@y" } end, by)
        changed(phase, function(envelope) envelope.to[1] = "other@y" end, by)
        changed(phase, function(envelope) envelope.utf8 = true end, by)
      end
    end
  end)

  it("keeps to its envelope while it waits in a pool", function()
    local heard = {}
    served.run({ on = { message = function(session)
      heard[#heard + 1] = session.envelope.to[1].address
    end } }, function(server)
      local pool <close> = smtp.pool { host = "127.0.0.1", tls = "none",
        port = server.port, max_connections = 1 }
      local envelope, told, left = { from = "a@x" }, {}, 3
      for i = 1, 3 do
        envelope.to = i .. "@y"
        local begun = false
        own_loop.spawn(function()
          begun = true
          told[i] = assert(pool:send(envelope, "x\n")).accepted[1]
          left = left - 1
        end)
        repeat own_loop.sleep(0) until begun
      end
      repeat own_loop.sleep(0.002) until left == 0
      assert.same({ "1@y", "2@y", "3@y" }, told)
    end)
    table.sort(heard)
    assert.same({ "1@y", "2@y", "3@y" }, heard)
  end)

  it("may be long, with dots or without, refused or not", function()
    local lines = ("x"):rep(78) .. "\r\n"
    local bodies = { lines:rep(40000), ("." .. lines):rep(20000),
      (lines:rep(500) .. "bare\n"):rep(40), ("y"):rep(100000) }
    for _, size in ipairs { 1 << 13, 1 << 14, 3 << 13, 1 << 15, 1 << 17 } do
      for _, text in ipairs { lines, ".\n" } do
        for more = -1, 1 do
          bodies[#bodies + 1] = text:rep(size):sub(1, size + more)
        end
      end
    end
    for _, big in ipairs(bodies) do
      local list, seen = both({ [2] = { dot = "552 no" } },
        { overlap = true }, { "-SIZE 0", " PIPELINING" }, big)
      scripted.together(list)
      local wire = ("\n" .. big):gsub("\r?\n", "\r\n"):gsub("\n%.", "\n..")
        :gsub("[^\n]$", "%0\r\n") -- from the end of DATA on
      for _, side in ipairs(seen) do
        assert.same({ "sent  1@y 1b@y", "reply 552 2@y=552 2b@y=552",
          "sent  3@y 3b@y" }, side.out)
        for i = 1, 3 do
          assert.is_true(side.server.bodies[i] == wire, i)
        end
      end
    end
  end)

  it("may be built, whatever it is built of", function()
    local octets = ("\0\xff.\r\n"):rep(60000)
    local messages = { { text = ".dots\n..\nand more" },
      { text = "été\n.\n", attach = { { data = octets, name = "a.bin" },
        { data = "x", name = "b.bin" }, { data = "", name = "c.bin" } } },
      { text = ("= é"):rep(2000), html = "<p>.</p>\r\n.", attach = {
        { data = ("long " .. "line "):rep(3000), name = "d.txt" } } },
      { text = "from a file", attach = { { path = "README.md" } } },
      { text = "naïve", subject = "déjà", from = "é@x" } }
    for _, offers in ipairs { { " PIPELINING" }, { "-SIZE 900000",
      "-8BITMIME", " PIPELINING" }, { "-BINARYMIME",
      " PIPELINING" }, { "-SIZE 10", " PIPELINING" } } do
      for i, fields in ipairs(messages) do
        fields.from, fields.to = fields.from or "a@x", "b@y"
        local list, seen = both({}, { overlap = true }, offers,
          assert(mime.message(fields)))
        scripted.together(list)
        assert.same(seen[2].out, seen[1].out)
        assert.same(seen[2].server.bodies, seen[1].server.bodies, i)
        assert.same(seen[2].server.peer.heard, seen[1].server.peer.heard)
      end
    end
  end)

  it("does not wait where it sends, if its time is short", function()
    for seconds, expected in pairs { [0.9] = false, [1.5] = "hearing",
      [60] = true } do
      local server, seen = server_of({}, { " PIPELINING" }), {}
      scripted.run(server.run, function(options)
        options.tls = "none"
        local client <close> = assert(smtp.open(options))
        client.timeout, client.limits = seconds, nil
        local methods = getmetatable(client.machine).__index
        local own <const>, loop <const> = methods.post, client.loop
        local restore <close> = setmetatable({}, { __close = function()
          methods.post, client.loop = own, loop
        end })
        local function blocks() return #seen == 0 end -- later it must not:
        client.loop = setmetatable({ blocks = blocks }, { __index = loop })
        function methods.post(machine, conn, patient, ...)
          seen[#seen + 1] = patient
          client.loop = loop -- the script has to go on
          return own(machine, conn, false, ...)
        end
        assert(restore)
        local result = client:send({ from = "a@x", to = "b@y" }, "text\n")
        assert(result or seconds < 60)
      end)
      assert.equal(expected, seen[1], seconds)
    end
  end)

  it("is binary where its header says so, folded or not", function()
    local both_of <const> = { "-CHUNKING", "-BINARYMIME", " PIPELINING" }
    for text, binary in pairs {
      ["Content-Transfer-Encoding: binary\r\n\r\na\n"] = true,
      ["A: b\ncontent-transfer-encoding:BINARY (x)\n\na\n"] = true,
      ["Content-Transfer-Encoding:\r\n binary\r\n\r\na\nb"] = true,
      ["Content-Transfer-Encoding:\r\n\t\r\n\tbinary\r\n\r\na\n"] = true,
      ["A: b\r\n Content-Transfer-Encoding: binary\r\n\r\na\n"] = false,
      ["A: b\r\n\r\nContent-Transfer-Encoding: binary\r\n"] = false,
      ["Content-Transfer-Encoding: 8bit\r\n binary\r\n\r\na\n"] = false,
    } do
      assert.equal(binary, core.client.says_binary(text), text)
      for _, reply in ipairs { "250 taken", "552 no" } do
        local commands = {}
        scripted.run(function(peer)
          peer:say "220 x"
          peer:answer("250-x\r\n250" .. table.concat(both_of, "\r\n250"))
          for line in peer.hear, peer do
            local verb = line:match "^%u+"
            commands[#commands + 1] = verb
            if verb == "DATA" then
              peer:say "354 go"
              peer:body()
              peer:say(reply)
              break
            elseif verb == "BDAT" then
              peer:say(reply)
              break
            end
            peer:say "250 ok"
          end
        end, function(options)
          options.tls = "none"
          local client <close> = assert(smtp.open(options))
          local result, problem = client:send({ from = "a@x",
            to = { "b@y" } }, text)
          assert.equal(reply:match "%d+",
            tostring((result or problem).reply.code))
        end)
        assert.same({ "MAIL", "RCPT", binary and "BDAT" or "DATA" }, commands)
      end
    end
  end)

  it("is refused before its end", function()
    local out = {}
    for i, posted in ipairs { true, false } do
      local one = {}
      scripted.run(function(peer)
        peer:say "220 x"
        peer:answer "250-x\r\n250 PIPELINING"
        peer:answer("250 ok", "250 ok", "250 ok", "354 go")
        peer:hear()
        peer:say "552 5.3.4 enough"
        peer.loop.sleep(0.3)
      end, client_of(one, posted, { overlap = true },
        ("x"):rep(998) .. "\r\n" .. ("y"):rep(20 << 20)))
      out[i] = one
    end
    assert.same({ "reply 552 1@y=552 1b@y=552", "closed ", "closed " },
      out[1])
    assert.same(out[2], out[1])
  end)

  it("shows what was heard before the end", function()
    scripted.run(function(peer)
      peer:say "220 x"
      peer:answer "250-x\r\n250 PIPELINING"
      for _ = 1, 4 do peer:hear() end
      peer:say("250 2.1.0 yes", "550 5.1.1 nobody")
    end, function(options)
      options.tls = "none"
      local client <close> = assert(smtp.open(options))
      local result, problem = client:send({ from = "a@x",
        to = { "b@y", "c@y" } }, "hi\n")
      assert.is_nil(result)
      assert.equal("closed", problem.kind)
      assert.truthy(tostring(problem.transcript):find(
        "C: DATA\nS: 250 2.1.0 yes\nS: 550 5.1.1 nobody\n-- the peer", 1, true))
    end)
  end)

  it("leaves to others what it is not made for", function()
    local lines = {}
    local function heard(offers, message)
      local list, seen = both({}, { overlap = true }, offers, message)
      scripted.together(list)
      for i, side in ipairs(seen) do
        lines[i] = table.concat(side.server.peer.heard, "\n")
      end
      assert.same(seen[2].out, seen[1].out)
      assert.equal(lines[2], lines[1])
      return lines[1]
    end
    assert.truthy(heard({ "-SIZE 1000", " PIPELINING" }, "a\n")
      :find("MAIL FROM:<a@x> SIZE=3", 1, true))
    assert.falsy(heard({ "-SIZE 1000", " PIPELINING" }, ("a"):rep(1001))
      :find("MAIL", 1, true))
    assert.truthy(heard({ "-8BITMIME", " PIPELINING" }, "\xe9\n")
      :find("BODY=8BITMIME", 1, true))
    assert.truthy(heard({ "-LIMITS RCPTMAX=1", " PIPELINING" }, "a\n")
      :find("MAIL.-RCPT.-DATA.-MAIL.-RCPT.-DATA"))
  end)
end)
