# mmrec: one Makefile, no recursion.
#   make                build bin/mm-* and build/libmm.a
#   make check          every test (TAP, run by prove)
#   make SAN=1 check    the same under AddressSanitizer and UBSan, in build-san/
#   make check-llm      the summaries' stage against a real small model (LLM_PYTHON=, LLM_GGUF=)
#   make check-weights  BLIP-2's published weights on the photo of its documentation
#   make soak           the crash tests with 1,000 kills instead of 30
#   make models         fetch the public model files of models.tsv into models/; MODELS_URL=
#                       names a mirror, MODELS= the models, OFFLINE=1 fetches nothing
#   make models BLIP2=1 those, and BLIP-2 (15 GB)
#   make bench-NAME     one measurement of bench/NAME.sh (ingest, noop, scale, quality, ...)
#   make install        into $(DESTDIR)$(PREFIX); uninstall undoes it
# Adding a .c file under lib/, tools/ or tests/ needs no edit here. CFLAGS, LDFLAGS and
# CC belong to you; what the project needs itself is in ALL_CFLAGS.

PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
VERSION := 0.1.0

ifdef SAN
O       := build-san
BIN     := build-san/bin
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else
O       := build
BIN     := bin
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wpointer-arith -Wvla -Wwrite-strings -Wno-overlength-strings
# -ffp-contract=off: no fused multiply-add unless the source asks for it, so that gcc and
# clang, -O0 and -O2 give the same sums.
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -DMM_VERSION='"$(VERSION)"' $(WARN) -ffp-contract=off \
              -pthread -Ilib -I$(O) $(SANFLAGS) $(CFLAGS)
ALL_LDLIBS := -lsqlite3 -lcurl -lcjson -lcsv -lutf8proc -ljpeg -lpng -lz -lcrypto -lxxhash -lopenblas -lm $(LDLIBS)

# oneDNN, where it is installed, is the faster of the two libraries that multiply matrices.
# DNNL=0 builds without.
DNNL ?= $(shell printf '\043include <dnnl.h>\n' | $(CC) -E -x c - > /dev/null 2>&1 && echo 1)
ifeq ($(DNNL),1)
ALL_CFLAGS += -DHAVE_DNNL
ALL_LDLIBS += -ldnnl -lgomp
endif

LIB_SRC  := $(wildcard lib/*/*.c)
TOOL_SRC := $(wildcard tools/mm-*.c)
PART_SRC := $(filter-out $(TOOL_SRC),$(wildcard tools/*.c))
TEST_SRC := $(wildcard tests/test_*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(O)/%.o)
PART_OBJ := $(PART_SRC:%.c=$(O)/%.o)
TOOLS    := $(TOOL_SRC:tools/%.c=$(BIN)/%)
TESTS    := $(TEST_SRC:tests/%.c=$(O)/tests/%)
SERVER   := $(O)/tests/server
BENCHES  := $(patsubst bench/%.c,$(O)/bench/%,$(wildcard bench/*.c))
EMBED    := schema.sql prices.tsv $(wildcard prompts/*.txt prompts/*.tsv prompts/paper/*.txt)
SHTESTS  := $(wildcard tests/t_*.sh)

.DELETE_ON_ERROR:
.PRECIOUS: $(O)/%.o
.PHONY: all check check-c check-llm check-weights soak install uninstall clean models FORCE
all: $(TOOLS)

# Rebuild everything when the flags or the compiler change.
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(ALL_LDLIBS)' | cmp -s - $@ || \
	  echo '$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(ALL_LDLIBS)' > $@

# schema.sql and the prompts travel inside the tools: installed tools need no source tree.
$(O)/embed.c: $(EMBED) lib/base/embed.sh
	@mkdir -p $(@D)
	sh lib/base/embed.sh $(EMBED) > $@

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/embed.o: $(O)/embed.c $(O)/flags
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(O)/libmm.a: $(LIB_OBJ) $(O)/embed.o
	@rm -f $@
	$(AR) rcs $@ $^
# Tools of more than one file: each takes from here what it calls.
$(O)/tools.a: $(PART_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(BIN)/%: $(O)/tools/%.o $(O)/tools.a $(O)/libmm.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(ALL_LDLIBS)
$(O)/tests/%: $(O)/tests/%.o $(O)/libmm.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(ALL_LDLIBS)

# The scriptable service that the tests of the LLM stage talk to over a real socket.
$(SERVER): $(O)/tests/server.o $(O)/libmm.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(ALL_LDLIBS) -lmicrohttpd

# One test compiles what trains in double (lib/nn/real.h) to meet PyTorch's float64.
EXACT_SRC := tests/test_exact.c lib/nn/tile.c \
             $(addprefix lib/train/,layer.c gather.c dlrm.c mlp.c adam.c trainer.c)
EXACT_OBJ := $(EXACT_SRC:%.c=$(O)/exact/%.o)
$(O)/exact/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DMM_REAL_DOUBLE -MMD -MP -c -o $@ $<
$(O)/tests/test_exact: $(EXACT_OBJ) $(O)/libmm.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(ALL_LDLIBS)

$(O)/bench/%: $(O)/bench/%.o $(O)/libmm.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(ALL_LDLIBS)

check: $(TOOLS) $(TESTS) $(SERVER)
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) sh tests/run.sh $(TESTS) $(SHTESTS)
check-c: $(TESTS) $(SERVER)
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) sh tests/run.sh $(TESTS)
check-llm: $(TOOLS)
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) sh tests/check_llm.sh
check-weights: $(TOOLS)
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) sh tests/check_weights.sh
soak: $(TOOLS) $(SERVER)
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) KILLS=1000 sh tests/run.sh tests/t_crash.sh; \
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) KILLS=200 sh tests/run.sh tests/t_llm.sh tests/t_batch.sh

bench-%: $(TOOLS) $(BENCHES) $(SERVER)
	BIN=$(abspath $(BIN)) O=$(abspath $(O)) sh bench/$*.sh

models:
	@sh models.sh $(if $(filter-out 0,$(BLIP2)),--also blip2-opt-2.7b) $(MODELS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	  $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/mmrec/sample/images
	install -m 755 $(TOOLS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/mmrec.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 pipeline.mk $(DESTDIR)$(PREFIX)/share/mmrec
	install -m 644 sample/reviews.csv sample/images.tsv $(DESTDIR)$(PREFIX)/share/mmrec/sample
	install -m 644 sample/images/* $(DESTDIR)$(PREFIX)/share/mmrec/sample/images
uninstall:
	rm -f $(TOOLS:$(BIN)/%=$(DESTDIR)$(PREFIX)/bin/%) \
	  $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard man/*.1))
	rm -f $(DESTDIR)$(PREFIX)/share/man/man7/mmrec.7
	rm -rf $(DESTDIR)$(PREFIX)/share/mmrec
clean:
	rm -rf build build-san bin

-include $(LIB_OBJ:.o=.d) $(PART_OBJ:.o=.d) $(TOOL_SRC:%.c=$(O)/%.d) $(TEST_SRC:%.c=$(O)/%.d) $(BENCHES:=.d) $(SERVER).d $(EXACT_OBJ:.o=.d)
