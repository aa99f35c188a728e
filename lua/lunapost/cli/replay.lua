--- lunapost replay: a recorded session as a server, or as a picture.

local loop = require "lunapost.loop"
local outcome = require "lunapost.cli.outcome"
local output = require "lunapost.cli.output"
local session = require "lunapost.cli.session"
local smtp = require "lunapost.smtp"

local M = {
  summary = "a recorded session as a server, or as a picture",
  usage = [[lunapost replay FILE [options]

FILE is a transcript that `send --copy` or `talk --copy` kept, or one written
by hand: lines of "S: ..." for the server, "C: ..." for the client, "-- ..."
for what happened, "# ..." for remarks. The server says what its lines say,
and tells where a client departs from its own; a masked secret stands for any.

  --listen HOST:PORT   127.0.0.1:0 unless given; the first line tells which
  --times N            ends after N connections (1 unless given; 0: never)
  --password-env V     the environment's V is the password that SCRAM proves
  --pace               pauses as long as the recorded server did
  --timeout S          seconds that a client may be silent (10)

  --print              prints it instead;  --svg, --mermaid draw it

Exit code: 0 all as recorded, 1 a client departed from it, 64 usage.]],
  flags = {
    listen = "value", ["password-env"] = "value", times = "number",
    pace = "flag", timeout = "number",
    print = "flag", svg = "flag", mermaid = "flag",
  },
}

local draws = {}

function draws.print(transcript)
  transcript:print(io.stdout, { color = session.coloured() })
end

function draws.svg(transcript) output.write(transcript:svg()) end

function draws.mermaid(transcript) output.write(transcript:mermaid()) end

-- Tells each deviation once.
local function report(server, told)
  for i = told + 1, #server.deviations do
    output.write(server.deviations[i].text, "\n")
  end
  output.flush()
  return #server.deviations
end

-- Waits until so many connections are over.
local function await(server, times)
  local told = 0
  while times == 0 or server.ended < times do
    loop.sleep(0.02)
    told = report(server, told)
  end
  server:stop()
  loop.stop()
end

local function play(transcript, options)
  local server = smtp.replay(transcript, { listen = options.listen,
    pace = options.pace, timeout = options.timeout,
    password = session.environment(options["password-env"]) })
  local ok, problem = server:start()
  if not ok then
    outcome.complain("replay", problem)
    return outcome.LATER
  end
  output.write("listening on ", server.addresses[1], "\n")
  output.flush()
  loop.spawn(await, server, options.times or 1)
  loop.run()
  return server:check() and outcome.OK or outcome.REFUSED
end

local function usage_error(problem)
  outcome.complain("replay", problem)
  return outcome.USAGE
end

---@param options table  flags
---@return integer code
function M.run(options)
  if not options[1] then return usage_error "which transcript?" end
  if options[2] then
    return usage_error("unexpected word '" .. options[2] .. "'")
  end
  local transcript, problem = smtp.transcript.load(options[1])
  if not transcript then return usage_error(problem) end
  for name, draw in pairs(draws) do
    if options[name] then
      draw(transcript)
      return outcome.OK
    end
  end
  local ok, code = pcall(play, transcript, options)
  return ok and code or usage_error(code)
end

return M
