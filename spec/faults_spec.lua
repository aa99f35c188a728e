-- What becomes of messages when something dies or is full: one that was
-- answered with 250 is in the Maildir once, one that was not is there whole
-- or not at all.
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local patience = require "spec.support.patience"
local peer = require "spec.support.peer"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

-- Runs steps as a task of the loop, for a bounded time.
local function within(steps)
  local problem
  local task = loop.spawn(function()
    local ok, why = xpcall(steps, debug.traceback)
    problem = not ok and why or nil
    loop.stop()
  end)
  local watch = loop.spawn(function()
    loop.sleep(60)
    problem = "the spec took too long"
    loop.kill(task)
    loop.stop()
  end)
  loop.run()
  loop.kill(watch)
  if problem then error(problem, 0) end
end

-- A message that tells its number and whether it is whole.
local function message(number, lines)
  return ("Subject: n%d\r\n\r\n"):format(number)
    .. ("a line of text\r\n"):rep(lines) .. "END\r\n"
end

describe("a Maildir's server", function()
  local folder, box, server

  -- Starts it by a command line that holds SERVE in place of the command.
  local function start(arguments, shell)
    folder = folder or peers.folder()
    box = box or folder .. "/box"
    local command = ("%s serve --listen 127.0.0.1:0 --maildir %s %s"):format(
      tree.command, box, arguments or "")
    if shell then
      command = "bash -c " .. peers.quote(shell:gsub("SERVE", command))
    end
    server = peers.listening(command, folder .. "/log")
    return server
  end

  after_each(function()
    if server then server:stop() end
    os.execute("mountpoint -q " .. tostring(box) .. " && umount " .. tostring(
      box) .. " 2>/dev/null")
    peers.remove(folder)
    folder, box, server = nil, nil, nil
  end)

  local function names(below)
    local list = {}
    for _, name in ipairs(core.system.list(box .. "/" .. below) or {}) do
      list[#list + 1] = name
    end
    return list
  end

  -- How often each number is there; fails where a part of a message is.
  local function kept()
    local counts = {}
    for _, name in ipairs(names "new") do
      local whole = tree.read(box .. "/new/" .. name)
      local number = tonumber(whole:match "\r\nSubject: n(%d+)\r\n")
      assert.matches("\r\nEND\r\n$", whole)
      counts[number] = (counts[number] or 0) + 1
    end
    return counts
  end

  local function hello()
    local p = peer.dial(server.port)
    if not p:reply() then return nil end
    return p:ask "EHLO spec" and p
  end

  local begin <const> = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"

  local function send(p, octets)
    p:say(begin)
    for _ = 1, 3 do
      if not p:reply() then return nil end
    end
    p:say(octets .. ".\r\n")
    return p:reply()
  end

  local asked = 0

  local function serves()
    local p <close> = assert(hello(), "it is gone")
    asked = asked + 1
    assert.matches("^250 ", send(p, message(asked, 1)))
  end

  -- Sessions that send numbered messages until they fail; what was answered.
  local function load(sessions, over)
    local answered, living = {}, sessions
    for i = 1, sessions do
      loop.spawn(function()
        pcall(function()
          local p <close> = hello()
          local number = i * 100000
          while p and not over() do
            number = number + 1
            local reply = send(p, message(number, number % 3 * 1500 + 1))
            if not reply then return end
            if reply:find "^250 " then answered[#answered + 1] = number end
          end
        end)
        living = living - 1
      end)
    end
    return answered, function()
      while living > 0 do loop.sleep(0.01) end
    end
  end

  local function audit(answered)
    local counts = kept()
    for _, number in ipairs(answered) do
      assert(counts[number], "a message that was answered is lost")
    end
    for _, count in pairs(counts) do assert.equal(1, count) end
  end

  it("that is killed loses nothing that it answered", function()
    for n = 1, 5 do
      start()
      within(function()
        local over = false
        local answered, done = load(4, function() return over end)
        loop.sleep(0.07 * n)
        server:signal "KILL"
        over = true
        done()
        audit(answered)
      end)
      os.execute("rm -rf " .. box)
    end
  end)

  it("whose worker is killed serves on, and loses nothing", function()
    start "--workers 2"
    within(function()
      local over = false
      local answered, done = load(4, function() return over end)
      for _ = 1, 3 do
        loop.sleep(0.2)
        local workers = tree.lines("cat /proc/" .. server.pid .. "/task/"
          .. server.pid .. "/children")[1] or ""
        os.execute("kill -9 " .. (workers:match "%d+" or ""))
        serves()
      end
      over = true
      done()
      audit(answered)
    end)
  end)

  local dialogue <const> = begin .. "Subject: n91\r\n\r\nEND\r\n.\r\n"
    .. "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 16\r\nSubject: n92\r\n\r\n"
    .. "BDAT 5 LAST\r\nEND\r\nQUIT\r\n"

  it("keeps whole messages of sessions that die at any octet", function()
    start()
    local function descriptors()
      return #core.system.list("/proc/" .. server.pid .. "/fd")
    end
    within(function()
      serves()
      local before, answers = descriptors(), 0
      local _, first = dialogue:find("END\r\n.\r\n", 1, true)
      for n = 0, #dialogue do
        local p <close> = hello()
        p:say(dialogue:sub(1, n))
        p.conn:shutdown()
        local reply
        repeat
          reply = p:reply()
          if reply and reply:find "kept as" then answers = answers + 1 end
        until not reply
        assert.is_true(n < first or answers > 0, n)
      end
      local counts = kept()
      assert.equal(answers, counts[91] + counts[92])
      assert.same({}, names "tmp")
      peers.wait(5, function() return descriptors() <= before end)
      assert.is_true(descriptors() <= before)
    end)
  end)

  it("keeps whole messages of clients that are killed", function()
    start()
    peers.write(folder .. "/out", message(7, 300000))
    for i = 1, 8 do
      peers.run(("timeout -s KILL %g %s send --server smtp://127.0.0.1:%d "
        .. "--tls none --from a@b --to c@d --raw %s/out --json")
        :format(0.01 * i, tree.command, server.port, folder))
    end
    within(serves)
    kept()
    assert.same({}, names "tmp")
  end)

  it("refuses for now what no file may hold, and serves on", function()
    start("", "ulimit -f 100; exec SERVE")
    within(function()
      local p <close> = hello()
      assert.matches("^45[12] ", send(p, message(1, 20000)))
      assert.matches("^250 ", send(p, message(92, 10)))
    end)
    assert.same({ [92] = 1 }, kept())
    assert.same({}, names "tmp")
  end)

  it("refuses for now what a full disk cannot hold", function()
    folder = peers.folder()
    box = folder .. "/box"
    os.execute("mkdir " .. box)
    local _, code = peers.run("mount -t tmpfs -o size=1m,nr_inodes=40 tmpfs "
      .. box)
    if code ~= 0 then
      pending "root may mount a small disk"
      return
    end
    start()
    within(function()
      local answered, refused = {}, 0
      local p <close> = hello()
      for number = 1001, 1060 do
        local reply = send(p, message(number, number % 4 * 4000 + 1))
        if reply:find "^250 " then
          answered[#answered + 1] = number
        else
          assert.matches("^45[12] ", reply)
          refused = refused + 1
        end
      end
      assert.is_true(refused > 0 and #answered > 0)
      audit(answered)
      assert.same({}, names "tmp")
      os.execute("rm -f " .. box .. "/new/*")
      serves()
    end)
  end)

  -- How many of them were greeted, once it is more than a few.
  local function greeted_of(held)
    local heard, greeted = {}, 0
    repeat
      for _, p in ipairs(held) do -- for whom no place is left hears 421
        if not heard[p] then
          heard[p] = p:reply(0.02)
          greeted = greeted + (heard[p] and heard[p]:find "^220 " and 1 or 0)
        end
      end
    until greeted > 10
    return greeted
  end

  it("serves on after descriptors ran out, and does not spin", function()
    start("", "ulimit -n 40; exec SERVE")
    within(function()
      local held = {}
      for i = 1, 80 do held[i] = peer.dial(server.port) end
      assert.is_true(greeted_of(held) < 40)
      local function ticks()
        local stat = tree.read("/proc/" .. server.pid .. "/stat")
        local user, system = stat:match("%) " .. ("%S+ "):rep(11)
          .. "(%d+) (%d+)")
        return user + system
      end
      local before = ticks()
      loop.sleep(1)
      assert.is_true(ticks() - before < 20)
      assert.matches("^250", held[1]:ask "EHLO spec")
      local reply = send(held[1], message(91, 1))
      assert.matches("^[24]5", reply)
      assert.equal(reply:find "^250 " and 1 or nil, kept()[91])
      for _, p in ipairs(held) do p:close() end
      patience.await(loop, function()
        return #core.system.list("/proc/" .. server.pid .. "/fd") < 20
      end)
      serves()
    end)
  end)

  it("refuses for now when its folder is gone", function()
    start()
    os.execute("rm -rf " .. box)
    within(function()
      local p <close> = hello()
      assert.matches("^45[12] ", send(p, message(1, 1)))
    end)
  end)
end)

describe("a catcher", function()
  local folder, server, port

  -- Starts it, and who reads what it says.
  local function start(reader)
    folder = peers.folder()
    server = peers.start("bash -c " .. peers.quote((
      "%s serve --listen 127.0.0.1:0 --log text 2>%s/errors | %s")
      :format(tree.command, folder, reader)), folder .. "/log")
    port = tonumber(server:says "listening on 127%.0%.0%.1:(%d+)")
    assert(port, server:output())
  end

  after_each(function()
    server:stop()
    peers.remove(folder)
  end)

  local function send(count, octets)
    local p <close> = peer.dial(port)
    assert.matches("^220 ", p:reply())
    assert.matches("^250", p:ask "EHLO spec")
    for _ = 1, count do
      p:ask "MAIL FROM:<a@b>"
      p:ask "RCPT TO:<c@d>"
      assert.matches("^354 ", p:ask "DATA")
      assert.matches("^250 ", p:ask(octets .. "\r\n."))
    end
  end

  it("takes messages though its reader is gone", function()
    start "head -1"
    within(function() send(3, "x") end)
    assert.matches("cannot write", tree.read(folder .. "/errors"))
  end)

  it("takes messages though its reader reads no more", function()
    start "(head -1; sleep 60)"
    within(function() send(600, "Subject: x\r\n\r\nx") end)
    local errors = tree.read(folder .. "/errors")
    local _, told = errors:gsub("nobody reads standard output", "")
    assert.equal(1, told)
  end)

  it("gives back the memory of a large message", function()
    start "cat"
    within(function()
      send(20, "x")
      local pid = tree.lines(("cat /proc/%d/task/%d/children"):format(
        server.pid, server.pid))[1]:match "%d+"
      local function resident()
        return tonumber(tree.read("/proc/" .. pid .. "/status")
          :match "VmRSS:%s+(%d+)")
      end
      local before = resident()
      send(1, (("x"):rep(76) .. "\r\n"):rep(400000))
      -- the sanitizer keeps what is freed
      local grown = resident() - before
      assert.is_true(tree.build:find "asan" ~= nil or grown < 8192, grown)
    end)
  end)
end)
