--- Receiving: smtp-source (Postfix) sends to each server in turn, over
--- loopback. Two figures a server: messages a second, and the processor time
--- that the server itself took for a message, which does not depend on how
--- quick the sender is. Both as ratios to smtp-sink in the same round.

local peers = require "spec.support.peers"
local tree = require "spec.support.tree"
local now = require("lunapost.loop").now

-- How long a run should take, about; a short one tells only that all works.
local seconds <const> = tonumber(os.getenv "BENCH_SECONDS" or 1.5)
local rounds <const> = seconds < 1 and 1 or 3

local cells <const> = {
  { size = 1024, sessions = 1 },
  { size = 1024, sessions = 8 },
  { size = 1024, sessions = 8, connect = true },
  { size = 10240, sessions = 64 },
  { size = 1048576, sessions = 8 },
}

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

-- Sends count messages; returns seconds, and processor seconds of the server.
local function run(server, cell, count)
  local command = on_core(1, ("/usr/sbin/smtp-source -s %d -m %d -l %d %s "
    .. "-f a@example.org -t b@example.org 127.0.0.1:%d")
    :format(cell.sessions, count, cell.size, cell.connect and "" or "-d",
      server.port))
  local before, start = spent(server.pid), now()
  local output, code = peers.run(command, 120)
  local wall = now() - start
  assert(code == 0 and output == "", output)
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

local function report(cell, running, rows)
  print(("%d octets, %d session%s%s"):format(cell.size, cell.sessions,
    cell.sessions > 1 and "s" or "",
    cell.connect and ", a connection each message" or ""))
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

local function main(running)
  start_all(running)
  print(("messages a second and the server's processor time a message; "
    .. "x: against %s"):format(running[1].name))
  for _, cell in ipairs(cells) do
    report(cell, running, measure(cell, running))
  end
end

if peers.has "smtp-source" then
  local running = {}
  local ok, problem = xpcall(main, debug.traceback, running)
  for _, server in ipairs(running) do server:stop() end
  peers.remove(folder)
  assert(ok, problem)
else
  print "smtp-source (Postfix) is missing: nothing is measured"
end
