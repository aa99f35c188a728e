--- A message from flags, for the verbs send and build.

local M = {}

--- The flags, beside --from, --to, --cc and --bcc.
M.flags = {
  subject = "value", text = "value", ["text-file"] = "value", html = "value",
  ["html-file"] = "value", attach = "list", inline = "list",
  calendar = "value", header = "list", priority = "value",
  ["reply-to"] = "list", ["list-unsubscribe"] = "list",
  ["one-click"] = "flag",
}

--- What they mean, for a verb's usage.
M.usage = [[
  --subject S          also --reply-to A, --priority high|normal|low
  --text T  --html H   bodies; of a file: --text-file, --html-file (- is stdin)
  --attach FILE        repeatable; --inline CID=FILE for cid: in the html
  --calendar FILE      an invitation (.ics)
  --header 'X-A: b'    repeatable
  --list-unsubscribe U repeatable; --one-click promises RFC 8058]]

local function headers_of(list)
  local headers = {}
  for i, line in ipairs(list or {}) do
    local name, value = line:match("^([^:%s]+):%s*(.*)$")
    if not name then error(("--header %q: not 'Name: value'"):format(line), 0)
    end
    headers[i] = { name, value }
  end
  return headers
end

local function inline_of(list)
  local inline = {}
  for _, word in ipairs(list or {}) do
    local id, path = word:match("^([^=]+)=(.+)$")
    if not id then error(("--inline %q: not CID=FILE"):format(word), 0) end
    inline[id] = path
  end
  return inline
end

-- A body given as words, or as the name of a file that holds them.
local function body_of(options, name)
  local path = options[name .. "-file"]
  if not path then return options[name] end
  if options[name] then
    error(("--%s beside --%s-file"):format(name, name), 0)
  end
  if path == "-" then return io.stdin:read "a" end
  local file <close> = assert(io.open(path, "rb"))
  return assert(file:read("a"))
end

local function unsubscribe_of(options)
  local given = options["list-unsubscribe"]
  if given and options["one-click"] then given.one_click = true end
  return given
end

--- "" and "<>", which stand for no sender.
---@param from string
---@return boolean
function M.is_null(from)
  return from:find("^%s*<?>?%s*$") ~= nil
end

--- Makes the message that the flags describe; misuse raises.
---@param options table  flags
---@return lunapost.entity? message
---@return lunapost.err? error  a file that cannot be read
function M.message(options)
  local given = {
    to = options.to, cc = options.cc, bcc = options.bcc,
    reply_to = options["reply-to"], subject = options.subject,
    text = body_of(options, "text"), html = body_of(options, "html"),
    attach = options.attach, inline = inline_of(options.inline),
    calendar = options.calendar and { path = options.calendar },
    headers = headers_of(options.header), priority = options.priority,
    list_unsubscribe = unsubscribe_of(options), seed = options.seed,
    date = options.date, message_id = options["message-id"],
  }
  if options.from and M.is_null(options.from) then
    given.envelope = { from = "" }
  else
    given.from = options.from
  end
  return require("lunapost.mime.build").message(given)
end

return M
