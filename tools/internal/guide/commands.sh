# The commands of RESTORE.md and of the guide, in blocks that a line "#: name"
# begins. {{name}} stands for a value, within double quotes always.

#: where
BACKUPS=${BACKUPS:-"{{backups}}"}
KEY=${KEY:-"{{key}}"}
OUT=${OUT:-"$HOME/railiance-restored"}
SIGNERS=${SIGNERS:-"{{signers}}"}
DATA=${DATA:-"{{data-dir}}"}
CONFIG=${CONFIG:-"{{config}}"}
REGISTRIES=${REGISTRIES:-"{{registries}}"}
KUBECONFIG=${KUBECONFIG:-"{{admin-kubeconfig}}"}
SERVICE=${SERVICE:-"{{service}}"}
SET=${SET:-"{{newest-set}}"}
cat > "$HOME/railiance-restore.env" <<END
BACKUPS='$BACKUPS' KEY='$KEY' OUT='$OUT' SIGNERS='$SIGNERS'
DATA='$DATA' CONFIG='$CONFIG' REGISTRIES='$REGISTRIES'
KUBECONFIG='$KUBECONFIG' SERVICE='$SERVICE' SET='$SET'
export KUBECONFIG
END
cat "$HOME/railiance-restore.env"

#: verify
. "$HOME/railiance-restore.env"
M="$BACKUPS/manifest-$SET.json"
WHO=$(ssh-keygen -Y find-principals -f "$SIGNERS" -s "$M.sig" | head -n 1)
ssh-keygen -Y verify -f "$SIGNERS" -I "$WHO" -n railiance-manifest -s "$M.sig" < "$M"
sed -n 's/^ *"name": "\(.*\.age\)",$/\1/p; s/^ *"sha256": "\([0-9a-f]*\)",$/\1/p' "$M" |
    while read -r name && read -r sum; do echo "$sum  $name"; done | (cd "$BACKUPS" && sha256sum -c -)

#: decrypt
. "$HOME/railiance-restore.env"
umask 077
mkdir -p "$OUT"
for f in "$BACKUPS"/*-"$SET".*.age; do
    name=$(basename "$f" .age)
    age -d -i "$KEY" -o "$OUT/$name.part" "$f"
    mv "$OUT/$name.part" "$OUT/$name"
done
mkdir -p "$OUT/k3s"
tar xzf "$OUT/k3s-server-$SET.tar.gz" -C "$OUT/k3s"
cat "$OUT/k3s/k3s-version"

#: aside
. "$HOME/railiance-restore.env"
systemctl stop "$SERVICE" || true
BEFORE="$DATA/server/before-$(date -u +%Y%m%dT%H%M%SZ)"
mkdir -p "$BEFORE" "$DATA/server/db" "$(dirname "$CONFIG")"
chmod 700 "$DATA/server" "$BEFORE"
for f in token tls cred db/etcd db/state.db db/state.db-wal db/state.db-shm db/reset-flag; do
    if [ -e "$DATA/server/$f" ]; then mv "$DATA/server/$f" "$BEFORE/"; fi
done
for f in "$CONFIG" "$CONFIG.d" "$REGISTRIES"; do
    if [ -e "$f" ]; then cp -a "$f" "$BEFORE/"; fi
done

#: place
. "$HOME/railiance-restore.env"
install -m 600 "$OUT/k3s/server/token" "$DATA/server/token"
if [ -e "$OUT/k3s/etc/config.yaml" ]; then install -m 600 "$OUT/k3s/etc/config.yaml" "$CONFIG"; fi
if [ -e "$OUT/k3s/etc/config.yaml.d" ]; then mkdir -p "$CONFIG.d"; cp "$OUT/k3s/etc/config.yaml.d"/* "$CONFIG.d/"; fi
if [ -e "$OUT/k3s/etc/registries.yaml" ]; then install -m 600 "$OUT/k3s/etc/registries.yaml" "$REGISTRIES"; fi
if grep -q '"bootstrap": 0' "$BACKUPS/manifest-$SET.json"; then
    cp -a "$OUT/k3s/server/tls" "$OUT/k3s/server/cred" "$DATA/server/"
fi

#: etcd
. "$HOME/railiance-restore.env"
if [ -e "$OUT/etcd-$SET.snap" ]; then
    touch "$CONFIG"   # k3s wants the file that it is told of
    k3s server --cluster-reset --cluster-reset-restore-path="$OUT/etcd-$SET.snap" --etcd-s3=false \
        --token-file="$DATA/server/token" --data-dir="$DATA" --config="$CONFIG"
fi

#: sqlite
. "$HOME/railiance-restore.env"
if [ -e "$OUT/state-db-$SET.db" ]; then
    install -m 600 "$OUT/state-db-$SET.db" "$DATA/server/db/state.db"
fi

#: start
. "$HOME/railiance-restore.env"
systemctl start "$SERVICE"
until k3s kubectl get --raw /readyz; do sleep 2; done
k3s kubectl get namespaces

#: after
. "$HOME/railiance-restore.env"
rm -rf "$OUT" "$HOME/railiance-restore.env"

#: others
systemctl stop "{{service}}"
mv "{{data-dir}}/server/db" "{{data-dir}}/server/db-before"
systemctl start "{{service}}"

#: values
. "$HOME/railiance-restore.env"
umask 077
mkdir -p "$OUT/helm"
tar xzf "$OUT/helm-values-$SET.tar.gz" -C "$OUT/helm"
(cd "$OUT/helm" && ls -d */*/*)   # namespace/release/revision
if [ -n "${RELEASE:-}" ]; then cat "$OUT/helm/$RELEASE/values.yaml"; fi

#: kubeconfig
. "$HOME/railiance-restore.env"
k3s kubectl --kubeconfig "$OUT/kubeconfig-$SET.yaml" config view
