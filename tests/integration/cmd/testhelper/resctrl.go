package main

import (
	"errors"

	"github.com/rungoci/rung/libcontainer/rdt/fakeresctrl"
)

func fakeResctrl(args []string) error {
	if len(args) != 1 {
		return errors.New("want one folder")
	}
	return fakeresctrl.New(args[0])
}
