# lunapost: developers' targets. Users install the rock (see README).

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
CFLAGS  ?= -O2 -g
WARN    := -std=gnu11 -Wall -Wextra -Wconversion -Wshadow -Wundef \
           -Wwrite-strings -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes
WITH    ?=
FUZZ_SECONDS    ?= 60
TORTURE_SECONDS ?= 60

# What the system says is asked for once, when a recipe first needs it: in
# `make deps test` that is after deps has installed it.
once     = $(eval $(1) := $(2))$($(1))
LUA     ?= $(call once,LUA,$(shell .ci/lua54))
pkg      = $(shell pkg-config $(1) 2>/dev/null)
LUA_PC   = $(call once,LUA_PC,$(firstword $(foreach p,lua5.4 lua-5.4 lua54,\
             $(if $(call pkg,--modversion $p),$p)) lua))
LUA_INC  = $(call once,LUA_INC,$(or $(call pkg,--cflags $(LUA_PC)),\
             -I/usr/include/lua5.4))
LUA_LIB  = $(call once,LUA_LIB,$(or $(call pkg,--libs $(LUA_PC)),-llua5.4))
SSL_INC  = $(call once,SSL_INC,$(call pkg,--cflags openssl))
SSL_LIB  = $(call once,SSL_LIB,$(or $(call pkg,--libs openssl),-lssl -lcrypto))
# A wrapper script, as LuaRocks makes one, finds its Lua by itself.
RUNNER   = $(call once,RUNNER,$(call lua_script,$(shell command -v busted)))
lua_script = $(if $(shell head -1 $(1) | grep -w lua),$(LUA) $(1),$(1))
BUSTED   = LUNAPOST_BUILD=$(BUILD) $(RUNNER) --ignore-lua

ifeq ($(shell uname),Darwin)
  export PKG_CONFIG_PATH := $(shell brew --prefix openssl@3)/lib/pkgconfig
  SHARED := -bundle -undefined dynamic_lookup
else
  SHARED := -shared
endif

# What the core is linked with. The BSDs' C library holds the resolver.
CORE_LIB = $(SSL_LIB) -lpthread $(if $(findstring BSD,$(shell uname)),,-lresolv)

