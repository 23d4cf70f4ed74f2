#!/bin/sh
# Holds the stand-in k3s against what the documentation of k3s promises, with
# the real Helm 3, Helm 4 and etcdutl beside it.
#
# usage: selftest.sh [DIR]     DIR is where build.sh put the programs
#
# Two parts need root (another network namespace, another user); they are
# skipped without it, or fail when MUST_RUN=1.
set -u

here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real}
work=$(mktemp -d "${TMPDIR:-/tmp}/k3s-selftest.XXXXXX")
server= failures=0 checks=0
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1

# Ports of our own: a k3s may be running here, or another self-test.
K3S_STANDIN_ETCD_PORT=$((20000 + $$ % 10000)) api=$((30000 + $$ % 10000))
K3S_KUBECONFIG_OUTPUT=$work/k3s.yaml K3S_CONFIG_FILE=$work/config.yaml
export K3S_STANDIN_ETCD_PORT K3S_KUBECONFIG_OUTPUT K3S_CONFIG_FILE
unset KUBECONFIG K3S_TOKEN K3S_TOKEN_FILE K3S_DATASTORE_ENDPOINT K3S_DATA_DIR K3S_STANDIN_FAULT 2>/dev/null

# A command that should have failed may serve instead.
k3s() { timeout 60 "$bin/k3s" "$@"; }
kubectl() { "$bin/k3s" kubectl "$@"; }

fail() {
	failures=$((failures + 1))
	echo "FAIL $1"
	sed 's/^/     | /' out err 2>/dev/null | tail -8
}

# ok WHAT COMMAND...: the command succeeds. What the check before it printed
# is in said.
ok() {
	what=$1
	shift
	cat out err >said 2>/dev/null
	checks=$((checks + 1))
	if "$@" >out 2>err; then echo "ok   $what"; else fail "$what (rc $?)"; fi
}

# no WHAT TEXT COMMAND...: the command ends with 1 and says TEXT.
no() {
	what=$1 text=$2
	shift 2
	checks=$((checks + 1))
	"$@" >out 2>err
	rc=$?
	if [ $rc -eq 1 ] && cat out err | grep -qF -- "$text"; then echo "ok   $what"; else fail "$what (rc $rc, want 1 and: $text)"; fi
}

# start FOLDER FLAG...: a server in the background, ready.
start() {
	data=$1
	shift
	: >server.log
	"$bin/k3s" server -d "$data" --https-listen-port $api --node-name n1 --node-ip 127.0.0.1 "$@" >>server.log 2>&1 &
	server=$!
	checks=$((checks + 1))
	for _ in $(seq 300); do
		grep -q 'k3s is up and running' server.log && echo "ok   server on $data is up" && return
		kill -0 $server 2>/dev/null || break
		sleep 0.1
	done
	cp server.log err
	fail "server on $data is up"
	exit 1
}

stop() {
	[ -n "$server" ] || return 0
	kill "$server" 2>/dev/null
	wait "$server"
	rc=$?
	server=
	return $rc
}

objects() {
	kubectl create namespace media &&
		kubectl -n media create secret generic login --from-literal=password=topsecret-7c1f &&
		kubectl -n media create configmap plain --from-literal=note=readable-51ab &&
		kubectl apply -f - <<-EOF && kubectl wait --for=condition=Established crd/songs.example.org --timeout=20s &&
			apiVersion: apiextensions.k8s.io/v1
			kind: CustomResourceDefinition
			metadata: {name: songs.example.org}
			spec:
			  group: example.org
			  scope: Namespaced
			  names: {plural: songs, singular: song, kind: Song}
			  versions:
			  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
		EOF
		kubectl apply -f - <<-EOF
			{apiVersion: example.org/v1, kind: Song, metadata: {name: first, namespace: media}, spec: {title: Veloma}}
		EOF
}

chart() {
	mkdir -p chart/templates
	printf 'apiVersion: v2\nname: tiny\nversion: 0.1.0\n' >chart/Chart.yaml
	printf 'greeting: hello\n' >chart/values.yaml
	cat >chart/templates/cm.yaml <<-'EOF'
		apiVersion: v1
		kind: ConfigMap
		metadata: {name: "{{ .Release.Name }}"}
		data: {greeting: "{{ .Values.greeting }}"}
	EOF
}

