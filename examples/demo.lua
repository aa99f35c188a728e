-- The main job, end to end, in one process: a scripted server and a scripted
-- client exchange real mail over TCP with STARTTLS and AUTH LOGIN. Exits
-- with 1 when what arrived differs in one octet from what was sent.
--
--   make demo

local loop = require "lunapost.loop"
local mime = require "lunapost.mime"
local smtp = require "lunapost.smtp"

local here = arg and arg[0]:match("^(.*)/") or "examples"
local colour = require("lunapost.core").system.is_terminal(1)

local function heading(text)
  print()
  print(colour and ("\27[1m" .. text .. "\27[0m") or text)
end

-- What is sent: UTF-8 in names, subject and bodies, an image of the smallest
-- kind, and 1 MiB of every octet.
local logo = "GIF89a\1\0\1\0\128\0\0\0\0\0\255\255\255!\249\4\1\0\0\0\0,"
  .. "\0\0\0\0\1\0\1\0\0\2\2D\1\0;"

local function octets(n)
  local pieces, state = {}, 20261123
  for i = 1, n // 4 do
    state = (state * 1103515245 + 12345) & 0x7fffffff
    pieces[i] = string.pack("<I4", state * 2 & 0xffffffff)
  end
  return table.concat(pieces)
end

local sent = {
  text = "Grüße vom Mond!\r\n\r\n.Diese Zeile beginnt mit einem Punkt.\r\n",
  html = "<p>Grüße vom <img src=\"cid:logo\"> Mond!</p>\r\n",
  logo = logo,
  data = octets(1 << 20),
}

local function message()
  return mime.message {
    from = "Ana Müller <ana@example.org>",
    to = { "Bob Okafor <bob@example.org>", "carol@example.org",
      "mallory@example.net" },
    subject = "Grüße vom Mond: der Bericht für September",
    text = sent.text, html = sent.html,
    inline = { logo = { data = sent.logo, name = "logo.gif",
      type = "image/gif" } },
    attach = { { data = sent.data, name = "Bericht für September.bin",
      type = "application/octet-stream" } },
  }
end

local function say(transcript)
  transcript:print(io.stdout, { color = colour })
end

local function send(server)
  local client = assert(smtp.open { host = "127.0.0.1", port = server.port,
    tls = "starttls", insecure = true, user = "ana", password = "luna",
    auth = { mechanism = "LOGIN" }, helo = "client.example.org" })
  local result = assert(client:send(nil, message()))
  client:quit()
  say(client.transcript)
  for _, address in ipairs(result.accepted) do print("accepted", address) end
  for _, no in ipairs(result.rejected) do
    print("refused", ("%s: %d %s %s"):format(no.address, no.code, no.enhanced,
      no.text))
  end
  return #result.accepted == 2 and #result.rejected == 1
end

local function converse(server, script)
  local client = assert(smtp.connect { host = "127.0.0.1",
    port = server.port, tls = "none" })
  script(client)
  client:quit()
  say(client.transcript)
end

local function old_times(server)
  converse(server, function(client)
    assert(client:helo("old.example.org"))
    assert(client:mail("ana@example.org"))
    assert(client:rcpt("bob@example.org"))
    assert(client:data("Subject: short\r\n\r\nAs in 1982.\r\n"))
  end)
end

local function questions(server)
  converse(server, function(client)
    assert(client:ehlo("curious.example.org"))
    client:vrfy("Ana")
    client:vrfy("Nobody")
    client:expn("everyone")
    client:command("XADR", "bob")
    client:command("please")
    client:help("moon")
    client:noop()
    client:rset()
  end)
end

local function compare(what, got, want)
  local same = got == want
  print(("%-12s %9d octets  %s"):format(what, #want,
    same and "equal" or "DIFFERENT"))
  return same
end

local function find(arrived, wanted)
  for part in arrived:walk() do
    if wanted(part) then return part end
  end
  error("a part is missing")
end

local function check(arrived)
  local attachment = find(arrived, function(part)
    return part.disposition == "attachment"
  end)
  local image = find(arrived, function(part) return part.id == "logo" end)
  local rows = {
    { "subject", arrived.subject,
      "Grüße vom Mond: der Bericht für September" },
    { "sender", arrived.from[1].name, "Ana Müller" },
    { "text", arrived.text, sent.text },
    { "html", arrived.html, sent.html },
    { "image", image:body(), sent.logo },
    { "attachment", attachment:body(), sent.data },
    { "its name", attachment.filename, "Bericht für September.bin" },
  }
  local same = true
  for _, row in ipairs(rows) do
    same = compare(table.unpack(row)) and same
  end
  return same
end

local function main()
  local server = smtp.server {
    listen = "127.0.0.1:0", hostname = "mx.example.org", tls = "test",
    auth = { check = function(_, given)
      return given.user == "ana" and given.password == "luna"
    end },
  }
  dofile(here .. "/server.lua")(server)
  assert(server:start())
  heading("A server scripted in examples/server.lua, on "
    .. server.addresses[1])
  heading("A message with STARTTLS and AUTH LOGIN, to three recipients")
  local ok = send(server)
  heading("HELO alone, as it was in 1982")
  old_times(server)
  heading("VRFY, EXPN, and XADR, a command of the script's own")
  questions(server)
  local arrived = server.inbox[1]
  heading("What arrived")
  io.write(arrived:tree())
  heading("Octet by octet")
  ok = check(arrived) and #server.inbox == 2 and ok
  server:stop(1)
  heading(ok and "All that was sent arrived intact."
    or "Something was lost on the way.")
  return ok
end

local ok = false
loop.spawn(function()
  local done, result = xpcall(main, debug.traceback)
  ok = done and result
  if not done then io.stderr:write(result, "\n") end
  loop.stop()
end)
loop.spawn(function()
  loop.sleep(60) -- whatever happens, the demo ends
  loop.stop()
end)
loop.run()
os.exit(ok, true)
