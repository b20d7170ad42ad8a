// Tells the licences of Go modules: for each line "DIRECTORY<tab>NAME" on standard input a line "NAME: SPDX EXPRESSION".
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/google/licensecheck"
)

// Of the files in a module's directory, those that say under which terms its code is.
var terms = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([.-].*)?$`)

var documentation = regexp.MustCompile(`(?i)\.docs?$`)

// How much of a file must be a known licence's own words, in percent: pkg.go.dev asks for as much.
const enough = 75

func main() {
	log.SetFlags(0)
	modules := bufio.NewScanner(os.Stdin)
	for modules.Scan() {
		directory, name, _ := strings.Cut(modules.Text(), "\t")
		found := licences(directory)
		if len(found) == 0 {
			log.Fatalf("%s: no licence is recognized in %s.", name, directory)
		}
		fmt.Printf("%s: %s\n", name, strings.Join(found, " AND "))
	}
}

func licences(directory string) []string {
	files, err := os.ReadDir(directory)
	if err != nil {
		log.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		if file.IsDir() || !terms.MatchString(file.Name()) || documentation.MatchString(file.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(directory, file.Name()))
		if err != nil {
			log.Fatal(err)
		}
		if covered := licensecheck.Scan(text); covered.Percent >= enough {
			for _, match := range covered.Match {
				found[match.ID] = true
			}
		}
	}
	names := []string{}
	for name := range found {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