SOURCES := $(wildcard csrc/core/*.c csrc/net/*.c csrc/bind/*.c)
OBJECTS := $(SOURCES:csrc/%.c=$(BUILD)/obj/%.o)
CORE_SO := $(BUILD)/lunapost/core.so
COMMAND := $(BUILD)/bin/lunapost
PATHS    = LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;" \
           LUA_CPATH="$(CURDIR)/$(BUILD)/?.so;;"
# From $(BUILD)/bin up to the tree.
up      := $(shell echo $(BUILD)/bin | sed 's,[^/][^/]*,..,g')

.PHONY: all help deps demo test properties kernels check asan torture fuzz \
  interop bench install uninstall clean
.DELETE_ON_ERROR:

all: $(CORE_SO) $(COMMAND)

# What there is to make, and what each needs to be told.
help:
	@printf '%s\n' \
	  'make                    builds core.so and bin/lunapost in $(BUILD)/' \
	  'make deps [WITH=all]    installs what is missing (all: for each target)' \
	  'make demo               a client and a server exchange mail' \
	  'make test               the specs' \
	  'make install            below PREFIX, DESTDIR; make uninstall' \
	  'make check              style, by clang-format, luacheck, cppcheck' \
	  'make properties         each codec on random inputs (PROPERTY_CASES)' \
	  'make kernels            vector kernels against each other' \
	  'make asan torture valgrind fuzz   faults of memory (FUZZ_SECONDS ...)' \
	  'make interop            other people'"'"'s clients and servers' \
	  'make bench soak         speed; a server under load (SOAK_SECONDS)' \
	  'make clean              removes build/'

deps:
	@.ci/deps $(WITH)

# In `make -j deps test`, deps goes first.
$(OBJECTS) $(COMMAND): | $(filter deps,$(MAKECMDGOALS))

$(CORE_SO): $(OBJECTS)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	@$(CC) $(SHARED) $(LDFLAGS) -o $@ $(OBJECTS) $(CORE_LIB)

$(BUILD)/obj/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) $(WARN) -fPIC $(LUA_INC) $(SSL_INC) -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)

$(COMMAND): Makefile
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' \
	  'here=$$(cd "$$(dirname "$$(readlink -f "$$0")")/$(up)" && pwd)' \
	  'LUA_PATH="$$here/lua/?.lua;$$here/lua/?/init.lua;;"' \
	  'LUA_CPATH="$$here/$(BUILD)/?.so;;"' \
	  'export LUA_PATH LUA_CPATH' \
	  'exec $(LUA) "$$here/lua/lunapost/cli/lunapost.lua" "$$@"' > $@
	@chmod +x $@

# The kernels of core against each other, by a program of core alone.
COMPARE    := $(BUILD)/compare
COMPARED   := $(filter-out %/speed.c,$(wildcard spec/kernel/*.c))

$(COMPARE): $(COMPARED) spec/kernel/compare.h \
            $(filter $(BUILD)/obj/core/%,$(OBJECTS))
	@echo '  LD  $@'
	@$(CC) $(CFLAGS) $(WARN) -Icsrc $(LDFLAGS) -o $@ $(filter %.c %.o,$^)

# Here, and as aarch64 under qemu; CI has no excuse.
ARM_CC := aarch64-linux-gnu-gcc
ARM_RUN := qemu-aarch64
have    = command -v $(1) >/dev/null 2>&1

kernels: $(COMPARE)
	@$(COMPARE)
	@if $(call have,$(ARM_CC)) && $(call have,$(ARM_RUN)); then \
	  $(ARM_CC) -O2 -static $(WARN) -Icsrc -o $(COMPARE)-aarch64 \
	    $(COMPARED) $(wildcard csrc/core/*.c) && \
	  $(ARM_RUN) $(COMPARE)-aarch64 4096 61; \
	elif [ -n "$$CI" ]; then \
	  echo 'kernels: no $(ARM_CC), or no $(ARM_RUN)' >&2; exit 1; \
	else echo 'aarch64: skipped, needs $(ARM_CC), $(ARM_RUN)'; fi

demo: all
	@$(PATHS) LUNAPOST_BUILD=$(BUILD) $(LUA) examples/demo.lua

test: all $(COMPARE)
	@$(BUSTED)

# What holds of the codecs for any input, in many more cases than `test`.
PROPERTY_CASES ?= 100000
properties: all
	@LUNAPOST_CASES=$(PROPERTY_CASES) $(BUSTED) spec/properties_spec.lua

# Against other people's clients and servers on loopback (spec/interop/).
interop: all
	@rm -f build/interop/met
	@$(BUSTED) --run=interop; code=$$?; \
	met=$$(sort -u build/interop/met 2>/dev/null); \
	echo "met" $$(echo "$$met" | grep -c .) "peers:" $$met; \
	exit $$code

# What a machine can say about style. luacheck runs by the Lua that it
# came with.
check: all
	clang-format --dry-run -Werror $(C_FILES)
	luacheck -q $(wildcard lua spec examples rockspec)
	cppcheck $(CPPCHECK) csrc
	@$(BUSTED) spec/style_spec.lua

C_FILES  = $(wildcard csrc/*/*.[ch] spec/*/*.[ch])
CPPCHECK = --quiet --std=c11 --error-exitcode=1 --inline-suppr -j2 \
           --enable=warning,performance,portability \
           --suppress=missingIncludeSystem

# The specs under AddressSanitizer and UBSan, leaks included: by an
# interpreter that is linked with both and with lunapost's objects.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
            -fno-omit-frame-pointer
HOST     := $(BUILD)/lua
WRAP     := malloc calloc realloc free
ASAN     := BUILD=build/asan CFLAGS='-O1 -g $(SANITIZE)' \
            LDFLAGS='$(SANITIZE)' LUA=$(CURDIR)/build/asan/lua
export ASAN_OPTIONS  ?= detect_stack_use_after_return=1
export UBSAN_OPTIONS ?= print_stacktrace=1

asan: all
	@$(MAKE) --no-print-directory $(ASAN) host test

# A second opinion on memory: the demo by valgrind.
valgrind: all
	@$(PATHS) LUNAPOST_BUILD=$(BUILD) valgrind --quiet --error-exitcode=9 \
	  --leak-check=full --show-leak-kinds=definite \
	  --errors-for-leak-kinds=definite \
	  --suppressions=spec/torture/valgrind.supp \
	  $(LUA) examples/demo.lua

# Memory that runs out, and collectors that never rest (spec/torture/).
torture: all
	@$(MAKE) --no-print-directory $(ASAN) host torture-run

.PHONY: host torture-run valgrind
host: $(HOST)

$(HOST): $(OBJECTS) $(BUILD)/obj/host.o
	@echo '  LD  $@'
	@$(CC) $(LDFLAGS) $(WRAP:%=-Wl,--wrap=%) -rdynamic -o $@ $^ \
	  $(LUA_LIB) $(CORE_LIB)

$(BUILD)/obj/host.o: spec/torture/host.c Makefile
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) $(WARN) $(LUA_INC) $(SSL_INC) -c -o $@ $<

# What fails for want of memory says so on stderr, thousands of times.
torture-run:
	@for scenario in spec/torture/scenarios/*.lua; do \
	  $(PATHS) $(HOST) --torture $(TORTURE_SECONDS) $$scenario \
	    2>$(BUILD)/torture.log || { tail -n 40 $(BUILD)/torture.log; exit 1; }; \
	done
	@for mode in incremental generational; do \
	  echo "collector: $$mode"; \
	  $(PATHS) $(HOST) --gc $$mode spec/torture/gc.lua || exit 1; \
	done
	@LUNAPOST_BUILD=$(BUILD) $(HOST) --gc generational \
	  $(shell command -v busted) --ignore-lua $(GC_SPECS)

GC_SPECS = $(foreach name,core_codec build mime loop net session server,\
             $(wildcard spec/$(name)_spec.lua))

# libFuzzer over core, two programs at a time.
FUZZERS   := $(patsubst spec/fuzz/%.c,build/fuzz/%,$(wildcard spec/fuzz/fuzz_*.c))
FUZZ_CORE := $(patsubst csrc/core/%.c,build/fuzz/obj/%.o,\
               $(wildcard csrc/core/*.c))
FUZZ      := clang -g -O1 -std=gnu11 -fsanitize=address,undefined \
             -fno-sanitize-recover=undefined
.PRECIOUS: build/fuzz/obj/%.o

fuzz: $(FUZZERS)
	@printf '%s\n' $^ | xargs -P 2 -I % spec/fuzz/run.sh % $(FUZZ_SECONDS)

build/fuzz/obj/%.o: csrc/core/%.c Makefile
	@mkdir -p $(@D)
	@$(FUZZ) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

build/fuzz/fuzz_%: spec/fuzz/fuzz_%.c $(FUZZ_CORE)
	@echo '  LD  $@'
	@$(FUZZ) -fsanitize=fuzzer -I. -Icsrc -o $@ $^

-include $(FUZZ_CORE:.o=.d)

# The steps of core beside memcpy, without Lua.
SPEED := $(BUILD)/speed

$(SPEED): spec/kernel/speed.c $(filter $(BUILD)/obj/core/%,$(OBJECTS))
	@echo '  LD  $@'
	@$(CC) $(CFLAGS) $(WARN) -Icsrc $(LDFLAGS) -o $@ $^

# A client for the benchmark of servers.
LOAD := $(BUILD)/load

$(LOAD): spec/bench/load.c Makefile
	@echo '  LD  $@'
	@$(CC) $(CFLAGS) $(WARN) $(SSL_INC) $(LDFLAGS) -o $@ $< $(SSL_LIB)

bench: all $(SPEED) $(LOAD)
	@$(PATHS) LUNAPOST_BUILD=$(BUILD) $(LUA) spec/bench/run.lua

# A server under mixed load, for as long as one likes.
SOAK_SECONDS ?= 60
soak: all
	@$(PATHS) LUNAPOST_BUILD=$(BUILD) $(LUA) spec/soak/run.lua $(SOAK_SECONDS)

.PHONY: soak

# Without LuaRocks: modules, the shared object and the command under PREFIX.
MODULES = $(shell cd lua && find lunapost -name '*.lua')
install: all
	@for f in $(MODULES); do \
	  to=$(DESTDIR)$(PREFIX)/share/lua/5.4/$$f; \
	  mkdir -p "$$(dirname "$$to")" && install -m 644 lua/$$f "$$to" || exit 1; \
	done
	@mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/lua/5.4/lunapost
	install -m 755 $(CORE_SO) $(DESTDIR)$(PREFIX)/lib/lua/5.4/lunapost/
	@printf '%s\n' '#!/bin/sh' \
	  'LUA_PATH="$(PREFIX)/share/lua/5.4/?.lua;$(PREFIX)/share/lua/5.4/?/init.lua;;"' \
	  'LUA_CPATH="$(PREFIX)/lib/lua/5.4/?.so;;"' \
	  'export LUA_PATH LUA_CPATH' \
	  'exec $(LUA) "$(PREFIX)/share/lua/5.4/lunapost/cli/lunapost.lua" "$$@"' \
	  > $(DESTDIR)$(PREFIX)/bin/lunapost
	@chmod 755 $(DESTDIR)$(PREFIX)/bin/lunapost

# What install put there, and nothing else.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/lunapost
	rm -rf $(DESTDIR)$(PREFIX)/share/lua/5.4/lunapost \
	  $(DESTDIR)$(PREFIX)/lib/lua/5.4/lunapost

clean:
	rm -rf build