is() { [ "$1" = "$2" ] || { echo "got $1, want $2" >&2; return 1; }; }
secret() { kubectl "$@" -n media get secret login -o 'jsonpath={.data.password}' | base64 -d; }
lacks() { ! grep -qaF "$1" "$2"; }

echo "== command line"
ok "--version names k3s" k3s --version
ok "--version is two lines, k3s and go" sh -c 'grep -Eqx "k3s version v[0-9.]+\+k3s1 \([0-9a-f]{8}\)" said && grep -q "^go version go" said'
no "unknown command" 'no help topic' k3s agent
no "unknown flag" 'flag provided but not defined: -no-such' k3s server --no-such
no "unknown snapshot command" 'no help topic' k3s etcd-snapshot upload
no "stray argument" 'unexpected argument' k3s server -d x stray

echo "== etcd"
printf 'secrets-encryption: true\nno-such-flag: 1\ntls-san: [a.example]\n' >config.yaml
mkdir config.yaml.d
printf 'cluster-init: true\ntls-san+: [b.example]\n' >config.yaml.d/10.yaml
start one
ok "configuration: unknown keys are skipped with a word" grep -q 'Unknown flag --no-such-flag found in config.yaml, skipping' server.log
ok "objects" objects
chart
for n in 3 4; do
	ok "helm$n installs" "$bin/helm$n" --kubeconfig k3s.yaml install "by-$n" chart -n media --set "greeting=salut-$n"
done
ok "a service account token" sh -c '"$0" kubectl create token default --duration=1h >sa.token' "$bin/k3s"
ok "save" k3s etcd-snapshot save -d one --name mine
ok "save logs the name" grep -Eq 'level=info msg="Snapshot mine-n1-[0-9]+ saved\."' said
snap=$(echo one/server/db/snapshots/mine-n1-*)
ok "private file" is "$(stat -c %a "$snap")" 600
ok "bolt file and trailer" is $(($(wc -c <"$snap") % 512)) 32
ok "bootstrap data is in it" grep -qaF /bootstrap/ "$snap"
ok "a ConfigMap is readable in it" grep -qaF readable-51ab "$snap"
ok "an encrypted Secret is not" lacks topsecret-7c1f "$snap"
ok "encrypted as k3s does" grep -qaF k8s:enc:aescbc:v1:aescbckey: "$snap"
ok "save --etcd-snapshot-compress" k3s etcd-snapshot save -d one --name packed --etcd-snapshot-compress
ok "is a zip" sh -c 'is=$(head -c 2 one/server/db/snapshots/packed-n1-*.zip) && [ "$is" = PK ]'
ok "save in another folder" k3s etcd-snapshot save -d one --name mine2 --dir elsewhere
ok "ls" k3s etcd-snapshot ls -d one
ok "ls names both" sh -c 'grep -q "^Name .*Location .*Size .*Created" said && grep -q "^mine-n1-" said && grep -q "^packed-n1-.*zip " said'
ok "ls -o json" k3s etcd-snapshot ls -d one -o json
ok "json has the name" grep -q '"snapshotName": "mine-n1-' said
cp "$snap" snap
ok "prune" k3s etcd-snapshot prune -d one --dir elsewhere --name mine --snapshot-retention 0
ok "prune goes by bare prefix" is "$(ls elsewhere)" ""
ok "delete" k3s etcd-snapshot delete -d one "$(basename "$snap")"
ok "is gone" test ! -e "$snap"
no "delete what is not there" 'no such file' k3s etcd-snapshot delete -d one "$(basename "$snap")"
export K3S_STANDIN_FAULT=save-nothing
ok "fault: success without a file" k3s etcd-snapshot save -d one --name fault
ok "no file indeed" sh -c '! ls one/server/db/snapshots | grep -q fault'
K3S_STANDIN_FAULT=save-torn
ok "fault: success and half a file" k3s etcd-snapshot save -d one --name torn
ok "no trailer" test $(($(wc -c <"$(echo one/server/db/snapshots/torn-n1-*)") % 512)) -ne 32
K3S_STANDIN_FAULT=no-such
no "unknown fault" 'unknown fault' k3s etcd-snapshot save -d one
unset K3S_STANDIN_FAULT
no "reset beside a running server" 'in use by another process' k3s server -d one --cluster-reset --cluster-reset-restore-path snap
no "restore over a running server from a fresh folder" 'address already in use' k3s server -d beside --token t --cluster-reset --cluster-reset-restore-path snap
cp k3s.yaml old.yaml
cp one/server/token token
ok "token" grep -Eqx 'K10[0-9a-f]{64}::server:[0-9a-f]{32}' token
ok "token names the CA" is "$(cut -c4-67 token)" "$(sha256sum one/server/tls/server-ca.crt | cut -d' ' -f1)"
ok "stops clean" stop
no "save without a server" 'connection refused' k3s etcd-snapshot save -d one
zip=$(echo one/server/db/snapshots/packed-n1-*.zip)

