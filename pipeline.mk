# mmrec's pipeline. make decides whether a stage runs, SQL in the tools decides which rows.
#
#   make -f pipeline.mk all                              the shipped sample, into mm.db
#   make -f pipeline.mk all DB=y.db INPUT=reviews.csv    your own data
#   make -f pipeline.mk plan DB=y.db                     what would run, why, how much
#   make -f pipeline.mk help                             variables with their values
#
# A database remembers its settings: a variable given here, or in config.mk, becomes the new
# setting. Stamps lie in $(DB).d and exist just while their stage is up to date; mm-status
# takes away those whose inputs, settings or rows changed before make looks at them.

HERE  := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
DB    ?= mm.db
# The file of export-answers and import-answers.
ANSWERS ?= $(DB).answers
BEFORE := $(.VARIABLES)
-include config.mk

# In the source tree the tools are in bin/ and built when needed; installed, they are in PATH.
ifneq ($(wildcard $(HERE)schema.sql),)
BIN    := $(HERE)bin/
SAMPLE := $(HERE)sample
else
BIN    :=
SAMPLE := $(HERE)sample
endif

TARGETS := all plan status report recommend ingest summarize caption embed reduce train graph \
           export export-answers import-answers clean-cheap clean-slow help
.PHONY: $(TARGETS) tools
.DEFAULT_GOAL := help
# One line per recipe, and no stamp from a recipe that failed.
.ONESHELL:
.DELETE_ON_ERROR:
.SHELLFLAGS := -ec

quote  = '$(subst ','\'',$(1))'
# Names given on the command line, or set by config.mk.
GIVEN  := $(foreach v,$(.VARIABLES),$(if $(filter command%line,$(subst $() ,%,$(origin $v))),$v)) \
          $(filter-out BEFORE $(BEFORE),$(foreach v,$(.VARIABLES),$(if $(filter file,$(origin $v)),$v)))
GIVEN  := $(sort $(filter-out DB ANSWERS BIN HERE SAMPLE TARGETS NAMES GIVEN quote STAMPS GOALS,$(GIVEN)))
ASSIGN := $(foreach v,$(GIVEN),$(call quote,$v=$($v)))
STAMPS := $(DB).d

GOALS := $(or $(MAKECMDGOALS),help)
RUNS  := $(filter all report ingest summarize caption embed reduce train export graph,$(GOALS))

ifneq ($(RUNS)$(filter plan,$(GOALS)),)
ifneq ($(wildcard $(HERE)Makefile),)
# Build first: the stamps are kept by a tool.
BUILD := $(shell $(MAKE) --no-print-directory -s -C $(HERE) all 1>&2 || echo failed)
ifneq ($(BUILD),)
$(error the tools could not be built)
endif
endif
# One call: remember the settings, take away stale stamps. A refusal stops make here.
ifneq ($(RUNS)$(wildcard $(DB)),)
STATUS := $(shell $(BIN)mm-status --db $(call quote,$(DB)) $(if $(RUNS),--create) \
            --sample $(call quote,$(SAMPLE)) --stamps $(call quote,$(STAMPS)) \
            $(ASSIGN) 1>&2 || echo $$?)
ifneq ($(STATUS),)
$(error the settings were refused)
endif
endif
endif

TOOL    = $(BIN)$(1) --db $(call quote,$(DB))

all: report
	@echo "report: $(STAMPS)/report.html"

# ---- the DAG: a stage after those it reads from ----
$(STAMPS)/ingest:
	@$(call TOOL,mm-ingest)
	touch $@
$(STAMPS)/summarize: $(STAMPS)/ingest
	@$(call TOOL,mm-llm-summarize)
	touch $@
$(STAMPS)/caption: $(STAMPS)/ingest
	@$(call TOOL,mm-caption)
	touch $@
$(STAMPS)/embed: $(STAMPS)/summarize $(STAMPS)/caption
	@$(call TOOL,mm-embed)
	touch $@
