--- Runs every scenario a few times; the host sets the collector.

local names = { "codec", "mime", "net", "script", "session" }

for _, name in ipairs(names) do
  local run = dofile("spec/torture/scenarios/" .. name .. ".lua")
  local start = os.clock()
  for _ = 1, 5 do
    local ok, problem = run()
    assert(ok, name .. ": " .. tostring(problem))
  end
  print(("%-10s 5 runs, %.2f s"):format(name, os.clock() - start))
end
