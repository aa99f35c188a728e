--- Handlers for `lunapost serve`: keeps the octets of each body in a file of
--- the folder KEEP, named by a count, with what the session was beside it.

local folder = os.getenv "KEEP"
local count = 0

local function write(path, bytes)
  local file <close> = assert(io.open(path .. ".new", "wb"))
  assert(file:write(bytes))
  file:close()
  assert(os.rename(path .. ".new", path))
end

local function recipients(envelope)
  local list = {}
  for i, path in ipairs(envelope.to) do list[i] = path.address end
  return table.concat(list, " ")
end

local on = {}

function on.rcpt(_, path)
  if path.domain == "other.test" then
    return 550, "5.7.1", "no relaying here"
  end
end

function on.data(session, body)
  local bytes = {}
  for chunk in body:chunks() do bytes[#bytes + 1] = chunk end
  count = count + 1
  local path = ("%s/%04d"):format(folder, count)
  write(path .. ".session", table.concat({
    session.helo, session.tls and session.tls.version or "plain",
    session.user or "nobody", session.envelope.from.address,
    recipients(session.envelope),
  }, "|"))
  write(path .. ".eml", table.concat(bytes))
  return 250, "2.0.0", "kept as " .. count
end

return on
