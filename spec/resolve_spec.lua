local core = require "lunapost.core"
local net = require "lunapost.net"
local wire = require "spec.support.wire"

-- A resolver that takes its time for names of slow.*, and no other: SLOW
-- microseconds at most, less where three such names are asked for at the
-- same time and the file that $GATE names is there.
local SHIM <const> = [[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parties;

static void meet(void)
{
    const char *gate = getenv("GATE");
    __atomic_add_fetch(&parties, 1, __ATOMIC_SEQ_CST);
    for (long left = SLOW; left > 0; left -= 1000) {
        if (gate && access(gate, F_OK) == 0 &&
            __atomic_load_n(&parties, __ATOMIC_SEQ_CST) >= 3)
            return;
        usleep(1000);
    }
}

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name && strncmp(name, "slow", 4) == 0) {
        meet();
        name = "127.0.0.1";
    }
    return real(name, service, hints, list);
}

int __res_nquery(void *state, const char *name, int class, int type,
                 unsigned char *answer, int room)
{
    (void)state, (void)name, (void)class, (void)type;
    (void)answer, (void)room;
    usleep(SLOW);
    return -1;
}

int res_nquery(void *state, const char *name, int class, int type,
               unsigned char *answer, int room)
{
    return __res_nquery(state, name, class, type, answer, room);
}

int getnameinfo(const struct sockaddr *a, socklen_t n, char *name,
                socklen_t room, char *service, socklen_t service_room,
                int flags)
{
    if (flags & NI_NAMEREQD) {
        usleep(SLOW);
        strcpy(name, "slow.example.org");
        return 0;
    }
    int (*real)(const struct sockaddr *, socklen_t, char *, socklen_t, char *,
                socklen_t, int) = dlsym(RTLD_NEXT, "getnameinfo");
    return real(a, n, name, room, service, service_room, flags);
}
]]

-- Three name servers that are IPv6, and whether they are freed.
local SERVERS <const> = [[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __res_ninit(res_state state)
{
    int (*real)(res_state) = dlsym(RTLD_NEXT, "__res_ninit");
    int r = real(state);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in6 **a = &state->_u._ext.nsaddrs[i];
        if (!*a)
            *a = calloc(1, sizeof **a);
        (*a)->sin6_family = AF_INET6;
        memset(&state->nsaddr_list[i], 0, sizeof *state->nsaddr_list);
    }
    state->nscount = 3;
    return r;
}

void __res_nclose(res_state state)
{
    void (*real)(res_state) = dlsym(RTLD_NEXT, "__res_nclose");
    int left = 0;
    real(state);
    for (int i = 0; i < 3; i++)
        left += state->_u._ext.nsaddrs[i] != NULL;
    printf("%d left\n", left);
    fflush(stdout);
}
]]

local PRELUDE <const> = [[
  package.path, package.cpath = %q, %q
  local core = require "lunapost.core"
  local loop = require "lunapost.loop"
  local net = require "lunapost.net"
  local start = core.loop.now()
  local function say(...) print(...) end
  local function late(limit) return core.loop.now() - start > limit end
]]

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

