package cttar_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/cttar"
)

// head is the head of a member, correct whatever it says.
func head(kind byte, name, link string, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[157:], link)
	copy(b[257:], "ustar\x0000")
	for at, n := range map[int]int64{100: 0o644, 108: 0, 116: 0, 329: 0, 337: 0} {
		copy(b[at:], fmt.Sprintf("%07o\x00", n))
	}
	copy(b[124:], fmt.Sprintf("%011o\x00", size))
	b[156] = kind
	return seal(b)
}

// seal makes the checksum right, as a forger would.
func seal(b []byte) []byte {
	copy(b[148:], "        ")
	var sum int
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func member(kind byte, name, data string) []byte {
	b := append(head(kind, name, "", int64(len(data))), data...)
	return append(b, make([]byte, -len(data)&511)...)
}

// extended is an extended header; every second of the texts is a value.
func extended(texts ...string) []byte {
	var records string
	for i := 0; i < len(texts); i += 2 {
		rest := " " + texts[i] + "=" + texts[i+1] + "\n"
		length := len(rest) + 1
		for len(strconv.Itoa(length))+len(rest) != length {
			length++
		}
		records += strconv.Itoa(length) + rest
	}
	return member('x', "PaxHeaders/x", records)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var (
	conf = member('0', "./etc/vzdump/pct.conf", "arch: amd64\n")
	top  = head('5', "./", "", 0)
	mark = make([]byte, 1024)
)

func sparse(size int, realsize string, data string) []byte {
	return join(extended("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "./s", "GNU.sparse.realsize", realsize),
		head('0', "./GNUSparseFile.1/s", "", int64(size)), []byte(data))
}

// sparseMap fills a map up to its block.
func sparseMap(lines string) string { return lines + strings.Repeat("\x00", 512-len(lines)) }

func TestForged(t *testing.T) {
	flipped := head('0', "./file", "", 0)
	flipped[300] ^= 1
	gnu := head('0', "./file", "", 0)
	copy(gnu[257:], "ustar  \x00")
	seal(gnu)
	digits := head('0', "./file", "", 0)
	copy(digits[108:], "12x4567\x00")
	seal(digits)
	binary := head('0', "./file", "", 0)
	copy(binary[124:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	seal(binary)
	block := strings.Repeat("d", 512)
	for name, c := range map[string]struct {
		raw    []byte
		reason string // none: it is taken
	}{
		"smallest":               {join(conf, top, mark), ""},
		"padded":                 {join(conf, top, mark, make([]byte, 10240)), ""},
		"nothing":                {nil, "offset 0: the archive ends without its end mark"},
		"zeros":                  {mark, "the configuration of the container, ./etc/vzdump/pct.conf, is missing or empty"},
		"random":                 {bytes.Repeat([]byte("garbage\n"), 100), "offset 0: this is no head of a tar member"},
		"compressed":             {append([]byte("\x28\xb5\x2f\xfd"), bytes.Repeat([]byte("x"), 9000)...), "offset 0: this is no head"},
		"half a mark":            {join(conf, top, mark[:512]), "offset 1536: half of the end mark is missing"},
		"an odd byte":            {join(conf, top, mark, []byte{0}), "offset 1536: the end mark is cut short after 1 of 512 bytes"},
		"behind the mark":        {join(conf, top, mark, conf, mark), "offset 2560: something lies behind the end mark at 1536"},
		"one block of zeros":     {join(conf, mark[:512], top, mark), "offset 1536: something lies behind the end mark at 1024"},
		"checksum":               {join(conf, flipped, mark), "offset 1024: this is no head of a tar member: its checksum is wrong"},
		"not POSIX":              {join(conf, gnu, mark), "offset 1024: not the POSIX format"},
		"digits":                 {join(conf, digits, mark), `offset 1024: member "./file": uid: not a number`},
		"binary number":          {join(conf, binary, mark), `offset 1024: member "./file": size: not a number`},
		"old GNU name":           {join(conf, member('L', "././@LongLink", "./name"), mark), "type 'L' is not one that vzdump's tar writes"},
		"old GNU sparse":         {join(conf, member('S', "./s", ""), mark), "type 'S'"},
		"for all members":        {join(conf, member('g', "pax_global_header", "11 path=x\n"), mark), "type 'g'"},
		"link with data":         {join(conf, member('1', "./l", "data"), mark), "type '1' with 4 bytes of data"},
		"link with data, pax":    {join(conf, extended("size", "4"), member('2', "./l", ""), mark), "type '2' with 4 bytes of data"},
		"absolute":               {join(conf, member('0', "/etc/shadow", ""), mark), `member "/etc/shadow": the name is absolute`},
		"out":                    {join(conf, member('0', "../x", ""), mark), `member "../x": the name leads out of the archive`},
		"out, later":             {join(conf, member('0', "./a/../../x", ""), mark), "the name leads out of the archive"},
		"out, pax":               {join(conf, extended("path", "./a/.."), member('0', "./x", ""), mark), `member "./a/..": the name leads out`},
		"out, link":              {join(conf, head('1', "./x", "../../etc/shadow", 0), mark), "hard link: the name leads out"},
		"absolute link":          {join(conf, extended("linkpath", "/etc/shadow"), head('1', "./x", "y", 0), mark), "hard link: the name is absolute"},
		"symlink":                {join(conf, head('2', "./x", "/../../etc/shadow", 0), mark), ""},
		"dots":                   {join(conf, member('0', "./..x/...", ""), mark), ""},
		"no name":                {join(conf, member('0', "", ""), mark), `member "": the name is none`},
		"NUL":                    {join(conf, extended("path", "./a\x00b"), member('0', "./x", ""), mark), `member "./a\x00b": the name is none`},
		"long name":              {join(conf, extended("path", "/"+strings.Repeat("n", 9000)), member('0', "./x", ""), mark), `nnn"…: the name is absolute`},
		"no config":              {join(top, mark), "is missing or empty"},
		"empty config":           {join(member('0', "./etc/vzdump/pct.conf", " \n"), top, mark), "is missing or empty"},
		"config behind":          {join(top, conf, mark), "is missing or empty"},
		"config twice":           {join(conf, conf, mark), "it is there twice"},
		"config as a link":       {join(head('2', "./etc/vzdump/pct.conf", "/etc/shadow", 0), top, mark), "it is not a plain file"},
		"large config":           {join(member('0', "./etc/vzdump/pct.conf", strings.Repeat("#", 1<<20+1)), top, mark), "1048577 bytes are too many for a configuration"},
		"huge config":            {join(extended("size", "9000000000000000000"), conf, mark), "too many for a configuration"},
		"huge file":              {join(conf, extended("size", "9223372036854775807"), member('0', "./x", ""), mark), `member "./x": its data are cut short after 1024 of 9223372036854775807 bytes`},
		"negative":               {join(conf, extended("size", "-1"), member('0', "./x", ""), mark), "size is not a number"},
		"too large":              {join(conf, extended("size", "9223372036854775808"), member('0', "./x", ""), mark), "size is not a number"},
		"header alone":           {join(conf, extended("path", "./x"), mark), "offset 2048: the archive ends behind an extended header"},
		"two headers":            {join(conf, extended("path", "./x"), extended("path", "./y"), conf, mark), "offset 2048: two extended headers for one member"},
		"huge header":            {join(conf, head('x', "x", "", 1<<20+1), mark), "extended header: 1048577 bytes are too many"},
		"header cut":             {join(conf, head('x', "x", "", 600), make([]byte, 512)), "extended header: cut short after 512 of 600 bytes"},
		"record too long":        {join(conf, member('x', "x", "99 path=x\n"), conf, mark), "not a record of a length, a key and a value"},
		"record too short":       {join(conf, member('x', "x", "5 pa\n"), conf, mark), "not a record"},
		"record of nothing":      {join(conf, member('x', "x", "0 path=x\n"), conf, mark), "not a record"},
		"record without a key":   {join(conf, member('x', "x", "5 =x\n"), conf, mark), "not a record"},
		"record without an end":  {join(conf, member('x', "x", "9 path=xx"), conf, mark), "not a record"},
		"sparse":                 {join(conf, sparse(1024, "1000000", sparseMap("2\n999488\n512\n1000000\n0\n")+block), mark), ""},
		"sparse hole":            {join(conf, sparse(512, "9000000000000000000", sparseMap("0\n")), mark), ""},
		"sparse, old":            {join(conf, extended("GNU.sparse.map", "0,1", "GNU.sparse.size", "1"), member('0', "./x", "d"), mark), "a sparse file in a form"},
		"sparse link":            {join(conf, sparse(0, "5", "")[:1024], head('2', "./x", "y", 0), mark), "a sparse file in a form"},
		"sparse beyond":          {join(conf, sparse(1024, "600", sparseMap("1\n100\n512\n")+block), mark), "map of the sparse file: the extent at 100 with 512 bytes lies wrong"},
		"sparse backwards":       {join(conf, sparse(1024, "9000", sparseMap("2\n5000\n256\n4000\n256\n")+block), mark), "the extent at 4000 with 256 bytes lies wrong"},
		"sparse overlap":         {join(conf, sparse(1024, "9000", sparseMap("2\n0\n256\n255\n256\n")+block), mark), "the extent at 255 with 256 bytes lies wrong"},
		"sparse, less data":      {join(conf, sparse(1024, "9000", sparseMap("1\n0\n500\n")+block), mark), "it tells of 500 bytes where 512 lie"},
		"sparse, more data":      {join(conf, sparse(512, "9000", sparseMap("1\n0\n512\n")), mark), "it tells of 512 bytes where 0 lie"},
		"sparse without a map":   {join(conf, sparse(0, "9000", ""), mark), "map of the sparse file: it does not end"},
		"sparse, many":           {join(conf, sparse(512, "9000", sparseMap("1048577\n")), mark), "1048577 extents are too many"},
		"sparse, map cut":        {join(conf, sparse(512, "9000", sparseMap(strings.Repeat("1", 20)+"\n")), mark), "map of the sparse file"},
		"sparse, endless number": {join(conf, sparse(512, "9000", sparseMap(strings.Repeat("1", 30))), mark), "not a number"},
		"sparse, no number":      {join(conf, sparse(512, "9000", sparseMap("\n")), mark), "map of the sparse file"},
		"sparse, map unfinished": {join(conf, sparse(512, "9000", sparseMap("40000\n"+strings.Repeat("0\n", 253))), mark), "map of the sparse file: it does not end"},
		"sparse config": {join(extended("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "./etc/vzdump/pct.conf", "GNU.sparse.realsize", "9"),
			head('0', "./x", "", 512), []byte(sparseMap("0\n")), mark), "it is not a plain file"},
		"larger than any disk": {join(conf, sparse(512, "9000000000000000000", sparseMap("0\n")), sparse(512, "9000000000000000000", sparseMap("0\n")), mark), "larger in all than any disk"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cttar.Verify(bytes.NewReader(c.raw))
			switch {
			case c.reason == "" && (err != nil || got.Size != int64(len(c.raw))):
				t.Errorf("%+v, %v", got, err)
			case c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)):
				t.Errorf("%v, want %q", err, c.reason)
			case errors.Is(err, io.EOF):
				t.Errorf("the reason is an io.EOF: %v", err)
			}
		})
	}
}

// Wherever it is cut, at a member's end above all, it is not whole; GNU tar
// exits with 0 for many of these.
func TestTorn(t *testing.T) {
	raw := vzdump(t, container(t), config)
	end := len(bytes.TrimRight(raw, "\x00"))
	end += -end&511 + 1024
	for cut := 0; cut < end; cut += 256 {
		if got, err := cttar.Verify(bytes.NewReader(raw[:cut])); err == nil || errors.Is(err, io.EOF) || got.Digest != "" {
			t.Errorf("cut at %d of %d: %+v, %v", cut, end, got, err)
		}
	}
	if _, err := cttar.Verify(bytes.NewReader(raw[:end])); err != nil {
		t.Errorf("the filling alone is missing: %v", err)
	}
}

// Whatever bit changes, there is a reason, or another digest, or another
// configuration; but for what follows the digits of a checksum.
func TestAltered(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", bytes.Repeat([]byte("0123456789abcdef"), 64))
	raw := vzdump(t, dir, config)
	before, err := cttar.Verify(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("0123456789abcdef"))
	for i := at - 512; i < at+1024; i++ {
		if i-at == 154-512 || i-at == 155-512 {
			continue
		}
		raw[i] ^= 4
		after, err := cttar.Verify(bytes.NewReader(raw))
		if err == nil && after.Digest == before.Digest {
			t.Errorf("byte %d was changed and nothing tells", i-at)
		}
		raw[i] ^= 4
	}
}

// A terabyte of hole is no work, and a gigabyte of data no memory.
func TestMemory(t *testing.T) {
	const large = 1 << 30
	start := join(conf, sparse(512, "1099511627776", sparseMap("0\n")), head('0', "./large", "", large))
	r := io.MultiReader(bytes.NewReader(start), io.LimitReader(ramp{}, large), bytes.NewReader(mark))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, err := cttar.Verify(r)
	runtime.ReadMemStats(&after)
	if err != nil || got.Bytes != large+1<<40 {
		t.Fatalf("%+v, %v", got, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated", took)
	}
}

// ramp is the bytes 0 to 255 again and again.
type ramp struct{}

func (ramp) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

func FuzzVerify(f *testing.F) {
	f.Add(join(conf, top, mark))
	f.Add(join(conf, extended("path", "./x", "SCHILY.xattr.user.a", "b"), member('0', "./y", "data"), head('1', "./z", "x", 0), mark))
	f.Add(join(conf, sparse(1024, "1000000", sparseMap("2\n999488\n512\n1000000\n0\n")+strings.Repeat("d", 512)), mark))
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = bytes.Clone(raw)
		// Checksums are no hindrance to a forger.
		for at := 0; at+512 <= len(raw); at += 512 {
			if bytes.HasPrefix(raw[at+257:], []byte("ustar\x00")) {
				seal(raw[at:])
			}
		}
		got, err := cttar.Verify(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if got.Size != int64(len(raw)) || len(got.Config) == 0 || got.Members < 1 || got.Bytes < 0 || !bytes.HasSuffix(raw, mark) {
			t.Errorf("%+v", got)
		}
		again, err := cttar.Verify(bytes.NewReader(raw))
		if err != nil || again.Digest != got.Digest {
			t.Errorf("%+v, then %+v, %v", got, again, err)
		}
	})
}
