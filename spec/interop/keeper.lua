--- Handlers for `lunapost serve`: keeps the octets of each body in a file of
--- the folder KEEP, named by a count, with what the session was beside it, and
--- in a third file the verb of the body and all parameters.

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

-- " NAME=value NAME", sorted.
local function words_of(parameters)
  local words = { "" }
  for name, value in pairs(parameters) do
    words[#words + 1] = value == true and name or name .. "=" .. value
  end
  table.sort(words)
  return table.concat(words, " ")
end

local function parameters_of(session)
  local lines = { session.verb .. words_of(session.envelope.parameters) }
  for i, path in ipairs(session.envelope.to) do
    lines[i + 1] = path.address .. words_of(path.parameters)
  end
  return table.concat(lines, "\n")
end

local on = { extensions = { DSN = true } }

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
  write(path .. ".parameters", parameters_of(session))
  write(path .. ".eml", table.concat(bytes))
  return 250, "2.0.0", "kept as " .. count
end

return on
