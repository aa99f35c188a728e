--- The steps of core, buffer to buffer, by each kernel of this machine
--- beside memcpy of their input: spec/kernel/speed.c, without Lua.

local program <const> = (os.getenv "LUNAPOST_BUILD" or "build") .. "/speed"
local pipe <close> = assert(io.popen(program))

print(("%-37s %13s %8s"):format("64 KiB in C", "of its input", "memcpy"))
for line in pipe:lines() do print(line) end
assert(pipe:close(), program .. ": failed")
