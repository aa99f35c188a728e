--- What ends a session from within: raised through handlers, caught where the
--- dialogue runs (smtp/drive.lua).

local body = require "lunapost.smtp.body"

local M = {}

local meta = { __name = "lunapost.over" }

function meta.__tostring(o)
  return "the session is over: " .. o.why
end

--- What is raised.
---@param why string  closed timeout tls error stopped
---@param problem? any
---@return table
function M.of(why, problem)
  return setmetatable({ why = why, problem = problem }, meta)
end

---@param problem any
---@return boolean
function M.is(problem)
  return getmetatable(problem) == meta
end

--- Why a dialogue that was left by an error is over.
---@param problem any
---@return string why
---@return any problem
function M.why(problem)
  if M.is(problem) then
    return problem.why, problem.problem
  elseif body.is_broken(problem) then
    return "closed"
  end
  return "error", problem
end

return M