-- Runs a script in a process with a shim before the system's resolver; its
-- output, or nil where nothing can compile the shim.
local function shimmed(code, script, seconds)
  local base = os.tmpname()
  local shim, source, program = base .. ".so", base .. ".c", base .. ".lua"
  write(source, code)
  write(program, PRELUDE:format(package.path, package.cpath) .. script)
  local built = os.execute(("cc -shared -fPIC -w -DSLOW=%d -o %s %s -ldl "
    .. "2>/dev/null"):format((seconds or 60) * 1e6 // 1, shim, source))
  local out
  if built then
    local p <close> = io.popen(("ASAN_OPTIONS=verify_asan_link_order=0 "
      .. "GATE=%s.gate LD_PRELOAD=%s %s %s 2>&1"):format(base, shim,
      wire.lua, program))
    out = p:read "a"
  end
  for _, path in ipairs { base, shim, source, program } do os.remove(path) end
  return out
end

local function slowly(script, seconds)
  return shimmed(SHIM, script, seconds)
end

describe("looking up", function()
  it("finds the addresses of a name", function()
    local list = assert(net.resolve("localhost", { timeout = 10 }))
    for _, one in ipairs(list) do
      assert.is_true(one.address == "127.0.0.1" or one.address == "::1")
    end
  end)

  it("knows localhost where no hosts file does, RFC 6761 6.3", function()
    local list = assert(net.resolve("some.Localhost.", { timeout = 10 }))
    assert.is_true(list[1].address == "127.0.0.1" or list[1].address == "::1")
    local none, problem = net.resolve("my-localhost.invalid", { timeout = 10 })
    assert.is_nil(none)
    assert.equal("dns", problem.kind)
  end)

  it("takes an address as it is", function()
    for _, address in ipairs { "192.0.2.7", "2001:db8::7" } do
      local list = assert(net.resolve(address))
      assert.equal(1, #list)
      assert.equal(address, list[1].address)
    end
  end)

  it("says that a name does not exist", function()
    local list, problem = net.resolve("no.such.name.invalid",
      { timeout = 30 })
    assert.is_nil(list)
    assert.equal("dns", problem.kind)
    assert.equal("no.such.name.invalid", problem.host)
  end)

  it("refuses what can be no name", function()
    for _, bad in ipairs { "", ("x"):rep(256), "a\0b" } do
      local list, problem = net.resolve(bad)
      assert.is_nil(list)
      assert.equal("dns", problem.kind)
    end
  end)

  it("finds the name of an address, and remembers it", function()
    local name, problem = net.reverse("127.0.0.1", { timeout = 10 })
    assert.is_true(name ~= nil or problem.kind == "dns")
    local start = core.loop.now()
    for _ = 1, 1000 do
      assert.equal(name, (net.reverse("127.0.0.1", { timeout = 10 })))
    end
    assert.is_true(core.loop.now() - start < 30)
  end)

  it("remembers no wait that was broken off", function()
    local names = require "lunapost.net.names"
    local err = require "lunapost.err"
    local ask, kind, asked = names.ask, "closed", 0
    finally(function() names.ask = ask end)
    function names.ask()
      asked = asked + 1
      return nil, err.new { kind = kind, text = "x" }
    end
    for _, one in ipairs { "closed", "closed", "timeout", "timeout" } do
      kind = one
      assert.equal(one, select(2, net.reverse "192.0.2.77").kind)
    end
    assert.equal(3, asked)
  end)

  it("knows the host's own name", function()
    assert.is_true(#net.fqdn() > 0)
    assert.equal(net.fqdn(), net.fqdn { timeout = 1 })
  end)

  it("answers many at once, and each task its own", function()
    local loop, count = wire.new_loop(), 0
    local tasks = {}
    for i = 1, 50 do
      tasks[i] = function()
        local address = "192.0.2." .. i
        local list = assert(net.resolve(i % 2 == 0 and address or "localhost",
          { loop = loop, timeout = 30 }))
        if i % 2 == 0 then assert.equal(address, list[1].address) end
        count = count + 1
      end
    end
    wire.run(loop, table.unpack(tasks))
    assert.equal(50, count)
  end)

  it("may be given up at any time", function()
    collectgarbage()
    collectgarbage()
    local pool = core.resolver.new(2)
    local before = wire.descriptors()
    for i = 1, 100 do
      local lookup = assert(pool:lookup("name" .. i .. ".invalid"))
      assert.is_true(lookup:fd() >= 0)
      if i % 2 == 0 then lookup:close() end
      if i % 3 == 0 then lookup:close() end
      if i % 2 == 0 then
        assert.has_error(function() lookup:result() end)
      end
    end
    pool:close()
    pool:close()
    assert.has_error(function() pool:lookup "x" end)
    assert.is_true(wire.at_most(before))
  end)

  it("has a bounded queue", function()
    local out = slowly [=[
      core.system.raise_descriptors()
      local pool, kept = core.resolver.new(2), {}
      local kind, text
      for i = 1, 5000 do
        kept[i], kind, text = pool:lookup "slow.example.org"
        if not kept[i] then break end
      end
      say(#kept >= 4096 or text:match "refused", kind ~= nil)
    ]=]
    if not out then return pending "no C compiler" end
    assert.matches("true\n$", out)
  end)

  it("that is slow does not stop the loop", function()
    local out = slowly [[
      for i = 1, 3 do
        loop.spawn(function()
          local list = net.resolve("slow" .. i .. ".example.org")
          say("resolved", list[1].address, late(50))
        end)
      end
      loop.spawn(function()
        for _ = 1, 10 do loop.sleep(0.01) end
        say "ticks"
        core.system.create(os.getenv "GATE"):close()
      end)
      loop.run()
      os.remove(os.getenv "GATE")
    ]]
    if not out then return pending "no C compiler" end
    assert.equal("ticks\n" .. ("resolved\t127.0.0.1\tfalse\n"):rep(3), out)
  end)

  it("that is slow ends at its deadline, and the process with it", function()
    local out = slowly [[
      local list, problem = net.resolve("slow.example.org", { timeout = 0.05 })
      say(list, problem, late(50))
      local conn, why = net.dial { host = "slow.example.org", port = 25,
        timeout = 0.05 }
      say(conn, why.kind, late(50))
    ]]
    if not out then return pending "no C compiler" end
    assert.equal("nil\tslow.example.org: the name was not answered in time"
      .. "\tfalse\nnil\ttimeout\tfalse\n", out)
  end)

  it("for records leaves a thread for addresses",
    function()
    local out = slowly([[
      local names = require "lunapost.net.names"
      for i = 1, 12 do
        loop.spawn(function() net.reverse("192.0.2." .. i) end)
        loop.spawn(names.ask, "query", "x" .. i, {}, 15, 1, false)
      end
      loop.spawn(function()
        loop.sleep(0.05)
        say(net.resolve("localhost") ~= nil, late(50))
        loop.stop()
      end)
      loop.run()
    ]])
    if not out then return pending "no C compiler" end
    assert.equal("true\tfalse\n", out)
  end)

  it("for strangers' addresses leaves a thread for others", function()
    local out = slowly([[
      for i = 1, 12 do
        loop.spawn(function() net.reverse("192.0.2." .. i) end)
      end
      loop.spawn(function()
        loop.sleep(0.05)
        say(net.resolve("localhost") ~= nil, late(50))
        loop.stop()
      end)
      loop.run()
    ]])
    if not out then return pending "no C compiler" end
    assert.equal("true\tfalse\n", out)
  end)
end)

describe("a question to a name server of one's own", function()
  it("frees those of the system", function()
    local out = shimmed(SERVERS, [[
      local dns = require "lunapost.dns"
      local _, problem = dns.mx("example", { nameserver = "127.0.0.1:1",
        timeout = 5 })
      say(problem.kind)
    ]])
    if not out or not out:find "left" then
      return require "busted".pending("another resolver than that of glibc")
    end
    assert.matches("^0 left\n%a+\n$", out)
  end)
end)
