# pgdevstate. `make help` lists what there is to make.
VERSION = 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DATADIR = $(PREFIX)/share/pgdevstate
MANDIR = $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d

# B: where things are built. SAN=1: with AddressSanitizer and UBSan, in a directory of its own.
B ?= build$(if $(SAN),/san)
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
WARN = -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wformat=2 -Wvla -Werror
PKGS = libpq libevent libedit jansson

# Asked for when something is compiled, so that `make deps` works where there is no pkg-config.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(or $$(shell pkg-config --libs $(PKGS)),$$(error libraries \
	are missing: run "make deps")))$(PKG_LIBS)
DEFINES = -D_GNU_SOURCE -DPGDEVSTATE_VERSION='"$(VERSION)"' \
	-DPGDEVSTATE_CONF='"$(SYSCONFDIR)/pgdevstate/pgdevstate.conf"'
COMPILE = $(CC) $(DEFINES) -Isrc -I$(B)/gen $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS) \
	$(if $(SAN),$(SANFLAGS)) $(WARN) -MMD -MP
LINK = $(CC) $(CFLAGS) $(if $(SAN),$(SANFLAGS)) $(LDFLAGS)
LIBS = $(PKG_LIBS) -lmd
# V=1 shows the commands.
Q = $(if $(V),,@)

