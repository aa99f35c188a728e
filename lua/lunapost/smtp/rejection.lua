--- Who is rejected by an error instead of a reply: what it means for them, in
--- the codes of replies.

local M = {}

-- What errors without a reply mean for a recipient: another try may do
-- better, unless final.
local kinds <const> = {
  dns = { 451, "4.4.3" }, connect = { 451, "4.4.1" },
  timeout = { 451, "4.4.2" }, closed = { 451, "4.4.2" },
  tls = { 454, "4.7.5" }, protocol = { 451, "4.5.0" },
  unconfirmed = { 451, "4.4.2", final = true },
  limit = { 552, "5.3.4" }, syntax = { 550, "5.6.7" },
  file = { 451, "4.3.0", final = true },
}

-- A limit that is another one in another session.
local LATER <const> = { 451, "4.5.0" }

local function meaning(problem)
  if problem.kind == "limit" and problem.transient then return LATER end
  return kinds[problem.kind] or kinds.protocol
end

--- How a recipient is rejected that an error stands in the way of.
---@param address string
---@param problem lunapost.err
---@return table rejection  { address, code, enhanced, text, kind, final }
function M.of(address, problem)
  local code, enhanced = problem.code, problem.enhanced
  local means = meaning(problem)
  if not code then code, enhanced = means[1], means[2] end
  return { address = address, code = code, enhanced = enhanced,
    text = problem.code and problem.text or tostring(problem),
    kind = problem.kind, final = means.final }
end

return M
