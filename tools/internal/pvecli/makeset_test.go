package pvecli_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// makeSet makes one set as the flow would, without a cluster:
//
//	mkset [-sign KEY] [-layer NAME] [-disk TEXT] [-told TEXT] SITE vm-100 TIME
//
// disk is the content of the guest's disk, told what its account says of it.
func makeSet(args []string) int {
	if err := tryMakeSet(args); err != nil {
		fmt.Fprintln(os.Stderr, "mkset:", err)
		return 1
	}
	return 0
}

func tryMakeSet(args []string) error {
	flags := flag.NewFlagSet("mkset", flag.ContinueOnError)
	key := flags.String("sign", os.Getenv("SIGN"), "")
	layer := flags.String("layer", "madagascar", "")
	content := flags.String("disk", "hello", "")
	told := flags.String("told", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *told == "" {
		*told = *content
	}
	s, err := guestset.Parse(flags.Arg(1))
	if err != nil {
		return err
	}
	at, err := time.Parse(catalog.TimeLayout, flags.Arg(2))
	if err != nil {
		return err
	}
	ctx := context.Background()
	folder, err := store.NewDirSite(filepath.Join(os.Getenv("SITES"), flags.Arg(0)), "").Store(ctx, s.String())
	if err != nil {
		return err
	}
	signer, err := sign.Load(*key)
	if err != nil {
		return err
	}
	sets, _, err := catalog.Read(ctx, folder, signer.And(nil))
	if err != nil {
		return err
	}
	m := &catalog.Manifest{Format: catalog.Format, Layer: s.LayerName(*layer), Host: "test", Sequence: 1, Time: at, Tool: "mkset"}
	for _, set := range sets {
		m.Sequence = max(m.Sequence, set.Sequence+1)
		m.Present = append(m.Present, set.Link())
	}
	if len(sets) > 0 {
		link := sets[0].Link()
		m.Previous = &link
	}
	if err := fill(ctx, folder, m, s, *content, *told); err != nil {
		return err
	}
	link, err := catalog.Write(ctx, folder, m, signer)
	if err != nil {
		return err
	}
	memory := guestset.MemoryOf(os.Getenv("RAILIANCE_STATE"), *layer)
	return state.WriteSeen(memory.Seen("nas/"+flags.Arg(0), s), state.Seen{Sequence: m.Sequence, Manifest: link.Manifest, SHA256: link.SHA256, Time: at})
}

// fill stores the guest and its account.
func fill(ctx context.Context, folder store.Store, m *catalog.Manifest, s guestset.Subject, content, told string) error {
	disk := vmatest.Bytes("drive-scsi0", []byte(content))
	archive := vmatest.Guest(disk)
	digest, _, err := vma.Sum(vmatest.Bytes("", []byte(told)).Content.(io.Reader))
	if err != nil {
		return err
	}
	about := guestset.About{
		Guest: s.ID, Type: "qemu", Name: "web", Node: "baobab", Time: m.Time, Mode: "snapshot", Config: string(archive.Files[0].Data),
		Disks: []guestset.Disk{{Key: "scsi0", Device: "drive-scsi0", Size: int64(len(content)), Stored: int64(len(content)), Digest: digest}},
	}
	account, err := about.Encode()
	if err != nil {
		return err
	}
	for _, part := range []struct {
		asset, kind, ext string
		stream           seal.Stream
		source           map[string]string
		contents         catalog.Contents
	}{
		{s.String(), guestset.KindVMA, guestset.ExtVMA, seal.Stream(archive.Write).Zstd(),
			map[string]string{"guest": fmt.Sprint(s.ID), "name": "web", "node": "baobab"}, catalog.Contents{"devices": 1, "bytes": disk.Size}},
		{guestset.AboutAsset, guestset.AboutKind, guestset.AboutExt, func(w io.Writer) error { _, err := w.Write(account); return err }, nil, nil},
	} {
		name := catalog.ArtifactName(part.asset, m.Time, part.ext)
		to, err := access.ForPath(filepath.Join(os.Getenv("LAYER"), "..", "..", ".sops.yaml"), filepath.Join("/backups", name))
		if err != nil {
			return err
		}
		var sum seal.Sum
		if err := folder.Put(ctx, name, part.stream.Encrypted(to.List...).Measured(&sum)); err != nil {
			return err
		}
		m.Artifacts = append(m.Artifacts, catalog.Artifact{
			Name: name, Asset: part.asset, Kind: part.kind, Size: sum.Size, SHA256: sum.SHA256, Recipients: to.Strings, PostQuantum: to.PostQuantum,
			Source: part.source, Contents: part.contents,
		})
	}
	return nil
}
