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

# bpftool, depmod and mke2fs lie where a plain user's PATH does not look.
export PATH := $(PATH):/usr/sbin:/sbin

# One short line a step; V=1 shows the commands.
ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-8s %s\n'
Q := @
endif

# ---- flags ----------------------------------------------------------------

PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=. -ffile-prefix-map=$(abspath $(BUILD))=build \
	-ffile-prefix-map=$(BUILD)/=build/
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
ROOMS_events := $(wildcard lib/events/*.c)
ROOMS_sensor := $(filter-out sensor/main.c,$(wildcard sensor/*.c))
ROOMS_core := $(wildcard collector/core/*.c)
ROOMS_collector := $(filter-out collector/main.c,$(wildcard collector/*.c collector/ingest/*.c \
	collector/store/*.c collector/api/*.c collector/webhook/*.c))
ROOMS_ctl := $(filter-out ctl/main.c,$(wildcard ctl/*.c ctl/replay/*.c))
ROOMS_fleet := $(filter-out ctl/fleet/main.c,$(wildcard ctl/fleet/*.c))
ROOMS := lib proto events sensor core collector ctl fleet

PROGRAMS := ringwatch-sensor ringwatch-collector ringwatch ringwatch-fleet
MAIN_ringwatch-sensor := sensor/main.c
MAIN_ringwatch-collector := collector/main.c
MAIN_ringwatch := ctl/main.c
MAIN_ringwatch-fleet := ctl/fleet/main.c
NEEDS_ringwatch-sensor := sensor events proto lib
NEEDS_ringwatch-collector := collector core events proto lib
# of the collector only what reads its policy file
NEEDS_ringwatch := ctl collector core events proto lib
NEEDS_ringwatch-fleet := fleet proto lib
LIBS_lib := -lyaml -lssl -lcrypto
LIBS_proto := -lprotobuf-c
LIBS_events := -lz
LIBS_sensor := -lbpf -lelf -lz -lseccomp -lcap-ng
LIBS_core := -lm
LIBS_collector := -luv -lsqlite3 -lmicrohttpd -lgnutls -ljansson -lcurl
LIBS_ctl := -lcurl -ljansson
LIBS_fleet := -luv

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SOURCES:bpf/%.bpf.c=$(BUILD)/gen/%.skel.h)
GENERATED := $(BUILD)/gen/proto/ringwatch.pb-c.h $(SKELETONS) $(BUILD)/gen/store_schema.h $(BUILD)/gen/store_views.h \
	$(BUILD)/gen/openapi.h $(BUILD)/gen/dashboard.h

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/%)

# ---- dependencies of the machine ------------------------------------------

include deploy/packages.mk

# ---- generated ------------------------------------------------------------

$(BUILD)/gen/proto/ringwatch.pb-c.c $(BUILD)/gen/proto/ringwatch.pb-c.h &: proto/ringwatch.proto | $(DEPS_STAMP)
	@mkdir -p $(BUILD)/gen
	$(say) PROTOC $<
	$(Q)protoc-c --c_out=$(BUILD)/gen $<

BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -I. -I/usr/include/x86_64-linux-gnu \
	-Wall -Werror $(PREFIX_MAP) -fdebug-compilation-dir=.

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) | $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(say) BPF $<
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip -g $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(Q)bpftool gen skeleton $< name $*_bpf > $@

$(BUILD)/gen/store_%.h: collector/store/%.sql
	@mkdir -p $(@D)
	$(Q)sed -e '/^--/d' -e '/^$$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $< > $@

$(BUILD)/gen/openapi.h: collector/api/openapi.json
	@mkdir -p $(@D)
	$(Q)sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' $< > $@

# The dashboard's files as arrays, each with a tag of its content.
DASHBOARD := $(addprefix collector/api/dashboard/,index.html app.js style.css)
$(BUILD)/gen/dashboard.h: $(DASHBOARD)
	@mkdir -p $(@D)
	$(Q)for file in $(DASHBOARD); do \
		name=dashboard_$$(basename $$file | tr . _) && \
		echo "static const char $${name}_tag[] = \"\\\"$$(sha256sum $$file | cut -c1-16)\\\"\";" && \
		echo "static const unsigned char $${name}[] = {" && \
		od -An -v -tx1 $$file | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g' && echo '};' || exit 1; \
	done > $@

# ---- objects, archives, programs, unit tests, by variant -------------------

room_objects = $(patsubst %.c,$(BUILD)/$(1)/obj/%.o,$(ROOMS_$(2)))
UNIT_SOURCES := $(wildcard tests/unit/*/*_test.c tests/unit/*/*/*_test.c)
SIM_SOURCES := $(filter-out tests/sim/naive_fuzz.c,$(wildcard tests/sim/*.c))

define variant_rules
$(BUILD)/$(1)/obj/%.o: %.c $(BUILD)/flags | $(GENERATED) $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$$(say) 'CC $(1)' $$<
	$$(Q)$$(CC) $$(COMMON) $$(WARNINGS) $$(CFLAGS_$(1)) -c $$< -o $$@

$(BUILD)/$(1)/obj/lib/version.o: COMMON += -DRW_REVISION='"$$(REVISION)"'
$(BUILD)/$(1)/obj/lib/version.o: $(BUILD)/revision

$(BUILD)/$(1)/obj/gen/ringwatch.pb-c.o: $(BUILD)/gen/proto/ringwatch.pb-c.c $(BUILD)/flags
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(COMMON) $$(CFLAGS_$(1)) -c $$< -o $$@

$(foreach room,$(ROOMS),
$(BUILD)/$(1)/$(room).a: $(call room_objects,$(1),$(room)) $(if $(filter proto,$(room)),$(BUILD)/$(1)/obj/gen/ringwatch.pb-c.o)
	@rm -f $$@
	$$(Q)$$(AR) rcsD $$@ $$^
)

$(foreach program,$(PROGRAMS),
$(if $(filter release,$(1)),$(BUILD)/$(program),$(BUILD)/$(1)/$(program)): $(MAIN_$(program):%.c=$(BUILD)/$(1)/obj/%.o) $(NEEDS_$(program):%=$(BUILD)/$(1)/%.a)
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(CFLAGS_$(1)) $$(LDFLAGS_$(1)) -pthread -o $$@ $$^ $(foreach room,$(NEEDS_$(program)),$(LIBS_$(room)))
)

$(BUILD)/$(1)/sim: $(SIM_SOURCES:%.c=$(BUILD)/$(1)/obj/%.o) $(BUILD)/$(1)/core.a
	@mkdir -p $$(@D)
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(CFLAGS_$(1)) $$(LDFLAGS_$(1)) -o $$@ $$^ $(LIBS_core)

$(BUILD)/$(1)/tests/%_test: $(BUILD)/$(1)/obj/tests/%_test.o $(ROOMS:%=$(BUILD)/$(1)/%.a)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_$(1)) $$(LDFLAGS_$(1)) -pthread -o $$@ $$< -Wl,--start-group $(ROOMS:%=$(BUILD)/$(1)/%.a) -Wl,--end-group -lcmocka $(foreach room,$(ROOMS),$(LIBS_$(room)))
endef
$(foreach variant,$(VARIANTS),$(eval $(call variant_rules,$(variant))))

# The core against a second, naive judgement.
NAIVE_SOURCES := tests/sim/naive_fuzz.c $(wildcard tests/sim/naive/*.c)
NAIVE_FUZZ := $(BUILD)/asan/tests/sim/naive_fuzz
$(NAIVE_FUZZ): $(NAIVE_SOURCES:%.c=$(BUILD)/asan/obj/%.o) $(BUILD)/asan/core.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_asan) $(LDFLAGS_asan) -o $@ $^ -lcmocka $(LIBS_core)

.PHONY: naive
naive: $(NAIVE_FUZZ)
	@tests/tap 'naive:$(NAIVE_FUZZ) --seeds 300' 'naive:$(NAIVE_FUZZ) --first 301 --seeds 300'

# Rebuild when the flags or the revision change, and only then.
.PHONY: force
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(COMMON) $(WARNINGS) $(foreach v,$(VARIANTS),$(CFLAGS_$(v)))' | cmp -s - $@ || echo '$(COMMON) $(WARNINGS) $(foreach v,$(VARIANTS),$(CFLAGS_$(v)))' > $@
$(BUILD)/revision: force
	@mkdir -p $(@D)
	@echo '$(REVISION)' | cmp -s - $@ || echo '$(REVISION)' > $@

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)

# ---- tests ----------------------------------------------------------------

UNIT_TESTS := $(UNIT_SOURCES:tests/%.c=$(BUILD)/asan/tests/%)
# What runs in more than one thread, once more under the thread sanitizer.
TSAN_TESTS := $(patsubst tests/%.c,$(BUILD)/tsan/tests/%,$(wildcard tests/unit/collector/*_test.c) \
	$(patsubst %,tests/unit/collector/api/%_test.c,http read act deadlines feed controllers drills) \
	$(patsubst %,tests/unit/collector/webhook/%_test.c,tell sender) \
	$(patsubst %,tests/unit/sensor/%_test.c,keeper uplink))
E2E_TESTS := $(sort $(wildcard tests/e2e/*_test.py))
# These load the machine, or write to its one kernel log and read it.
E2E_ALONE := $(patsubst %,tests/e2e/%_test.py,hostile prometheus run senses spool versions)
E2E_RUN := then $(patsubst %,'e2e:env RINGWATCH_VARIANT=asan python3 %',$(filter-out $(E2E_ALONE),$(E2E_TESTS))) \
	then1 $(patsubst %,'e2e:env RINGWATCH_VARIANT=asan python3 %',$(E2E_ALONE))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_SECONDS ?= 60
export RINGWATCH_BUILD = $(abspath $(BUILD))
export ASAN_OPTIONS = detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS = print_stacktrace=1

sanitized := $(PROGRAMS:%=$(BUILD)/asan/%)

.PHONY: unit e2e test vmtest house scenarios
unit: $(BUILD)/deps/test $(UNIT_TESTS)
	@tests/tap $(UNIT_TESTS:%=unit:%)

HOUSE := house:tests/house 'house:tests/mutants --self-test'
house:
	@tests/tap $(HOUSE)

scenarios: $(BUILD)/ringwatch
	@tests/tap scenarios:tests/scenarios/run

e2e: $(BUILD)/deps/test all $(sanitized)
	@tests/tap $(E2E_RUN)

# Fleets that go wrong in every way, under a virtual clock: the real core against an
# oracle. The defaults take two minutes on one core; SEED=N plays one fleet alone.
SEEDS ?= 110
HOSTS ?= 200
HOURS ?= 2
.PHONY: sim
sim: $(BUILD)/release/sim
	@$< --seeds $(SEEDS) --hosts $(HOSTS) --hours $(HOURS) $(if $(SEED),--seed $(SEED)) $(SIM_FLAGS)

SIM_SHORT := 'sim:$(BUILD)/asan/sim --seeds 22 --hosts 80 --hours 1'

# Everything a change must pass; the parts and what they may take on two cores:
# house and units 2 min, two builds compared 2 min, end to end 4 min, fuzzing
# 1 min, virtual machines 4 min.
test: $(BUILD)/deps/test $(BUILD)/vm/ready $(BUILD)/browser/ready all $(UNIT_TESTS) $(TSAN_TESTS) $(sanitized) $(FUZZERS) $(BUILD)/fuzz/corpus $(NAIVE_FUZZ) $(BUILD)/asan/sim
	@tests/tap $(HOUSE) scenarios:tests/scenarios/run $(UNIT_TESTS:%=unit:%) \
		$(TSAN_TESTS:%=threads:%) 'naive:$(NAIVE_FUZZ) --seeds 40' $(SIM_SHORT) \
		then reproducible:tests/reproducible $(foreach f,$(FUZZERS),'fuzz:tests/fuzz/run $(f) 20') \
		$(E2E_RUN) \
		then1 browser:tests/browser/run \
		then1 'vm:python3 tests/vm/cases.py --core'

# The dashboard in a real Chromium; what cannot be had makes its test a skip.
.PHONY: browser
browser: $(BUILD)/deps/test $(BUILD)/browser/ready all
	@tests/tap browser:tests/browser/run
$(BUILD)/browser/ready: tests/browser/fetch tests/browser/package.json tests/browser/package-lock.json
	@tests/browser/fetch $(@D)
	@test -e $(@D)/missing || touch $@

vmtest: $(BUILD)/vm/ready all
	@tests/tap then1 'vm:python3 tests/vm/cases.py' then1 'demo:python3 tests/vm/demo_case.py'

# Kernels, headers and crash modules of the virtual machines, unpacked under
# $(BUILD)/vm; the machine's own boot files are never touched.
$(BUILD)/vm/ready: tests/vm/fetch-kernels $(wildcard tests/vm/modules/*) | $(BUILD)/deps/vm
	tests/vm/fetch-kernels
	@touch $@

# Which single breaks of the core neither its unit tests, nor the scenarios, nor a short
# simulation would notice; the first MUTANTS by seed 1, 2 s each on two cores.
MUTANTS ?= 120
MUTANTS_PLAYER := $(BUILD)/release/obj/ctl/main.o -Wl,--start-group \
	$(patsubst %,$(BUILD)/release/%.a,$(filter-out core,$(NEEDS_ringwatch))) -Wl,--end-group \
	$(foreach room,$(NEEDS_ringwatch),$(LIBS_$(room))) -pthread
.PHONY: mutants
mutants: $(BUILD)/deps/test $(BUILD)/ringwatch
	@tests/mutants --build $(BUILD) --jobs $(JOBS) --count $(MUTANTS) \
		--player '$(MUTANTS_PLAYER)' --sim '$(SIM_SOURCES) --seeds 11 --hosts 60 --hours 1' \
		$(MUTANTS_FLAGS)

# ---- fuzzing --------------------------------------------------------------

FUZZ_CFLAGS := -std=c17 -D_GNU_SOURCE -I. -I$(BUILD)/gen -g -O1 -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Wno-everything -DRW_REVISION='"fuzz"'
FUZZ_ROOMS := $(ROOMS_lib) $(ROOMS_proto) $(ROOMS_events)
FUZZ_EXTRA_spool := sensor/spool.c sensor/evict.c sensor/pack.c
FUZZ_EXTRA_pstore := sensor/dump.c sensor/crashes.c
FUZZ_EXTRA_netconsole := collector/ingest/netconsole_line.c collector/ingest/gasp_bindings.c
FUZZ_EXTRA_http := $(patsubst %,collector/api/%.c,answer check encode forms limits tokens uri)
FUZZ_EXTRA_promql := collector/api/promql.c
FUZZ_LIBS_http := -ljansson

$(BUILD)/fuzz/spool_fuzz: $(FUZZ_EXTRA_spool)
$(BUILD)/fuzz/pstore_fuzz: $(FUZZ_EXTRA_pstore)
$(BUILD)/fuzz/netconsole_fuzz: $(FUZZ_EXTRA_netconsole)
$(BUILD)/fuzz/http_fuzz: $(FUZZ_EXTRA_http)
$(BUILD)/fuzz/promql_fuzz: $(FUZZ_EXTRA_promql)
$(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(FUZZ_ROOMS) $(GENERATED) | $(BUILD)/deps/test
	@mkdir -p $(@D)
	$(say) FUZZ $<
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -o $@ $< $(FUZZ_ROOMS) $(FUZZ_EXTRA_$(*:_fuzz=)) $(BUILD)/gen/proto/ringwatch.pb-c.c $(LIBS_lib) $(LIBS_proto) $(LIBS_events) $(FUZZ_LIBS_$(*:_fuzz=))

# Seeds: right frames of every message, and each kind of wrong one.
$(BUILD)/fuzz/make_corpus: tests/fuzz/make_corpus.c $(BUILD)/asan/proto.a $(BUILD)/asan/lib.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(COMMON) $(WARNINGS) $(CFLAGS_asan) $(LDFLAGS_asan) -o $@ $^ $(LIBS_proto) $(LIBS_lib)
$(BUILD)/fuzz/corpus: $(BUILD)/fuzz/make_corpus $(wildcard tests/fuzz/seeds/*/*)
	@rm -rf $@ && $< $@/frame && cp -r tests/fuzz/seeds/. $@ && touch $@

.PHONY: fuzz
fuzz: $(FUZZERS) $(BUILD)/fuzz/corpus
	@tests/tap $(foreach f,$(FUZZERS),'fuzz:tests/fuzz/run $(f) $(FUZZ_SECONDS)')

# ---- run, demo, bench -----------------------------------------------------

.PHONY: run demo bench
run: all $(BUILD)/deps/run
	@BUILD=$(BUILD) deploy/run

demo: all $(BUILD)/vm/ready
	@deploy/demo

bench: all $(BUILD)/vm/ready $(BUILD)/deps/test $(BUILD)/bench/core_bench $(BUILD)/bench/store_bench $(BUILD)/bench/tls_client $(BUILD)/bench/syscalls
	@tests/bench/run

$(BUILD)/bench/store_bench: BENCH_ARCHIVES := $(BUILD)/release/collector.a
$(BUILD)/bench/store_bench: BENCH_LIBS := -lsqlite3
$(BUILD)/bench/store_bench: $(BUILD)/release/collector.a
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/release/core.a $(BUILD)/release/proto.a $(BUILD)/release/lib.a
	@mkdir -p $(@D)
	$(say) BENCH $<
	$(Q)$(CC) $(COMMON) $(WARNINGS) $(CFLAGS_release) $(LDFLAGS_release) -o $@ $< $(BENCH_ARCHIVES) $(filter-out $< $(BENCH_ARCHIVES),$^) $(BENCH_LIBS) $(LIBS_core) $(LIBS_proto) $(LIBS_lib)

# ---- format, lint, analyzers ----------------------------------------------

OUR_SOURCES := $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)
LINTED := $(filter-out bpf/% tests/%,$(filter %.c,$(OUR_SOURCES)))
SCRIPTS := tests/browser/run tests/browser/fetch .ci/run deploy/run deploy/install-packages tests/house tests/reproducible tests/fuzz/run \
	tests/vm/fetch-kernels tests/bench/fetch-rivals

