# SPDX-License-Identifier: Apache-2.0
# ringwatch: build, test, run. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr/local
CC := gcc
CLANG := clang
JOBS ?= $(shell nproc)
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(JOBS)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:

# The source's commit; an export without git says so.
REVISION ?= $(shell git -C $(CURDIR) rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# ---- flags ----------------------------------------------------------------

PREFIX_MAP := -ffile-prefix-map=$(CURDIR)/= -ffile-prefix-map=$(abspath $(BUILD))=build
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wimplicit-fallthrough -Werror
COMMON := -std=c17 -D_GNU_SOURCE -I. -I$(BUILD)/gen -g -MMD -MP $(PREFIX_MAP) -pthread \
	-fno-strict-aliasing -fno-common

CFLAGS_release := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed -Wl,--build-id=sha1
CFLAGS_asan := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	-DRW_SANITIZED=1
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan := -O1 -fno-omit-frame-pointer -fsanitize=thread -DRW_SANITIZED=1
LDFLAGS_tsan := -fsanitize=thread

VARIANTS := release asan tsan

# ---- what is built --------------------------------------------------------

ROOMS_lib := $(wildcard lib/*.c)
ROOMS_proto := $(wildcard proto/*.c)
ROOMS_sensor := $(filter-out sensor/main.c,$(wildcard sensor/*.c))
ROOMS_core := $(wildcard collector/core/*.c)
ROOMS_collector := $(filter-out collector/main.c,$(wildcard collector/*.c collector/ingest/*.c \
	collector/store/*.c collector/api/*.c))
ROOMS_ctl := $(filter-out ctl/main.c,$(wildcard ctl/*.c))
ROOMS_fleet := $(filter-out ctl/fleet/main.c,$(wildcard ctl/fleet/*.c))
ROOMS := lib proto sensor core collector ctl fleet

PROGRAMS := ringwatch-sensor ringwatch-collector ringwatch ringwatch-fleet
MAIN_ringwatch-sensor := sensor/main.c
MAIN_ringwatch-collector := collector/main.c
MAIN_ringwatch := ctl/main.c
MAIN_ringwatch-fleet := ctl/fleet/main.c
NEEDS_ringwatch-sensor := sensor proto lib
NEEDS_ringwatch-collector := collector core proto lib
NEEDS_ringwatch := ctl proto lib
NEEDS_ringwatch-fleet := fleet proto lib
LIBS_lib := -lyaml -lssl -lcrypto
LIBS_proto := -lprotobuf-c
LIBS_sensor := -lbpf -lelf -lz
LIBS_core := -lm
LIBS_collector := -luv -lsqlite3 -lmicrohttpd -ljansson
LIBS_ctl := -lcurl -ljansson
LIBS_fleet := -luv

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SOURCES:bpf/%.bpf.c=$(BUILD)/gen/%.skel.h)
GENERATED := $(BUILD)/gen/proto/ringwatch.pb-c.h $(SKELETONS) $(BUILD)/gen/store_schema.h

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/%)

# ---- dependencies of the machine ------------------------------------------

include deploy/packages.mk

# ---- generated ------------------------------------------------------------

$(BUILD)/gen/proto/ringwatch.pb-c.c $(BUILD)/gen/proto/ringwatch.pb-c.h &: proto/ringwatch.proto | $(DEPS_STAMP)
	@mkdir -p $(BUILD)/gen
	protoc-c --c_out=$(BUILD)/gen $<

BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -I. -I/usr/include/x86_64-linux-gnu \
	-Wall -Werror $(PREFIX_MAP) -fdebug-compilation-dir=.

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	llvm-strip -g $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	bpftool gen skeleton $< name $*_bpf > $@

$(BUILD)/gen/store_schema.h: collector/store/schema.sql
	@mkdir -p $(@D)
	sed -e '/^--/d' -e '/^$$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $< > $@

# ---- objects, archives, programs, unit tests, by variant -------------------

room_objects = $(patsubst %.c,$(BUILD)/$(1)/obj/%.o,$(ROOMS_$(2)))
UNIT_SOURCES := $(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c)

define variant_rules
$(BUILD)/$(1)/obj/%.o: %.c $(BUILD)/flags | $(GENERATED) $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$$(CC) $$(COMMON) $$(WARNINGS) $$(CFLAGS_$(1)) -c $$< -o $$@

$(BUILD)/$(1)/obj/lib/version.o: COMMON += -DRW_REVISION='"$$(REVISION)"'
$(BUILD)/$(1)/obj/lib/version.o: $(BUILD)/revision

$(BUILD)/$(1)/obj/gen/ringwatch.pb-c.o: $(BUILD)/gen/proto/ringwatch.pb-c.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(CC) $$(COMMON) $$(CFLAGS_$(1)) -c $$< -o $$@

$(foreach room,$(ROOMS),
$(BUILD)/$(1)/$(room).a: $(call room_objects,$(1),$(room)) $(if $(filter proto,$(room)),$(BUILD)/$(1)/obj/gen/ringwatch.pb-c.o)
	@rm -f $$@
	$$(AR) rcsD $$@ $$^
)

$(foreach program,$(PROGRAMS),
$(if $(filter release,$(1)),$(BUILD)/$(program),$(BUILD)/$(1)/$(program)): $(MAIN_$(program):%.c=$(BUILD)/$(1)/obj/%.o) $(NEEDS_$(program):%=$(BUILD)/$(1)/%.a)
	$$(CC) $$(CFLAGS_$(1)) $$(LDFLAGS_$(1)) -pthread -o $$@ $$^ $(foreach room,$(NEEDS_$(program)),$(LIBS_$(room)))
)

$(BUILD)/$(1)/tests/%_test: $(BUILD)/$(1)/obj/tests/%_test.o $(ROOMS:%=$(BUILD)/$(1)/%.a)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_$(1)) $$(LDFLAGS_$(1)) -pthread -o $$@ $$< -Wl,--start-group $(ROOMS:%=$(BUILD)/$(1)/%.a) -Wl,--end-group -lcmocka $(foreach room,$(ROOMS),$(LIBS_$(room)))
endef
$(foreach variant,$(VARIANTS),$(eval $(call variant_rules,$(variant))))

# Rebuild when the flags or the revision change, and only then.
.PHONY: force
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(COMMON) $(WARNINGS) $(foreach v,$(VARIANTS),$(CFLAGS_$(v)))' | cmp -s - $@ || echo '$(COMMON) $(WARNINGS) $(foreach v,$(VARIANTS),$(CFLAGS_$(v)))' > $@
$(BUILD)/revision: force
	@mkdir -p $(@D)
	@echo '$(REVISION)' | cmp -s - $@ || echo '$(REVISION)' > $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- tests ----------------------------------------------------------------

UNIT_TESTS := $(UNIT_SOURCES:tests/%.c=$(BUILD)/asan/tests/%)

.PHONY: unit
unit: $(UNIT_TESTS)
	@tests/tap $(foreach t,$(UNIT_TESTS),unit:$(t))

.PHONY: clean
clean:
	rm -rf $(BUILD)