NODE_SRC = $(filter-out src/main.c,$(wildcard src/*.c))
CONSOLE_SRC = $(filter-out src/console/main.c,$(wildcard src/console/*.c))
NODE_OBJ = $(NODE_SRC:src/%.c=$(B)/obj/%.o)
CONSOLE_OBJ = $(CONSOLE_SRC:src/%.c=$(B)/obj/%.o) $(B)/obj/sql_bundle.o
SQL = $(sort $(wildcard migrations/*.sql sql/functions/*.sql sql/views/*.sql))
UNIT = $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))

.PHONY: all help deps deps-run demo demo-stop check lint unit sql flow chaos valgrind bare \
	check-asterisk bench-asterisk format install clean unit-build FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/pgdevstated $(B)/pgdevstate ## build both programs (B=DIR, SAN=1, CC=clang)

$(B)/pgdevstated: $(B)/obj/main.o $(B)/libnode.a
	@echo '  link    $@'
	$(Q)$(LINK) -o $@ $^ $(LIBS)
$(B)/pgdevstate: $(B)/obj/console/main.o $(B)/libconsole.a $(B)/libnode.a
	@echo '  link    $@'
	$(Q)$(LINK) -o $@ $^ $(LIBS)
$(B)/libnode.a: $(NODE_OBJ)
$(B)/libconsole.a: $(CONSOLE_OBJ)
$(B)/lib%.a:
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/obj/%.o: src/%.c $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -c -o $@ $<

# The SQL that the program carries.
$(B)/gen/sql_bundle.c: scripts/sql-bundle $(SQL) $(B)/sql-files
	@mkdir -p $(@D)
	$(Q)scripts/sql-bundle $(SQL) >$@
$(B)/obj/sql_bundle.o: $(B)/gen/sql_bundle.c src/console/sql_bundle.h $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -c -o $@ $<

# Files that change when flags or the list of SQL files do, and only then.
note = @mkdir -p $(B); printf '%s\n' '$(subst ','\'',$1)' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$1)' >$@
$(B)/flags: FORCE
	$(call note,$(COMPILE))
$(B)/sql-files: FORCE
	$(call note,$(SQL))

# The Asterisk module, and its parts that need no Asterisk: those are tested with the rest.
MOD_PURE = mod_map mod_line mod_filter mod_options mod_queue mod_facts mod_boxes mod_members \
	mod_pace mod_session mod_version
MOD_BASE = state entity_id utf8 clock pattern
MOD_AST = $(filter-out $(MOD_PURE:%=src/module/%.c),$(wildcard src/module/*.c))
MOD_OBJ = $(MOD_AST:src/module/%.c=$(B)/module/ast/%.o) $(MOD_PURE:%=$(B)/module/%.o) \
	$(MOD_BASE:%=$(B)/module/%.o)
ASTERISK_INCLUDE ?= /usr/include
ASTERISK_RELEASE ?= $(shell asterisk -V 2>/dev/null | sed -nE 's!^Asterisk (GIT-|certified[-/])*!!p')
ASTERISK_MODDIR ?= /usr/lib/$(shell $(CC) -print-multiarch)/asterisk/modules
MOD_COMPILE = $(CC) -D_GNU_SOURCE -Isrc -Isrc/module $(CPPFLAGS) $(CFLAGS) \
	$(if $(SAN),-fsanitize=address -fno-omit-frame-pointer) -fPIC -fvisibility=hidden \
	-ffunction-sections -MMD -MP
MOD_AST_COMPILE = $(MOD_COMPILE) -isystem $(ASTERISK_INCLUDE) $(subst c11,gnu11,$(WARN)) -Wno-unused-parameter \
	-DAST_MODULE='"res_pgdevstate"' -DAST_MODULE_SELF_SYM=__internal_res_pgdevstate_self \
	-DASTERISK_MAJOR=$(firstword $(subst -, ,$(subst ., ,$(ASTERISK_RELEASE)))) \
	-DASTERISK_BUILT_FOR='"$(ASTERISK_RELEASE)"'
.PHONY: module module-install module-needs
module: module-needs $(B)/res_pgdevstate.so ## res_pgdevstate.so for Asterisk (ASTERISK_INCLUDE=DIR, ASTERISK_RELEASE=22.10.1)
module-needs:
	@test -e $(ASTERISK_INCLUDE)/asterisk/devicestate.h || { echo "make module: there are no headers \
	of Asterisk in $(ASTERISK_INCLUDE): install asterisk-dev, or say ASTERISK_INCLUDE=DIR" >&2; exit 1; }
	@case '$(ASTERISK_RELEASE)' in [1-9][0-9].* | [1-9][0-9]-*) ;; *) echo "make module: which Asterisk? There is no \
	asterisk program to ask (it said '$(ASTERISK_RELEASE)'): say ASTERISK_RELEASE=22.10.1" >&2; exit 1;; esac
$(B)/res_pgdevstate.so: $(MOD_OBJ)
	@echo '  link    $@'
	$(Q)$(CC) $(CFLAGS) $(if $(SAN),-fsanitize=address) $(LDFLAGS) -shared -pthread -Wl,--gc-sections -o $@ $^
	@$(if $(SAN),true,false) || ! nm -D --undefined-only $@ | awk '{ print $$2 }' | grep -vE '@|^_*(ast|ao2|stasis|option|ITM|gmon|asan)_' || \
		{ echo '$@: Asterisk has no such functions'; rm -f $@; exit 1; }
$(B)/module/ast/%.o: src/module/%.c $(B)/module-flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(MOD_AST_COMPILE) -c -o $@ $<
$(B)/module/%.o: src/module/%.c $(B)/module-flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(MOD_COMPILE) $(WARN) -c -o $@ $<
$(B)/module/%.o: src/%.c $(B)/module-flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(MOD_COMPILE) $(WARN) -c -o $@ $<
$(B)/module-flags: FORCE
	$(call note,$(MOD_AST_COMPILE))
# The same inside a root with Asterisk, for the tests there: B/asterisk-22, and with ASan in san/.
.PHONY: module-in-root
module-in-root:
	$(Q)tests/asterisk/root enter "$$(tests/asterisk/root make $(or $(ASTERISK),22))" \
		make -s -j2 B=$(abspath $(B))/asterisk-$(or $(ASTERISK),22) module
	$(Q)tests/asterisk/root enter "$$(tests/asterisk/root make $(or $(ASTERISK),22))" \
		make -s -j2 SAN=1 B=$(abspath $(B))/asterisk-$(or $(ASTERISK),22)/san module
module-install: module ## res_pgdevstate.so to where Asterisk has its modules (ASTERISK_MODDIR=DIR)
	install -d $(DESTDIR)$(ASTERISK_MODDIR)
	install -m 644 $(B)/res_pgdevstate.so $(DESTDIR)$(ASTERISK_MODDIR)
$(B)/libmodule.a: $(MOD_PURE:%=$(B)/obj/module/%.o)

unit-build: $(UNIT)
$(B)/unit/%: tests/unit/%.c $(B)/libconsole.a $(B)/libmodule.a $(B)/libnode.a
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -Isrc/module -Itests/unit -o $@ $< $(filter %.o,$^) $(B)/libconsole.a $(B)/libmodule.a $(B)/libnode.a \
		$(LIBS) -lcmocka

# Tests of whole nodes: the simulator's model of the database is theirs too.
$(B)/unit/test_node $(B)/unit/test_node_report: $(B)/obj/unit/world.o
$(B)/obj/unit/%.o: tests/unit/%.c $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -Itests/unit -c -o $@ $<

deps: ## install what building and testing need (apt; as root or with sudo)
	scripts/deps check
deps-run: ## install what building and running need
	scripts/deps run
demo: ## a private PostgreSQL, two nodes, and the test of 2008 played on them
	@scripts/deps run
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@B=$(B) scripts/demo start
demo-stop: ## stop what `make demo` left running
	@B=$(B) scripts/demo stop

check: ## all tests: lint, unit, fuzz, sql, sim, flow, chaos (short)
	@scripts/deps check
	@$(MAKE) --no-print-directory -j$$(nproc) all $(B)/sim bench-build $(B)/bench/test_samples
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=1 B=$(B)/san all unit-build $(B)/san/diff replay-build
	@B=$(B) tests/run lint unit fuzz sql sim flow chaos
lint: all ## format, cppcheck, shellcheck, man pages, house rules
	@B=$(B) tests/run lint
unit: ## cmocka tests under ASan and UBSan
	@$(MAKE) --no-print-directory SAN=1 B=$(B)/san unit-build
	@B=$(B) tests/run unit
sql: all ## pgTAP tests on a private PostgreSQL (T='tests/sql/x.sql ...')
	@B=$(B) tests/run sql
flow: all ## real daemons on a private PostgreSQL (T='tests/flow/x.t ...', VALGRIND=1)
	@$(MAKE) --no-print-directory bench-build $(B)/bench/test_samples
	@$(MAKE) --no-print-directory SAN=1 B=$(B)/san all $(B)/san/diff
	@B=$(B) tests/run flow
chaos: all ## faults on real daemons and servers, a table (SEED=N, ONLY='3 7', MIX=N, SHORT=1, LIST=1, NOTIFY=ticker)
	@B=$(B) NOTIFY=$(NOTIFY) SHORT=$(SHORT) SEED=$(SEED) ONLY='$(ONLY)' MIX=$(MIX) LIST=$(LIST) tests/run chaos
check-asterisk: all ## tests with real Asterisk servers, in a root made for it (T='...'; as root)
	@scripts/deps asterisk
	@$(MAKE) --no-print-directory module-in-root
	@B=$(B) tests/run asterisk
bench-asterisk: all $(B)/bench/floor $(B)/bench/relay ## states between real servers: no cluster, ours, PUBLISH, relays; calls (CHANGES=, ROUNDS=; as root)
	@scripts/deps asterisk
	@$(MAKE) --no-print-directory module-in-root
	@B=$(B) perl tests/bench/asterisk.pl
valgrind: all ## one long flow test with both programs under valgrind
	@B=$(B) VALGRIND=1 T='$(or $(T),tests/flow/document.t)' tests/run flow
bare: ## README's commands in bare roots of Debian (ROOTS='bookworm trixie'; as root)
	tests/bare/run $(ROOTS)

# The simulator: the node's own objects, and seams where it takes things from the system.
SIM_SRC = $(wildcard tests/sim/*.c)
SIM_NODE = node session node_report node_wait node_trace node_toggle outbox publisher lease coordinator ticker \
	listener announced cache hint payload change policy pattern state entity_id mem slab buf utf8 text db
SIM_WRAP = getrandom payload_parse payload_next cache_restamp cache_put cache_sweep \
	cache_entity_flags outbox_failed outbox_take outbox_compare_begin listener_notify \
	node_report_begin node_report_lost publisher_set_reporting outbox_report_end \
	announced_pulse
SIM_OBJ = $(SIM_SRC:tests/sim/%.c=$(B)/obj/sim/%.o) $(SIM_NODE:%=$(B)/obj/%.o)
.PHONY: sim sim-mutations
$(B)/obj/sim/%.o: tests/sim/%.c $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -Itests/sim -c -o $@ $<
$(B)/sim: $(SIM_OBJ)
	@echo '  link    $@'
	$(Q)$(LINK) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ -lmd
sim: $(B)/sim ## random faults on a modelled database (SEEDS=N, FIRST=K; SEED=K TRACE=1|2: one)
	$(Q)$(B)/sim $(if $(SEED),-s $(SEED),-n $(or $(SEEDS),2000) -f $(or $(FIRST),1)) \
		$(if $(MUTATION),-M '$(MUTATION)') $(if $(SHORT),-S) $(if $(TRACE),$(if $(filter 2,$(TRACE)),-v,-t))
# The simulator's model of the database, held against the real one.
DIFF_OBJ = $(patsubst tests/diff/%.c,$(B)/obj/diff/%.o,$(wildcard tests/diff/*.c)) $(B)/obj/sim/model.o
.PHONY: diff
$(B)/obj/diff/%.o: tests/diff/%.c $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -Itests/sim -Itests/diff -c -o $@ $<
$(B)/diff: $(DIFF_OBJ) $(B)/libnode.a
	@echo '  link    $@'
	$(Q)$(LINK) -o $@ $^ $(LIBS)
diff: $(B)/diff $(B)/pgdevstate ## the modelled database against PostgreSQL (SEEDS=N, FIRST=K)
	$(Q)B=$(B) tests/diff/run -n $(or $(SEEDS),100) -f $(or $(FIRST),1)
sim-mutations: $(B)/sim ## rules broken on purpose: which seed notices (SEEDS=N)
	$(Q)$(B)/sim -m -n $(or $(SEEDS),10000)

# Fuzzing: libFuzzer with clang (make fuzz); with gcc what was kept is replayed (tests/run fuzz).
FUZZ = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_RUN = $(B)/libmodule.a $(B)/libnode.a $(LIBS) -lcmocka
.PHONY: fuzz fuzz-build replay-build
$(B)/obj/fuzz/%.o: tests/fuzz/%.c $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -Isrc/module -Itests/unit -c -o $@ $<
$(B)/fuzz/%: $(B)/obj/fuzz/fuzz_%.o $(B)/libmodule.a $(B)/libnode.a
	@mkdir -p $(@D); echo '  link    $@'
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $< $(FUZZ_RUN)
$(B)/replay/%: $(B)/obj/fuzz/fuzz_%.o $(B)/obj/fuzz/replay.o $(B)/libmodule.a $(B)/libnode.a
	@mkdir -p $(@D); echo '  link    $@'
	$(Q)$(LINK) -o $@ $< $(B)/obj/fuzz/replay.o $(FUZZ_RUN)
fuzz-build: $(FUZZ:%=$(B)/fuzz/%)
replay-build: $(FUZZ:%=$(B)/replay/%)
fuzz: ## libFuzzer on what comes from outside (SECONDS=60 each, T='payload ...', J=N)
	@scripts/deps check
	@$(MAKE) --no-print-directory -j$$(nproc) CC=clang SAN=1 B=$(B)/libfuzzer \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' fuzz-build
	@B=$(B)/libfuzzer T='$(or $(T),$(FUZZ))' tests/fuzz/run $(or $(SECONDS),60)

# Benches: ours, the floor (libpq) and the peer (corosync's CPG, where libcpg-dev is).
BENCH = link floor relay swarm keep $(if $(wildcard /usr/include/corosync/cpg.h),cpg)
.PHONY: bench bench-quick bench-build deps-bench
$(B)/obj/bench/%.o: tests/bench/%.c $(B)/flags
	@mkdir -p $(@D); echo '  compile $<'
	$(Q)$(COMPILE) -Itests/bench -c -o $@ $<
$(B)/bench/%: $(B)/obj/bench/%.o $(B)/obj/bench/path.o $(B)/obj/bench/samples.o \
		$(B)/libnode.a
	@mkdir -p $(@D); echo '  link    $@'
	$(Q)$(LINK) -o $@ $^ $(LIBS) -lm $(if $(filter cpg,$*),-lcpg)
$(B)/bench/test_samples: $(B)/obj/bench/test_samples.o $(B)/obj/bench/samples.o
	@mkdir -p $(@D); echo '  link    $@'
	$(Q)$(LINK) -o $@ $^ -lcmocka -lm
bench-build: all $(BENCH:%=$(B)/bench/%)
bench: bench-build ## latency, rates, fan-out, join, memory, SQL against floor and peer (ONLY='1 join', ROUNDS=N, JSON=FILE)
	@B=$(B) perl tests/bench/bench.pl
bench-quick: bench-build ## the same within a minute: smaller, fewer rounds
	@B=$(B) QUICK=1 perl tests/bench/bench.pl
deps-bench: ## what the benches' peer needs: corosync, libcpg-dev
	scripts/deps bench

format: ## rewrite the C files in the house's format
	clang-format -i $$(git ls-files 'src/*.[ch]' 'tests/*.[ch]')

install: all ## DESTDIR, PREFIX, SYSCONFDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(DATADIR) \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR) $(addprefix $(DESTDIR)$(MANDIR)/man,1 5 7 8)
	install -m 755 $(B)/pgdevstate $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(B)/pgdevstated $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(wildcard conf/*.sample) $(DESTDIR)$(DATADIR)
	for s in 1 5 7 8; do install -m 644 man/*.$$s $(DESTDIR)$(MANDIR)/man$$s || exit 1; done
	install -m 644 conf/pgdevstate.sysusers $(DESTDIR)$(SYSUSERSDIR)/pgdevstate.conf
	sed -e 's|@SBINDIR@|$(PREFIX)/sbin|; s|@SYSCONFDIR@|$(SYSCONFDIR)|' conf/pgdevstated.service \
		>$(DESTDIR)$(UNITDIR)/pgdevstated.service

clean:
	rm -rf $(B)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

-include $(wildcard $(B)/obj/*.d $(B)/obj/*/*.d $(B)/unit/*.d $(B)/module/*.d $(B)/module/ast/*.d)