# Off: what -Wconversion does better, and what does not know cleanup attributes.
TIDY_CHECKS := -*,bugprone-*,clang-analyzer-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-clang-analyzer-unix.Malloc,-clang-analyzer-optin.performance.Padding,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling

.PHONY: check
check: $(BUILD)/deps/check $(GENERATED)
	@echo '  FORMAT'
	@clang-format --dry-run -Werror $(OUR_SOURCES)
	@echo '  SHELL'
	@shellcheck $(wildcard $(SCRIPTS))
	@echo '  CPPCHECK'
	@cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,portability \
		--suppress=normalCheckLevelMaxBranches -I. -I$(BUILD)/gen $(LINTED)
	@echo '  TIDY'
	@printf '%s\n' $(LINTED) | xargs -P $(JOBS) -I FILE clang-tidy --quiet --warnings-as-errors='*' \
		--checks='$(TIDY_CHECKS)' FILE -- $(COMMON) -DRW_REVISION='"check"' 2>/dev/null

# ---- installing -----------------------------------------------------------

SYSTEMD_DIR ?= /lib/systemd/system
SYSUSERS_DIR ?= /usr/lib/sysusers.d
.PHONY: install
install: all
	install -D -m 755 $(BUILD)/ringwatch-sensor $(DESTDIR)$(PREFIX)/sbin/ringwatch-sensor
	install -D -m 755 $(BUILD)/ringwatch-collector $(DESTDIR)$(PREFIX)/sbin/ringwatch-collector
	install -D -m 755 $(BUILD)/ringwatch $(DESTDIR)$(PREFIX)/bin/ringwatch
	install -D -m 755 $(BUILD)/ringwatch-fleet $(DESTDIR)$(PREFIX)/bin/ringwatch-fleet
	install -d $(DESTDIR)$(SYSTEMD_DIR)
	for unit in ringwatch-sensor ringwatch-collector; do \
		sed 's,@PREFIX@,$(PREFIX),g' deploy/systemd/$$unit.service > $(DESTDIR)$(SYSTEMD_DIR)/$$unit.service && \
		chmod 644 $(DESTDIR)$(SYSTEMD_DIR)/$$unit.service || exit 1; \
	done
	install -D -m 644 deploy/systemd/ringwatch.sysusers $(DESTDIR)$(SYSUSERS_DIR)/ringwatch.conf
	for page in docs/man/*; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BUILD)/ringwatch completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ringwatch
	$(BUILD)/ringwatch completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_ringwatch
	$(BUILD)/ringwatch completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/ringwatch.fish
	for file in deploy/collector.yaml deploy/policy.yaml deploy/sensor.yaml deploy/systemd/ringwatch-sensor-netconsole.conf; do \
		install -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/doc/ringwatch/examples/$${file##*/} || exit 1; \
	done

.PHONY: help clean
help:
	@echo 'make            build the programs into $(BUILD)/'
	@echo 'make run        a collector and this host'"'"'s sensor; RUN_SECONDS=20 ends it by itself'
	@echo 'make demo       real virtual machines, a bad driver, a verdict that turns to abort'
	@echo 'make test       what a change must pass'
	@echo 'make vmtest     every virtual-machine case'
	@echo 'make unit|e2e|browser|scenarios|house|fuzz|check|bench   its parts; FUZZ_SECONDS=60'
	@echo 'make sim        fleets that fail in every way, the judgement against an oracle; SEEDS= HOSTS= HOURS= SEED='
	@echo 'make mutants    which single breaks of the core no test sees; MUTANTS=120'
	@echo 'make install    DESTDIR= PREFIX=$(PREFIX)'
	@echo 'make clean      removes $(BUILD)/'

clean:
	rm -rf $(BUILD)
