local core = require "lunapost.core"
local maildir_of = require "lunapost.maildir"

local function files(path)
  local list = {}
  for _, name in ipairs(core.system.list(path)) do
    if name ~= "." and name ~= ".." then list[#list + 1] = name end
  end
  return list
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

describe("a Maildir", function()
  local path, maildir

  before_each(function()
    path = os.tmpname()
    os.remove(path)
    maildir = assert(maildir_of.open(path))
  end)

  after_each(function()
    os.execute("rm -rf '" .. path .. "'")
  end)

  it("gets its folders", function()
    local folders = files(path)
    table.sort(folders)
    assert.same({ "cur", "new", "tmp" }, folders)
    assert.is_truthy(maildir_of.open(path))
  end)

  it("holds what was delivered, octet by octet, under new", function()
    local bytes = "Subject: x\r\n\r\n\0\255bytes\r\n"
    local final = assert(maildir:deliver(bytes))
    assert.equal(bytes, read(final))
    assert.same({}, files(path .. "/tmp"))
    assert.equal(1, #files(path .. "/new"))
    local pipe <close> = assert(io.popen("stat -c %a " .. final))
    assert.equal("600", pipe:read "l") -- nobody else's mail
  end)

  it("writes to no file that is there, nor through a link", function()
    local time, random = core.system.time, core.crypto.random
    finally(function()
      rawset(core.system, "time", time)
      rawset(core.crypto, "random", random)
    end)
    rawset(core.system, "time", function() return 1000000000.25 end)
    rawset(core.crypto, "random", function(n) return ("\1"):rep(n) end)
    local name = assert(maildir:deliver("one")):match "[^/]*$"
    assert.matches("^1000000000%.M250000P%d+Q%d+R01010101%.", name)
    local count = tonumber(name:match "Q(%d+)")
    assert(os.execute(("ln -s ../trap '%s/tmp/%s'"):format(path,
      (name:gsub("Q%d+", "Q" .. count + 1)))))
    local final, problem = maildir:deliver("two")
    assert.is_nil(final)
    assert.is_true(problem.transient)
    assert.is_nil(io.open(path .. "/trap"))
    assert.same({ name }, files(path .. "/new"))
  end)

  it("syncs what it delivers, file and folder, unless told not to", function()
    local sync, synced = core.system.sync, {}
    finally(function() rawset(core.system, "sync", sync) end)
    rawset(core.system, "sync", function(one)
      synced[#synced + 1] = one:match "/(%l+)[^/]*$"
        or one:match "/(%l+)/[^/]*$"
      return sync(one)
    end)
    assert(maildir:deliver("x"))
    assert.same({ "tmp", "new" }, synced)
    local passing = assert(maildir_of.open(path, { durable = false }))
    assert(passing:deliver("y"))
    assert.equal(2, #synced)
    assert.equal(2, #files(path .. "/new"))
  end)

  it("gives each message a name of its own", function()
    for _ = 1, 50 do assert(maildir:deliver("x")) end
    assert.equal(50, #files(path .. "/new"))
  end)

  it("keeps nothing of a delivery that is left unfinished", function()
    local ok = pcall(function()
      local delivery <close> = assert(maildir:begin())
      delivery:write("half")
      error("cut off")
    end)
    assert.is_false(ok)
    assert.same({}, files(path .. "/tmp"))
    assert.same({}, files(path .. "/new"))
  end)

  it("says so when it cannot keep a message, and keeps no part", function()
    os.execute("rm -rf '" .. path .. "/new'")
    local final, err = maildir:deliver("x")
    assert.is_nil(final)
    assert.is_true(err.transient)
    assert.same({}, files(path .. "/tmp"))
  end)

  it("reports a disk that is full", function()
    local delivery <close> = assert(maildir:begin())
    delivery.file:close()
    delivery.file = assert(io.open("/dev/full", "wb"))
    for _ = 1, 40 do delivery:write(("x"):rep(4096)) end
    local final, err = delivery:commit()
    assert.is_nil(final)
    assert.matches("[Nn]o space", tostring(err))
    assert.same({}, files(path .. "/new"))
  end)
end)
