package tbdeploy

import "testing"

// A link and a file are not the same, though they hold the same; what is shown
// says which it is.
func TestChange(t *testing.T) {
	for name, test := range map[string]struct {
		file File
		has  Has
		what string // empty: nothing is to be done
		diff string
	}{
		"the same":             {File{Text: "a\n"}, Has{There: true, Text: "a\n"}, "", ""},
		"another text":         {File{Text: "a\n"}, Has{There: true, Text: "b\n"}, "changed", "-b\n+a\n"},
		"new":                  {File{Text: "a\n"}, Has{}, "new", "+a\n"},
		"new and empty":        {File{}, Has{}, "new", ""},
		"a link to the same":   {File{Text: "a\n"}, Has{There: true, Text: "a\n", Link: "/x"}, "changed", "-(symbolic link to /x)\n"},
		"a dangling link":      {File{Text: "a\n"}, Has{Link: "/x"}, "changed", "-(symbolic link to /x)\n+a\n"},
		"a folder":             {File{Text: "a\n"}, Has{Odd: true}, "changed", "is no file on the node\n"},
		"back to a link":       {File{Text: "a\n", Link: "/x"}, Has{There: true, Text: "a\n"}, "changed", "+(symbolic link to /x)\n"},
		"back to another link": {File{Link: "/x"}, Has{Link: "/y"}, "changed", "-(symbolic link to /y)\n+(symbolic link to /x)\n"},
		"the same link":        {File{Text: "a\n", Link: "/x"}, Has{There: true, Text: "b\n", Link: "/x"}, "", ""},
		"masked as before":     {File{Link: "/dev/null"}, Has{Odd: true, Link: "/dev/null"}, "", ""},
		"gone":                 {File{Gone: true}, Has{}, "", ""},
		"to be gone":           {File{Gone: true}, Has{There: true, Text: "a\n"}, "removed", "-a\n"},
		"a link to be gone":    {File{Gone: true}, Has{Link: "/\x1b[2J"}, "removed", "-(symbolic link to /�[2J)\n"},
	} {
		c, differs := change(test.file, test.has)
		if differs != (test.what != "") || c.What != test.what || c.Diff != test.diff {
			t.Errorf("%s: %t, %+v", name, differs, c)
		}
	}
}
