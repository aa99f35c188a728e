--- Options of a client: the server's URL, what stands beside it, defaults.

local ascii = require "lunapost.ascii"
local auth = require "lunapost.smtp.auth"
local net = require "lunapost.net"
local options_of = require "lunapost.options"
local timeouts = require "lunapost.smtp.timeouts"
local words_in = require "lunapost.smtp.words"

local M = {}

---@class lunapost.auth_options
---@field user? string
---@field password? string
---@field mechanism? string|table  "PLAIN" ..., or one's own { name, start };
--- default: the strongest that is offered and that the rest is enough for
---@field authorization? string  who to act as, where that is not the user
---@field token? string|fun(): string  for OAUTHBEARER and XOAUTH2
---@field cleartext? boolean  true: a password may go without TLS

--- Options of smtp.open and smtp.connect.
---@class lunapost.open_options
---@field server? string  smtp:// smtps:// lmtp:// with USER:PASSWORD@HOST:PORT;
--- unix:PATH; exec:WORDS, a program that speaks SMTP
---@field host? string  in place of server
---@field port? integer  465 when TLS is implicit, 587 with a user, else 25
---@field addresses? string[]  of the host, which is then not looked up
---@field protocol? "smtp"|"lmtp"
---@field tls? "auto"|"starttls"|"implicit"|"none"  auto: implicit on 465, else
--- STARTTLS where it is offered, else no password
---@field user? string
---@field password? string
---@field auth? lunapost.auth_options
---@field timeout? number  seconds for one whole reply
---@field timeouts? table<string, number>  by phase: greeting ehlo mail rcpt
--- data_initiation data_block data_termination connect tls auth command
---@field strict? boolean  one refused recipient refuses all
---@field chunking? boolean  BDAT where it is offered
---@field overlap? boolean  send_all's default
---@field helo? string  what to call oneself
---@field ehlo? boolean  false: HELO, so no extension is used
---@field greeting? boolean  false: smtp.connect does not wait for it
---@field ca? string  whom to trust: a file, a folder or PEM text
---@field pin? string|string[]  "sha256/BASE64" of the key, or a fingerprint
---@field insecure? boolean  true: verifies nothing
---@field tlsa? table  records of dns.tlsa, which decide alone (DANE)
---@field tlsa_domain? string  with them: the domain whose mail the host takes
---@field certificate? string  of the client: a file, or PEM text
---@field key? string  of the certificate
---@field proxy? string  socks5:// or http://, with USER:PASSWORD@HOST:PORT
---@field connect? fun(host: string, port: integer, seconds: number): any
--- a connection or a descriptor, or nil and why
---@field command? string[]  a program that speaks SMTP, and its words
---@field minimum_tls? "1.0"|"1.1"|"1.2"|"1.3"  default "1.2"
---@field loop? table  default: lunapost.loop
---@field transcript? lunapost.transcript
M.known = {
  server = "string", host = "string", port = "integer", addresses = "table",
  protocol = "string", tls = "string", user = "string", password = "string",
  auth = "table", timeout = "number", timeouts = "table", strict = "boolean",
  chunking = "boolean", overlap = "boolean", helo = "string",
  ehlo = "boolean", greeting = "boolean", ca = "string",
  pin = "string|table", insecure = "boolean", tlsa = "table",
  tlsa_domain = "string", certificate = "string", key = "string",
  proxy = "string", connect = "function", command = "table",
  minimum_tls = "string", loop = "table", transcript = "table",
}

local tls_modes <const> = { auto = true, starttls = true, implicit = true,
  none = true }

local versions <const> = { ["1.0"] = true, ["1.1"] = true, ["1.2"] = true,
  ["1.3"] = true }

local protocols <const> = { smtp = true, lmtp = true }

local schemes <const> = {
  smtp = { protocol = "smtp" },
  smtps = { protocol = "smtp", tls = "implicit" },
  lmtp = { protocol = "lmtp" },
}

