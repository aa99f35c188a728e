--- Receiving: smtp-source (Postfix) and a pipelining client (load.c) send to
--- each server in turn, over loopback. Two figures a server: messages a
--- second, and the processor time that the server itself took for a message,
--- which does not depend on how quick the sender is. Both as ratios to
--- smtp-sink in the same round. Then system calls a message, and what idle
--- sessions cost.

local peers = require "spec.support.peers"
local tree = require "spec.support.tree"
local now = require("lunapost.loop").now

-- How long a run should take, about; a short one tells only that all works.
local seconds <const> = tonumber(os.getenv "BENCH_SECONDS" or 1.5)
local rounds <const> = seconds < 1 and 1 or 3

local load <const> = tree.build .. "/load"

-- Modes of load.c need no smtp-source; connect: a connection each message.
local cells <const> = {
  { size = 1024, sessions = 1 },
  { size = 1024, sessions = 8 },
  { size = 1024, sessions = 64 },
  { size = 1024, sessions = 1, connect = true },
  { size = 1024, sessions = 8, connect = true },
  { size = 1024, sessions = 64, connect = true },
  { size = 1024, sessions = 1, mode = "seq" },
  { size = 1024, sessions = 1, mode = "pipe" },
  { size = 1024, sessions = 1, mode = "full" },
  { size = 10240, sessions = 64 },
  { size = 1048576, sessions = 1 },
  { size = 1048576, sessions = 8 },
  { size = 1048576, sessions = 64 },
  { size = 1048576, sessions = 1, mode = "pipe" },
}

-- What BENCH_SECONDS below 1 leaves: a cell of each kind.
local brief <const> = { [2] = true, [5] = true, [8] = true, [12] = true }

local folder <const> = peers.folder()
local two_cores <const> = peers.has "taskset"
  and tonumber(tree.lines "nproc"[1]) > 1

local function on_core(core, command)
  return two_cores and ("taskset -c %d %s"):format(core, command) or command
end

local function fixed_port(command)
  return function(log)
    local port = peers.free_port()
    local server = peers.server(on_core(0, command:format(port)), port, log)
    server.port = port
    return server
  end
end

local servers <const> = {
  { name = "smtp-sink", there = peers.has "smtp-sink", start = fixed_port
    "/usr/sbin/smtp-sink -u nobody -m 20000 127.0.0.1:%d 1024" },
  { name = "lunapost", there = true, start = function(log)
    return peers.listening(on_core(0, tree.lua "spec/bench/serve.lua"), log)
  end },
  { name = "smtp-server", there = peers.npm(), start = fixed_port(
    "env NODE_PATH=build/npm/node_modules node spec/bench/smtp_server.js %d") },
  { name = "aiosmtpd",
    there = os.execute "/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null",
    start = fixed_port "/usr/bin/python3 spec/bench/aiosmtpd_serve.py %d" },
}

-- Seconds of processor time of a process, all its threads: the kernel counts
-- nanoseconds.
local function spent(pid)
  local total = 0
  for _, line in ipairs(tree.lines(
    ("cat /proc/%d/task/*/schedstat 2>/dev/null"):format(pid))) do
    total = total + tonumber(line:match "^%d+")
  end
  return total / 1e9
end

local function sending(server, cell, count)
  if cell.mode then
    return ("%s send %d %d %d %s"):format(load, server.port, count, cell.size,
      cell.mode)
  end
  return ("/usr/sbin/smtp-source -s %d -m %d -l %d %s -f a@example.org "
    .. "-t b@example.org 127.0.0.1:%d"):format(cell.sessions, count, cell.size,
    cell.connect and "" or "-d", server.port)
end

