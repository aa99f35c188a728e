--- Other programs as peers on loopback, for specs: started in a process group
--- and a folder of their own, waited for with a bound, and always stopped.

local tree = require "spec.support.tree"

local M = {}

-- One word of a shell command.
local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end
M.quote = quote

---@param seconds number
function M.sleep(seconds)
  os.execute("sleep " .. seconds)
end

-- What is waited for comes: only a failure waits so long, whatever the
-- machine has to do.
local PATIENCE <const> = 60

--- Asks again and again until the answer is true.
---@param seconds? number  at most, where more than a minute is needed
---@param ask fun(): any
---@return any answer  falsehood when the time is over
function M.wait(seconds, ask)
  local step <const> = 0.05
  for _ = 1, math.max(seconds or 0, PATIENCE) / step do
    local answer = ask()
    if answer then return answer end
    M.sleep(step)
  end
  return ask()
end

--- Runs a command with a bound on its time.
---@param command string
---@param seconds? number  30 unless given
---@return string output  what it wrote to both streams
---@return integer code  its exit code; 124 when the time was over
function M.run(command, seconds)
  local lines = tree.lines(("timeout -k 2 %g sh -c %s 2>&1 </dev/null; echo $?")
    :format(seconds or 30, quote(command)))
  local code = math.tointeger(table.remove(lines):match "%d+$") or 255
  return table.concat(lines, "\n"), code
end

---@param name string
---@return boolean
function M.has(name)
  return (os.execute("PATH=$PATH:/usr/sbin command -v " .. name
    .. " >/dev/null 2>&1"))
end

--- A new folder, for M.remove.
---@return string path
function M.folder()
  return tree.lines "mktemp -d /tmp/lunapost.XXXXXX"[1]
end

---@param folder? string
function M.remove(folder)
  if folder and folder:find "^/tmp/lunapost%." then
    os.execute("rm -rf " .. folder)
  end
end

--- A port of 127.0.0.1 that nobody listens on.
---@return integer
function M.free_port()
  local line = tree.lines [[/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])']][1]
  return assert(math.tointeger(line), "no free port")
end

---@param port integer
---@return boolean
function M.listens(port)
  return (os.execute(("bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d' 2>/dev/null")
    :format(port)))
end

local process = {}
process.__index = process

--- False for a zombie too: nobody may wait for it but init.
---@return boolean
function process:alive()
  local stat = tree.read(("/proc/%d/stat"):format(self.pid))
  return stat ~= nil and stat:match "%) (%a)" ~= "Z"
end

---@return string  what it wrote so far
function process:output()
  return tree.read(self.log) or ""
end

--- Waits until the output matches.
---@param pattern string
---@param seconds? number
---@return string? capture  nil when the time is over or the process is
function process:says(pattern, seconds)
  M.wait(seconds or 15, function()
    return self:output():find(pattern) or not self:alive()
  end)
  return self:output():match(pattern)
end

function process:signal(name)
  os.execute(("kill -%s -%d 2>/dev/null"):format(name, self.pid))
end

--- Ends it, by force after a while.
---@return boolean clean  it went within 5 s of SIGTERM
function process:stop()
  self:signal "TERM"
  local gone = M.wait(5, function() return not self:alive() end)
  if not gone then self:signal "KILL" end
  return gone
end

--- Starts a command in the background, as the leader of a process group.
---@param command string
---@param log string  a file for what it writes to both streams
---@return table process
function M.start(command, log)
  local line = tree.lines(("setsid sh -c %s >%s 2>&1 </dev/null & echo $!")
    :format(quote("exec " .. command), quote(log)))[1]
  return setmetatable({ pid = math.tointeger(line), log = log }, process)
end

--- Starts a server and waits until it listens.
---@param command string
---@param port integer
---@param log string
---@return table process
function M.server(command, port, log)
  local server = M.start(command, log)
  if not M.wait(15, function()
    return M.listens(port) or not server:alive()
  end) or not server:alive() then
    server:stop()
    error("no server: " .. command .. "\n" .. server:output())
  end
  return server
end

--- Starts a program of ours that says where it listens.
---@param command string
---@param log string
---@return table process  with its port
function M.listening(command, log)
  local server = M.start(command, log)
  server.port = math.tointeger(server:says "listening on 127%.0%.0%.1:(%d+)")
  if not server.port then
    server:stop()
    error(command .. ": " .. server:output())
  end
  return server
end

--- Starts `lunapost serve` on a free port.
---@param arguments string
---@param log string
---@param environment? string  NAME=value
---@return table process  with its port
function M.serve(arguments, log, environment)
  return M.listening(("env %s %s serve --listen 127.0.0.1:0 %s")
    :format(environment or "", tree.command, arguments), log)