echo "== etcdutl"
ok "etcdutl restores it" "$bin/etcdutl" snapshot restore snap --data-dir utl
ok "into a database" test -s utl/member/snap/db

echo "== restore"
reset() { k3s server -d two --node-name n1 --cluster-reset "$@"; }
no "path without --cluster-reset" '--cluster-reset required' k3s server -d two --cluster-reset-restore-path snap
no "without the token" 'level=fatal msg="starting kubernetes: preparing server: etcd: token does not exist, please pass --token to complete the restoration"' reset --cluster-reset-restore-path snap
no "with another token" 'bootstrap data already found and encrypted with different token' reset --token wrong --cluster-reset-restore-path snap
no "missing file" 'does not exist' reset --token-file token --cluster-reset-restore-path nowhere
no "a zip" 'failed to restore snapshot' reset --token-file token --cluster-reset-restore-path "$zip"
no "from S3" 'from S3' reset --token-file token --etcd-s3 --cluster-reset-restore-path snap
other='\001'
[ "$(od -An -tu1 -j100000 -N1 snap | tr -d ' ')" != 1 ] || other='\002'
cp snap flipped && printf "$other" | dd of=flipped bs=1 seek=100000 conv=notrunc status=none
no "a flipped bit" 'expected sha256' reset --token-file token --cluster-reset-restore-path flipped
rm -rf two
ok "with the token" reset --token-file token --cluster-reset-restore-path snap
ok "says what to do next" grep -qF 'Managed etcd cluster membership has been reset, restart without --cluster-reset flag now.' said
ok "flag file" test -e two/server/db/reset-flag
no "a second plain reset" 'previously reset, please remove the cluster-reset flag' reset
ok "config.yaml says etcd-s3, the command line says no" sh -c 'echo "etcd-s3: true" >>config.yaml && rm -rf three && "$0" server -d three --etcd-s3=false --token-file token --cluster-reset --cluster-reset-restore-path snap' "$bin/k3s"
sed -i /etcd-s3/d config.yaml
start two
ok "flag file is gone" test ! -e two/server/db/reset-flag
ok "token file is the same" cmp token two/server/token
for f in tls/server-ca.key tls/client-ca.key tls/service.key tls/etcd/peer-ca.key cred/passwd cred/encryption-config.json cred/encryption-state.json; do
	ok "same $f" cmp "one/server/$f" "two/server/$f"
done
ok "Secret is readable" is "$(secret)" topsecret-7c1f
ok "the old kubeconfig is accepted" is "$(secret --kubeconfig old.yaml)" topsecret-7c1f
ok "the old service account token is accepted" sh -c '"$0" kubectl --kubeconfig /dev/null --server "https://127.0.0.1:$1" --certificate-authority two/server/tls/server-ca.crt --token "$(cat sa.token)" auth whoami' "$bin/k3s" "$api"
ok "custom resource" is "$(kubectl -n media get song first -o 'jsonpath={.spec.title}')" Veloma
for n in 3 4; do
	ok "helm$n knows its release" is "$("$bin/helm$n" --kubeconfig k3s.yaml get values -n media "by-$n" -o json)" "{\"greeting\":\"salut-$n\"}"
done
ok "a namespace goes away" kubectl delete namespace media --timeout=60s
ok "stops clean" stop
ok "plain reset" reset
start two
ok "still the same cluster" kubectl get namespace kube-system
ok "stops clean" stop

