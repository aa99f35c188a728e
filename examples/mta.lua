-- A mail transfer agent without a queue: mail for its own domains goes into
-- Maildirs, mail for others goes on to the next hop while the client waits.
-- 250 is said only when every file is safe and the next hop has said 250; so
-- nothing can be lost, and nothing is ever bounced: what cannot be done now is
-- the client's to try again.
--
--   lua5.4 examples/mta.lua domain=example.org user=ana user=bob \
--     mail=/var/mail relay=smtp://smarthost.example.net:587 trust=127.0.0.1
--
-- Words, each as often as wanted:
--   domain=NAME   delivers the mail of NAME into FOLDER/USER
--   user=NAME     makes a Maildir; those that are there are users as well
--   for=NAME      passes mail for NAME on, whoever sends it
--   trust=ADDRESS passes on all mail that comes from there
--   relay=URL     the next hop; without one, the hosts of each domain (MX)
--   mail=FOLDER listen=HOST:PORT name=HOSTNAME ca=FILE

local maildir_of = require "lunapost.maildir"
local smtp = require "lunapost.smtp"
local system = require("lunapost.core").system
local trace = require "lunapost.smtp.trace"

-- The words of the command line: sets of domain, user, for, trust; the last
-- of others.
local given = { domain = {}, user = {}, ["for"] = {}, trust = {} }
for _, word in ipairs(arg) do
  local name, value = word:match "^(%l+)=(.+)$"
  if not name then error("NAME=VALUE is expected, not " .. word, 0) end
  if type(given[name]) == "table" then
    given[name][value:lower()] = true
  else
    given[name] = value
  end
end

local HOPS <const> = 30 -- RFC 5321 6.3: so many Received: fields are a loop

local folder = given.mail or os.tmpname() .. ".mail"
assert(system.make_folder(folder))
given.user.postmaster = true -- RFC 5321 4.5.1
for name in pairs(given.user) do
  assert(maildir_of.open(folder .. "/" .. name))
end

local server = smtp.server { listen = given.listen or "127.0.0.1:0",
  hostname = given.name }
local on = server.on

-- The Maildir of a local part, or nil: no such user. ana+lists is ana.
local function box_of(localpart)
  local user = localpart:lower():gsub("%+.*", "")
  local path = folder .. "/" .. user
  if user:find "^%w[%w%-_.]*$" and system.stat(path) then
    return maildir_of.open(path)
  end
end

-- What somebody else said, as our own answer; what could not be said is a
-- temporary failure.
local function passed_on(err)
  local said = err.reply or err.code and err
  if said then return said.code, said.enhanced, said.text end
  server.log(tostring(err))
  return 451, "4.4.1", "the next hop cannot be reached now"
end

-- The client's session at the next hop, with MAIL said.
local function hop_of(session)
  if session.hop then return session.hop end
  local hop, err = smtp.open { server = given.relay, helo = server.hostname,
    ca = given.ca }
  if not hop then return nil, err end
  local envelope, words = session.envelope, {}
  for _, name in ipairs { "BODY", "SMTPUTF8" } do
    words[name] = envelope.parameters[name]
  end
  local ok
  ok, err = hop:mail(envelope.from.address, words)
  if ok then
    session.hop = hop
    return hop
  end
  hop:close()
  return nil, err
end

local function leave(session, reason)
  local hop = session.hop
  if hop and reason == "delivered" then hop:quit() elseif hop then
    hop:close()
  end
  session.hop, session.boxes, session.onward = nil, nil, nil
end

-- A recipient here: a Maildir more.
local function here(session, path)
  local box = box_of(path.localpart)
  if not box then return 550, "5.1.1", "no such user here" end
  session.boxes = session.boxes or {}
  session.boxes[box.path] = box
end

-- A recipient elsewhere: the next hop judges it at once. Without a relay
-- there is one at a time, so that its answer can be ours.
local function elsewhere(session, path)
  if given.relay then
    local hop, err = hop_of(session)
    if not hop then return passed_on(err) end
    local reply
    reply, err = hop:rcpt(path.address)
    if not reply then return passed_on(err) end
  elseif session.onward then
    return 452, "4.5.3", "one recipient elsewhere at a time"
  end
  session.onward = path
end

function on.rcpt(session, path)
  local domain = (path.domain or ""):lower()
  if given.domain[domain] or domain == "" then return here(session, path) end
  if not (given["for"][domain] or session.user
    or given.trust[session.peer.address]) then
    return 550, "5.7.1", "no relaying for strangers"
  end
  return elsewhere(session, path)
end

-- Hands a message to the hosts of a domain.
local function by_mx(session, source)
  local pieces = {}
  for chunk in source do pieces[#pieces + 1] = chunk end
  local result, err = smtp.deliver(table.concat(pieces), {
    from = session.envelope.from.address, to = session.onward.address,
    helo = server.hostname })
  return result, err and err.rejected and err.rejected[1] or err
end

-- Octets of a body with our Received: before them, written to deliveries on
-- their way; nil and an answer where the message goes round in circles.
local function traced(session, body, deliveries)
  local first = body:read(65536) or ""
  local _, hops = ("\n" .. first:gsub("\r\n\r\n.*", ""))
    :gsub("\n[Rr][Ee][Cc][Ee][Ii][Vv][Ee][Dd]:", "")
  if hops > HOPS then return nil end
  local ahead = { session:received(), first }
  return function()
    local chunk = table.remove(ahead, 1) or body:read_chunk()
    for _, delivery in ipairs(chunk and deliveries or {}) do
      delivery:write(chunk)
    end
    return chunk
  end
end

-- Begins a delivery into each Maildir; those that are not committed are
-- dropped when the list is closed.
local function begin(session)
  local list = setmetatable({}, { __close = function(list)
    for _, delivery in ipairs(list) do delivery:drop() end
  end })
  for _, box in pairs(session.boxes or {}) do
    local delivery = assert(box:begin())
    delivery:write(trace.return_path(session.envelope.from))
    list[#list + 1] = delivery
  end
  return list
end

function on.data(session, body)
  local deliveries <close> = begin(session)
  local source = traced(session, body, deliveries)
  if not source then return 554, "5.4.6", "too many hops" end
  if session.hop then
    local reply, err = session.hop:data(source)
    if not reply then return passed_on(err) end
  elseif session.onward then
    local result, err = by_mx(session, source)
    if not result then return passed_on(err) end
  else
    for _ in source do end
  end
  for _, delivery in ipairs(deliveries) do assert(delivery:commit()) end
  return 250, "2.0.0", "done as " .. session.id
end

on.rset = leave
on.disconnect = leave

assert(server:run(function()
  print("listening on " .. server.addresses[1])
  io.flush()
end))
