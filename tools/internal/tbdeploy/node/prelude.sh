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
# ready KEPT TEMPORARY: what was kept, beside the place where it goes: a link with
# where it leads, a file with its mode and owner. Nothing is written through a
# link that is there.
ready() {
	rm -f -- "$2"
	if [ -e "$1.link" ]; then ln -sT -- "$(cat "$1.link")" "$2"; else cp -p -- "$1" "$2"; fi
}
# undone [files]: undoes it. What is not wholly undone stays pending.
undone() { sh "$P/undo.sh" "$@" && rm -rf "$D/undone" && mv "$P" "$D/undone"; }