end

--- Writes down that a peer was met; `make interop` counts them.
---@param name string
function M.met(name)
  os.execute "mkdir -p build/interop"
  local file <close> = assert(io.open("build/interop/met", "a"))
  file:write(name, "\n")
end

--- Marks the test as pending where a peer is missing; in CI that is a
--- failure.
---@param name string  of the peer
---@param there any  true when it is installed
---@return boolean
function M.need(name, there)
  if there then return true end
  assert(not os.getenv "CI", name .. " is missing")
  require "busted".pending(name .. " is missing")
  return false
end

--- Marks the test as pending where a mail server is missing that .ci/deps
--- unpacks apart, or where nobody may start it.
---@param name string  of the server
---@param package string  the folder under build/peers
---@return string? root  where it was unpacked, an absolute path
function M.apart(name, package)
  local root = tree.lines("readlink -f build/peers/" .. package)[1]
  local there = root and M.has(root .. "/usr/sbin")
    and M.is_root() and M.has "unshare" and os.execute "unshare -m true"
  return M.need(name, there) and root or nil
end

---@return boolean
function M.is_root()
  return tree.lines "id -u"[1] == "0"
end

--- The line ends of what is kept in files.
---@param message string
---@return string
function M.lf(message)
  return (message:gsub("\r\n", "\n"))
end

--- Fails unless a kept message ends with the one that was sent: servers put
--- their own fields before it.
---@param whole? string
---@param message string
---@return string head  what stands before it
function M.ends_with(whole, message)
  assert(whole, "nothing arrived")
  assert(whole:sub(-#message) == message, "the octets differ")
  return whole:sub(1, -#message - 1)
end

--- Waits for the messages of a Maildir; the first that a test has not seen.
---@param folder string
---@param seen table<string, boolean>  grows
---@return string? whole
function M.arrived(folder, seen)
  return M.wait(20, function()
    for _, path in ipairs(tree.lines("ls -tr " .. folder
      .. "/new/* 2>/dev/null")) do
      if not seen[path] then
        seen[path] = true
        return tree.read(path)
      end
    end
  end)
end

local npm_packages <const> = "nodemailer smtp-server mailparser"
local npm_problem

--- The npm packages that are peers, kept in build/npm. What cannot be had is
--- not asked for again.
---@return boolean there, string? problem
function M.npm()
  if npm_problem or not (M.has "node" and M.has "npm") then
    return false, npm_problem
  end
  local all = true
  for name in npm_packages:gmatch "%S+" do
    all = all and tree.read(("build/npm/node_modules/%s/package.json")
      :format(name))
  end
  if all then return true end
  local output, code = M.run("mkdir -p build/npm && npm install --no-save "
    .. "--no-audit --no-fund --prefix build/npm " .. npm_packages, 120)
  npm_problem = code ~= 0 and output or nil
  return code == 0, output
end

--- A message that is hard to carry: dots, blanks at the end of lines, lines
--- of 998 octets, a dot and an empty line at the end. Lines end with CRLF.
---@param options? { eight_bit: boolean, lines: integer, ending: string }
---@return string
function M.message(options)
  options = options or {}
  local lines = {
    "From: Ana <ana@example.org>", "To: bob@example.com",
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
    "Date: Mon, 05 Jan 2026 10:00:00 +0000",
    "Message-ID: <hard-to-carry@example.org>",
    "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: " .. (options.eight_bit and "8bit" or "7bit"),
    "", ".", "..", ".a", "...", "", "trailing blanks  ", "\ttab", "From here",
    ("x"):rep(998), "." .. ("y"):rep(997),
  }
  if options.eight_bit then lines[#lines + 1] = "Gr\u{FC}\u{DF}e \u{20AC}" end
  for i = 1, options.lines or 2000 do
    lines[#lines + 1] = ("%6d %s"):format(i, ("abcdefghij"):rep(i % 7))
  end
  return table.concat(lines, "\r\n") .. (options.ending or "\r\n.\r\n\r\n")
end

---@param path string
---@param bytes string
function M.write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

--- A key and a self-signed certificate for a name and 127.0.0.1.
---@param folder string
---@param name? string  localhost unless given
---@return string certificate, string key  paths
function M.certificate(folder, name)
  name = name or "localhost"
  local certificate, key = folder .. "/cert.pem", folder .. "/key.pem"
  local output, code = M.run(("openssl req -x509 -newkey rsa:2048 -nodes "
    .. "-days 30 -subj /CN=%s "
    .. "-addext subjectAltName=DNS:%s,IP:127.0.0.1 "
    .. "-keyout %s -out %s"):format(name, name, key, certificate))
  assert(code == 0, output)
  return certificate, key
end

return M
