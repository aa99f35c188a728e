--- Line ends.

local check = require "lunapost.codec.check"
local core = require "lunapost.core".codec
local filter = require "lunapost.codec.filter"

local M = {}

--- Every line end, bare CR and LF too, as CRLF.
---@param s string
---@return string
function M.encode(s)
  check.text("crlf.encode", s)
  return core.dot_encode(s, true)
end

M.normalise = M.encode

--- The same in steps.
---@param options? table  none yet
---@return lunapost.codec.filter
function M.encoder(options)
  check.options("crlf.encoder", options, {})
  return assert(filter.new("crlf encoder", "dot_encoder", { plain = true }))
end

--- Every CRLF as LF; bare CRs stay.
---@param s string
---@return string
function M.decode(s)
  check.text("crlf.decode", s)
  return (s:gsub("\r\n", "\n"))
end

local unix = {}
unix.__index = unix

function unix:update(piece)
  local whole = self.held .. piece
  self.held = whole:match "\r$" or ""
  return (whole:sub(1, #whole - #self.held):gsub("\r\n", "\n"))
end

function unix:finish()
  return self.held
end

function unix:notes()
  return { held = #self.held }
end

--- The same in steps.
---@param options? table  none yet
---@return lunapost.codec.filter
function M.decoder(options)
  check.options("crlf.decoder", options, {})
  return filter.wrap("crlf decoder", setmetatable({ held = "" }, unix))
end

return M
