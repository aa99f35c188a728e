--- Sending, over one connection: messages a second, and the sender's own
--- processor time a message. Plain ones go to smtp-sink (Postfix), beside
--- smtp-source; composed ones with an attachment beside nodemailer's pool and
--- Python's smtplib with email; by TLS to lunapost's server, beside libcurl.

local measure = require "spec.bench.measure"
local peers = require "spec.support.peers"
local tree = require "spec.support.tree"

-- How long a run should take, about; a short one tells only that all works.
local seconds <const> = tonumber(os.getenv "BENCH_SECONDS" or 1.5)
local rounds <const> = seconds < 1 and 1 or 5

local folder <const> = peers.folder()
local two_cores <const> = peers.has "taskset"
  and tonumber(tree.lines "nproc"[1]) > 1

local function on_core(core, command)
  return two_cores and ("taskset -c %d %s"):format(core, command) or command
end

local function sink(log)
  local port = peers.free_port()
  local server = peers.server(on_core(0, ("/usr/sbin/smtp-sink -u nobody "
    .. "-m 1000 127.0.0.1:%d 4096"):format(port)), port, log)
  server.port = port
  return server
end

local function own_server(log)
  return peers.listening(on_core(0, tree.lua "spec/bench/serve.lua"
    .. " tls"), log)
end

-- Two numbers that a program of ours prints.
local function told(command)
  return function(port, count, size)
    local output, code = peers.run(on_core(1, command:format(port, count,
      size)), 120)
    local wall, cpu = output:match "([%d.e-]+)%s+([%d.e-]+)%s*$"
    assert(code == 0 and cpu, output)
    return wall / count, cpu / count
  end
end

-- A whole program, which cannot tell by itself.
local function timed(command)
  return function(port, count, size)
    local output, code = peers.run(("bash -c %s"):format(peers.quote(
      "TIMEFORMAT='%R %U %S'; time " .. on_core(1, command:format(count, size,
        port)))), 120)
    local wall, user, system = output:match "([%d.]+) ([%d.]+) ([%d.]+)%s*$"
    assert(code == 0 and system, output)
    return wall / count, (user + system) / count
  end
end

local function ours(how, tls)
  return told(tree.lua "spec/bench/send_ours.lua" .. " %d %d %d " .. how .. " "
    .. (tls or "none"))
end

local source <const> = timed("/usr/sbin/smtp-source -d -s 1 -m %d -l %d "
  .. "-f a@example.org -t b@example.org 127.0.0.1:%d")

local curl_path <const> = folder .. "/send_curl"

local function curl_there()
  return os.execute(("cc -O2 -o %s spec/bench/send_curl.c -lcurl 2>/dev/null")
    :format(curl_path))
end

local python_there <const> = os.execute "/usr/bin/python3 -c 'import smtplib'"
local node_there <const> = peers.npm()

-- { title, octets, server, { name, whether it is there, run } ... }
local cells <const> = {
  { "plain, 1 KiB", 1024, sink,
    { "smtp-source", peers.has "smtp-source", source },
    { "lunapost", true, ours "one" },
    { "lunapost, overlap", true, ours "overlap" } },
  { "plain, 1 MiB", 1048576, sink,
    { "smtp-source", peers.has "smtp-source", source },
    { "lunapost", true, ours "one" } },
  { "composed, 1 MiB attached", 1048576, sink,
    { "lunapost", true, ours "compose" },
    { "nodemailer's pool", node_there, told("env NODE_PATH=build/npm/"
      .. "node_modules node spec/bench/send_node.js %d %d %d") },
    { "smtplib, email", python_there,
      told "/usr/bin/python3 spec/bench/send_python.py %d %d %d" } },
  { "TLS, 1 KiB", 1024, own_server,
    { "libcurl", curl_there, told(curl_path .. " %d %d %d") },
    { "lunapost", true, ours("one", "starttls") } },
  { "TLS, 1 MiB", 1048576, own_server,
    { "libcurl", curl_there, told(curl_path .. " %d %d %d") },
    { "lunapost", true, ours("one", "starttls") } },
}

local function present(side)
  local there = side[2]
  if type(there) == "function" then there = there() end
  if not there then print("  " .. side[1] .. " is missing: not measured") end
  return there
end

local function fitting(run, port, size)
  local each = run(port, 5, size)
  local count = math.tointeger(seconds / each // 1)
  return math.max(5, math.min(count, 20000))
end

local function compare(sides, port, size)
  local rows = {}
  for i, side in ipairs(sides) do
    rows[i] = { count = fitting(side[3], port, size), wall = {}, cpu = {},
      speed = {}, thrift = {} }
  end
  for round = 1, rounds do
    for i, side in ipairs(sides) do
      local row, first = rows[i], rows[1]
      row.wall[round], row.cpu[round] = side[3](port, row.count, size)
      row.speed[round] = first.wall[round] / row.wall[round]
      row.thrift[round] = row.cpu[round] / first.cpu[round]
    end
  end
  return rows
end

local function report(sides, rows)
  for i, side in ipairs(sides) do
    local row = rows[i]
    print(("  %-18s %8.0f messages/s  x%-6.2f %9.1f us CPU  x%.2f"):format(
      side[1], 1 / measure.median(row.wall), measure.median(row.speed),
      measure.median(row.cpu) * 1e6, measure.median(row.thrift)))
  end
  io.stdout:flush()
end

local function run_cell(cell)
  print(cell[1])
  local sides = {}
  for _, side in ipairs { table.unpack(cell, 4) } do
    if present(side) then sides[#sides + 1] = side end
  end
  local server <close> = setmetatable(cell[3](folder .. "/log"), {
    __index = getmetatable(peers.start("true", folder .. "/true")).__index,
    __close = function(process) process:stop() end,
  })
  report(sides, compare(sides, server.port, cell[2]))
end

if peers.has "smtp-sink" then
  local ok, problem = xpcall(function()
    for _, cell in ipairs(cells) do run_cell(cell) end
  end, debug.traceback)
  peers.remove(folder)
  assert(ok, problem)
else
  print "smtp-sink (Postfix) is missing: nothing is measured"
  peers.remove(folder)
end
