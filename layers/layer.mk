# The targets of a layer that backs assets up into sets. Its Makefile names the
# executables and includes this file:
#
#   BACKUP := railiance-backup-s2
#   RESTORE := railiance-restore-s2
#   include ../layer.mk

SETTINGS += ACKNOWLEDGE APPLY ASSET TO RELEASE BACK UNPACK KEEP_CONFIG CONTENTS_ONLY
.DEFAULT_GOAL := help
.PHONY: backup restore verify drill values

backup: programs ## one complete set of the layer's assets: verified, encrypted, signed; ACKNOWLEDGE=1: you know why sets are gone
	$(run_backup) $(json) $${ACKNOWLEDGE:+--acknowledge}

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

values: programs ## prints the values of one Helm release: RELEASE=namespace/name [AT=time] [FROM=folder]
	@[ -n "$$RELEASE" ] || { echo "make values: RELEASE=namespace/name says of which release" >&2; exit 2; }
	$(run_restore) values $(at) $(from) -- "$$RELEASE"

include ../common.mk
