--- A program, a delivery to it, a session's transcript in all its forms.

local core = require "lunapost.core"
local smtp = require "lunapost.smtp"

local said <const> = "0123456789abcdef"

-- What a program that copies its input gives back.
local function echoed()
  local conn, child, text = core.process.start { "cat" }
  if not conn then error(text) end
  local n = assert(conn:write(said))
  conn:shutdown()
  local got = ""
  while #got < n do
    local octets, why = conn:read(100)
    if octets then
      got = got .. octets
    elseif why == "read" then
      core.loop.block(conn:fd(), "r", 5)
    else
      error(why)
    end
  end
  if got ~= said:sub(1, n) then error "wrong: octets" end
  conn:close()
  child:terminate()
  local own = core.net.adopt(0)
  if own then own:close() end
  return core.terminal.columns(0) > 0 and not core.terminal.raw(0)
end

local function drawn()
  local transcript = smtp.transcript.new { limit = false }
  transcript:add("S", "220-a\r\n220 b")
  transcript:octets("C", "AUTH PLAIN se")
  transcript:octets("C", "cret\r\n")
  local text = transcript:text()
  if text:find("cret", 1, true) then error "wrong: a secret" end
  if assert(smtp.transcript.parse(text)):text() ~= text then
    error "wrong: another text"
  end
  return transcript:svg() and transcript:mermaid()
end

return function()
  local ok = echoed()
  local message = "Subject: x\r\n\r\nhello\r\n"
  local result = smtp.dry():send({ from = "", to = "b@example.org" }, message)
  if result and result.message ~= message then error "wrong: message" end
  return ok and drawn() and result ~= nil
end
