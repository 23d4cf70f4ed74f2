# Writes the volume $1 to standard output, as the guest sees it. Exit status 45:
# it is kept in a form that cannot be read in order.
path=$(pvesm path "$1") || exit 1
case $path in
*.qcow2 | *.vmdk | *.subvol) exit 45 ;;
/dev/rbd*) [ -e "$path" ] || exit 45 ;; # not mapped, and no logical volume
/*) ;;
*) exit 45 ;; # an address of librbd and the like
esac
# A logical volume of a guest that does not run may be asleep.
if [ ! -e "$path" ] && [ "${path#/dev/}" != "$path" ]; then
	lvchange -ay -K "$path" >&2 || exit 1
	trap 'lvchange -an "$path" >&2' EXIT
fi
cat "$path"
