# SPDX-License-Identifier: GPL-2.0-only
#
# secmem: the module for the running kernel, the library, the tests.

FUZZ ?= -n 1000000
KDIR ?= /lib/modules/$(shell uname -r)/build
prefix ?= /usr/local
DESTDIR ?=
udevdir ?= /lib/udev
MAKEFLAGS += --no-print-directory

help:
	@echo 'Set up, built and run in a VM; needs Debian 12 and root:'
	@echo '  demo         watch it keep a signing key'
	@echo '  check        everything that a change must pass'
	@echo '  check-long   that, and what takes longer: all of it on the debug kernels,'
	@echo '               mutants, coverage, millions of random operations'
	@echo '  fuzz         hostile callers on the debug kernel; FUZZ="-n 1000000"'
	@echo '  coverage     which lines and branches of the module tests reach'
	@echo '  bench        what it costs, beside what people use today: docs/bench'
	@echo '  profile      where the instructions of a pair go, by function'
	@echo '  mutants      break each guard in turn; a named test must notice'
	@echo '  matrix       the tests on every kernel of Debian 11 to sid, amd64 and arm64'
	@echo '  package-test from this tree to packages installed in a VM'
	@echo '  style        the checks of style alone'
	@echo '  setup        only install what these need'
	@echo 'On a machine that shall use it:'
	@echo '  modules      secmem.ko for the running kernel, or for KDIR=...'
	@echo '  userlib      libsecmem and secmemctl'
	@echo '  install      both, header, udev rule, group (DESTDIR, prefix)'
	@echo '  install-userlib, install-module'
	@echo '  dkms-install, dkms-uninstall    the module, by DKMS, for each kernel'
	@echo '  clean'

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

userlib:
	$(MAKE) -C userlib

install: install-module install-userlib

install-module: modules install-rules
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) \
		modules_install
	[ "$(DESTDIR)" ] || { depmod && scripts/reload; }

# Whether there is a way to make the group is known before anything is done.
install-rules:
	[ "$(DESTDIR)" ] || scripts/group --check
	install -D -m 644 scripts/60-secmem.rules \
		$(DESTDIR)$(udevdir)/rules.d/60-secmem.rules
	install -D -m 644 scripts/secmem.conf \
		$(DESTDIR)/usr/lib/sysusers.d/secmem.conf
	install -D -m 644 scripts/modules-load.conf \
		$(DESTDIR)/usr/lib/modules-load.d/secmem.conf
	[ "$(DESTDIR)" ] || scripts/group

# What DKMS needs of this tree, and no more, into DIR.
install-source:
	install -d $(DIR)
	cp --parents Kbuild VERSION $$(find module uapi -name '*.[ch]') $(DIR)

dkms-install:
	@scripts/dkms install

dkms-uninstall:
	@scripts/dkms uninstall

install-userlib: userlib
	$(MAKE) -C userlib install DESTDIR=$(DESTDIR) prefix=$(prefix)

setup:
	@scripts/setup

demo: setup
	@$(MAKE) -s userlib
	@demo/run

check:
	@scripts/check

check-long: check
	@scripts/check long

fuzz: setup
	@tests/run --kernel debug --mem 1G --timeout 36000 "fuzz $(FUZZ)"

coverage: setup
	@tests/coverage

matrix: setup
	@tests/matrix

package-test: setup
	@tests/package

style: setup
	@scripts/style

bench: setup
	@tests/vm/kernel fetch 6.1
	@tests/bench/run

profile: setup
	@tests/vm/kernel fetch 6.1
	@tests/bench/profile

mutants: setup
	@$(MAKE) -s userlib
	@tests/mutants/run

clean:
	rm -rf build
	$(MAKE) -C userlib clean
	if [ -d $(KDIR) ]; then $(MAKE) -C $(KDIR) M=$(CURDIR) clean; fi

.PHONY: help modules userlib install install-module install-rules \
	install-source install-userlib dkms-install dkms-uninstall setup \
	demo check check-long bench profile fuzz coverage matrix \
	package-test style mutants clean
