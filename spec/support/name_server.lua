--- A name server on a high port of loopback for specs: unbound, with the zone
--- that a spec gives it.

local peers = require "spec.support.peers"

local M = {}

-- silent. never answers, broken. cannot be found out, refused. is refused.
local CONFIG <const> = [[
server:
  directory: "%s"
  chroot: ""
  username: ""
  pidfile: ""
  logfile: ""
  use-syslog: no
  do-daemonize: no
  do-ip6: no
  interface: 127.0.0.1@%d
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "test." transparent
  local-zone: "silent." deny
  local-zone: "refused." refuse
remote-control:
  control-enable: no
auth-zone:
  name: "test."
  zonefile: "zone"
  for-upstream: yes
  for-downstream: yes
auth-zone:
  name: "broken."
  master: 127.0.0.1@1
  fallback-enabled: no
  for-downstream: yes
]]

local HEAD <const> = "$TTL 300\n"
  .. "@ SOA ns.test. root.test. 1 3600 600 86400 60\n@ NS ns.test.\n"
  .. "ns A 127.0.0.1\n"

---@return boolean
function M.there()
  return peers.has "unbound"
end

--- Starts one.
---@param folder string  for its files
---@param zone string  the records of test.: "mx A 127.0.0.1" a line
---@return table process  with address, what the option nameserver takes
function M.start(folder, zone)
  local port = peers.free_port()
  local path = folder .. "/unbound.conf"
  peers.write(folder .. "/zone", HEAD .. zone)
  peers.write(path, CONFIG:format(folder, port))
  local server = peers.server("env PATH=$PATH:/usr/sbin unbound -c " .. path,
    port, folder .. "/unbound.log")
  server.address = "127.0.0.1:" .. port
  return server
end

--- Starts a server that answers any question, by UDP, with the octets of
--- some lines of hexadecimal digits in turn, behind the question's id.
---@param folder string
---@param answers string[]
---@return table process  with address
function M.hostile(folder, answers)
  local path = folder .. "/hostile.py"
  peers.write(path, ([[
import socket, sys
answers = """%s""".split("\n")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print("listening on 127.0.0.1:%%d" %% s.getsockname()[1], flush=True)
while answers:
    question, peer = s.recvfrom(4096)
    s.sendto(question[:2] + bytes.fromhex(answers.pop(0)), peer)
]]):format(table.concat(answers, "\n")))
  local server = peers.listening("/usr/bin/python3 " .. path,
    folder .. "/hostile.log")
  server.address = "127.0.0.1:" .. server.port
  return server
end

--- Starts a server that answers from a table, and says of each answer whether
--- it was verified: what a resolver does that checks DNSSEC.
---@param folder string
---@param records table<string, string>  "NAME TYPE" (a number) -> answers as
--- hexadecimal digits, joined by blanks; a name that begins with "!" is not
--- verified, "servfail" fails
---@param at? string  an address to listen at; default: "127.0.0.1"
---@return table process  with address
function M.verifying(folder, records, at)
  local lines = {}
  for key, data in pairs(records) do
    lines[#lines + 1] = key .. "=" .. data
  end
  peers.write(folder .. "/records", table.concat(lines, "\n"))
  local path = folder .. "/verifying.py"
  peers.write(path, [==[
import socket, struct, sys
known = {}
for line in open(sys.argv[1]):
    key, data = line.rstrip("\n").split("=")
    secure = not key.startswith("!")
    known[key.lstrip("!")] = (secure, data)
names = {key.split()[0] for key in known}
six = ":" in sys.argv[2]
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET,
                  socket.SOCK_DGRAM)
s.bind((sys.argv[2], 0))
print("listening on 127.0.0.1:%d" % s.getsockname()[1], flush=True)
while True:
    q, peer = s.recvfrom(4096)
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]].decode())
        at += 1 + q[at]
    name = ".".join(labels).lower()
    kind = struct.unpack(">H", q[at + 1:at + 3])[0]
    secure, data = known.get("%s %d" % (name, kind), (True, ""))
    code = 2 if data == "servfail" else 0 if name in names else 3
    answers = [] if code else [bytes.fromhex(d) for d in data.split()]
    head = q[:2] + bytes([0x81, 0x80 | (0x20 if secure else 0) | code])
    head += struct.pack(">4H", 1, len(answers), 0, 0) + q[12:at + 5]
    for d in answers:
        head += b"\xc0\x0c" + struct.pack(">HHLH", kind, 1, 60, len(d)) + d
    s.sendto(head, peer)
]==])
  at = at or "127.0.0.1"
  local server = peers.listening(("/usr/bin/python3 %s %s/records %s")
    :format(path, folder, at), folder .. "/verifying.log")
  server.address = (at:find ":" and "[%s]:%d" or "%s:%d"):format(at,
    server.port)
  return server
end

return M
