--- What other libraries and programs call things that have another name here.
---
--- A word, in lower case, without "_" and "-"; then the names it may stand
--- for. The first one that is known where the word was used is suggested.

local rows <const> = {
  -- where to, and how
  { "port", "listen", "server" },
  { "bind address interface sockets", "listen" },
  { "host hostname remote", "server", "listen", "host" },
  { "username login authuser au", "user" },
  { "pass passwd passphrase secret password authpassword ap", "password",
    "password-env", "auth" },
  { "secure ssl starttls usetls tlsc tlsonconnect", "tls", "mode" },
  { "verify verifypeer rejectunauthorized tlsverify skipverify", "insecure",
    "ca" },
  { "cert certfile pem crt", "certificate", "tls" },
  { "cafile cacert capath castore", "ca" },
  { "keyfile privatekey", "key" },
  { "ehlo localname clientname localhostname", "helo", "hostname" },
  { "logger debug verbose", "log", "transcript", "show-message" },
  { "connections max", "max_connections" },
  { "dryrun dumpmail test", "dry-run" },
  -- messages
  { "sender mailfrom returnpath envelopefrom", "from", "mail" },
  { "recipient recipients rcptto envelopeto", "to", "rcpt" },
  { "content body message textbody plain", "text", "data" },
  { "htmlbody", "html" },
  { "attachment attachments files", "attach" },
  { "image images embed embedded embeds related", "inline" },
  { "filename", "name" },
  { "filepath", "path", "file" },
  { "contenttype mimetype mime", "type" },
  { "cid contentid", "id" },
  { "eml data", "raw", "data" },
  { "unsubscribe", "list_unsubscribe", "list-unsubscribe" },
  { "icalevent ical ics invite", "calendar" },
  { "dsn", "notify" },
  -- servers
  { "handlers callbacks hooks", "on" },
  { "users credentials authenticate validate", "check", "auth" },
  { "size maxsize maxmessagesize datasizelimit", "size", "max-size", "limits" },
  { "timeout maxconnections ratelimit", "limits" },
  { "processes threads cluster fork", "workers" },
  { "domain name", "hostname" },
  { "helo ehlo mail rcpt data message onmail onrcpt ondata onmessage", "on" },
  { "onconnect connection", "connect" },
  { "proxyprotocol useproxy", "proxy" },
  -- faults of a test
  { "sleep wait slow", "delay" },
  { "code respond answer status", "reply" },
  { "phase point when stage on verb command", "at" },
  { "count times", "nth" },
  { "dot eod eom enddata", "message" },
  -- letters, as swaks has them
  { "s", "server" }, { "f", "from" }, { "t", "to" }, { "p", "server" },
  { "a", "auth" }, { "d", "raw" }, { "q", "quit-after" },
  { "u", "user" }, { "o", "copy" },
}

---@type table<string, string[]>
local M = {}

local function add(word, row)
  local names = M[word] or {}
  table.move(row, 2, #row, #names + 1, names)
  M[word] = names
end

for _, row in ipairs(rows) do
  for word in row[1]:gmatch "%S+" do add(word, row) end
end

return M
