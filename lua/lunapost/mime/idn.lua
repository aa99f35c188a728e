--- Domains in any script as ASCII (A-labels, RFC 5891), by the system's
--- libidn2, which is loaded when it is first needed.

local core = require "lunapost.core"
local err = require "lunapost.err"

local M = {}

local names <const> = { "libidn2.so.0", "libidn2.so", "libidn2.0.dylib",
  "/opt/homebrew/lib/libidn2.0.dylib", "/usr/local/lib/libidn2.0.dylib" }

local library

--- Loads the library, once; another by its file names, for specs.
---@param files? string[]
---@return userdata? library
---@return lunapost.err? error  of kind "file"
function M.load(files)
  if library and not files then return library end
  for _, name in ipairs(files or names) do
    local found = core.idn.open(name)
    if found then
      library = found
      return found
    end
  end
  return nil, err.of("file", "a domain that is not ASCII needs the library "
    .. "libidn2, which is not here (Debian: apt install libidn2-0)")
end

--- A domain as it is said to those who know only ASCII.
---@param domain string  UTF-8
---@return string? domain  A-labels; what is ASCII as it is
---@return lunapost.err? error  "file": no library; "syntax": no domain
function M.ascii(domain)
  if not domain:find("[\128-\255]") then return domain end
  local idn, problem = M.load()
  if not idn then return nil, problem end
  local made, kind, text = idn:ascii(domain)
  if made and ("." .. made):find("..", 1, true) then
    made, kind, text = nil, "syntax", "a label is empty"
  end
  if made then return made end
  return nil, err.of(kind, ("%q is no domain: %s"):format(domain, text))
end

--- An address with its domain in ASCII.
---@param address string  local@domain
---@return string? address
---@return lunapost.err? error  also where what is before the @ is not ASCII
function M.address(address)
  local localpart, domain = address:match("^(.*)@(.-)$")
  if not localpart or not address:find("[\128-\255]") then return address end
  if localpart:find("[\128-\255]") then
    return nil, err.of("syntax", ("%s: only a server that offers SMTPUTF8 "
      .. "can take this address"):format(address))
  end
  local made, problem = M.ascii(domain)
  if not made then return nil, problem end
  return localpart .. "@" .. made
end

return M
