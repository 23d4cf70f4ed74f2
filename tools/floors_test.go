package tools_test

import (
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/railiance/railiance"
	internal = module + "/tools/internal/"
	commands = module + "/tools/cmd/"
)

// floors is the table of README.md. A package imports lower floors only; those
// that are allowed more say so below. What stands below a package stands on
// its floor.
func floors() map[string]int {
	return map[string]int{
		"host": 0, "seal": 0, "unseal": 0, "store": 0, "access": 0, "sign": 0, "state": 0, "tell": 0, "ping": 0, "spool": 0,
		"etcdsnap": 0, "kine": 0, "registry": 0, "helmrelease": 0, "kubeconfig": 0, "vma": 0, "cttar": 0, "nodetar": 0, "pmxcfs": 0, "sqlitefd": 0,
		"catalog": 1, "clustercontext": 1, "records": 1, "shell": 1,
		"asset": 2, "metrics": 2, "pve": 2, "setrun": 2, "guestset": 2, "guestpolicy": 2, "setcheck": 2, "sites": 2, "thunderbolt": 2,
		"layer": 3, "guide": 3, "backup": 3, "guestbackup": 3, "nodebackup": 3, "guestread": 3, "guestrestore": 3, "opening": 3, "recovery": 3, "drill": 3, "schedule": 3, "tbissue": 3, "tbdeploy": 3,
		"plugin": 4, "layercli": 4, "backupcli": 4, "restorecli": 4, "pvecli": 4, "secretscli": 4, "tbcli": 4,
	}
}

// floorOf is the floor of a package, and whether it stands on one.
func floorOf(name string) (int, bool) {
	table := floors()
	for ; name != "."; name = path.Dir(name) {
		if floor, known := table[name]; known {
			return floor, true
		}
	}
	return 0, false
}

// beside are the imports on the same floor that the house means: readers share
// the counting, deeds the layer and the opening, verbs the shell.
func beside() map[string][]string {
	return map[string][]string{
		"access/identity": {"access"},
		"etcdsnap":        {"registry"},
		"kine":            {"registry", "sqlitefd"},
		"pmxcfs":          {"sqlitefd"},
		"store/wire":      {"host"},
		"store/s3store":   {"host", "spool", "store", "store/wire"},
		"store/davstore":  {"store", "store/wire"},
		"guide":           {"layer"},
		"backup":          {"layer", "guide"},
		"guestbackup":     {"layer"},
		"nodebackup":      {"guestbackup"},
		"guestrestore":    {"guestread"},
		"recovery":        {"layer", "opening"},
		"drill":           {"opening"},
		"backupcli":       {"plugin"},
		"layercli":        {"plugin"},
		"restorecli":      {"plugin", "layercli"},
		"pvecli":          {"plugin", "layercli"},

		"thunderbolt/probe": {"thunderbolt"},
	}
}

// everywhere may be imported from any floor: it says things, and knows nothing.
const everywhere = "tell"

// forTests are packages that only tests may import. They may do as they like.
func forTests() []string {
	return []string{"fake", "layertest", "mustrun", "pvetest", "pvetest/pveworld", "pvetest/nodes", "tbtest", "tbtest/ring", "tbtest/tbdemo", "store/storetest", "store/storetest/servers", "vma/vmatest", "vma/vmatest/mkvma", "guestbackup/guestbench", "guestbackup/backuptest"}
}

