--- A session from flags, for the verbs send and talk.

local ascii = require "lunapost.ascii"
local core = require "lunapost.core"
local net = require "lunapost.net"
local settings = require "lunapost.smtp.settings"
local transcripts = require "lunapost.smtp.transcript"

local M = {}

--- The flags, beside --server.
M.flags = {
  user = "value", ["password-env"] = "value", ["password-file"] = "value",
  ["token-env"] = "value", auth = "value", tls = "value", ca = "value",
  pin = "list", cert = "value", key = "value", insecure = "flag",
  helo = "value", timeout = "number", proxy = "value", copy = "list",
  ["no-ehlo"] = "flag", lmtp = "flag", ["minimum-tls"] = "value",
}

--- What they mean, for a verb's usage.
M.usage = [[
  --user U             authenticates; a terminal is asked for the password,
                       unless it is in the URL or one of these
  --password-env V     the environment's variable V has it
  --password-file F    the first line of F has it
  --token-env V        variable V has a bearer token (OAUTHBEARER, XOAUTH2)
  --auth MECH          by this mechanism: PLAIN, LOGIN, CRAM-MD5,
                       SCRAM-SHA-256 ..., EXTERNAL
  --tls MODE           auto, starttls, implicit, none (which with --user
                       allows the password in cleartext)
  --ca FILE            whom to trust;  --insecure trusts anyone
  --minimum-tls V      1.0, 1.1, 1.2 (unless given) or 1.3
  --pin FINGERPRINT    trusts this key or certificate alone, repeatable
  --cert FILE          a certificate of one's own;  --key FILE its key
  --proxy URL          socks5://[USER:PASSWORD@]HOST[:PORT] or http://...
  --helo NAME          what to call oneself;  --no-ehlo says HELO
  --lmtp               speaks LMTP
  --timeout S          seconds for one whole reply
  --copy FILE          keeps the transcript: as a text, as a picture (.svg)
                       or as a Mermaid diagram (.mmd); repeatable]]

--- What the environment has by a name; raises where it has nothing.
---@param name? string
---@return string? value  nil: no name
function M.environment(name)
  return name and (os.getenv(name)
    or error("the environment has no " .. name, 0))
end

local function from_file(path)
  if not path then return nil end
  local file <close>, problem = io.open(path, "r")
  if not file then error(problem, 0) end
  return file:read "l" or error(path .. " is empty", 0)
end

-- Asks at a terminal, unseen.
local function from_terminal(user)
  local input = require("lunapost.cli.talk.input").new()
  if not input.terminal then return nil end
  local loop, password = require "lunapost.loop", nil
  loop.spawn(function()
    password = input:ask { prompt = ("password of %s: "):format(user),
      hidden = true, forgets = true }
  end)
  loop.run()
  return password
end

local function password_of(options)
  return M.environment(options["password-env"])
    or from_file(options["password-file"])
end

-- A user needs something that proves it.
local function prove(s, ask)
  if not s.user or s.password or s.auth.token then return end
  if ascii.upper(s.auth.mechanism or "") == "EXTERNAL" then return end
  s.password = ask and from_terminal(s.user)
  if not s.password then
    error("a user needs a password: --password-env, --password-file, or in "
      .. "the URL", 0)
  end
end

-- What is wrong with the files is told before anything is dialled.
local function check_files(s)
  if not (s.ca or s.certificate or s.key) then return end
  local _, problem = net.context { ca = s.ca, certificate = s.certificate,
    key = s.key }
  if problem then error(problem.text, 0) end
end

local forms <const> = { svg = "svg", mmd = "mermaid", mermaid = "mermaid" }

-- What nobody wants to hold a text.
local formless <const> = { png = true, jpg = true, jpeg = true, gif = true,
  webp = true, pdf = true, html = true }

local function check_copies(paths)
  for _, path in ipairs(paths or {}) do
    local suffix = path:match "%.(%a+)$"
    if suffix and formless[ascii.lower(suffix)] then
      error(("--copy %s: a picture is .svg, a diagram .mmd, and what has any "
        .. "other name a text"):format(path), 0)
    end
  end
end

--- Settings of a session; misuse raises.
---@param options table  flags
---@param ask boolean  for a password, at a terminal
---@return table settings
function M.settings(options, ask)
  local s = settings.complete("option of send", {
    server = options.server, user = options.user,
    password = password_of(options), tls = options.tls, ca = options.ca,
    pin = options.pin, certificate = options.cert, key = options.key,
    insecure = options.insecure, helo = options.helo,
    timeout = options.timeout, ehlo = not options["no-ehlo"],
    proxy = options.proxy, minimum_tls = options["minimum-tls"],
    protocol = options.lmtp and "lmtp" or nil,
    auth = { mechanism = options.auth,
      token = M.environment(options["token-env"]),
      cleartext = options.tls == "none" or nil },
  })
  check_copies(options.copy)
  check_files(s)
  prove(s, ask)
  return s
end

--- Whether standard output is to be coloured.
---@return boolean
function M.coloured()
  return core.system.is_terminal(1) and not os.getenv "NO_COLOR"
end

--- A transcript that keeps all, and shows each line as it comes.
---@param show? fun(text: string, line: lunapost.line)
---@return lunapost.transcript
function M.transcript(show)
  local transcript = transcripts.new { limit = false }
  local colour = M.coloured()
  if show then
    function transcript.on_line(line)
      show(transcripts.format(line, colour), line)
    end
  end
  return transcript
end

--- Writes a transcript to a file, in the form that its name asks for.
---@param transcript lunapost.transcript
---@param path string
---@return boolean? ok
---@return any problem
function M.copy(transcript, path)
  local form = forms[path:match("%.(%a+)$")]
  if not form then return transcript:save(path) end
  local file <close>, problem = core.system.create(path)
  local ok = file
  if file then ok, problem = file:write(transcript[form](transcript)) end
  if ok then ok, problem = file:close() end
  return ok and true, problem
end

--- Writes all the copies that --copy asks for.
---@param transcript lunapost.transcript
---@param paths? string[]
---@return boolean? ok
---@return any problem
function M.copies(transcript, paths)
  for _, path in ipairs(paths or {}) do
    local ok, problem = M.copy(transcript, path)
    if not ok then return nil, problem end
  end
  return true
end

return M
