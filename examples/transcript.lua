-- Records a session, keeps it as a text, a diagram and a picture, and plays
-- it to another client, as a server that a spec can rely on. Run as
--
--   lua5.4 examples/transcript.lua
local post = require "lunapost"
local smtp = require "lunapost.smtp"
local testing = require "lunapost.testing"

local transcript = smtp.transcript.new { limit = false }

local function send(url, password, record)
  return assert(post.send {
    server = url, insecure = true, user = "ana", password = password,
    transcript = record, helo = "client.example.org",
    from = "ana@example.org", to = { "bob@example.org" },
    subject = "Recorded", text = "Hello",
  })
end

testing.run({ tls = "test", auth = { check = function() return true end } },
  function(server) send(server.url, "secret", transcript) end)

local folder = os.tmpname()
os.remove(folder)
assert(transcript:save(folder .. ".txt"))       -- every octet, every time
local picture = assert(io.open(folder .. ".svg", "w"))
picture:write(transcript:svg { title = "How Ana's mail goes out" })
picture:close()
io.write(transcript:mermaid())                  -- for a README
transcript:print(io.stdout, { color = false })

-- A server that says what that one said. Secrets were never recorded: any
-- will do. What the client does otherwise is an error.
local recorded = assert(smtp.transcript.load(folder .. ".txt"))
testing.run(smtp.replay(recorded), function(server)
  print(send(server.url, "another").reply)
end)

local ok, err = pcall(testing.run, smtp.replay(recorded), function(server)
  local client = assert(smtp.connect { server = server.url })
  client:ehlo "somebody.else"
  client:close()
end)
print(ok, err)
os.remove(folder .. ".txt")
os.remove(folder .. ".svg")
