# What every script of a deployment begins with.
LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 022
D=/var/lib/railiance/thunderbolt
P=$D/pending
# Undoes it before the network comes up, if the node restarts meanwhile.
U=/etc/systemd/system/railiance-thunderbolt-undo.service
UW=/etc/systemd/system/networking.service.wants/railiance-thunderbolt-undo.service
# Folders that a deployment made, if nothing else is in them.
unmade() { [ ! -e "$1/made" ] || while read -r dir; do rmdir -- "$dir" 2>/dev/null || true; done <"$1/made"; }
