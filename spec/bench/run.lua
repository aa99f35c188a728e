--- make bench: what lunapost does beside its peers, in one run. Absolute
--- figures are this machine's; what counts is the ratio.

package.path = "./?.lua;" .. package.path

for _, name in ipairs {
  "codec", "kernels", "steps", "calls", "build", "parse", "receive",
  "send",
} do
  print("== " .. name)
  dofile("spec/bench/" .. name .. ".lua")
  print()
end
