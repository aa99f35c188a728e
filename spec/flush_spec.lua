-- Flushes to the disk in a loop: 250 after them, nobody else waits for them,
-- and nothing stays of one that is given up.
local core = require "lunapost.core"
local flush = require "lunapost.net.flush"
local maildir_of = require "lunapost.maildir"
local names = require "lunapost.net.names"
local shim = require "spec.support.shim"

-- A disk that tells what it is asked for, is slow until FOLDER/go is there, or
-- at the flush that HOLD tells alone, and fails at the one that FAIL tells, by
-- the number in WHY.
local DISK <const> = [[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int flushes;

int fsync(int fd)
{
    char link[64], path[4096] = "", go[4096], begun[4096];
    const char *folder = getenv("FOLDER"), *fail = getenv("FAIL"),
               *hold = getenv("HOLD");
    int now = ++flushes, held = !hold || now == atoi(hold);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    (void)readlink(link, path, sizeof path - 1);
    snprintf(go, sizeof go, "%s/go", folder);
    snprintf(begun, sizeof begun, "%s/begun", folder);
    dprintf(1, "flush %s\n", strstr(path, "/tmp/1") ? "file" : "new");
    close(open(begun, O_CREAT | O_WRONLY, 0600));
    for (int i = 0; held && i < 10000 && access(go, F_OK) != 0; i++)
        usleep(1000);
    if (fail && now == atoi(fail)) {
        errno = atoi(getenv("WHY"));
        return -1;
    }
    return 0;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    dprintf(1, "rename\n");
    return real(from, to);
}
]]

local PRELUDE <const> = [[
io.stdout:setvbuf "no"
local core = require "lunapost.core"
local loop = require "lunapost.loop"
local maildir_of = require "lunapost.maildir"
local folder = os.getenv "FOLDER"
local maildir = assert(maildir_of.open(folder .. "/mail"))
local function go() core.system.create(folder .. "/go"):close() end
local function begun() return core.system.stat(folder .. "/begun") end
local function await(holds)
  local limit = loop.now() + 20
  while not holds() do
    assert(loop.now() < limit, "in vain")
    loop.sleep(0.001)
  end
end
local function files(name)
  local list = core.system.list(folder .. "/mail/" .. name)
  return #list
end
local function descriptors() return #core.system.list "/proc/self/fd" end
]]

local function with(script, environment)
  local folder = assert(core.system.temporary_folder(
    "/tmp/lunapost-spec-XXXXXX"))
  local out = shim.run(DISK, PRELUDE .. script, ("FOLDER=%s %s"):format(folder,
    environment or ""))
  os.execute("rm -rf " .. folder)
  return out
end

describe("a delivery to a Maildir in a loop", function()
  it("is told after flush, rename, flush; the others go on meanwhile",
    function()
    local out = with [[
      loop.spawn(function()
        assert(maildir:deliver "Subject: x\n\nx\n")
        print("250", files "tmp", files "new")
      end)
      loop.spawn(function()
        await(begun)
        for i = 1, 3 do
          loop.sleep(0)
          print("turn", i)
        end
        go()
      end)
      loop.run()
    ]]
    if not out then return pending "no compiler" end
    assert.equal("flush file\nturn\t1\nturn\t2\nturn\t3\nrename\nflush new\n"
      .. "250\t0\t1\n", out)
  end)

  it("keeps nothing of a message that the disk does not take", function()
    for at, steps in pairs { "flush file\n", "flush file\nrename\nflush new\n" }
    do
      for number, words in pairs { [5] = "Input/output error",
        [28] = "No space left on device" } do
        local out = with([[
          go()
          loop.spawn(function()
            local ok, problem = maildir:deliver "x"
            print(ok, problem.transient, tostring(problem):match "[^:]+$",
              files "tmp", files "new")
          end)
          loop.run()
        ]], ("FAIL=%d WHY=%d"):format(at, number))
        if not out then return pending "no compiler" end
        assert.equal(("%snil\ttrue\t %s\t0\t0\n"):format(steps, words), out)
      end
    end
  end)

  it("leaks nothing where its task is killed during a flush", function()
    local out = with [[
      go() -- the pool and its thread come about
      loop.spawn(function() assert(maildir:deliver "x") end)
      loop.run()
      os.remove(folder .. "/go")
      os.remove(folder .. "/begun")
      local before = descriptors()
      loop.spawn(function()
        local task = loop.spawn(function() maildir:deliver "y" end)
        await(begun)
        loop.kill(task)
        print("killed", files "tmp", files "new")
        go()
        await(function() return descriptors() <= before end)
        print "the same"
      end)
      loop.run()
    ]]
    if not out then return pending "no compiler" end
    assert.equal("flush file\nrename\nflush new\nflush file\n"
      .. "killed\t0\t1\nthe same\n", out)
  end)

  it("is given up in the middle of its last flush, too", function()
    local out = with([[
      loop.spawn(function()
        local task = loop.spawn(function() maildir:deliver "y" end)
        await(function() return files "new" == 1 end)
        loop.sleep(0.01)
        loop.kill(task)
        print("killed", files "tmp", files "new")
        go()
      end)
      loop.run()
    ]], "HOLD=2")
    if not out then return pending "no compiler" end
    assert.matches("killed\t0\t0\n", out)
  end)

  it("says so where the wait for it is broken off", function()
    local settle <const> = names.settle
    local _ <close> = setmetatable({}, { __close = function()
      names.settle = settle
    end })
    function names.settle(lookup, ...) -- one that is never done
      return settle({ result = function() return nil, "read" end,
        fd = function() return lookup:fd() end,
        close = function() lookup:close() end }, ...)
    end
    local loop <const> = { inside = function() return true end,
      wait = function() return nil, "closed" end, forget = function() end }
    assert.same({ nil, "the wait for the disk was broken off" },
      { flush.path("/tmp", loop) })
  end)

  it("waits outside of tasks, as it did", function()
    local path = os.tmpname()
    os.remove(path)
    local maildir = assert(maildir_of.open(path))
    assert(maildir:deliver "x")
    assert.equal(1, #core.system.list(path .. "/new"))
    os.execute("rm -rf " .. path)
  end)
end)
