-- Answers a message, with the message itself and its attachments carried on:
--
--   lua5.4 examples/reply.lua [FILE]
--
-- Without a file it answers one of its own making.

local mime = require "lunapost.mime"

local function question()
  return mime.parse(assert(mime.message {
    from = "Ana Müller <ana@example.org>", to = "Bob <bob@example.net>",
    subject = "Which one?", text = "The red one\nor the blue one?\n",
    attach = { { data = "red,blue\n", name = "colours.csv" } },
  }:render()))
end

local read = arg and arg[1] and assert(mime.open(arg[1])) or question()

local function quoted(text)
  return (text:gsub("[^\r\n]*\r?\n", "> %0"))
end

local subject = read.subject or ""
local answer = assert(mime.message {
  from = "Bob <bob@example.net>",
  to = #read.reply_to > 0 and read.reply_to or read.from,
  subject = subject:find "^Re:" and subject or "Re: " .. subject,
  in_reply_to = read.message_id,
  references = read.message_id,
  text = "The red one.\n\n" .. quoted(read.text or ""),
  attach = { read, table.unpack(read:attachments()) },
})

io.write(assert(answer:render()))
