--- What a line of `lunapost talk` does: a command for the server, or one of
--- talk itself.

local ascii = require "lunapost.ascii"
local codec = require "lunapost.core".codec
local session = require "lunapost.cli.session"
local text_form = require "lunapost.smtp.transcript.text"

local M = {}

---@class lunapost.talk
---@field client lunapost.client
---@field input lunapost.talk.input
---@field show fun(text: string)
---@field quiet boolean  the user sees already what is said

local HELP <const> = [==[
A line is a command for the server. DATA takes a message up to a line that is
a dot; dots are doubled. STARTTLS shakes hands, AUTH alone asks for user and
password. Tab completes; lines that begin with "/" are for talk itself:

  /tls               STARTTLS
  /auth [USER [MECH]] AUTH; the password is asked for
  /data FILE         DATA and the file;  /bdat FILE the same in chunks
  /write TEXT        octets as they are; \r \n \t \0 \\ \xHH stand for some
  /wait [SECONDS]    for a reply
  /save FILE         the transcript;  /svg FILE its picture
  /quit              QUIT (as does ctrl-D)]==]

-- Tells of a failure, unless the dialogue has shown it.
local function tell(t, problem)
  if not problem then return end
  t.problem = problem
  local last = t.client.transcript[#t.client.transcript]
  if problem.reply or last and last.who == "*" and last.text == problem.text
  then
    return
  end
  t.show("-- " .. tostring(problem))
end

-- Runs a step that the user sees because the user has typed it.
local function unechoed(t, fn, ...)
  t.quiet = t.input.terminal
  local reply, problem = fn(t.client, ...)
  t.quiet = false
  if not reply then tell(t, problem) end
  return reply
end

-- What the server asks in a 334, in words.
local function question(reply)
  local words = codec.base64_decode(reply.text, true)
  if not words or words == "" or words:find("[%c\x80-\xff]") then
    return "334> "
  end
  return words .. " (base64)> "
end

-- Answers to challenges, as they are typed.
local function answer(t, reply)
  while reply and reply.code == 334 do
    local line = t.input:ask { prompt = question(reply), forgets = true }
    reply = unechoed(t, t.client.exchange, "", line or "*")
  end
end

-- Lines of a message, up to the dot; nil, problem when the user leaves.
local function typed_body(t)
  return function()
    local line = t.input:ask { prompt = "| ", forgets = true }
    if not line then return nil, "the end of input came before the dot" end
    if line ~= "." then return line .. "\r\n" end
  end
end

local verbs = {}

function verbs.STARTTLS(t)
  local _, problem = t.client:starttls()
  tell(t, problem)
end

function verbs.QUIT(t)
  unechoed(t, t.client.quit, 5)
end

function verbs.DATA(t)
  unechoed(t, t.client.data, typed_body(t))
end

function verbs.BDAT(t)
  t.show("-- /bdat FILE sends a file in chunks")
end

local function log_in(t, user, mechanism)
  user = user or t.input:ask { prompt = "user> ", forgets = true }
  local password = user and t.input:ask { prompt = "password> ",
    hidden = true, forgets = true }
  if not password then return end
  local _, problem = t.client:auth { user = user, password = password,
    mechanism = mechanism, cleartext = t.options.tls == "none" or nil }
  tell(t, problem)
end

function verbs.AUTH(t, argument)
  if argument == "" then return log_in(t) end
  answer(t, unechoed(t, t.client.command, "AUTH", argument))
end

local own = {}

function own.help(t) t.show(HELP) end

own.quit, own.tls = verbs.QUIT, verbs.STARTTLS

function own.auth(t, argument)
  local user, mechanism = argument:match("^(%S+)%s*(%S*)$")
  log_in(t, user, mechanism ~= "" and mechanism or nil)
end

local function of_file(method)
  return function(t, path)
    if path == "" then return t.show("-- which file?") end
    local _, problem = t.client[method](t.client, { path = path })
    tell(t, problem)
  end
end

own.data, own.bdat = of_file "data", of_file "bdat"

function own.write(t, text)
  local octets, wrong = text_form.unescape(text)
  if not octets then return t.show("-- no such escape: " .. wrong) end
  unechoed(t, t.client.write, octets)
end

function own.wait(t, seconds)
  seconds = tonumber(seconds) or t.client.timeout
  local silent, problem = t.client:silent(seconds)
  if silent then
    return t.show(ascii.format("-- nothing within %g s", seconds))
  end
  if silent == nil then return tell(t, problem) end
  t.client:receive(0)
end

local function keep(t, path, suffix)
  if path == "" then return t.show("-- which file?") end
  if suffix and not path:find(suffix, 1, true) then path = path .. suffix end
  local ok, problem = session.copy(t.client.transcript, path)
  t.show("-- " .. (ok and "kept in " .. path or tostring(problem)))
end

function own.save(t, path) keep(t, path) end

function own.svg(t, path) keep(t, path, ".svg") end

-- A line that no command can be: it goes out as it is.
local function odd(t, line)
  local reply = unechoed(t, t.client.write, line .. "\r\n")
  if reply then own.wait(t) end
end

local function run_own(t, line)
  local name, argument = line:match("^/(%S*)%s*(.-)%s*$")
  local act = own[name]
  if act then return act(t, argument) end
  t.show("-- no such command: /" .. name .. " (try /help)")
end

--- Does what a line says.
---@param t lunapost.talk
---@param line string
function M.run(t, line)
  if line:sub(1, 1) == "/" then return run_own(t, line) end
  local verb, argument = line:match("^(%a[%w-]*) ?(.*)$")
  if not verb or line:find("%c") then return odd(t, line) end
  local act = verbs[ascii.upper(verb)]
  if act then return act(t, argument) end
  unechoed(t, t.client.command, verb, argument ~= "" and argument or nil)
end

return M
