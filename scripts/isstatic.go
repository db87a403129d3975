//go:build ignore

// Isstatic says of each ELF file named whether it is statically linked: it has no PT_INTERP segment and needs no
// shared library. It ends with 1 if one is not.
//
//	go run scripts/isstatic.go FILE...
package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
)

func main() {
	status := 0
	for _, name := range os.Args[1:] {
		machine, err := check(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			status = 1
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
			continue
		}
		fmt.Printf("%-22s static, %-13s %5.1f MiB\n", name, machine, float64(info.Size())/(1<<20))
	}
	os.Exit(status)
}

// check returns the machine that the ELF file is for, or an error if it is not a static executable.
func check(name string) (elf.Machine, error) {
	file, err := elf.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return 0, errors.New("is linked dynamically: it has a PT_INTERP segment")
		}
	}
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return 0, err
	}
	if len(libraries) > 0 {
		return 0, fmt.Errorf("needs shared libraries: %v", libraries)
	}
	return file.Machine, nil
}
