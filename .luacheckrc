std = "lua54"
max_line_length = 80
max_cyclomatic_complexity = 10
self = false
exclude_files = { "build" }
files["spec/"] = { std = "+busted" }
files["rockspec/"] = { std = "+rockspec" }
