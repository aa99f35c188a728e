--- How the benchmarks measure: sides that do the same work take turns, one
--- right after the other, and the medians of the rounds count.

local M = {}

local quick <const> = tonumber(os.getenv "BENCH_SECONDS" or "") ~= nil

--- Of each comparison.
M.rounds = quick and 3 or 9

--- That one side of a round takes, at least.
M.seconds = quick and 0.002 or 0.01

---@param list number[]
---@return number
function M.median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

--- Seconds of processor time that f takes for s.
---@param f fun(s: any)
---@param s any
---@return number
function M.time(f, s)
  local batch = 1
  while true do
    local start = os.clock()
    for _ = 1, batch do f(s) end
    local took = os.clock() - start
    if took >= M.seconds then return took / batch end
    batch = math.max(batch * 2,
      math.ceil(batch * M.seconds / math.max(took, 1e-6)))
  end
end

--- Times the first side and each other side in turns.
---@param sides table<string, fun(): number>  give seconds; "ours" is the first
---@return table<string, { seconds: number, ratio: number }>  ratio: how many
---  times as long as ours
function M.compare(sides)
  local seconds, ratios, result = {}, {}, {}
  for name in pairs(sides) do seconds[name], ratios[name] = {}, {} end
  for i = 1, M.rounds do
    local own = sides.ours()
    seconds.ours[i], ratios.ours[i] = own, 1
    for name, side in pairs(sides) do
      if name ~= "ours" then
        local took = side()
        seconds[name][i], ratios[name][i] = took, took / own
      end
    end
  end
  for name in pairs(sides) do
    result[name] = { seconds = M.median(seconds[name]),
      ratio = M.median(ratios[name]) }
  end
  return result
end

--- What a program says on standard output, without the last line end.
---@param command string
---@return string
function M.says(command)
  local pipe <close> = assert(io.popen(command .. " 2>/dev/null"))
  return (pipe:read "a":gsub("%s+$", ""))
end

--- The kind of machine.
---@return string
function M.machine()
  local model = M.says "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo"
  model = model:match "[^\n]+" or M.says "sysctl -n machdep.cpu.brand_string"
  return model ~= "" and model or M.says "uname -m"
end

return M
