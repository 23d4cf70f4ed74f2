# The targets of every layer, each one call of an executable of the layer, so
# that cron, a person and the custodian run the same thing. A layer's Makefile
# names the executables and includes this file:
#
#   BACKUP := railiance-backup-s2
#   RESTORE := railiance-restore-s2
#   include ../layer.mk
#
# The exit status is make's: 0 done, 2 something failed. The executable's own
# (1 failed, 2 usage or configuration, 3 another run holds the lock) stands in
# make's last line, "Error 3"; who branches on it calls the executable. Standard
# output is the executable's, and with `make -s` nothing else.
#
# Values reach the executables through the environment and as one word each,
# whatever is in them: nothing here is pasted into a shell's command line.

REPO := ../..
# Where the executables are. Those of the repository are built when they are
# missing or older than their sources, if there is Go.
BIN ?= $(REPO)/bin

# A setting is taken as it was typed: make would read a dollar sign in it.
SETTINGS := BACKUP_ROOT RAILIANCE_STATE SOPS_AGE_KEY_FILE APPLY AT ASSET FROM TO RELEASE YES JSON BACK UNPACK KEEP_CONFIG CONTENTS_ONLY
define take
ifneq ($$(origin $(1)),undefined)
override export $(1) := $$(value $(1))
endif
endef
$(foreach setting,$(SETTINGS),$(eval $(call take,$(setting))))

# What a shell makes of settings: nothing, or a flag and one word.
json = $${JSON:+--json}
yes = $${YES:+--yes}
at = $${AT:+--at "$$AT"}
from = $${FROM:+--from "$$FROM"}

run_backup = @"$(BIN)/$(BACKUP)" --layer .
run_restore = @"$(BIN)/$(RESTORE)" --layer .

.PHONY: help backup restore verify drill status plan trust init values install-cron remove-cron install-timer remove-timer programs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' ../layer.mk
	@echo "JSON=1 gives results for programs (with make -s, and nothing else); BACKUP_ROOT=… names another folder than /opt/backup/railiance"

backup: programs ## one complete set of the layer's assets: verified, encrypted, signed
	$(run_backup) $(json)

restore: programs ## lists the sets and prints the guide; APPLY=1 [AT=time] [ASSET=name TO=folder] [FROM=folder] [YES=1] performs it
	@if [ -n "$$APPLY" ]; then \
		exec "$(BIN)/$(RESTORE)" --layer . apply $(json) $(yes) $(at) $(from) \
			$${ASSET:+--asset "$$ASSET"} $${TO:+--to "$$TO"} $${UNPACK:+--unpack} $${BACK:+--back} $${KEEP_CONFIG:+--keep-config}; \
	elif [ -n "$$AT$$ASSET$$TO$$BACK$$UNPACK$$KEEP_CONFIG" ]; then \
		echo "make restore: nothing is restored without APPLY=1" >&2; exit 2; \
	fi; \
	exec "$(BIN)/$(RESTORE)" --layer . list $(json) $(from)

verify: programs ## every artifact of every set against its signed manifest
	$(run_restore) verify $(json)

drill: programs ## restores the newest set where it does no harm, and compares; [AT=time] [CONTENTS_ONLY=1]
	$(run_restore) drill $(json) $(at) $${CONTENTS_ONLY:+--contents-only}

status: programs ## age, size and proof of each asset's newest backup
	$(run_restore) status $(json)

plan: programs ## what a backup would do, and whether it could
	$(run_restore) plan $(json)

trust: programs ## pins this host's signing key, after showing its fingerprint; [YES=1]
	$(run_restore) trust $(yes)

init: programs ## makes an age key and a .sops.yaml, where there are none
	$(run_restore) init

values: programs ## prints the values of one Helm release: RELEASE=namespace/name [AT=time] [FROM=folder]
	@[ -n "$$RELEASE" ] || { echo "make values: RELEASE=namespace/name says of which release" >&2; exit 2; }
	$(run_restore) values $(at) $(from) -- "$$RELEASE"

install-cron: programs ## backup and verification each night at 02:00 by cron, a drill on Sundays where the key is
	$(run_restore) schedule install --cron --bin "$(BIN)"

install-timer: programs ## the same by systemd, which makes up for a night when the machine was off
	$(run_restore) schedule install --timer --bin "$(BIN)"

remove-cron: programs ## takes the file of cron away
	$(run_restore) schedule remove --cron

remove-timer: programs ## takes the units of systemd away
	$(run_restore) schedule remove --timer

# A backup by yesterday's executables is better than none: a machine that has Go
# but no network may not be able to build today's.
ifeq ($(BIN),$(REPO)/bin)
programs:
	@$(MAKE) -s -C $(REPO) bin/$(BACKUP) bin/$(RESTORE) >&2 || \
		{ [ -x "$(BIN)/$(BACKUP)" ] && [ -x "$(BIN)/$(RESTORE)" ] && echo "warning: not built anew, as said above: the older executables are used" >&2; }
else
programs: ;
endif
