--- usage: luasocket_send.lua PORT FILE SENDER RECIPIENT
--- Sends the octets of a file as LuaSocket does.

local ltn12 = require "ltn12"
local smtp = require "socket.smtp"

local port, path, from, to = table.unpack(arg)
local file = assert(io.open(path, "rb"))
assert(smtp.send { from = "<" .. from .. ">", rcpt = "<" .. to .. ">",
  server = "127.0.0.1", port = tonumber(port),
  source = ltn12.source.file(file) })
