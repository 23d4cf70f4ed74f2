package tbissue

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
)

// next is a number that no issue has or had: also those that were deleted are
// in the changelogs.
func (b Book) next(year int, known []Issue) (string, error) {
	highest := 0
	note := func(text string) {
		for _, m := range idPattern().FindAllStringSubmatch(text, -1) {
			if n, err := strconv.Atoi(m[2]); err == nil && m[1] == fmt.Sprintf("%04d", year) {
				highest = max(highest, n)
			}
		}
	}
	for _, issue := range known {
		note(issue.ID)
	}
	for _, path := range []string{b.Changelog, b.Page} {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("issues: %w", err)
		}
		note(string(bytes.ToValidUTF8(text, nil)))
	}
	return fmt.Sprintf("ISSUE-%04d-%03d", year, highest+1), nil
}
