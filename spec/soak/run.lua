-- A server under mixed load for a while: sizes, TLS, pipelining, chunks,
-- refusals, aborts, reloads. Tells its memory and descriptors as time goes
-- by, and what went wrong. Run by `make soak`, or as
--
--   lua5.4 spec/soak/run.lua [SECONDS [SESSIONS A SECOND [WORKERS]]]

local core = require "lunapost.core"
local loop = require "lunapost.loop"
local peers = require "spec.support.peers"
local smtp = require "lunapost.smtp"

local function given(n, default)
  return tonumber(arg[n]) or default
end

local seconds, rate, workers = given(1, 60), given(2, 20), given(3, false)

local TASKS <const>, SAMPLES <const> = 8, 10

local server
local count = { sessions = 0, messages = 0, octets = 0, aborts = 0,
  refusals = 0, reloads = 0 }
local problems, problem_count = {}, 0

local function problem(text)
  problem_count = problem_count + 1
  if problem_count <= 20 then problems[#problems + 1] = tostring(text) end
end

local function check(ok, text)
  if not ok then problem(text) end
  return ok
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- Bodies of many sizes: most are small, some are not; one string each, made
-- once, so that the load itself is cheap.
local bodies = {}
for i, size in ipairs { 0, 100, 1000, 1000, 1000, 5000, 20000, 100000, 1 << 20,
  4 << 20 } do
  local lines, line = {}, ".dots and 8 bits: \u{FC} " .. ("x"):rep(50) .. "\r\n"
  for n = 1, size // #line do lines[n] = line end
  local bytes = "Subject: soak " .. i .. "\r\n\r\n" .. table.concat(lines)
  bodies[i] = { bytes = bytes, digest = hex(core.crypto.digest("sha256",
    bytes)) }
end

local function open(tls)
  return smtp.open { host = "127.0.0.1", port = server.port,
    tls = tls and "starttls" or "none", insecure = true, timeout = 20 }
end

-- A session of some messages; each is answered by its digest.
local function honest(tls)
  local client <close>, err = open(tls)
  if not check(client, err) then return end
  for _ = 1, math.random(5) do
    local body = bodies[math.random(#bodies)]
    local result
    result, err = client:send({ from = "a@example.org",
      to = { "b@example.org", "slow@example.org" } }, body.bytes)
    if not check(result, err) then return end
    check(result.reply.text == body.digest, "another body: "
      .. tostring(result.reply))
    count.messages = count.messages + 1
    count.octets = count.octets + #body.bytes
  end
  check(client:quit())
end

-- Recipients and bodies that the server refuses.
local function refused(tls)
  local client <close>, err = open(tls)
  if not check(client, err) then return end
  for to, code in pairs { nobody = 550, hasty = 554, faulty = 451 } do
    local result
    result, err = client:send({ from = "a@example.org",
      to = { to .. "@example.org" } }, bodies[6].bytes)
    check(not result and err.code == code, to .. ": " .. tostring(err))
    count.refusals = count.refusals + 1
  end
  client:quit()
end

local dialogue <const> = "EHLO soak\r\nMAIL FROM:<a@example.org>\r\n"
  .. "RCPT TO:<b@example.org>\r\nDATA\r\nSubject: cut\r\n\r\n"
  .. ("x\r\n"):rep(2000)

-- Says a part of a dialogue, and is gone.
local function abort()
  local conn = assert(core.net.connect("127.0.0.1", server.port))
  loop.wait(conn:fd(), "w", 5)
  if not check(conn:connected(), "cannot connect") then return end
  conn:write(dialogue:sub(1, math.random(#dialogue)))
  if math.random(2) == 1 then loop.sleep(math.random() * 0.1) end
  loop.forget(conn:fd())
  if math.random(2) == 1 then conn:reset() else conn:close() end
  count.aborts = count.aborts + 1
end

local kinds <const> = { honest, honest, honest, refused, abort, abort }

local function worker(till)
  while loop.now() < till do
    kinds[math.random(#kinds)](math.random(3) == 1)
    count.sessions = count.sessions + 1
    loop.sleep(TASKS / rate * (0.5 + math.random()))
  end
end

-- The server, and its workers.
local function processes()
  local list = { server.pid }
  local path = ("/proc/%d/task/%d/children"):format(server.pid, server.pid)
  for pid in io.open(path):read("a"):gmatch "%d+" do
    list[#list + 1] = tonumber(pid)
  end
  return list
end

local function memory(pid)
  for line in io.lines(("/proc/%d/status"):format(pid)) do
    local kib = line:match "^VmRSS:%s+(%d+)"
    if kib then return tonumber(kib) / 1024 end
  end
end

local function sample(began)
  local parts, descriptors = {}, 0
  for i, pid in ipairs(processes()) do
    parts[i] = ("%6.1f"):format(memory(pid))
    descriptors = descriptors
      + #core.system.list(("/proc/%d/fd"):format(pid))
  end
  print(("%6.0f s  %s MiB  %3d descriptors  %6d sessions  %6d messages  "
    .. "%8.1f MiB  %d problems"):format(loop.now() - began,
    table.concat(parts, " +"), descriptors, count.sessions, count.messages,
    count.octets / (1 << 20), problem_count))
  io.flush()
end

-- Samples, and reloads beside them.
local function watch(began, till)
  while loop.now() < till do
    loop.sleep(math.min(seconds / SAMPLES, till - loop.now()) + 0.001)
    sample(began)
    core.process.tell(server.pid, "reload")
    count.reloads = count.reloads + 1
  end
end

local folder = peers.folder()
server = peers.serve(("spec/soak/serve.lua --tls test %s"):format(workers
  and "--workers " .. workers or ""), folder .. "/log")
local began = loop.now()
local till = began + seconds
for _ = 1, TASKS do loop.spawn(worker, till) end
loop.spawn(watch, began, till)
loop.run()
loop.sleep(2) -- for what was cut off, to be forgotten
sample(began)
local clean = server:stop()
local said = server:output():gsub("^listening[^\n]*\n", "")
if said ~= "" then problem("the server says: " .. said:sub(1, 2000)) end
if not clean then problem "the server does not end" end
for name, n in pairs(count) do print(("%-9s %d"):format(name, n)) end
for _, text in ipairs(problems) do print("problem: " .. text) end
peers.remove(folder)
os.exit(problem_count == 0)
