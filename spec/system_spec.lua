local core = require "lunapost.core"
local wire = require "spec.support.wire"

local system = core.system

describe("the system", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert.is_true(system.make_folder(folder))
  end)

  after_each(function() os.execute("rm -rf " .. folder) end)

  local function write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
  end

  it("knows the time, and the zone of the clock on the wall", function()
    assert.is_true(math.abs(system.time() - os.time()) < 2)
    local noon = os.time { year = 2026, month = 7, day = 1, hour = 12 }
    local utc = os.time(os.date("!*t", noon))
    assert.is_true(math.abs(system.zone(noon)) <= 14 * 3600)
    if not os.date("*t", noon).isdst then
      assert.equal(noon - utc, system.zone(noon))
    end
  end)

  it("makes, lists, syncs and removes", function()
    assert.is_true(system.make_folder(folder)) -- there already
    write(folder .. "/a", "12345")
    assert.is_true(system.sync(folder .. "/a"))
    assert.is_true(system.rename(folder .. "/a", folder .. "/b"))
    assert.is_true(system.link(folder .. "/b", folder .. "/c"))
    assert.is_nil((system.link(folder .. "/b", folder .. "/c")))
    assert.is_true(system.sync(folder))
    local names = system.list(folder)
    table.sort(names)
    assert.same({ "b", "c" }, names)
    assert.equal(5, system.stat(folder .. "/c").size)
    assert.equal("file", system.stat(folder .. "/c").type)
    assert.equal("folder", system.stat(folder).type)
    assert.is_true(system.remove(folder .. "/b"))
    assert.is_nil(system.stat(folder .. "/b"))
  end)

  it("makes files for their owner alone, whatever the umask", function()
    local out = wire.script(([[
      local core = require "lunapost.core"
      local create, path = core.system.create, %q
      local file = assert(create(path))
      assert(file:write "first, and longer")
      assert(file:close())
      io.popen("stat -c %%a " .. path, "w"):close()
      assert(os.execute("chmod 644 " .. path))
      local file <close> = assert(create(path))
      assert(file:write "again")
      assert(file:flush())
      io.popen("stat -c '%%a %%s' " .. path, "w"):close()
      print(create "/no/such/file")
      local file = assert(core.system.temporary(path .. "-XXXXXX"))
      assert(file:write "kept")
      assert(file:seek "set")
      print(file:read "a", #core.system.list(%q), file:close(), io.type(file))
      print(core.system.temporary "/no/such/XXXXXX")
    ]]):format(folder .. "/x", folder), "umask 022; ")
    assert.equal("600\n644 5\nnil\t/no/such/file: No such file or directory\n"
      .. "kept\t1\ttrue\tclosed file\n"
      .. "nil\t/no/such/: No such file or directory\n",
      (out:gsub("/such/......:", "/such/:")))
    assert.error_matches(function() system.create "a\0b" end, "NUL")
  end)

  it("makes folders for a while, and removes them", function()
    local path = system.temporary_folder(folder .. "/x-XXXXXX")
    assert.matches("^" .. folder:gsub("%p", "%%%0") .. "/x%-......$", path)
    assert.not_equal(path, system.temporary_folder(folder .. "/x-XXXXXX"))
    assert.equal("drwx------", io.popen("stat -c %A " .. path):read "l")
    write(path .. "/file", "")
    local ok, text = system.remove_folder(path)
    assert.is_nil(ok)
    assert.matches("not empty", text)
    system.remove(path .. "/file")
    assert.is_true(system.remove_folder(path))
    assert.is_nil((system.temporary_folder(folder .. "/none/x-XXXXXX")))
  end)

  it("knows who it runs as", function()
    local who = system.identity()
    assert.equal(math.tointeger(io.popen("id -u"):read "n"), who.user)
    assert.equal(math.tointeger(io.popen("id -g"):read "n"), who.group)
    assert.is_true(system.become(tostring(who.user)) or who.user == 0)
  end)

  it("tells datagram sockets, and says which it could not", function()
    local ok, text = system.tell(folder .. "/none", "READY=1")
    assert.is_nil(ok)
    assert.matches("none: No such file", text)
    for _, path in ipairs { "", "x", "relative", "/" .. ("x"):rep(200) } do
      ok, text = system.tell(path, "READY=1")
      assert.is_nil(ok)
      assert.matches("not a socket to notify", text)
    end
  end)

  it("says what it could not do", function()
    for _, call in ipairs { "sync", "list", "stat", "remove" } do
      local ok, text = system[call](folder .. "/none")
      assert.is_nil(ok)
      assert.equal(folder .. "/none: No such file or directory", text)
    end
    write(folder .. "/file", "")
    local ok, text = system.make_folder(folder .. "/file")
    assert.is_nil(ok)
    assert.matches("File exists", text)
    assert.has_error(function() system.stat("a\0b") end)
  end)

  it("opens no descriptor for good", function()
    local before = wire.descriptors()
    for _ = 1, 20 do
      system.list(folder)
      system.sync(folder)
      system.stat(folder)
      local signals <close> = system.signals()
      assert.is_true(signals:fd() >= 0)
    end
    assert.is_true(wire.at_most(before))
  end)
end)

describe("signals", function()
  -- What came, in order; sending a signal by a child brings another one.
  local function came(signals)
    local list, children = {}, 0
    core.loop.block(signals:fd(), "r", 1)
    for name in signals.next, signals do
      if name == "child" then
        children = children + 1
      else
        list[#list + 1] = name
      end
    end
    return table.concat(list, " "), children
  end

  it("become readable, and end no process", function()
    local signals <close> = system.signals()
    assert.equal("", (came(signals)))
    os.execute("kill -TERM " .. system.pid())
    assert.same({ "term", 1 }, { came(signals) })
    assert.is_true(signals:reopen())
    os.execute("kill -HUP " .. system.pid())
    assert.same({ "hup", 1 }, { came(signals) })
    os.execute("kill -INT " .. system.pid())
    signals:close() -- what came meanwhile is dropped
    signals:close()
    assert.equal(-1, signals:fd())
    assert.has_error(function() signals:reopen() end,
      "calling 'reopen' on bad self (closed)")
  end)
end)

describe("a program that nobody holds any more", function()
  local function started()
    local conn, child = core.process.start { "sleep", "60" }
    conn:close()
    return child:pid()
  end

  it("is ended and reaped by the collector", function()
    local pids = {}
    for i = 1, 20 do pids[i] = started() end
    collectgarbage()
    collectgarbage()
    for _, pid in ipairs(pids) do
      assert.is_nil(io.open(("/proc/%d/stat"):format(pid)))
    end
  end)
end)

describe("shared numbers", function()
  it("are those of all who were forked later", function()
    local shared = core.process.shared(2)
    assert.equal(0, shared:get(2))
    shared:set(1, 1 << 62)
    assert.equal(1 << 62, shared:get(1))
    local output = wire.script [[
      local process = require("lunapost.core").process
      local shared = process.shared(3)
      local pid = process.fork()
      if pid == 0 then
        shared:set(3, -7)
        os.exit(true, true)
      end
      while not process.reap(pid) do end
      print(shared:get(3), process.reap(pid))
    ]]
    assert.equal("-7\n", output)
    assert.has_error(function() shared:get(3) end)
    assert.has_error(function() shared:get(0) end)
    assert.has_error(function() shared:set(0, 1) end)
    shared:close()
    shared:close()
    assert.has_error(function() shared:get(1) end)
    assert.has_error(function() core.process.shared(0) end)
  end)
end)
