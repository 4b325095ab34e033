# SPDX-License-Identifier: Apache-2.0
# What the machine must have, by Debian package, and how it gets it: apt, as
# root or through sudo. One look at dpkg's database decides; nothing is fetched
# when all is there.

BUILD_PACKAGES := gcc make clang llvm bpftool protobuf-c-compiler libprotobuf-c-dev libbpf-dev \
	libelf-dev zlib1g-dev libuv1-dev libssl-dev libsqlite3-dev libyaml-dev libmicrohttpd-dev \
	libgnutls28-dev libjansson-dev libcurl4-openssl-dev libseccomp-dev libcap-ng-dev
TEST_PACKAGES := libcmocka-dev libclang-rt-14-dev python3 python3-yaml openssl sqlite3 curl procps ansible-core \
	prometheus mandoc zsh fish
VM_PACKAGES := qemu-system-x86 busybox-static kmod e2fsprogs gcc-12 python3
RUN_PACKAGES := curl python3
CHECK_PACKAGES := clang-format clang-tidy cppcheck shellcheck

DEPS_STAMP := $(BUILD)/deps/build

$(BUILD)/deps/build: deploy/packages.mk
	@deploy/install-packages $(BUILD_PACKAGES)
	@mkdir -p $(@D) && touch $@
$(BUILD)/deps/test: deploy/packages.mk
	@deploy/install-packages $(TEST_PACKAGES)
	@mkdir -p $(@D) && touch $@
$(BUILD)/deps/run: deploy/packages.mk
	@deploy/install-packages $(RUN_PACKAGES)
	@mkdir -p $(@D) && touch $@
$(BUILD)/deps/vm: deploy/packages.mk
	@deploy/install-packages $(VM_PACKAGES)
	@mkdir -p $(@D) && touch $@
$(BUILD)/deps/check: deploy/packages.mk
	@deploy/install-packages $(CHECK_PACKAGES)
	@mkdir -p $(@D) && touch $@