// soleImporters are packages that few may import.
func soleImporters() map[string][]string {
	decryption := []string{"access/identity", "opening", "recovery", "drill", "guestread", "guestrestore", "layercli", "restorecli", "pvecli", "secretscli"}
	return map[string][]string{
		"os/exec":                    {"host"},
		internal + "unseal":          decryption,
		internal + "opening":         {"recovery", "drill", "restorecli"},
		internal + "access/identity": decryption,
		"compress/gzip":              {},
		"github.com/klauspost/compress/gzip": {
			"seal", "asset", "helmrelease", "recovery",
		},
		"compress/flate": {"etcdsnap"},
		"archive/zip":    {"etcdsnap"},
		"github.com/klauspost/compress/zstd": {
			"seal", "unseal",
		},
		"github.com/getsops/sops/v3/config": {},
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// list is what the go command says of packages, without their tests.
func list(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, patterns...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// short is a package's name in the tables, and whether it is one of ours.
func short(path string) (string, bool) { return strings.CutPrefix(path, internal) }

func TestFloors(t *testing.T) {
	packages := list(t, "./internal/...", "./cmd/...")
	if len(packages) < 20 {
		t.Fatalf("go list finds %d packages", len(packages))
	}
	used := map[string]bool{}
	for _, p := range packages {
		name, library := short(p.ImportPath)
		if library && slices.Contains(forTests(), name) {
			continue
		}
		floor, known := 5, !library
		if library {
			floor, known = floorOf(name)
		}
		if !known {
			t.Errorf("%s stands on no floor: put it into the table here and in README.md", name)
			continue
		}
		for _, path := range p.Imports {
			imported, ours := short(path)
			if !ours || imported == everywhere {
				continue
			}
			if slices.Contains(forTests(), imported) {
				t.Errorf("%s imports %s, which is for tests", p.ImportPath, imported)
				continue
			}
			if to, known := floorOf(imported); known && to >= floor {
				if !slices.Contains(beside()[name], imported) {
					t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, floor, imported, to)
				}
				used[name+" "+imported] = true
			}
		}
	}
	for name, all := range beside() {
		for _, imported := range all {
			if !used[name+" "+imported] {
				t.Errorf("%s is allowed %s and does not import it: take it out of the table", name, imported)
			}
		}
	}
}

// The page that people read says the same.
func TestFloorsOfThePage(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-4]) \\| ([^|]+) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, name := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(row[2], -1) {
			told[name[1]] = int(row[1][0] - '0')
		}
	}
	if !maps.Equal(told, floors()) {
		t.Errorf("README.md says %v\nthe table here %v", told, floors())
	}
}

func TestSoleImporters(t *testing.T) {
	sole := soleImporters()
	for _, p := range list(t, "./internal/...", "./cmd/...") {
		name, ours := short(p.ImportPath)
		if ours && slices.Contains(forTests(), name) {
			continue
		}
		for _, path := range p.Imports {
			if importers, limited := sole[path]; limited && !slices.Contains(importers, name) {
				t.Errorf("%s imports %s, which only %q may", p.ImportPath, path, importers)
			}
		}
	}
}

// S3 costs megabytes, and only a cluster's backups go over the network: nothing
// else links it.
func TestWhoLinksTheNetworkStores(t *testing.T) {
	linked := false
	for _, p := range list(t, "./cmd/...") {
		name := strings.TrimPrefix(p.ImportPath, commands)
		for _, store := range []string{"store/s3store", "store/davstore", "sites"} {
			switch {
			case !slices.Contains(p.Deps, internal+store):
			case name == "pve-vm-backup":
				linked = true
			default:
				t.Errorf("%s depends on %s", name, store)
			}
		}
	}
	if !linked {
		t.Error("pve-vm-backup depends on no store of the network: this test has gone blind")
	}
}

// What makes backups must not be able to read them: not even its dependencies
// hold the code.
func TestBackupsLinkNoWayBack(t *testing.T) {
	wayBack := []string{"unseal", "access/identity", "opening", "guestread", "recovery", "drill"}
	for _, p := range list(t, "./cmd/...") {
		name := strings.TrimPrefix(p.ImportPath, commands)
		backs, restores := strings.HasPrefix(name, "railiance-backup-"), strings.HasPrefix(name, "railiance-restore-")
		found := 0
		for _, dep := range p.Deps {
			if of, ours := short(dep); ours && slices.Contains(wayBack, of) {
				if found++; backs {
					t.Errorf("%s depends on %s", name, of)
				}
			}
			if of, ours := short(dep); ours && slices.Contains(forTests(), of) {
				t.Errorf("%s depends on %s, which is for tests", name, of)
			}
		}
		if restores && found == 0 {
			t.Errorf("%s restores, and depends on none of %q: this test has gone blind", name, wayBack)
		}
	}
}