echo "== SQLite"
: >config.yaml
rm -r config.yaml.d
start lite --token short
ok "objects" objects
no "no etcd snapshots" 'etcd datastore disabled' k3s etcd-snapshot save -d lite
ok "a folder db/etcd is no sign of etcd" test -d lite/server/db/etcd
ok "write-ahead log" is "$(od -An -tu1 -j18 -N1 lite/server/db/state.db | tr -d ' ')" 2
ok "token given is kept" grep -Eqx 'K10[0-9a-f]{64}::server:short' lite/server/token
ok "stops clean" stop
no "save without a server" 'connection refused' k3s etcd-snapshot save -d lite
no "another token" 'encrypted with different token' k3s server -d lite --node-ip 127.0.0.1 --https-listen-port $api --token other
mkdir -p moved/server/db && cp lite/server/db/state.db* moved/server/db/
start moved --token short
ok "the authorities come out of the database" cmp lite/server/tls/server-ca.key moved/server/tls/server-ca.key
ok "Secret is readable" is "$(secret)" topsecret-7c1f
ok "stops clean" stop
start other --datastore-endpoint "sqlite://$work/elsewhere.db"
ok "external SQLite file" test -s elsewhere.db
ok "stops clean" stop
no "PostgreSQL elsewhere" 'connection refused' k3s server -d pg --node-ip 127.0.0.1 --datastore-endpoint 'postgres://u:p@127.0.0.1:1/db'

echo "== systemctl"
SYSTEMCTL_DIR=$work/units
export SYSTEMCTL_DIR
mkdir units
printf 'ADDRESS=127.0.0.1\n' >units/k3s.env
cat >units/k3s.service <<EOF
[Unit]
Description=stand-in
[Service]
EnvironmentFile=-$work/units/none.env
EnvironmentFile=$work/units/k3s.env
Environment="K3S_TOKEN=short" K3S_NODE_NAME=n2
ExecStart=$bin/k3s server -d $work/lite \\
    --https-listen-port $api --node-ip 127.0.0.1
EOF
sc() { "$bin/systemctl" "$@"; }
ok "start" sc start k3s
ok "is-active" sc is-active k3s
ok "prints active" grep -qx active said
for _ in $(seq 200); do grep -q 'up and running' units/k3s.log && break; sleep 0.1; done
ok "it serves" kubectl get namespace media
ok "show" is "$(sc show -p LoadState --value k3s.service)" loaded
ok "restart" sc restart k3s
ok "stop" sc stop k3s
sc is-active --quiet k3s
ok "inactive is 3" is $? 3
sc start nothing 2>/dev/null
ok "unknown unit is 5" is $? 5
no "unknown verb" 'unknown command verb' sc mask k3s
printf '[Unit]\n[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >units/k3s.timer
ok "enable a timer" sc enable --now k3s.timer
ok "it is linked and waits" test -L units/timers.target.wants/k3s.timer -a -f units/k3s.timer.waiting
ok "restart a timer" sc restart k3s.timer
ok "disable a timer" sc disable --now k3s.timer
ok "nothing is left of it" test ! -e units/timers.target.wants/k3s.timer -a ! -e units/k3s.timer.waiting
no "enable a service" 'timers only' sc enable k3s
sc enable none.timer 2>/dev/null
ok "an unknown timer is 5" is $? 5
no "unknown option" 'unrecognized option' sc start --now k3s

echo "== elsewhere"
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
	cat >inside.sh <<-EOF
		set -e
		ip link set lo up
		ip addr add 192.0.2.1/32 dev lo
		mkdir home && chown 65534 home
		env -i PATH="\$PATH" HOME="$work/home" setpriv --reuid 65534 --regid 65534 --clear-groups "$work/k3s" server --cluster-init --node-ip 192.0.2.1 >ns.log 2>&1 &
		pid=\$!
		for _ in \$(seq 200); do grep -q 'up and running' ns.log && break; sleep 0.1; done
		"$bin/k3s" kubectl --kubeconfig home/.kube/k3s.yaml get endpoints kubernetes -o 'jsonpath={.subsets[0].addresses[0].ip}' >ns.ip
		kill \$pid
		wait \$pid
	EOF
	chmod 755 . && cp "$bin/k3s" k3s && chmod 755 k3s
	ok "another user, in a network of its own" unshare -n sh inside.sh
	ok "announces its address" is "$(cat ns.ip)" 192.0.2.1
elif [ "${MUST_RUN:-}" = 1 ]; then
	fail "another user, in a network of its own: needs root and unshare"
else
	echo "skip another user, in a network of its own: needs root and unshare"
fi

echo "$checks checks, $failures failed"
[ "$failures" = 0 ]
