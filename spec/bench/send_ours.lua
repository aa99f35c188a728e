--- usage: send_ours.lua PORT COUNT SIZE one|overlap|compose none|starttls -
--- sends messages over one session; prints seconds, and processor seconds.

local mime = require "lunapost.mime"
local samples = require "spec.bench.samples"
local smtp = require "lunapost.smtp"

local now <const> = require("lunapost.loop").now

local port, count, size = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local how, tls <const> = arg[4], arg[5]

local envelope <const> = { from = "a@example.org", to = { "b@example.org" } }
local message <const> = "From: <a@example.org>\r\nTo: <b@example.org>\r\n"
  .. "Subject: bench\r\n\r\n"
  .. (("x"):rep(78) .. "\r\n"):rep(math.max(1, size // 80))
local octets <const> = how == "compose" and samples.octets(size) or ""
local text <const> = samples.text("french", 2000)

-- A new message each time, with an attachment.
local function composed()
  return assert(mime.message { from = "Ana Müller <ana@example.org>",
    to = "bob@example.net", subject = "Grüße aus Köln", text = text,
    attach = { { data = octets, name = "data.bin" } } })
end

local function one_by_one(client)
  for _ = 1, count do
    assert(client:send(envelope, how == "compose" and composed() or message))
  end
end

local function overlapped(client)
  local left = count
  for _, result, problem in client:send_all(function()
    left = left - 1
    if left >= 0 then return envelope, message end
  end, { overlap = true }) do
    assert(result, problem)
  end
end

local client <close> = assert(smtp.open { host = "127.0.0.1", port = port,
  tls = tls, helo = "localhost", insecure = tls ~= "none" or nil })
local start, spent = now(), os.clock();
(how == "overlap" and overlapped or one_by_one)(client)
print(now() - start, os.clock() - spent)