-- Sends count messages; returns seconds, and processor seconds of the server.
local function run(server, cell, count)
  local before, start = spent(server.pid), now()
  local output, code = peers.run(on_core(1, sending(server, cell, count)), 120)
  local wall = now() - start
  assert(code == 0 and (cell.mode or output == ""), output)
  return wall / count, (spent(server.pid) - before) / count
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- How many messages take about the wanted time.
local function fitting(server, cell)
  local first = math.max(cell.sessions, 32)
  local each = run(server, cell, first)
  local count = math.tointeger(seconds / each // 1)
  return math.max(first, math.min(count, 20000))
end

local function measure(cell, running)
  local rows = {}
  for i, server in ipairs(running) do
    rows[i] = { count = fitting(server, cell), wall = {}, cpu = {},
      speed = {}, thrift = {} }
  end
  for round = 1, rounds do
    for i, server in ipairs(running) do
      local row, first = rows[i], rows[1]
      row.wall[round], row.cpu[round] = run(server, cell, row.count)
      row.speed[round] = first.wall[round] / row.wall[round]
      row.thrift[round] = row.cpu[round] / first.cpu[round]
    end
  end
  return rows
end

local hows <const> = { seq = "each reply awaited", pipe = "pipelined",
  full = "pipelined across messages" }

local function report(cell, running, rows)
  local how = cell.mode and hows[cell.mode]
    or cell.connect and "a connection each message" or "connections reused"
  print(("%d octets, %d session%s, %s"):format(cell.size, cell.sessions,
    cell.sessions > 1 and "s" or "", how))
  for i, server in ipairs(running) do
    local row = rows[i]
    local line = "  %-12s %8.0f messages/s  x%-6.2f %8.1f us CPU  x%.2f"
    print(line:format(server.name, 1 / median(row.wall), median(row.speed),
      median(row.cpu) * 1e6, median(row.thrift)))
  end
  io.stdout:flush()
end

-- Starts what is there; running tells what must be stopped.
local function start_all(running)
  for _, server in ipairs(servers) do
    if server.there then
      local process = server.start(folder .. "/" .. server.name .. ".log")
      process.name = server.name
      running[#running + 1] = process
    else
      print(server.name .. " is missing: not measured")
    end
  end
end

-- System calls of our server for a message, by strace.
local function count_calls()
  if not peers.has "strace" then return print "strace is missing" end
  local counts, count <const> = folder .. "/calls", 2000
  print "system calls a message (strace -c), 1024 octets, 1 session"
  for _, mode in ipairs { "seq", "pipe", "full" } do
    local server <close> = setmetatable({}, { __close = function(s)
      s.process:stop()
    end })
    server.process = peers.listening(("strace -f -c -U calls,name -o %s %s")
      :format(counts, tree.lua "spec/bench/serve.lua"),
      folder .. "/strace.log")
    local output, code = peers.run(("%s send %d %d 1024 %s"):format(load,
      server.process.port, count, mode))
    assert(code == 0, output)
    server.process:stop()
    local words = {}
    for _, line in ipairs(tree.lines("cat " .. counts)) do
      local n, name = line:match "^%s*(%d+)%s+([%w_]+)%s*$"
      n = tonumber(n)
      if n and n >= count / 4 and name ~= "total" then
        words[#words + 1] = ("%s %.2f"):format(name, n / count)
      end
    end
    table.sort(words)
    print(("  %-28s %s"):format(hows[mode], table.concat(words, ", ")))
  end
end

-- Memory of idle sessions, and what 10,000 do to the commands of one.
local function measure_idle()
  print "idle sessions, EHLO said; a command's time on one that is busy"
  local count <const> = seconds < 1 and 500 or 10000
  for _, tls in ipairs { "", "tls" } do
    local n <const> = tls == "" and count or count // 10
    local log = folder .. "/idle" .. tls .. ".log"
    local server = peers.listening(on_core(0, tree.lua("spec/bench/serve.lua "
      .. tls)), log)
    local output, code = peers.run(on_core(1, ("%s idle %d %d %d %s"):format(
      load, server.port, n, server.pid, tls)), 120)
    server:stop()
    assert(code == 0, output)
    local each, p50, p99, after50, after99 = output:match(
      "(%S+) (%S+) (%S+) (%S+) (%S+)")
    print(("  %5d%s %8.0f octets each; p50 %.1f -> %.1f us, p99 %.1f -> "
      .. "%.1f us"):format(n, tls == "" and "    " or " TLS", each, p50,
      after50, p99, after99))
  end
end

local function main(running)
  start_all(running)
  print(("messages a second and the server's processor time a message; "
    .. "x: against %s"):format(running[1].name))
  for i, cell in ipairs(cells) do
    if rounds > 1 or brief[i] then
      report(cell, running, measure(cell, running))
    end
  end
end

if peers.has "smtp-source" then
  local running = {}
  local ok, problem = xpcall(main, debug.traceback, running)
  for _, server in ipairs(running) do server:stop() end
  if ok then ok, problem = xpcall(count_calls, debug.traceback) end
  if ok then ok, problem = xpcall(measure_idle, debug.traceback) end
  peers.remove(folder)
  assert(ok, problem)
else
  print "smtp-source (Postfix) is missing: nothing is measured"
end
