--- Paths of the envelope as handlers see them (RFC 5321 4.1.2).

local core = require "lunapost.core"
local parameters_of = require "lunapost.smtp.parameters"

---@class lunapost.path
---@field address string  "" for the null reverse-path <>
---@field localpart string  without quotes
---@field domain string  "" for <> and <postmaster>
---@field parameters table<string, string|integer|true>  by upper-case keyword
---@field typed table  the parameters as what they mean, made when asked for

-- The machine makes paths; see csrc/bind/lserver.c.
local meta <const> = core.server.path

meta.__name = "lunapost.path"

function meta.__index(path, name)
  if name ~= "typed" then return nil end
  path.typed = parameters_of.typed(path.parameters)
  return path.typed
end

function meta.__tostring(path)
  return path.address
end

function meta.__eq(a, b)
  return a.address == b.address
end

function meta.__concat(a, b)
  return tostring(a) .. tostring(b)
end

return meta
