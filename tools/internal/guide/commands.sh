{{define "where" -}}
set -eu
BACKUPS=${BACKUPS:-{{q .Backups}}}   # the folder of the sets, or a copy of it
KEY=${KEY:-{{.Key}}}   # the private age key
SIGNERS=${SIGNERS:-{{q .Signers}}}   # from the repository, never from the backup
OUT=${OUT:-/root/railiance-restored}   # a folder for the plaintext, to be removed afterwards
DATA=${DATA:-{{q .K3s.DataDir}}}   # k3s's data directory
CONFIG=${CONFIG:-{{q .K3s.Config}}}
REGISTRIES=${REGISTRIES:-{{q .K3s.Registries}}}
KUBECONFIG=${KUBECONFIG:-{{q .K3s.Kubeconfig}}}; export KUBECONFIG
SERVICE=${SERVICE:-{{q .K3s.Service}}}
SET=${SET:-{{if .Set}}{{.Set}}{{else}}$(ls "$BACKUPS" | sed -n 's/^manifest-\(.*\)\.json\.sig$/\1/p' | sort | tail -n 1){{end}}}   # which set
echo "the set of $SET in $BACKUPS"
{{- end}}

{{define "verify" -}}
M="$BACKUPS/manifest-$SET.json"
WHO=$(ssh-keygen -Y find-principals -f "$SIGNERS" -s "$M.sig" | head -n 1)
ssh-keygen -Y verify -f "$SIGNERS" -I "$WHO" -n railiance-manifest -s "$M.sig" < "$M"
sed -n 's/^ *"name": "\(.*\.age\)",$/\1/p; s/^ *"sha256": "\([0-9a-f]*\)",$/\1/p' "$M" |
    while read -r name && read -r sum; do echo "$sum  $name"; done | (cd "$BACKUPS" && sha256sum -c -)
{{- end}}

{{define "decrypt" -}}
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
{{- end}}

{{define "aside" -}}
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
{{- end}}

{{define "place" -}}
install -m 600 "$OUT/k3s/server/token" "$DATA/server/token"
if [ -e "$OUT/k3s/etc/config.yaml" ]; then install -m 600 "$OUT/k3s/etc/config.yaml" "$CONFIG"; fi
if [ -e "$OUT/k3s/etc/config.yaml.d" ]; then mkdir -p "$CONFIG.d"; cp "$OUT/k3s/etc/config.yaml.d"/* "$CONFIG.d/"; fi
if [ -e "$OUT/k3s/etc/registries.yaml" ]; then install -m 600 "$OUT/k3s/etc/registries.yaml" "$REGISTRIES"; fi
if grep -q '"bootstrap": 0' "$BACKUPS/manifest-$SET.json"; then
    cp -a "$OUT/k3s/server/tls" "$OUT/k3s/server/cred" "$DATA/server/"
fi
{{- end}}

{{define "etcd" -}}
k3s server --cluster-reset --cluster-reset-restore-path="$OUT/etcd-$SET.snap" --etcd-s3=false \
    --token-file="$DATA/server/token" --data-dir="$DATA"
{{- end}}

{{define "sqlite" -}}
install -m 600 "$OUT/state-db-$SET.db" "$DATA/server/db/state.db"
{{- end}}

{{define "start" -}}
systemctl start "$SERVICE"
until k3s kubectl get --raw /readyz; do sleep 2; done
k3s kubectl get namespaces
{{- end}}

{{define "others" -}}
systemctl stop {{q .K3s.Service}}
mv {{q .K3s.DataDir}}/server/db {{q .K3s.DataDir}}/server/db-before
systemctl start {{q .K3s.Service}}
{{- end}}

{{define "values" -}}
RELEASE=${RELEASE:-namespace/name}
umask 077
mkdir -p "$OUT/helm"
tar xzf "$OUT/helm-values-$SET.tar.gz" -C "$OUT/helm"
ls "$OUT/helm/$RELEASE"
cat "$OUT/helm/$RELEASE/$(ls "$OUT/helm/$RELEASE" | sort -V | tail -n 1)/values.yaml"
{{- end}}

{{define "kubeconfig" -}}
k3s kubectl --kubeconfig "$OUT/kubeconfig-$SET.yaml" config view
{{- end}}
