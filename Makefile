# lunapost: developers' targets. Users install the rock (see README).

CC      ?= cc
LUA     ?= lua5.4
BUSTED  := $(LUA) $(shell command -v busted)
CFLAGS  ?= -O2 -g
WARN    := -std=gnu11 -Wall -Wextra -Wconversion -Wshadow -Wundef \
           -Wwrite-strings -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes
BUILD   ?= build

pkg      = $(shell pkg-config $(1) 2>/dev/null)
LUA_INC := $(or $(call pkg,--cflags lua5.4),$(call pkg,--cflags lua),\
           -I/usr/include/lua5.4)
SSL_INC := $(call pkg,--cflags openssl)
SSL_LIB := $(or $(call pkg,--libs openssl),-lssl -lcrypto)

SOURCES := $(wildcard csrc/core/*.c csrc/net/*.c csrc/bind/*.c)
OBJECTS := $(SOURCES:csrc/%.c=$(BUILD)/obj/%.o)
CORE_SO := $(BUILD)/lunapost/core.so
COMMAND := $(BUILD)/bin/lunapost
PATHS   := LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;" \
           LUA_CPATH="$(CURDIR)/$(BUILD)/?.so;;"

.PHONY: all deps demo test check asan torture fuzz interop bench install clean
.DELETE_ON_ERROR:

all: $(CORE_SO) $(COMMAND)

$(CORE_SO): $(OBJECTS)
	@mkdir -p $(@D)
	@echo '  LD  $@'
	@$(CC) -shared $(LDFLAGS) -o $@ $(OBJECTS) $(SSL_LIB) -lpthread

$(BUILD)/obj/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) $(WARN) -fPIC $(LUA_INC) $(SSL_INC) -MMD -MP -c -o $@ $<

-include $(OBJECTS:.o=.d)

$(COMMAND): Makefile
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' \
	  'here=$$(cd "$$(dirname "$$(readlink -f "$$0")")/../.." && pwd)' \
	  'LUA_PATH="$$here/lua/?.lua;$$here/lua/?/init.lua;;"' \
	  'LUA_CPATH="$$here/$(BUILD)/?.so;;"' \
	  'export LUA_PATH LUA_CPATH' \
	  'exec $(LUA) "$$here/lua/lunapost/cli/lunapost.lua" "$$@"' > $@
	@chmod +x $@

test: all
	$(BUSTED)

clean:
	rm -rf $(BUILD)
