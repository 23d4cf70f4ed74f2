# What the targets of every layer have in common, each one call of an executable
# of the layer, so that cron, a person and the custodian run the same thing. A
# layer includes layer.mk, or this file where its targets are its own:
#
#   BACKUP := pve-vm-backup       what backs up
#   RESTORE := pve-vm-backup      what does all the rest
#   NEEDS := railiance-secrets    what these call
#   SETTINGS := GUEST SITE        settings of its own
#   include ../common.mk
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
SETTINGS += BACKUP_ROOT RAILIANCE_STATE SOPS_AGE_KEY_FILE SOPS_AGE_SSH_PRIVATE_KEY_FILE YES JSON AT FROM
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

.PHONY: help status plan trust init install-cron remove-cron install-timer remove-timer programs

help: ## this list
	@cat $(MAKEFILE_LIST) | awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }'
	@echo "JSON=1 gives results for programs (with make -s, and nothing else); BACKUP_ROOT=… names another folder than /opt/backup/railiance"

status: programs ## age, size and proof of each asset's newest backup
	$(run_restore) status $(json)

plan: programs ## what a backup would do, and whether it could
	$(run_restore) plan $(json)

trust: programs ## pins this host's signing key, after showing its fingerprint; [YES=1]
	$(run_restore) trust $(yes)

init: programs ## makes an age key and a .sops.yaml, where there are none
	$(run_restore) init

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
	@$(MAKE) -s -C $(REPO) $(addprefix bin/,$(sort $(BACKUP) $(RESTORE) $(NEEDS))) >&2 || \
		{ [ -x "$(BIN)/$(BACKUP)" ] && [ -x "$(BIN)/$(RESTORE)" ] && echo "warning: not built anew, as said above: the older executables are used" >&2; }
else
programs: ;
endif
