-- A small mail relay: mail for its own domain goes into a Maildir, mail of
-- trusted clients for anybody else goes on to the next hop, recipient by
-- recipient, while the client waits; so nothing is ever bounced.
--
--   lua5.4 examples/relay.lua [DOMAIN MAILDIR NEXTHOP [LISTEN]]

local maildir_of = require "lunapost.maildir"
local smtp = require "lunapost.smtp"
local trace = require "lunapost.smtp.trace"

local domain = arg[1] or "example.org"
local folder = arg[2] or os.tmpname() .. ".maildir"
local next_hop = arg[3] or "smtp://127.0.0.1:25"

local maildir = assert(maildir_of.open(folder))
local server = smtp.server { listen = arg[4] or "127.0.0.1:0" }
local on = server.on

-- Only this machine may send elsewhere through us.
local function trusted(session)
  return session.user or session.peer.address == "127.0.0.1"
end

-- What the next hop said, as our own answer; what it could not say is a
-- temporary failure.
local function passed_on(reply, err)
  local said = reply or err.reply
  if said then return said.code, said.enhanced, said.text end
  server.log(tostring(err))
  return 451, "4.4.1", "the next hop cannot be reached"
end

-- The client's session at the next hop, with MAIL said.
local function hop_of(session)
  if session.hop then return session.hop end
  local hop, err = smtp.open { server = next_hop, helo = server.hostname }
  if not hop then return nil, err end
  local ok
  ok, err = hop:mail(session.envelope.from.address)
  if not ok then
    hop:close()
    return nil, err
  end
  session.hop = hop
  return hop
end

local function leave(session)
  if session.hop then session.hop:close() end
  session.hop, session.target = nil, nil
end

function on.rcpt(session, path)
  local target = path.domain:lower() == domain and "here" or "onward"
  if session.target and session.target ~= target then
    return 452, "4.5.3", "one destination at a time"
  end
  if target == "onward" then
    if not trusted(session) then
      return 550, "5.7.1", "no relaying for strangers"
    end
    local hop, err = hop_of(session)
    if not hop then return passed_on(nil, err) end
    local reply
    reply, err = hop:rcpt(path.address)
    if not reply then return passed_on(reply, err) end
  end
  session.target = target
end

function on.data(session, body)
  local received = session:received()
  if session.target == "onward" then
    return passed_on(session.hop:data(received .. body:read()))
  end
  local delivery <close> = assert(maildir:begin())
  delivery:write(trace.return_path(session.envelope.from) .. received)
  for chunk in body:chunks() do delivery:write(chunk) end
  assert(delivery:commit())
  return 250, "2.0.0", "delivered as " .. session.id
end

on.rset = leave
on.disconnect = leave

assert(server:run(function()
  print("listening on " .. server.addresses[1])
  io.flush()
end))
