--- The Maildir of `lunapost serve`: what is answered 250 is on the disk, as it
--- was sent; what the disk does not take is answered 451, and nothing of it is
--- left.
local core = require "lunapost.core"
local peer_of = require "spec.support.peer"
local peers = require "spec.support.peers"
local shim = require "spec.support.shim"
local tree = require "spec.support.tree"

-- A disk that writes down what it is asked for, beside what is said of a
-- message; FAIL names what fails, the first time: "create", "rename", or the
-- number of a flush.
local DISK <const> = [[
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int flushes, failed;

static void note(const char *what)
{
    int fd = open(getenv("NOTES"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)write(fd, what, strlen(what));
    close(fd);
}

static int fails(const char *what)
{
    const char *fail = getenv("FAIL");
    if (failed || !fail || strcmp(fail, what) != 0)
        return 0;
    failed = 1;
    errno = ENOSPC;
    return 1;
}

int fsync(int fd)
{
    char link[64], path[4096] = "", number[16];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    (void)readlink(link, path, sizeof path - 1);
    snprintf(number, sizeof number, "%d", ++flushes);
    note(strstr(path, "/tmp/1") ? "flush file\n" : "flush new\n");
    return fails(number) ? -1 : 0;
}

int rename(const char *from, const char *to)
{
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    note("rename\n");
    return fails("rename") ? -1 : real(from, to);
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    if (strstr(path, "/mail/tmp/1") && flags & O_CREAT && fails("create"))
        return -1;
    return real(path, flags, mode);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int) =
        dlsym(RTLD_NEXT, "send");
    if (n > 3 && memmem(p, n, "kept as", 7))
        note("250\n");
    return real(fd, p, n, flags);
}
]]

local MESSAGE <const> = "Subject: gr\xC3\xBC\xC3\x9Fe\r\n\r\n.\r\n..\r\n"
  .. "\0\255\r\n" .. ("x"):rep(5000) .. "\r\n \t\r\n\r\n.a\r\n"

local function read(path)
  local file <close> = io.open(path, "rb")
  if not file then return "" end
  return file:read "a"
end

local function send(peer, message)
  for _, line in ipairs { "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>",
    "DATA" } do
    assert.matches("^[23]", peer:ask(line))
  end
  peer:say(message:gsub("^%.", ".."):gsub("\r\n%.", "\r\n..") .. ".\r\n")
  return peer:reply()
end

describe("the Maildir of lunapost serve", function()
  local folder, mail, server, library, environment

  setup(function() library, environment = shim.build(DISK) end)
  teardown(function()
    if library then os.remove(library) end
  end)
  before_each(function()
    folder = peers.folder()
    mail = folder .. "/mail"
  end)
  after_each(function()
    if server then assert.is_true(server:stop(), server:output()) end
    server = nil
    peers.remove(folder)
  end)

  local function serve(fail, arguments)
    server = peers.serve(arguments or "--maildir " .. mail, folder .. "/log",
      ("%s NOTES=%s/notes FAIL=%s"):format(environment, folder, fail))
    local peer = peer_of.dial(server.port)
    peer:reply()
    peer:ask "EHLO spec"
    return peer
  end

  local function files(name)
    return core.system.list(mail .. "/" .. name)
  end

  local function is_ready()
    return library or pending "no compiler"
  end

  local ORDER <const> = "flush file\nrename\nflush new\n250\n"

  it("has a message on the disk, each octet of it, before 250 is said",
    function()
    if not is_ready() then return end
    local peer <close> = serve ""
    assert.matches("^250 2.0.0 kept as ", send(peer, MESSAGE))
    assert.equal(ORDER, read(folder .. "/notes"))
    assert.same({}, files "tmp")
    local kept = read(mail .. "/new/" .. files("new")[1])
    local head = peers.ends_with(kept, MESSAGE)
    assert.matches("^Return%-Path: <a@x.example>\r\nReceived: from spec %C-"
      .. "\r\n\t%C+\r\n\t%C+\r\n\t%C+\r\n$", head)
    assert.matches("^250 2.0.0 kept as ", send(peer, MESSAGE))
    assert.equal(ORDER .. ORDER, read(folder .. "/notes"))
    assert.equal(2, #files "new")
  end)

  it("is synced where it is the catcher's own, too", function()
    if not is_ready() then return end
    local peer <close> = serve("", "--spool " .. folder)
    assert.matches("^250 2.0.0 kept as ", send(peer, MESSAGE))
    assert.equal(ORDER, read(folder .. "/notes"))
  end)

  for fail, notes in pairs { create = "", ["1"] = "flush file\n",
    rename = "flush file\nrename\n",
    ["2"] = "flush file\nrename\nflush new\n" } do
    it("has nothing of what the disk refuses, and goes on: " .. fail,
      function()
      if not is_ready() then return end
      local peer <close> = serve(fail)
      assert.equal("451 4.3.1 cannot store the message", send(peer, MESSAGE))
      assert.same({ {}, {} }, { files "tmp", files "new" })
      assert.equal(notes, read(folder .. "/notes"))
      assert.is_truthy(server:says "No space left on device")
      assert.matches("^250 2.0.0 kept as ", send(peer, MESSAGE))
      assert.equal(notes .. ORDER, read(folder .. "/notes"))
      assert.equal(1, #files "new")
    end)
  end

  it("has nothing of what the disk takes in part", function()
    server = peers.listening(("bash -c %s"):format(peers.quote(
      ("ulimit -f 200; trap '' XFSZ; exec %s serve --listen 127.0.0.1:0 "
        .. "--maildir %s"):format(tree.command, mail))), folder .. "/log")
    local peer <close> = peer_of.dial(server.port)
    peer:reply()
    peer:ask "EHLO spec"
    assert.equal("451 4.3.1 cannot store the message",
      send(peer, MESSAGE:rep(100)))
    assert.same({ {}, {} }, { files "tmp", files "new" })
    assert.is_truthy(server:says "File too large")
    assert.matches("^250 2.0.0 kept as ", send(peer, MESSAGE))
    assert.equal(1, #files "new")
  end)
end)
