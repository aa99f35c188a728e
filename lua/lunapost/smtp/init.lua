--- SMTP and LMTP, both ends: `require "lunapost.smtp"`.

local dial = require "lunapost.smtp.dial"
local lazy = require "lunapost.lazy"
local options_of = require "lunapost.options"
local settings = require "lunapost.smtp.settings"

---@class lunapost.smtp
---@field server fun(options: lunapost.server_options): lunapost.server
---@field pool fun(options: lunapost.pool_options): lunapost.pool
---@field deliver fun(message: any, options?: table): table?, lunapost.err?
---@field replay fun(transcript: lunapost.transcript|string,
--- options?: table): lunapost.replay
---@field sendmail fun(options?: table): lunapost.sendmail
---@field dry fun(options?: table): lunapost.dry
---@field reject fun(code: integer|lunapost.answer, enhanced?: string,
--- text?: string)  raises what a handler may return
---@field codes table<string, lunapost.answer>  the usual refusals by name
---@field cause fun(problem: any): string, boolean  what it is about, and
--- whether trying later may help
local M = {}

--- Dials, hears the greeting, says EHLO (or HELO), puts TLS on and
--- authenticates, each as the options want it. What is returned can send.
---
--- server = "smtp://USER@HOST:PORT" (smtps:// lmtp:// unix:PATH) or host,
--- port; tls = "auto"|"starttls"|"implicit"|"none"; user, password,
--- auth = { mechanism =, token =, authorization =, cleartext = };
--- timeout: seconds for one whole reply (60); helo; ca, pin, insecure,
--- certificate, key; protocol = "smtp"|"lmtp"; loop. Without TLS no password
--- is sent, unless auth has cleartext = true.
---@param options lunapost.open_options
---@return lunapost.client? client
---@return lunapost.err? error  kind dns connect tls auth timeout closed reply
--- protocol
M.open = options_of.placed(function(options)
  return dial.open(settings.complete("option of smtp.open", options))
end)

--- Dials and hears the greeting (after the handshake where TLS is
--- implicit): the script says the rest.
---@param options lunapost.open_options  as for open
---@return lunapost.client? client
---@return lunapost.err? error
M.connect = options_of.placed(function(options)
  return dial.connect(settings.complete("option of smtp.connect", options))
end)

local parts <const> = {
  server = function() return require "lunapost.smtp.server" end,
  pool = function()
    return require("lunapost.options").placed(
      require("lunapost.smtp.pool").new)
  end,
  reject = function() return require("lunapost.smtp.answer").reject end,
  codes = function() return require("lunapost.smtp.codes").codes end,
  cause = function() return require("lunapost.smtp.codes").cause end,
  transcript = function() return require "lunapost.smtp.transcript" end,
  authentication_results = function()
    return require("lunapost.smtp.results").field
  end,
  replay = function() return require("lunapost.smtp.replay").new end,
  sendmail = function() return require("lunapost.smtp.sendmail").new end,
  deliver = function() return require("lunapost.smtp.deliver").deliver end,
  dry = function() return require("lunapost.smtp.dry").new end,
  scram_keys = function() return require("lunapost.smtp.scram").keys end,
}

return lazy.of(M, parts, "lunapost.smtp")