local function percent_decoded(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function misuse(text, ...)
  error(text:format(...), 0)
end

local function number_of_port(text)
  local port = tonumber(text)
  if not port or not text:find("^%d+$") or port < 1 or port > 65535 then
    misuse("server: the port must be a number of 1 to 65535, not %s", text)
  end
  return math.tointeger(port)
end

-- A URL, well formed or not, as an error may show it.
local function without_user(url)
  return (url:gsub("^([A-Za-z]*:?/*).*@", "%1"))
end

-- "host", "host:port", "[address]:port"
local function read_authority(url, text, into)
  local host, rest = text:match("^%[([^%]]*)%](.*)$")
  if not host then host, rest = text:match("^([^:]*)(.*)$") end
  if host == "" or not (rest == "" or rest:find("^:%d+$")) then
    misuse("server %q: smtp://[USER[:PASSWORD]@]HOST[:PORT] is expected",
      without_user(url))
  end
  into.host = host
  if rest ~= "" then into.port = number_of_port(rest:sub(2)) end
end

-- "exec:sendmail -bs"
local function words_of(text)
  local words, problem = words_in.split(text)
  return words or misuse("server %q: %s", "exec:" .. text, problem)
end

-- "user", "user:password", percent-encoded
local function read_user(text, into)
  local name, password = text:match("^([^:]*):(.*)$")
  into.user = percent_decoded(name or text)
  into.password = password and percent_decoded(password)
end

local function read_scheme(url, into)
  local scheme, rest = url:match("^([A-Za-z]+)://(.*)$")
  if not scheme then return url end
  local known = schemes[ascii.lower(scheme)]
  if not known then
    misuse("server: the scheme must be smtp, smtps or lmtp, not %q", scheme)
  end
  for name, value in pairs(known) do into[name] = value end
  return rest
end

--- Takes a server's URL apart.
---@param url string
---@return table  { host | path | command, port, protocol, tls, user,
--- password }
function M.url(url)
  local into = { protocol = "smtp" }
  into.path = url:match("^unix:(.+)$")
  local words = url:match("^exec:(.*)$")
  into.command = words and words_of(words)
  if into.path or into.command then return into end
  local rest = read_scheme(url, into)
  if into.protocol == "lmtp" and rest:find("^/") then
    into.path = rest
    return into
  end
  rest = rest:gsub("/+$", "")
  local user, behind = rest:match("^(.*)@([^@]*)$")
  if user then read_user(user, into) end
  read_authority(url, behind or rest, into)
  return into
end

local proxies <const> = { socks5 = 1080, socks5h = 1080, http = false }

local function check_proxy(proxy, url)
  for _, name in ipairs { "user", "password" } do
    if #(proxy[name] or "") > 255 then
      misuse("proxy: the %s is longer than 255 octets", name)
    end
  end
  if not proxy.port then
    misuse("proxy %q: the port is missing", without_user(url))
  end
end

--- Takes a proxy's URL apart.
---@param url string
---@return { kind: string, host: string, port: integer, user: string?,
--- password: string? }
function M.proxy(url)
  local scheme, rest = url:match("^([A-Za-z0-9]+)://(.-)/*$")
  local port = proxies[ascii.lower(scheme or "")]
  if port == nil then
    misuse("proxy: socks5://[USER:PASSWORD@]HOST[:PORT] or "
      .. "http://[USER:PASSWORD@]HOST:PORT is expected")
  end
  local proxy = { port = port or nil,
    kind = (ascii.lower(scheme):gsub("h$", "")) }
  local user, behind = rest:match("^(.*)@([^@]*)$")
  if user then read_user(user, proxy) end
  read_authority(url, behind or rest, proxy)
  check_proxy(proxy, url)
  return proxy
end

local function default_port(s)
  if s.tls == "implicit" then return 465 end
  if s.protocol == "lmtp" then return 24 end
  return s.user and 587 or 25
end

local function check_word(name, value, words)
  if value ~= nil and not words[value] then
    options_of.unknown("value of '" .. name .. "'", value, words, 0)
  end
end

-- What is said as one word of a command, and shown in one line.
local function check_name(name, value)
  if not value then return end
  if value == "" then misuse("option '%s' must not be empty", name) end
  if value:find("[\0-\32\127]") then
    misuse("option '%s' must not hold blanks or control characters: %q", name,
      (value:gsub("[\0-\31\127]", "?")))
  end
end

local function check(what, options)
  options_of.check(what, options, M.known, 0)
  if options.auth then
    auth.check("option of auth", options.auth, 0)
  end
  check_word("tls", options.tls, tls_modes)
  check_word("protocol", options.protocol, protocols)
  local port = options.port
  if port and (port < 1 or port > 65535) then
    misuse("option 'port' must be 1 to 65535, not %d", port)
  end
  local timeout = options.timeout
  if timeout and (timeout <= 0 or timeout ~= timeout) then
    misuse("option 'timeout' must be more than 0")
  end
  if options.timeouts then
    timeouts.check("key of 'timeouts'", options.timeouts)
  end
  check_word("minimum_tls", options.minimum_tls, versions)
end

local function fill_tls(s)
  s.tls = s.tls or (s.path or s.command) and "none" or "auto"
  s.port = s.port or default_port(s)
  if s.tls == "auto" and s.port == 465 then s.tls = "implicit" end
  -- who has such records promises TLS, RFC 7672 2.2
  if s.tls == "auto" and s.tlsa then s.tls = "starttls" end
end

local function fill(s)
  s.protocol = s.protocol or "smtp"
  fill_tls(s)
  s.limits = timeouts.complete(s.timeouts, s.timeout)
  s.limit = s.limits.command
  s.loop = s.loop or require "lunapost.loop"
  s.label = s.command and "exec:" .. tostring(s.command[1]) or s.path
    or ("%s:%d"):format(s.host, s.port)
  return s
end

-- Each with what it belongs to.
local function check_pairs(s)
  if s.key and not s.certificate then
    misuse("'key' without 'certificate', whose key it is")
  end
  if s.password and not (s.user or s.auth and s.auth.user) then
    misuse("'password' without 'user', whose password it is")
  end
end

-- One way to the server, not two.
local function check_ways(s)
  local ways = {}
  for _, name in ipairs { "path", "command", "connect", "through" } do
    if s[name] then
      ways[#ways + 1] = name == "through" and "proxy" or name
    end
  end
  if ways[2] then
    misuse("'%s' beside '%s': there is one way to a server", ways[1], ways[2])
  end
  if not (s.host or s.path or s.command) then
    misuse("a server is missing: server = \"smtp://...\", or host")
  end
end

--- Options made complete: the URL's parts, then the options over them, then
--- defaults.
---@param what string  "option of smtp.open"
---@param options table
---@return table settings
function M.complete(what, options)
  check(what, options)
  local s = options.server and M.url(options.server) or {}
  for name, value in pairs(options) do s[name] = value end
  check_name("helo", s.helo)
  local path = s.host and s.host:match("^unix:(.+)$")
  if path then s.path, s.host = path, nil end
  s.through = s.proxy and M.proxy(s.proxy)
  check_ways(s)
  check_name("host", s.host)
  check_pairs(s)
  if s.pin then net.context { pin = s.pin } end -- raises now, not once dialled
  return fill(s)
end

return M
