-- A program that speaks SMTP on its standard input and output, for specs of
-- smtp.open{ command = }; or does what its first word says. Run as
--
--   lua5.4 spec/support/spoken.lua WORD FILE

local word, path = arg[1], arg[2]

io.stdout:setvbuf "no"

local function say(text)
  io.stdout:write(text, "\r\n")
end

local function note(text)
  local file <close> = assert(io.open(path, "ab"))
  file:write(text)
end

local acts = {}

-- A session; what was said is noted, and how it ended.
function acts.session()
  say "220 spoken"
  for line in io.lines() do
    line = line:gsub("\r$", "")
    note(line .. "\n")
    local verb = line:match "^%a+" or ""
    if verb == "EHLO" then
      say "250-spoken\r\n250 PIPELINING"
    elseif verb == "DATA" then
      say "354 go on"
      repeat
        line = (io.read() or "."):gsub("\r$", "")
        note(line .. "\n")
      until line == "."
      say "250 2.0.0 kept"
    elseif verb == "QUIT" then
      say "221 bye"
      break
    else
      say "250 ok"
    end
  end
  note "ended\n"
end

-- Says that it runs, and goes on after the end of its input.
function acts.stubborn()
  say "220 stubborn"
  note "running\n"
  local _ = io.read "a"
  while true do os.execute "exec sleep 1" end
end

-- Takes a message.
function acts.message()
  note(table.concat(arg, "\0", 3) .. "\n")
  note(io.read "a")
end

-- Takes a message once it is whole.
function acts.whole()
  local _ = io.read "a"
  note "a whole message\n"
end

-- Says a lot, takes a message, and fails.
function acts.loud()
  io.stderr:write(("noise\n"):rep(200000))
  local size = #io.read "a"
  io.stderr:write(("%d octets are too many\n"):format(size))
  os.exit(tonumber(arg[3]))
end

-- Ends at once, and reads nothing.
function acts.fail()
  io.stderr:write "no such user here\n"
  os.exit(tonumber(arg[3]))
end

-- Says that all is well, and leaves its input to one who does not read it.
function acts.heir()
  local core = require "lunapost.core"
  assert(core.net.adopt(0)):shutdown()
  if core.process.fork() == 0 then core.loop.block(-1, "r", 1.5) end
  os.exit(true, false)
end

-- Which descriptors it has, and which signals it ignores or blocks.
function acts.descriptors()
  local list = io.popen "ls -l /proc/$PPID/fd"
  note(list:read "a")
  list:close()
  for line in io.lines "/proc/self/status" do
    if line:find "^Sig[BI]" then note(line .. "\n") end
  end
end

acts[word]()