$(STAMPS)/reduce: $(STAMPS)/embed
	@$(call TOOL,mm-reduce)
	touch $@
$(STAMPS)/train: $(STAMPS)/reduce
	@$(call TOOL,mm-train)
	touch $@
$(STAMPS)/report: $(STAMPS)/train
	@$(call TOOL,mm-report)
	touch $@

ingest: $(STAMPS)/ingest
summarize: $(STAMPS)/summarize
caption: $(STAMPS)/caption
embed: $(STAMPS)/embed
reduce: $(STAMPS)/reduce
train: $(STAMPS)/train
report: $(STAMPS)/report

recommend:
	@echo "recommend: recommendations are not part of this version yet" >&2
	exit 2

# The tools say what is pending; a stage that has not run cannot know what follows from it.
plan:
	@if [ ! -f $(call quote,$(DB)) ]; then
	    for s in ingest summarize caption embed reduce train report; do
	        printf '%s\tstage\t1\tnever run\n' $$s
	    done
	    echo "pending 7"
	    exit 0
	fi
	out=$$($(BIN)mm-status --db $(call quote,$(DB)) --plan || true)
	rows=""
	for t in mm-ingest mm-llm-summarize mm-caption mm-embed mm-reduce mm-train; do
	    more=$$($(BIN)$$t --db $(call quote,$(DB)) --plan 2>&1) || true
	    [ -z "$$more" ] || rows="$$rows$$more
	"
	done
	printf '%s\n%s' "$$out" "$$rows" | sed '/^$$/d'
	printf '%s\n' "$$out" | sed '/^$$/d' | wc -l | sed 's/^ */pending /'

status:
	@$(BIN)mm-status --db $(call quote,$(DB))

graph:
	@echo "input -> ingest
	ingest -> summarize, caption
	summarize, caption -> embed
	embed -> reduce
	reduce -> train
	train -> report"

# The views as CSV, for a spreadsheet.
export: report
	@mkdir -p $(DB).d/export
	for v in v_progress v_failure v_reject v_cost v_table1 v_table2 v_user v_business; do
	    sqlite3 -readonly -header -csv $(call quote,$(DB)) "SELECT * FROM $$v" > $(DB).d/export/$$v.csv
	done
	echo "exported to $(DB).d/export"

# The answers that were paid for, as one file: to publish a run, and to repeat one.
export-answers:
	@$(call TOOL,mm-llm-summarize) --export-answers $(call quote,$(ANSWERS))
import-answers:
	@$(call TOOL,mm-llm-summarize) --import-answers $(call quote,$(ANSWERS))

# What is recomputed in minutes; then what takes hours. Never what was paid for.
clean-cheap:
	@sqlite3 $(call quote,$(DB)) "BEGIN; DELETE FROM reduced; DELETE FROM reducer; DELETE FROM epoch; \
	    DELETE FROM metric; DELETE FROM reliability; DELETE FROM prediction; DELETE FROM run; \
	    DELETE FROM checkpoint; DELETE FROM comparison; DELETE FROM probe; COMMIT;"
	echo "reducers, runs and predictions are gone; the next 'all' makes them again"
clean-slow: clean-cheap
	@sqlite3 $(call quote,$(DB)) "SELECT 'captions and vectors are gone; they took ' || \
	    round(coalesce(sum(seconds), 0) / 3600, 2) || ' h' FROM stage_run \
	    WHERE stage IN ('caption', 'embed'); DELETE FROM caption; DELETE FROM embedding;"

help:
	@sed -n 's/^#   \(make .*\)/  \1/p' $(call quote,$(HERE)pipeline.mk)
	echo
	echo "targets: $(TARGETS)"
	echo
	echo "variables of $(DB):"
	if [ -x $(BIN)mm-status ] || command -v mm-status > /dev/null; then
	    $(BIN)mm-status --db $(call quote,$(DB)) --settings
	else
	    echo "  (build first: make)"
	fi
