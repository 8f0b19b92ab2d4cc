# Builds berth's programs. `make` builds all, `make check` runs the unit tests, `make install
# DESTDIR=` installs. Everything goes under $(BUILD), so several lanes can live side by side:
#   make BUILD=build/asan SAN=1 check        ASan and UBSan
#   make BUILD=build/musl CC=musl-gcc ...    another libc
#   make RUN="valgrind -q" check             the tests, run by another program
CC     ?= cc
BUILD  ?= build/default
PREFIX ?= /usr
PKGS   := libevent_core sqlite3 yyjson
PKG_CONFIG ?= pkg-config
VERSION := $(shell cat VERSION)

WARN   := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Werror
OPT    ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -DBERTH_VERSION='"$(VERSION)"' -Isrc/lib -I$(BUILD)/gen $(shell $(PKG_CONFIG) --cflags $(PKGS))
CFLAGS += -std=c17 $(OPT) $(WARN) -fno-strict-aliasing -D_FORTIFY_SOURCE=2 -fstack-protector-strong -MMD -MP
LDLIBS += $(shell $(PKG_CONFIG) $(PKG_STATIC) --libs $(PKGS))
ifdef SAN
CFLAGS  := $(filter-out -D_FORTIFY_SOURCE=2,$(CFLAGS)) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif
Q := $(if $(V),,@)

# program <- folder(s) its sources come from
PROGRAMS := init reconcile backup spawn pane launcher agent hook fifo demo berth
init_DIR := init
reconcile_DIR := reconcile
backup_DIR := backup
spawn_DIR := spawn
pane_DIR := pane
launcher_DIR := launcher
agent_DIR := shim
hook_DIR := hook
fifo_DIR := fifo
demo_DIR := demo
berth_DIR := cli

LIB_OBJ := $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/lib/*.c))
LIB := $(BUILD)/libberth.a
obj = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/$($(1)_DIR)/*.c))
HAVE := $(foreach p,$(PROGRAMS),$(if $(wildcard src/$($(p)_DIR)/*.c),$(p)))
BINS := $(HAVE:%=$(BUILD)/bin/%)

all: $(BINS)

$(LIB): $(LIB_OBJ)
	$(Q)rm -f $@; $(AR) rcs $@ $^

define program
$(BUILD)/bin/$(1): $(call obj,$(1)) $(LIB)
	@mkdir -p $$(@D); echo "  LD $$@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $$@ $(call obj,$(1)) $(LIB) $(LDLIBS)
endef
$(foreach p,$(HAVE),$(eval $(call program,$(p))))

$(BUILD)/%.o: src/%.c $(BUILD)/gen/sql.h
	@mkdir -p $(@D); echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# The migrations as one C table, so that no program needs a file to find them.
$(BUILD)/gen/sql.h: $(wildcard src/sql/*.sql) src/sql/embed.sh
	@mkdir -p $(@D)
	$(Q)sh src/sql/embed.sh $(filter %.sql,$^) > $@.tmp && mv $@.tmp $@

# Unit tests: tests/unit/<module>_test.c links libberth (and, where it names them in
# <module>_OBJ, a service's modules) and cmocka.
TESTS := $(patsubst tests/unit/%_test.c,$(BUILD)/test/%,$(wildcard tests/unit/*_test.c))
-include tests/unit/objects.mk
$(BUILD)/test/%: tests/unit/%_test.c $(LIB) $(BUILD)/gen/sql.h
	@mkdir -p $(@D); echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) -Isrc -Itests/unit $(CFLAGS) $(LDFLAGS) -o $@ $< \
	    $(patsubst %,$(BUILD)/%,$($*_OBJ)) $(LIB) $(LDLIBS) $(shell $(PKG_CONFIG) --libs cmocka)
.SECONDEXPANSION:
$(TESTS): $(BUILD)/test/%: $$(patsubst $$(PERCENT),$(BUILD)/$$(PERCENT),$$($$*_OBJ))
PERCENT := %

# What golden tests need beside the programs: the command line, with a clock that stands still.
GOLDEN_BERTH := tests/lib/now_fixed.c $(filter-out %/now.o,$(call obj,berth)) $(LIB)
golden: $(BUILD)/test/berth
$(BUILD)/test/berth: $(GOLDEN_BERTH)
	@mkdir -p $(@D); echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) $(LDFLAGS) -o $@ $(GOLDEN_BERTH) $(LDLIBS)

# C that nothing above links (fuzz harnesses, probes of e2e tests): only that it compiles. A probe is one
# file on its own, which says _GNU_SOURCE itself.
OTHERS := $(patsubst tests/%.c,$(BUILD)/others/%.o,$(shell find tests -name '*.c' ! -path 'tests/unit/*'))
others: $(OTHERS)
$(BUILD)/others/%.o: tests/%.c $(BUILD)/gen/sql.h
	@mkdir -p $(@D); echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) -U_GNU_SOURCE -D_GNU_SOURCE= -Isrc $(CFLAGS) -c -o $@ $<

# Fuzz harnesses, by scripts/fuzz.sh: clang's libFuzzer. One includes the module that it drives, unless that
# is libberth's; CC=clang SAN=1 FUZZ=1, so that everything they link counts and is checked.
ifdef FUZZ
CFLAGS += -fsanitize=fuzzer-no-link
endif
fuzz: $(patsubst tests/fuzz/%_fuzz.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
$(BUILD)/fuzz/%: tests/fuzz/%_fuzz.c $(LIB)
	@mkdir -p $(@D); echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) -Isrc $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIB) $(LDLIBS)

check: $(TESTS) all
	@fail=0; for t in $(TESTS); do echo "== $${t##*/}"; $(RUN) $$t || { echo "== ended with status $$?"; fail=1; }; done; exit $$fail

install: all
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/berth
	for p in $(filter-out berth,$(HAVE)); do \
	    install -m 755 $(BUILD)/bin/$$p $(DESTDIR)$(PREFIX)/libexec/berth/$$p || exit 1; done
	$(if $(filter berth,$(HAVE)),install -m 755 $(BUILD)/bin/berth $(DESTDIR)$(PREFIX)/bin/berth)

format:
	clang-format -i $(shell find src tests -name '*.[ch]')

clean:
	rm -rf $(BUILD)

.PHONY: all check fuzz golden others install format clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
