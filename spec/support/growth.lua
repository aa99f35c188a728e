--- Whether what something costs grows no faster than its length does, told in
--- a way that holds on a slow machine, a busy one, and under sanitizers.

local M = {}

-- Eight times the length may cost so many times as much: what is linear costs
-- about eight times, 15 where it makes work for the collector; what is
-- quadratic costs 64 times.
local MOST <const> = 24
-- Seconds of the processor that are too few to be compared.
local TRIFLE <const> = 0.05
local TRIES <const> = 6

-- Seconds of the processor, behind a collection that would else be one's own.
local function seconds(pay, n)
  collectgarbage()
  local start = os.clock()
  pay(n)
  return os.clock() - start
end

--- Fails where a length costs much more than eight times what an eighth of it
--- does, at best of several tries.
---@param length integer
---@param pay fun(length: integer)  what costs
---@param name? string  of it, for the failure
function M.linear(length, pay, name)
  local whole, eighth = math.huge, math.huge
  for _ = 1, TRIES do
    whole = math.min(whole, seconds(pay, length))
    if whole < TRIFLE then return end
    eighth = math.min(eighth, seconds(pay, length // 8))
    if whole < MOST * eighth then return end
  end
  error(("%s: a length of %d takes %.2f s, an eighth of it %.3f s"):format(
    name or "this", length, whole, eighth), 2)
end

return M
